/* login - see login.h. */
#include "core/oauth/login.h"

#include <string.h>

#include "core/base/format.h"
#include "core/base/limits.h"
#include "core/base/random.h"

/* Nothing listens there: the person copies the address. Providers take any port of loopback for programs on desktops (RFC 8252 7.3) */
#define REDIRECT "http://127.0.0.1/"
#define LONGEST (60 * USEC_PER_SEC)            /* between two questions when the endpoint is in trouble */

static const struct oauth_provider providers[] = {
	{ "microsoft", "https://login.microsoftonline.com/*/oauth2/v2.0/devicecode", "", "https://login.microsoftonline.com/*/oauth2/v2.0/token",
		"https://outlook.office.com/SMTP.Send offline_access", "smtp.office365.com" },
	/* its device grant is for a few scopes, and mail is none of them */
	{ "google", "", "https://accounts.google.com/o/oauth2/v2/auth", "https://oauth2.googleapis.com/token", "https://mail.google.com/", "smtp.gmail.com" },
};

const struct oauth_provider *oauth_provider_find(const char *name)
{
	for (size_t i = 0; i < sizeof(providers) / sizeof(providers[0]); i++)
		if (!strcmp(providers[i].name, name))
			return &providers[i];
	return NULL;
}

/* --- one request, waited for ------------------------------------------------------------------------------------------------ */

struct asked {
	struct loop *loop;
	struct arena *arena;
	struct fetch_answer answer;    /* its texts are in the arena */
	char why[200];
	struct loop_timer timer;
};

static void on_answer(void *ctx, const struct fetch_answer *a)
{
	struct asked *x = ctx;

	format_text(x->why, sizeof(x->why), "%s", a->why);
	x->answer = (struct fetch_answer){ .status = a->status, .body = arena_str(x->arena, a->body), .date = arena_str(x->arena, a->date), .why = x->why };
	loop_stop(x->loop);
}

static void ask(const struct oauth_login *l, struct str url, struct buf *form, struct asked *x, struct arena *a)
{
	x->loop = l->endpoint.loop;
	x->arena = a;
	endpoint_post(&l->endpoint, url, buf_view(form), on_answer, x);
	buf_wipe(form);
	loop_run(x->loop);
}

static void on_due(struct loop_timer *t)
{
	loop_stop(LIST_ITEM(t, struct asked, timer)->loop);
}

static void pause_for(struct loop *l, usec time)
{
	struct asked x = { .loop = l };

	loop_timer_init(&x.timer, on_due);
	loop_timer_set(l, &x.timer, clock_mono() + time);
	loop_run(l);
}

/* --- the device grant -------------------------------------------------------------------------------------------------------- */

/* look - has the code been entered? True: out says how it ended, or why does. What may pass, a server in trouble, is asked again later */
static bool look(const struct oauth_login *l, const struct oauth_device *d, usec *interval, struct arena *a, struct oauth_answer *out, char *why)
{
	struct asked x;
	struct buf form;

	buf_init(&form, LIMIT_OAUTH_TEXT);
	device_ask(d, l->client_id, l->client_secret, &form);
	ask(l, l->token, &form, &x, a);
	if (endpoint_hear(&x.answer, clock_wall(), a, out, why, LIMIT_OAUTH_WHY))
		return true;
	if (device_waits(out->error, interval))
		return false;
	if (x.answer.status && x.answer.status < 500)
		return true;
	*interval = 2 * *interval < LONGEST ? 2 * *interval : LONGEST;
	return false;
}

static bool by_looks(const struct oauth_login *l, const struct oauth_device *d, struct arena *a, struct oauth_answer *out, char *why)
{
	usec end = clock_mono() + d->lives, interval = d->interval;
	struct arena heard;
	bool over = false;

	/* of its own: there may be hundreds of answers */
	arena_init(&heard, 8 * LIMIT_OAUTH_TEXT);
	while (!over && clock_mono() < end) {
		pause_for(l->endpoint.loop, interval);
		arena_reset(&heard);
		over = look(l, d, &interval, &heard, out, why);
	}
	out->access_token = arena_str(a, out->access_token);
	out->refresh_token = arena_str(a, out->refresh_token);
	arena_fini(&heard);
	if (!over)
		format_text(why, LIMIT_OAUTH_WHY, "the code was not entered in time: begin again");
	return over && out->access_token.n;
}

static bool by_device(const struct oauth_login *l, struct arena *a, struct oauth_answer *out, char *why)
{
	struct oauth_device d;
	struct asked x;
	struct buf form;

	buf_init(&form, LIMIT_OAUTH_TEXT);
	credential_put(&form, "client_id", l->client_id);
	credential_put(&form, "scope", l->scope);
	ask(l, l->device, &form, &x, a);
	if (x.answer.status != 200 || !device_hear(x.answer.body, a, &d)) {
		/* its refusals have the form of a token endpoint's (section 3.2) */
		if (endpoint_hear(&x.answer, clock_wall(), a, out, why, LIMIT_OAUTH_WHY))
			format_text(why, LIMIT_OAUTH_WHY, "the device endpoint gives no code: is it a token endpoint?");
		return false;
	}
	l->show(l->ctx, &d);
	return by_looks(l, &d, a, out, why);
}

/* --- the code grant ------------------------------------------------------------------------------------------------------------ */

/* secret_text - 32 random bytes in base64url (RFC 7636 section 4.1) */
static struct str secret_text(struct arena *a, const uint8_t bytes[32])
{
	char text[44];
	struct buf coded;

	buf_init(&coded, sizeof(text));
	credential_base64(&coded, str_make((const char *)bytes, 32));
	format_text(text, sizeof(text), "%.*s", STR_ARG(buf_view(&coded)));
	buf_wipe(&coded);
	return arena_str(a, str_of(text));
}

/* parameter - of a query, decoded */
static struct str parameter(struct str query, struct str name, struct arena *a)
{
	struct str part, key, copy = STR_EMPTY;
	char *to;
	size_t n = 0;

	while (str_cut(&query, '&', &part)) {
		if (!str_cut(&part, '=', &key) || !str_eq(key, name))
			continue;
		copy = arena_str(a, part);
		to = (char *)(uintptr_t)copy.p;
		for (size_t i = 0; i < copy.n; i++) {
			int coded = copy.p[i] == '%' ? str_hex_byte(copy, i + 1) : -1;

			to[n++] = coded < 0 ? copy.p[i] : (char)coded;
			i += coded < 0 ? 0 : 2;
		}
		return str_head(copy, n);
	}
	return copy;
}

struct str login_code(struct str pasted, struct str state, struct arena *a, const char **why)
{
	struct str query, code;
	ptrdiff_t at;

	pasted = str_trim(pasted);
	if ((at = str_chr(pasted, '#')) >= 0)
		pasted = str_head(pasted, (size_t)at);
	at = str_chr(pasted, '?');
	*why = "that has no code";
	if (at < 0)
		return str_starts(pasted, STR("http")) ? STR_EMPTY : arena_str(a, pasted);
	query = str_from(pasted, (size_t)at + 1);
	code = parameter(query, STR("code"), a);
	if (parameter(query, STR("error"), a).n)
		*why = str_eq(parameter(query, STR("error"), a), STR("access_denied")) ? "whoever was asked said no" : "the provider refuses";
	if (code.n && !str_eq(parameter(query, STR("state"), a), state)) {
		*why = "that is the answer to another login";
		return STR_EMPTY;
	}
	return code;
}

static bool by_code(const struct oauth_login *l, struct arena *a, struct oauth_answer *out, char *why)
{
	uint8_t bytes[64], digest[32];
	const char *bad = "given up";
	struct str verifier, state, code = STR_EMPTY;
	struct buf form, pasted;
	struct asked x;

	random_bytes(bytes, sizeof(bytes));
	verifier = secret_text(a, bytes);
	state = secret_text(a, bytes + 32);
	tls_sha256(digest, verifier.p, verifier.n);
	buf_init(&form, LIMIT_OAUTH_TEXT);
	buf_init(&pasted, LIMIT_OAUTH_TEXT);
	credential_put(&form, "response_type", STR("code"));
	credential_put(&form, "client_id", l->client_id);
	credential_put(&form, "redirect_uri", STR(REDIRECT));
	credential_put(&form, "scope", l->scope);
	credential_put(&form, "state", state);
	credential_put(&form, "code_challenge", secret_text(a, digest));
	credential_put(&form, "code_challenge_method", STR("S256"));
	/* or Google gives no refresh token to who has agreed before */
	credential_put(&form, "access_type", STR("offline"));
	credential_put(&form, "prompt", STR("consent"));
	if (l->paste(l->ctx, arena_printf(a, "%.*s%c%.*s", STR_ARG(l->authorize), str_chr(l->authorize, '?') < 0 ? '?' : '&', STR_ARG(buf_view(&form))), &pasted))
		code = login_code(buf_view(&pasted), state, a, &bad);
	buf_wipe(&pasted);
	buf_clear(&form);
	if (!code.n) {
		buf_fini(&form);
		format_text(why, LIMIT_OAUTH_WHY, "%s", bad);
		return false;
	}
	credential_put(&form, "grant_type", STR("authorization_code"));
	credential_put(&form, "client_id", l->client_id);
	credential_put(&form, "client_secret", l->client_secret);
	credential_put(&form, "code", code);
	credential_put(&form, "code_verifier", verifier);
	credential_put(&form, "redirect_uri", STR(REDIRECT));
	ask(l, l->token, &form, &x, a);
	return endpoint_hear(&x.answer, clock_wall(), a, out, why, LIMIT_OAUTH_WHY);
}

bool oauth_login(const struct oauth_login *l, struct arena *a, struct oauth_answer *out, char *why)
{
	*why = 0;
	return l->device.n ? by_device(l, a, out, why) : by_code(l, a, out, why);
}
