/* endpoint - see endpoint.h. */
#include "core/oauth/endpoint.h"

#include <string.h>

#include "core/base/format.h"
#include "core/base/limits.h"
#include "core/msg/date.h"

#define FETCH_TIME (30 * USEC_PER_SEC)         /* for a request and its answer */
#define SKEW (5 * 60 * USEC_PER_SEC)           /* what endpoints let pass */

/* what the words of RFC 6749 section 5.2 and RFC 8628 section 3.5 mean to who has to mend it */
static const struct { const char *error, *means; } rows[] = {
	{ "invalid_grant", "the grant has ended or was revoked: log in again, relayctl oauth login; or a service account may not act for its "
		"subject" },
	{ "invalid_client", "client_id or client_secret is wrong, or the secret has ended" },
	{ "unauthorized_client", "the client is not registered for this: allow public clients and this grant where it is registered" },
	{ "invalid_scope", "the scope is not one that this client may ask for" },
	{ "unsupported_grant_type", "the endpoint does not know this grant: is it the right one?" },
	{ "interaction_required", "a person must agree again: relayctl oauth login" },
	{ "consent_required", "a person must agree again: relayctl oauth login" },
	{ "access_denied", "whoever was asked said no" },
	{ "expired_token", "the code was not entered in time: begin again" },
};

struct fetch *endpoint_post(const struct endpoint *e, struct str url, struct str form, fetch_fn fn, void *ctx)
{
	struct fetch_options f = { .loop = e->loop, .dns = e->dns, .accept = "application/json", .type = "application/x-www-form-urlencoded",
		.most = LIMIT_OAUTH_TEXT, .time = FETCH_TIME, .families = 3, .names = DNS_NATIVE, .tls = e->tls, .body = form };

	(void)fetch_split(url, &f.host, &f.port, &f.path);
	return fetch_start(&f, fn, ctx);
}

usec endpoint_skew(struct str date, usec now)
{
	usec at;

	return date_http(date, &at) ? now - at : 0;
}

static void say_error(const struct oauth_answer *a, int status, char *why, size_t n)
{
	format_text(why, n, "the token endpoint says %d %.*s%s%.*s", status, STR_ARG(str_head(a->error, a->error.n < 60 ? a->error.n : 60)),
		a->description.n ? ": " : "", STR_ARG(str_head(a->description, a->description.n < 250 ? a->description.n : 250)));
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (str_eq(a->error, str_of(rows[i].error)))
			format_text(why + strlen(why), n - strlen(why), " (%s)", rows[i].means);
}

bool endpoint_hear(const struct fetch_answer *answer, usec now, struct arena *arena, struct oauth_answer *out, char *why, size_t n)
{
	bool good = credential_hear(answer->body, arena, out);
	usec skew = answer->status ? endpoint_skew(answer->date, now) : 0, far = skew < 0 ? -skew : skew;

	if (answer->status == 200 && good && out->access_token.n)
		return true;
	if (!answer->status)
		format_text(why, n, "the token endpoint: %s", answer->why);
	else if (good && out->error.n)
		say_error(out, answer->status, why, n);
	else
		format_text(why, n, "the token endpoint answers %d without a token", answer->status);
	if (far > SKEW)
		format_text(why + strlen(why), n - strlen(why), "; this host's clock is %lld s %s the endpoint's", (long long)(far / USEC_PER_SEC),
			skew > 0 ? "ahead of" : "behind");
	for (char *p = why; *p; p++)
		if ((unsigned char)*p < ' ' || *p == 127)
			*p = '?';
	return false;
}
