/* server_auth - AUTH on the server's side (RFC 4954): PLAIN (RFC 4616) and LOGIN, from the wire to a user and a password
 * for the owner to judge, and mechanisms whose messages are the owner's own (SCRAM). User and password are plain text without control characters or they are refused here, so nothing odd can
 * reach a log line or a password file (threats C3, D4, J1). Secrets are wiped when the answer is in. */
#include <stdio.h>
#include <string.h>

#include "core/base/limits.h"
#include "core/base/mem.h"
#include "core/msg/mime.h"
#include "core/smtp/grammar.h"
#include "core/smtp/server_private.h"

static const char failed[] = "535 5.7.8 Error: authentication failed: ";

static enum smtp_server_event plain_step(struct smtp_server *s, struct str response);
static enum smtp_server_event login_step(struct smtp_server *s, struct str response);
static enum smtp_server_event owner_step(struct smtp_server *s, struct str response);

static const struct mechanism {
	const char *name;
	const char *challenge;   /* when the command brings no initial response */
	enum smtp_server_event (*step)(struct smtp_server *s, struct str response);
} mechanisms[] = {
	{ "PLAIN", "", plain_step },
	{ "LOGIN", "VXNlcm5hbWU6", login_step },
	{ "SCRAM-SHA-256", "", owner_step },
	{ "SCRAM-SHA-256-PLUS", "", owner_step },
};

void server_auth_wipe(struct smtp_server *s)
{
	char **secrets[] = { &s->auth_user, &s->auth_password, &s->auth_message };

	for (size_t i = 0; i < sizeof(secrets) / sizeof(secrets[0]); i++) {
		mem_free_secret(*secrets[i]);
		*secrets[i] = NULL;
	}
	s->auth_step = 0;
}

/* the exchange ended without a question to the owner */
static enum smtp_server_event fail(struct smtp_server *s, const char *text, const char *more)
{
	server_auth_wipe(s);
	s->priv->state = SERVER_COMMAND;
	server_say(s, "%s%s", text, more);
	return SERVER_GO_ON;
}

static bool is_credential(struct str v)
{
	return v.n > 0 && memchr(v.p, 0, v.n) == NULL && grammar_is_text(v) && !memchr(v.p, '\t', v.n) && str_is_utf8(v);
}

static enum smtp_server_event judge(struct smtp_server *s)
{
	s->priv->state = SERVER_COMMAND;
	return SMTP_SERVER_AUTH;
}

/* [authzid] NUL authcid NUL passwd */
static enum smtp_server_event plain_step(struct smtp_server *s, struct str response)
{
	ptrdiff_t one = str_chr(response, 0);
	struct str rest = one < 0 ? STR_EMPTY : str_from(response, (size_t)one + 1);
	ptrdiff_t two = str_chr(rest, 0);
	struct str authorize, user, password;

	if (one < 0 || two < 0)
		return fail(s, failed, "malformed response");
	authorize = str_head(response, (size_t)one);
	user = str_head(rest, (size_t)two);
	password = str_from(rest, (size_t)two + 1);
	if (!is_credential(user) || !is_credential(password) || user.n >= sizeof(s->user))
		return fail(s, failed, "malformed response");
	if (authorize.n > 0 && !str_eq(authorize, user))
		return fail(s, failed, "no right to act for another user");
	s->auth_user = str_dup(user);
	s->auth_password = str_dup(password);
	return judge(s);
}

static enum smtp_server_event login_step(struct smtp_server *s, struct str response)
{
	if (!is_credential(response))
		return fail(s, failed, "malformed response");
	if (!s->auth_user) {
		if (response.n >= sizeof(s->user))
			return fail(s, failed, "malformed response");
		s->auth_user = str_dup(response);
		server_say(s, "334 UGFzc3dvcmQ6");
		s->priv->state = SERVER_SASL;
		return SERVER_GO_ON;
	}
	s->auth_password = str_dup(response);
	return judge(s);
}

static enum smtp_server_event owner_step(struct smtp_server *s, struct str response)
{
	mem_free_secret(s->auth_message);
	s->auth_message = NULL;
	if (response.n && (memchr(response.p, 0, response.n) || !str_is_utf8(response)))
		return fail(s, failed, "malformed response");
	s->auth_message = str_dup(response);
	s->auth_step++;
	return judge(s);
}

/* decode a response and go a step */
static enum smtp_server_event take_response(struct smtp_server *s, struct str base64)
{
	struct buf raw;
	enum smtp_server_event e;

	buf_init(&raw, LIMIT_SASL_RESPONSE);
	/* all room at once: a buffer that moves would leave secrets behind */
	buf_reserve(&raw, base64.n);
	if (base64.n > 0 && !mime_base64_decode(&raw, base64))
		e = fail(s, "501 5.5.2 ", "Error: not base64");
	else
		e = mechanisms[s->priv->mechanism].step(s, buf_view(&raw));
	buf_wipe(&raw);
	return e;
}

/* NULL, or why there can be no AUTH now */
static const char *check_auth(const struct smtp_server *s, struct str args)
{
	if (!server_offers(s, OFFER_AUTH))
		return "503 5.5.1 Error: authentication not enabled";
	if (!s->esmtp)
		return "503 5.5.1 Error: send HELO/EHLO first";
	if (s->priv->transaction)
		return "503 5.5.1 Error: MAIL transaction in progress";
	if (s->authenticated)
		return "503 5.5.1 Error: already authenticated";
	if (!s->tls && !s->opt.auth_in_clear)
		return "538 5.7.11 Encryption required for requested authentication mechanism";
	return args.n == 0 ? "501 5.5.4 Syntax: AUTH mechanism" : NULL;
}

enum smtp_server_event server_auth(struct smtp_server *s, struct str args)
{
	const char *no = check_auth(s, args);
	struct str word = grammar_word(&args), response = grammar_word(&args);

	if (no)
		return server_refuse(s, no);
	if (args.n > 0)
		return server_refuse(s, "501 5.5.4 Syntax: AUTH mechanism");
	for (unsigned i = 0; i < sizeof(mechanisms) / sizeof(mechanisms[0]); i++) {
		if (!str_ieq(word, str_of(mechanisms[i].name)) || !grammar_has_word(s->opt.auth_mechanisms, word))
			continue;
		s->priv->mechanism = i;
		s->auth_mechanism = mechanisms[i].name;
		if (response.n > 0)
			return take_response(s, str_eq(response, STR("=")) ? STR_EMPTY : response);
		server_say(s, "334 %s", mechanisms[i].challenge);
		s->priv->state = SERVER_SASL;
		return SERVER_GO_ON;
	}
	return server_refuse(s, "535 5.7.8 Error: authentication failed: Invalid authentication mechanism");
}

enum smtp_server_event server_on_sasl(struct smtp_server *s, struct str *in)
{
	struct str line;

	switch (grammar_line(in, LIMIT_SASL_RESPONSE, &line)) {
	case GRAMMAR_MORE:
		return SMTP_SERVER_WANT_INPUT;
	case GRAMMAR_BAD:
		server_auth_wipe(s);
		server_say(s, "500 5.5.6 SASL response limit exceeded");
		return server_hang_up(s, SMTP_HANGUP_LONG_SASL);
	case GRAMMAR_OK:
		s->lines++;
		break;
	}
	if (str_eq(line, STR("*")))
		return fail(s, "501 5.7.0 ", "Authentication aborted");
	return take_response(s, line);
}

void server_auth_answer(struct smtp_server *s, const struct reply *r)
{
	if (r->code == 334) {
		server_say(s, "334 %s", r->text);
		s->priv->state = SERVER_SASL;
		return;
	}
	if (r->code == 235) {
		s->authenticated = true;
		snprintf(s->user, sizeof(s->user), "%s", s->auth_user);
	}
	server_auth_wipe(s);
	reply_format(s->out, r);
	server_count(s, r->code);
}
