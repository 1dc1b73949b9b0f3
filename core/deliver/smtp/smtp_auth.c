/* smtp_auth - logging in to a server: whose password, which mechanism, and what a refusal means.
 *
 * Keys of smtp_sasl_password_maps in Postfix's order (docs/postfix-semantics.md): the sender (only with
 * smtp_sender_dependent_authentication), the server's name as it was connected to, the next hop as it is written. No
 * entry: no AUTH. A refused login defers, whatever its code: a wrong password must not make mail bounce. */
#include "core/base/log.h"
#include "core/base/mem.h"
#include "core/deliver/deliver_private.h"
#include "core/deliver/smtp/smtp_auth.h"
#include "core/deliver/smtp/smtp_try.h"
#include "core/msg/mime.h"
#include "core/oauth/oauth.h"
#include "core/policy/find_told.h"
#include "core/smtp/token.h"

#define TOKEN_TIME (150 * USEC_PER_SEC)        /* for a server to wait while a token endpoint is asked; servers wait for 5 minutes */

/* --- whose password ------------------------------------------------------------------------------------------------- */

static void set_login(struct smtp_session *s, struct str user, struct str password)
{
	smtp_auth_forget(s);
	buf_init(&s->login, 2 * (size_t)LIMIT_MAP_VALUE);
	buf_str(&s->login, user);
	buf_byte(&s->login, 0);
	buf_str(&s->login, password);
	s->sasl.user = str_make(s->login.p, user.n);
	s->sasl.password = str_make(s->login.p + user.n + 1, password.n);
}

static enum map_answer ask(struct smtp_profile *p, struct str key, bool partial, struct buf *out, struct buf *trace)
{
	return find_told(&p->sasl, "smtp_sasl_password_maps", key, partial, out, trace);
}

/* ask_sender - by the keys of an address (core/route/rewriting.h) */
static enum map_answer ask_sender(struct router *r, struct smtp_profile *p, struct str sender, struct buf *out, struct buf *trace)
{
	enum map_answer got = MAP_NONE;
	struct address_keys keys;
	struct address_key key;
	struct arena a;
	int more = 1;

	arena_init(&a, 64 * 1024);
	address_keys_begin(&keys, r, &a, sender);
	while (got == MAP_NONE && (more = address_keys_next(&keys, &key)) > 0)
		got = ask(p, key.text, key.partial, out, trace);
	arena_fini(&a);
	return more < 0 ? MAP_ERROR : got;
}

static enum map_answer find_own(struct deliver *d, struct smtp_profile *p, struct str sender, struct buf *out, struct buf *trace)
{
	return p->conf->smtp_sender_dependent_authentication && sender.n ? ask_sender(d->o.router, p, sender, out, trace) : MAP_NONE;
}

static enum map_answer find_of_site(struct smtp_profile *p, const struct smtp_target *t, struct buf *out, struct buf *trace)
{
	enum map_answer got = t->host[0] ? ask(p, str_of(t->host), false, out, trace) : MAP_NONE;

	return got == MAP_NONE ? ask(p, str_of(t->site), false, out, trace) : got;
}

enum map_answer smtp_auth_find(struct deliver *d, struct smtp_profile *p, const struct smtp_target *t, struct str sender,
	struct buf *out, struct buf *trace)
{
	enum map_answer got = find_own(d, p, sender, out, trace);

	return got == MAP_NONE ? find_of_site(p, t, out, trace) : got;
}

struct str deliver_login(struct deliver *d, struct arena *a, const struct master_transport *t, struct str nexthop, struct str sender)
{
	struct str name = STR_EMPTY, secret;
	const char *user, *password;
	struct smtp_profile *p;
	struct buf value;

	if (!smtp_profile_is(t) || !t->conf->smtp_sasl_auth_enable || !t->conf->smtp_sender_dependent_authentication || !sender.n ||
	    conf_relay_login(t->conf, nexthop, &user, &password))
		return STR_EMPTY;
	p = smtp_profile_find(d, t);
	buf_init(&value, LIMIT_MAP_VALUE);
	if (find_own(d, p, sender, &value, NULL) == MAP_FOUND)
		smtp_profile_split_login(p, str_trim(buf_view(&value)), &name, &secret);
	name = arena_str(a, name);
	buf_wipe(&value);
	smtp_profile_unref(p);
	return name;
}

static enum map_answer find_login(struct smtp_session *s)
{
	const char *user, *password;
	struct str name, secret;
	enum map_answer got;
	struct buf value;

	if (conf_relay_login(s->profile->conf, str_of(s->target.site), &user, &password)) {
		set_login(s, str_of(user), str_of(password));
		return MAP_FOUND;
	}
	buf_init(&value, LIMIT_MAP_VALUE);
	got = find_own(s->d, s->profile, s->try->job->envelope->sender, &value, NULL);
	s->own_login = got != MAP_NONE;
	if (got == MAP_NONE)
		got = find_of_site(s->profile, &s->target, &value, NULL);
	if (got == MAP_FOUND) {
		smtp_profile_split_login(s->profile, str_trim(buf_view(&value)), &name, &secret);
		set_login(s, name, secret);
	}
	buf_wipe(&value);
	return got;
}

bool smtp_auth_is_known(struct smtp_session *s)
{
	enum map_answer got = s->profile->conf->smtp_sasl_auth_enable && s->try ? find_login(s) : MAP_NONE;

	smtp_auth_forget(s);
	return got != MAP_NONE;
}

void smtp_auth_forget(struct smtp_session *s)
{
	if (s->oauth)
		oauth_cancel(s->oauth);
	s->oauth = NULL;
	mem_free(s->token_error);
	s->token_error = NULL;
	s->credential = STR_EMPTY;
	buf_wipe(&s->login);
	buf_wipe(&s->token);
	s->sasl = (struct sasl_client){ .mechanism = NULL };
}

/* --- the exchange ----------------------------------------------------------------------------------------------------- */

static void cannot(struct smtp_session *s, struct reply *failed, const char *why, const char *more)
{
	char said[300];

	smtp_target_said(&s->target, said);
	reply_set(failed, 454, "4.7.0", "SASL authentication failed; cannot authenticate to server %s: %s%s", said, why, more);
}

/* say_auth - the secret is at hand: false with the reply */
static bool say_auth(struct smtp_session *s, struct reply *failed)
{
	const char *mechanism = s->sasl.mechanism;
	struct buf first;
	bool good;

	buf_init(&first, LIMIT_SASL_RESPONSE);
	good = !sasl_has_initial(mechanism) || sasl_respond(&s->sasl, STR_EMPTY, &first);
	if (good)
		smtp_client_auth(&s->client, mechanism, buf_view(&first), sasl_has_initial(mechanism));
	else
		cannot(s, failed, "no response for ", mechanism);
	buf_wipe(&first);
	return good;
}

static void on_token(void *ctx, struct str token, const char *why)
{
	struct smtp_session *s = ctx;
	struct reply failed;

	s->oauth = NULL;
	buf_str(&s->token, token);
	s->sasl.password = buf_view(&s->token);
	if (!token.n)
		cannot(s, &failed, *why ? why : "no access token", "");
	s->on_auth(s, token.n && say_auth(s, &failed) ? NULL : &failed);
}

/* wait_for_token - the token is made by somebody else, who may have to be asked first */
static enum smtp_auth wait_for_token(struct smtp_session *s)
{
	s->credential = s->sasl.password;
	conn_deadline(s->conn, loop_now(s->d->o.loop) + TOKEN_TIME);
	s->oauth = oauth_ask(s->d->oauth, s->credential, s->profile->conf, on_token, s);
	return SMTP_AUTH_WAITS;
}

/* choose - the best mechanism of those that suit the secret: what names a credential is shown to no server as a password */
static const char *choose(struct smtp_session *s, bool tls, bool has_credential, struct buf *why)
{
	const struct conf *c = s->profile->conf;
	const char *filter = has_credential && !*c->smtp_sasl_mechanism_filter ? "xoauth2, oauthbearer" : c->smtp_sasl_mechanism_filter;
	const char *mechanism = sasl_choose(s->client.auth_mechanisms, tls ? s->profile->sasl_forbidden_tls : s->profile->sasl_forbidden,
		filter, why);

	if (!mechanism || !has_credential || sasl_takes_token(mechanism))
		return mechanism;
	buf_printf(why, "the password is the name of a credential for tokens, and smtp_sasl_mechanism_filter leads to %s", mechanism);
	return NULL;
}

enum smtp_auth smtp_auth_begin(struct smtp_session *s, struct reply *failed, void (*on_auth)(struct smtp_session *s, const struct reply *failed))
{
	const struct conf *c = s->profile->conf;
	bool tls = conn_tls(s->conn) != NULL, started = false, has_credential;
	enum map_answer got;
	struct buf why;

	if (!c->smtp_sasl_auth_enable || !(s->client.extensions & SMTP_EXT_AUTH))
		return SMTP_AUTH_NONE;
	got = find_login(s);
	if (got == MAP_NONE)
		return SMTP_AUTH_NONE;
	if (got == MAP_ERROR) {
		reply_set(failed, 454, "4.3.0", "smtp_sasl_password_maps lookup error for %s", s->target.site);
		return SMTP_AUTH_FAILED;
	}
	buf_init(&why, 300);
	has_credential = oauth_is(s->sasl.password);
	s->sasl.mechanism = choose(s, tls, has_credential, &why);
	s->sasl.step = 0;
	buf_init(&s->token, LIMIT_SASL_RESPONSE);
	if (s->sasl.mechanism && has_credential) {
		buf_fini(&why);
		s->on_auth = on_auth;
		return wait_for_token(s);
	}
	if (!s->sasl.mechanism || !token_find(s->sasl.mechanism, s->sasl.password, &s->token, &s->sasl.password, &why))
		cannot(s, failed, buf_cstr(&why), tls || s->sasl.mechanism ? "" : " (the session has no TLS)");
	else
		started = say_auth(s, failed);
	buf_fini(&why);
	return started ? SMTP_AUTH_STARTED : SMTP_AUTH_FAILED;
}

bool smtp_auth_challenge(struct smtp_session *s)
{
	struct buf challenge, response;
	bool ok;

	buf_init(&challenge, LIMIT_SASL_RESPONSE);
	buf_init(&response, LIMIT_SASL_RESPONSE);
	ok = mime_base64_decode(&challenge, str_trim(str_of(s->client.reply.text))) &&
		sasl_respond(&s->sasl, buf_view(&challenge), &response);
	if (sasl_takes_token(s->sasl.mechanism)) {
		char said[300];
		struct buf words;

		smtp_target_said(&s->target, said);
		log_warn(smtp_session_service(s), "host %s refused the token: %s", said, buf_cstr(&challenge));
		buf_init(&words, LIMIT_REPLY_TEXT / 2);
		token_error(buf_view(&challenge), &words);
		mem_free(s->token_error);
		s->token_error = buf_take(&words);
	}
	smtp_client_auth_step(&s->client, ok ? str_make(response.p ? response.p : "", response.n) : STR_EMPTY);
	buf_wipe(&response);
	buf_fini(&challenge);
	return ok;
}

/* stands_in - what is sent in base64 begins with these bytes; whole groups only, for what follows changes the last one */
static bool stands_in(struct str line, struct str bytes)
{
	struct buf coded;
	bool found;

	buf_init(&coded, LIMIT_SASL_RESPONSE * 2);
	mime_base64(&coded, str_head(bytes, bytes.n / 3 * 3), 0);
	found = coded.n && str_find(line, buf_view(&coded)) >= 0;
	buf_wipe(&coded);
	return found;
}

/* repeats_login - some servers repeat the command that they do not know, which has the password in it: that is for no log */
static bool repeats_login(const struct smtp_session *s, struct str line)
{
	static const char *const before[] = { "", "user=", "n,a=" };
	struct buf first;
	bool found = stands_in(line, s->sasl.password) || (s->sasl.password.n && str_find(line, s->sasl.password) >= 0);

	buf_init(&first, LIMIT_SASL_RESPONSE);
	for (size_t i = 0; i < sizeof(before) / sizeof(before[0]); i++) {
		buf_clear(&first);
		if (!*before[i])
			buf_byte(&first, 0);
		buf_z(&first, before[i]);
		buf_str(&first, s->sasl.user);
		buf_byte(&first, 0);
		/* what follows the name is not the same everywhere */
		if (*before[i])
			first.n--;
		found |= stands_in(line, buf_view(&first));
	}
	buf_wipe(&first);
	return found;
}

void smtp_auth_refused(const struct smtp_session *s, struct reply *out)
{
	const struct reply *r = &s->client.reply;
	char said[300], enhanced[12];
	struct buf line;

	smtp_target_said(&s->target, said);
	memcpy(enhanced, reply_dsn(r), strnlen(reply_dsn(r), sizeof(enhanced) - 1) + 1);
	enhanced[0] = '4';
	buf_init(&line, 2 * LIMIT_REPLY_TEXT);
	reply_line(&line, r);
	if (repeats_login(s, buf_view(&line))) {
		buf_clear(&line);
		buf_printf(&line, "%d (the rest repeats the login)", r->code);
	}
	if (s->token_error)
		buf_printf(&line, " (%s)", s->token_error);
	/* whether a token has ended or the login is wrong, only its age tells */
	if (s->credential.n)
		buf_z(&line, oauth_refused(s->d->oauth, s->credential, s->sasl.password) ? " (to an access token that was had before: a new one is "
			"had for the next try)" : " (to a new access token: is this the user it was made for, and may it send mail?)");
	reply_set(out, 454, enhanced, "SASL authentication failed; server %s said: %s", said, buf_cstr(&line));
	buf_fini(&line);
}
