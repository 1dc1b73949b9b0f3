/* scram - see scram.h. */
#include "core/auth/scram.h"

#include <string.h>

#include "core/base/mem.h"
#include "core/msg/mime.h"
#include "core/net/tls.h"

static const char malformed[] = "malformed response";

/* --- entries ---------------------------------------------------------------------------------------------------------- */

/* take_base64 - up to `end`; 0: all that is left */
static bool take_base64(struct str *rest, char end, uint8_t *out, size_t most, size_t *n)
{
	ptrdiff_t at = end ? str_chr(*rest, end) : (ptrdiff_t)rest->n;
	struct str text = at < 0 ? STR_EMPTY : str_head(*rest, (size_t)at);
	struct buf raw;
	bool good;

	buf_init(&raw, most + 2); /* padding is room, too */
	good = text.n && mime_base64_decode(&raw, text) && raw.n && raw.n <= most;
	*n = raw.n;
	if (good)
		memcpy(out, raw.p, raw.n);
	buf_wipe(&raw);
	*rest = at < 0 || (size_t)at == rest->n ? STR_EMPTY : str_from(*rest, (size_t)at + 1);
	return good;
}

bool scram_entry_read(struct str entry, struct scram_entry *e)
{
	struct str rest = str_from(entry, STR("SCRAM-SHA-256$").n);
	size_t n = 0, server_n = 0;

	if (!str_starts(entry, STR("SCRAM-SHA-256$")))
		return false;
	for (e->rounds = 0; rest.n && ascii_is_digit(*rest.p) && e->rounds <= LIMIT_PASSWORD_ROUNDS; rest = str_from(rest, 1))
		e->rounds = e->rounds * 10 + (unsigned long)(*rest.p - '0');
	if (!e->rounds || e->rounds > LIMIT_PASSWORD_ROUNDS || !rest.n || *rest.p != ':')
		return false;
	rest = str_from(rest, 1);
	return take_base64(&rest, '$', e->salt, sizeof(e->salt), &e->salt_n) && take_base64(&rest, ':', e->stored, sizeof(e->stored), &n) &&
	       take_base64(&rest, 0, e->server, sizeof(e->server), &server_n) && n == sizeof(e->stored) && server_n == sizeof(e->server);
}

void scram_entry_make(struct scram_entry *e, struct str password)
{
	uint8_t first[sizeof(e->salt) + 4], u[32], key[32];

	/* Hi() */
	memcpy(first, e->salt, e->salt_n);
	memcpy(first + e->salt_n, "\0\0\0\1", 4);
	tls_hmac_sha256(u, password.p, password.n, first, e->salt_n + 4);
	memcpy(key, u, sizeof(u));
	for (unsigned long i = 1; i < e->rounds; i++) {
		tls_hmac_sha256(u, password.p, password.n, u, sizeof(u));
		for (size_t k = 0; k < sizeof(u); k++)
			key[k] ^= u[k];
	}
	tls_hmac_sha256(e->server, key, sizeof(key), "Server Key", 10);
	tls_hmac_sha256(key, key, sizeof(key), "Client Key", 10);
	tls_sha256(e->stored, key, sizeof(key));
	mem_wipe(u, sizeof(u));
	mem_wipe(key, sizeof(key));
}

void scram_entry_format(const struct scram_entry *e, struct buf *out)
{
	buf_printf(out, "SCRAM-SHA-256$%lu:", e->rounds);
	mime_base64(out, str_make((const char *)e->salt, e->salt_n), 0);
	buf_byte(out, '$');
	mime_base64(out, str_make((const char *)e->stored, sizeof(e->stored)), 0);
	buf_byte(out, ':');
	mime_base64(out, str_make((const char *)e->server, sizeof(e->server)), 0);
}

/* same - without telling by its time where they differ */
static bool same(const uint8_t a[32], const uint8_t b[32])
{
	unsigned differs = 0;

	for (size_t i = 0; i < 32; i++)
		differs |= (unsigned)(a[i] ^ b[i]);
	return !differs;
}

bool scram_entry_fits(const struct scram_entry *e, struct str password)
{
	struct scram_entry made = *e;
	bool fits;

	scram_entry_make(&made, password);
	fits = same(made.stored, e->stored);
	mem_wipe(&made, sizeof(made));
	return fits;
}

/* --- the exchange ----------------------------------------------------------------------------------------------------- */

void scram_init(struct scram *s)
{
	*s = (struct scram){ .user = "" };
	buf_init(&s->bound, 2 * LIMIT_AUTH_USER);
	buf_init(&s->said, LIMIT_SASL_RESPONSE);
	buf_init(&s->nonce, 2 * LIMIT_SCRAM_NONCE);
}

void scram_fini(struct scram *s)
{
	buf_wipe(&s->bound);
	buf_wipe(&s->said);
	buf_wipe(&s->nonce);
	mem_wipe(&s->entry, sizeof(s->entry));
}

/* take_value - "n=VALUE," off the front; the comma may be the end of all */
static bool take_value(struct str *rest, char name, struct str *value)
{
	struct str piece;

	if (!str_cut(rest, ',', &piece)) {
		piece = *rest;
		*rest = STR_EMPTY;
	}
	*value = str_from(piece, 2);
	return piece.n >= 2 && piece.p[0] == name && piece.p[1] == '=';
}

/* take_name - a saslname: a comma is "=2C" in it, and an equals sign "=3D" */
static bool take_name(struct str name, char out[LIMIT_AUTH_USER])
{
	size_t n = 0;

	while (name.n && n < LIMIT_AUTH_USER - 1) {
		bool comma = str_starts(name, STR("=2C")), equals = str_starts(name, STR("=3D"));

		if (ascii_is_control(*name.p) || (*name.p == '=' && !comma && !equals))
			return false;
		out[n++] = comma ? ',' : *name.p;
		name = str_from(name, comma || equals ? 3 : 1);
	}
	out[n] = 0;
	return n && !name.n && str_is_utf8(str_make(out, n));
}

static bool is_nonce(struct str v)
{
	return str_is_token(v) && v.n <= LIMIT_SCRAM_NONCE;
}

/* take_flag - the word about binding; NULL, or why the exchange ends */
static const char *take_flag(struct str flag, const struct scram_channel *channel)
{
	if (str_eq(flag, STR("p=tls-exporter")))
		return !channel->plus ? "channel binding is of SCRAM-SHA-256-PLUS" : !channel->exporter ? "this channel cannot be bound" : NULL;
	if (str_starts(flag, STR("p=")))
		return "the channel binding is not tls-exporter";
	if (channel->plus)
		return "SCRAM-SHA-256-PLUS without channel binding";
	if (str_eq(flag, STR("y")))
		return channel->offered ? "the client was not told that channels can be bound: is somebody between?" : NULL;
	return str_eq(flag, STR("n")) ? NULL : malformed;
}

const char *scram_first(struct scram *s, struct str message, const struct scram_channel *channel, struct str ours)
{
	struct str rest = message, flag, authorize, name, nonce;
	char other[LIMIT_AUTH_USER];
	const char *no;

	if (!str_cut(&rest, ',', &flag) || !str_cut(&rest, ',', &authorize))
		return malformed;
	no = take_flag(flag, channel);
	if (no)
		return no;
	buf_str(&s->bound, str_make(message.p, (size_t)(rest.p - message.p)));
	if (channel->plus)
		buf_add(&s->bound, channel->exporter, 32);
	buf_str(&s->said, rest);
	/* an extension that must be understood is "m=", and is none of ours */
	if (!take_value(&rest, 'n', &name) || !take_name(name, s->user) || !take_value(&rest, 'r', &nonce) || !is_nonce(nonce))
		return malformed;
	if (authorize.n && (!str_starts(authorize, STR("a=")) || !take_name(str_from(authorize, 2), other)))
		return malformed;
	if (authorize.n && strcmp(other, s->user) != 0)
		return "no right to act for another user";
	buf_str(&s->nonce, nonce);
	buf_str(&s->nonce, ours);
	return s->bound.overflow || s->said.overflow || s->nonce.overflow ? malformed : NULL;
}

void scram_challenge(struct scram *s, struct buf *out)
{
	size_t before = out->n;

	buf_printf(out, "r=%s,s=", buf_cstr(&s->nonce));
	mime_base64(out, str_make((const char *)s->entry.salt, s->entry.salt_n), 0);
	buf_printf(out, ",i=%lu", s->entry.rounds);
	buf_byte(&s->said, ',');
	buf_str(&s->said, str_from(buf_view(out), before));
}

static bool is_bound(const struct scram *s, struct str text)
{
	struct buf raw;
	bool good;

	buf_init(&raw, s->bound.max + 2);
	good = mime_base64_decode(&raw, text) && str_eq(buf_view(&raw), buf_view(&s->bound));
	buf_wipe(&raw);
	return good;
}

const char *scram_final(struct scram *s, struct str message, struct buf *out)
{
	ptrdiff_t comma = str_rchr(message, ',');
	struct str rest = str_head(message, comma < 0 ? 0 : (size_t)comma), all = rest, last, bound, nonce;
	uint8_t signature[32], key[32];
	size_t n = 0;

	last = str_from(message, rest.n + 1);
	if (!take_value(&rest, 'c', &bound) || !take_value(&rest, 'r', &nonce) || !str_starts(last, STR("p=")))
		return malformed;
	last = str_from(last, 2);
	if (!take_base64(&last, 0, key, sizeof(key), &n) || n != sizeof(key) || !str_eq(nonce, buf_view(&s->nonce)))
		return malformed;
	if (!is_bound(s, bound))
		return "the channel is not the client's: is somebody between?";
	buf_byte(&s->said, ',');
	buf_str(&s->said, all);
	if (s->said.overflow)
		return malformed;
	tls_hmac_sha256(signature, s->entry.stored, sizeof(s->entry.stored), s->said.p, s->said.n);
	for (size_t i = 0; i < sizeof(key); i++)
		key[i] ^= signature[i];
	tls_sha256(key, key, sizeof(key));
	if (!same(key, s->entry.stored))
		return "";
	tls_hmac_sha256(signature, s->entry.server, sizeof(s->entry.server), s->said.p, s->said.n);
	buf_z(out, "v=");
	mime_base64(out, str_make((const char *)signature, sizeof(signature)), 0);
	return NULL;
}
