/* credential - see credential.h. */
#include "core/oauth/credential.h"

#include <string.h>

#include "core/base/json_read.h"
#include "core/base/limits.h"
#include "core/base/mem.h"
#include "core/msg/mime.h"
#include "core/net/fetch.h"

#define ASSERTION_LIVES 600            /* seconds; the endpoint takes at most an hour */

/* --- reading -------------------------------------------------------------------------------------------------------- */

static void on_member(void *ctx, const struct json_member *m)
{
	struct oauth_credential *c = ctx;
	const struct { const char *name; struct str *to; } rows[] = {
		{ "client_id", &c->client_id }, { "client_secret", &c->client_secret }, { "refresh_token", &c->refresh_token },
		{ "access_token", &c->access_token }, { "token_endpoint", &c->endpoint }, { "token_uri", &c->endpoint }, { "scope", &c->scope },
		{ "client_email", &c->issuer }, { "private_key", &c->private_key }, { "subject", &c->subject },
		{ "user", &c->user },
	};
	uint64_t seconds;

	if (m->kind == JSON_STRING)
		for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
			if (str_eq(m->name, str_of(rows[i].name)))
				*rows[i].to = m->value;
	if (m->kind <= JSON_NUMBER && str_eq(m->name, STR("expiry")) && str_to_u64(m->value, &seconds) && seconds < LIMIT_OAUTH_EXPIRY)
		c->expiry = (usec)seconds * USEC_PER_SEC;
}

static bool say(struct buf *why, const char *text)
{
	buf_z(why, text);
	return false;
}

bool credential_read(struct str text, struct arena *a, struct oauth_credential *out, struct buf *why)
{
	struct str host, path;
	uint16_t port;

	*out = (struct oauth_credential){ .expiry = 0 };
	if (!json_read_object(text, a, on_member, out))
		return say(why, "not a JSON object");
	out->grant = out->private_key.n ? OAUTH_JWT : out->refresh_token.n ? OAUTH_REFRESH : OAUTH_CLIENT;
	if (!str_is_token(out->access_token))
		out->access_token = STR_EMPTY;
	if (!fetch_split(out->endpoint, &host, &port, &path))
		return say(why, "token_endpoint is not an https:// address");
	if (out->grant == OAUTH_JWT)
		return out->issuer.n || say(why, "private_key without client_email");
	if (!out->client_id.n)
		return say(why, "no client_id");
	return out->grant == OAUTH_REFRESH || out->client_secret.n ||
		say(why, "neither refresh_token nor client_secret: relayctl oauth login makes one");
}

/* --- asking ---------------------------------------------------------------------------------------------------------- */

void credential_put(struct buf *out, const char *name, struct str value)
{
	if (!value.n)
		return;
	buf_printf(out, "%s%s=", out->n ? "&" : "", name);
	buf_uri(out, value);
}

void credential_base64(struct buf *out, struct str in)
{
	size_t at = out->n;

	mime_base64(out, in, 0);
	while (out->n > at && out->p[out->n - 1] == '=')
		buf_truncate(out, out->n - 1);
	for (; at < out->n; at++)
		out->p[at] = out->p[at] == '+' ? '-' : out->p[at] == '/' ? '_' : out->p[at];
}

static void put_json(struct buf *out, const char *name, struct str value)
{
	buf_printf(out, "%s\"%s\":", out->p[out->n - 1] == '{' ? "" : ",", name);
	buf_json(out, value);
}

/* put_signature - RS256 (RFC 7518 section 3.3) of what stands in out, behind it; false with why */
static bool put_signature(struct str private_key, struct buf *out, struct buf *why)
{
	uint8_t digest[32], signature[TLS_SIGNATURE_MAX];
	char *pem = str_dup(private_key);
	struct tls_key *key = tls_key_new((struct str){ pem, private_key.n });
	size_t n;

	mem_wipe(pem, private_key.n);
	mem_free(pem);
	if (!key) {
		buf_z(why, "the private key is no RSA key in PEM form");
		return false;
	}
	tls_sha256(digest, buf_view(out).p, buf_view(out).n);
	n = tls_key_sign(key, digest, signature);
	tls_key_free(key);
	if (!n)
		buf_z(why, "the private key cannot sign");
	buf_byte(out, '.');
	credential_base64(out, (struct str){ (const char *)signature, n });
	return n > 0;
}

/* RFC 7523 section 3, RFC 7515 appendix A.2 */
static bool make_assertion(const struct oauth_credential *c, usec now, struct buf *out, struct buf *why)
{
	struct buf claims;
	bool good;

	buf_init(&claims, LIMIT_OAUTH_TEXT);
	buf_byte(&claims, '{');
	put_json(&claims, "iss", c->issuer);
	if (c->subject.n)
		put_json(&claims, "sub", c->subject);
	if (c->scope.n)
		put_json(&claims, "scope", c->scope);
	put_json(&claims, "aud", c->endpoint);
	buf_printf(&claims, ",\"iat\":%lld,\"exp\":%lld}", (long long)(now / USEC_PER_SEC), (long long)(now / USEC_PER_SEC) + ASSERTION_LIVES);
	credential_base64(out, STR("{\"alg\":\"RS256\",\"typ\":\"JWT\"}"));
	buf_byte(out, '.');
	credential_base64(out, buf_view(&claims));
	good = put_signature(c->private_key, out, why);
	buf_fini(&claims);
	return good;
}

bool credential_ask(const struct oauth_credential *c, usec now_wall, struct buf *out, struct buf *why)
{
	struct buf assertion;
	bool good = true;

	buf_init(&assertion, LIMIT_OAUTH_TEXT);
	switch (c->grant) {
	case OAUTH_REFRESH:
		credential_put(out, "grant_type", STR("refresh_token"));
		credential_put(out, "client_id", c->client_id);
		credential_put(out, "client_secret", c->client_secret);
		credential_put(out, "refresh_token", c->refresh_token);
		credential_put(out, "scope", c->scope);
		break;
	case OAUTH_CLIENT:
		credential_put(out, "grant_type", STR("client_credentials"));
		credential_put(out, "client_id", c->client_id);
		credential_put(out, "client_secret", c->client_secret);
		credential_put(out, "scope", c->scope);
		break;
	case OAUTH_JWT:
		good = make_assertion(c, now_wall, &assertion, why);
		credential_put(out, "grant_type", STR("urn:ietf:params:oauth:grant-type:jwt-bearer"));
		credential_put(out, "assertion", buf_view(&assertion));
		break;
	}
	buf_wipe(&assertion);
	return good;
}

void credential_write(const struct oauth_credential *c, struct buf *out)
{
	const struct { const char *name; struct str value; bool must; } rows[] = {
		{ "user", c->user, false }, { "client_id", c->client_id, true }, { "client_secret", c->client_secret, true },
		{ "token_endpoint", c->endpoint, true }, { "scope", c->scope, false }, { "refresh_token", c->refresh_token, true },
		{ "access_token", c->access_token, true },
	};

	buf_byte(out, '{');
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		if (!rows[i].must && !rows[i].value.n)
			continue;
		buf_printf(out, "\n  \"%s\": ", rows[i].name);
		buf_json(out, rows[i].value);
		buf_byte(out, ',');
	}
	/* a text, as sasl-xoauth2 has it */
	buf_printf(out, "\n  \"expiry\": \"%lld\"\n}\n", (long long)(c->expiry / USEC_PER_SEC));
}

/* --- hearing --------------------------------------------------------------------------------------------------------- */

static void on_answer(void *ctx, const struct json_member *m)
{
	struct oauth_answer *a = ctx;
	const struct { const char *name; struct str *to; } rows[] = {
		{ "access_token", &a->access_token }, { "refresh_token", &a->refresh_token }, { "error", &a->error },
		{ "error_description", &a->description },
	};
	uint64_t seconds;

	if (m->kind == JSON_STRING)
		for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
			if (str_eq(m->name, str_of(rows[i].name)))
				*rows[i].to = m->value;
	/* some servers write the number as a string */
	if (m->kind <= JSON_NUMBER && str_eq(m->name, STR("expires_in")) && str_to_u64(m->value, &seconds) && seconds < LIMIT_OAUTH_LIVES)
		a->lives = (usec)seconds * USEC_PER_SEC;
}

bool credential_hear(struct str json, struct arena *a, struct oauth_answer *out)
{
	*out = (struct oauth_answer){ .lives = 0 };
	if (!json_read_object(json, a, on_answer, out))
		return false;
	if (!str_is_token(out->access_token))
		out->access_token = STR_EMPTY;
	return out->access_token.n || out->error.n;
}
