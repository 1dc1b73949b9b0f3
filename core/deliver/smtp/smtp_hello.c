/* smtp_hello - from the connection to the first transaction: TLS where the policy wants it, AUTH where a password is known,
 * and the words for every way in which that fails. A refusal here says something about the server, never about a
 * recipient: the try asks the next host, and in the end defers. */
#include <stdio.h>

#include "core/base/log.h"
#include "core/base/metric.h"
#include "core/deliver/deliver_private.h"
#include "core/deliver/smtp/smtp_auth.h"
#include "core/deliver/smtp/smtp_hello.h"
#include "core/deliver/smtp/smtp_report.h"
#include "core/deliver/smtp/smtp_tap.h"
#include "core/deliver/smtp/smtp_try.h"

METRIC_LEARNT(tls_connections, "postfix_smtp_tls_connections", "TLS sessions with servers.", "trust");
METRIC_LEARNT(tls_versions, "relaybox_smtp_sessions",
	"Sessions with servers, by level and version of TLS.", "version");
METRIC_ONE(tls_failures, "relaybox_smtp_tls_failures", "Failed TLS handshakes with servers.");
METRIC_ONE(auth_failures, "relaybox_smtp_auth_failures", "Logins that servers refused.");

static void count_tls(const struct tls_info *t)
{
	if (!t)
		return;
	metric_learn(&tls_connections, "trust=\"%s\",protocol=\"%s\",cipher=\"%s\",secret_bits=\"%d\",algorithm_bits=\"%d\"",
		tls_trust_word(t->trust), t->version, t->cipher, t->bits, t->bits);
}

void smtp_hello_handshake(struct smtp_session *s)
{
	struct buf why;

	buf_init(&why, 400);
	s->state = SMTP_STATE_TLS;
	if (smtp_tls_start(s, &why)) {
		smtp_session_set_deadline(s);
	} else {
		struct reply r;

		reply_set(&r, 451, "4.7.5", "TLS is required, but cannot be started: %s", buf_cstr(&why));
		smtp_session_fail(s, SMTP_BLAME_CONNECT, &r);
	}
	buf_fini(&why);
}

void smtp_hello_tls_ready(struct smtp_session *s)
{
	char where[300];
	struct reply failed;
	size_t before;
	bool good = smtp_tls_judge(s, &failed);

	smtp_target_where(&s->target, where);
	smtp_tls_log(s->profile, where, conn_tls(s->conn));
	count_tls(conn_tls(s->conn));
	if (!good) {
		smtp_report(s, TLSRPT_VALIDATION_FAILURE, failed.text);
		smtp_session_fail(s, SMTP_BLAME_BROKEN, &failed);
		return;
	}
	smtp_report_test(s);
	s->state = SMTP_STATE_HELLO;
	smtp_step(s->try, DELIVER_STEP_TLS, NULL);
	if (smtp_session_stops(s, DELIVER_STOP_TLS))
		return;
	before = s->conn->out.n;
	smtp_client_tls_done(&s->client);
	smtp_tap_went(s, before);
	smtp_session_pump(s);
}

static void on_auth(struct smtp_session *s, const struct reply *failed)
{
	if (failed) {
		smtp_session_fail(s, SMTP_BLAME_SITE, failed);
		return;
	}
	smtp_session_set_deadline(s);
	conn_flush(s->conn);
}

static void go_on_after_hello(struct smtp_session *s)
{
	const struct tls_info *tls = conn_tls(s->conn);
	struct reply r;

	metric_learn(&tls_versions, "level=\"%s\",version=\"%s\"", s->demand->level->word, tls ? tls->version : "none");
	switch (smtp_auth_begin(s, &r, on_auth)) {
	case SMTP_AUTH_NONE:
		smtp_client_ready(&s->client);
		break;
	case SMTP_AUTH_STARTED:
	case SMTP_AUTH_WAITS:
		break;
	case SMTP_AUTH_FAILED:
		s->own_failed = s->login_failed = s->own_login;
		smtp_session_fail(s, SMTP_BLAME_SITE, &r);
		break;
	}
}

/* may_be_plain - TLS was there and did not come about: is this one connection to go on without? Never with a password at hand; and
 * not before the message has waited for a while, so that a mishap costs a delay and not the secret */
static bool may_be_plain(struct smtp_session *s)
{
	const struct delivery *job = s->try ? s->try->job : NULL;

	return job && !s->demand->require && !smtp_auth_is_known(s) &&
		job->active_at - job->envelope->arrival >= s->profile->conf->minimal_backoff_time;
}

/* starts_tls - is STARTTLS to be said to a server that has it? false with why: it would be, and cannot */
static bool starts_tls(struct smtp_session *s, struct buf *why)
{
	if (s->plain || !s->demand->offer)
		return false;
	if (smtp_tls_context(s->profile, s->demand, why))
		return true;
	buf_z(why, why->n ? "" : "TLS is not available");
	return s->demand->require;
}

static void fail_start(struct smtp_session *s, const char *why)
{
	struct reply r;

	reply_set(&r, 451, "4.7.5", "Cannot start TLS: %s", why);
	smtp_session_fail(s, SMTP_BLAME_SITE, &r);
}

static void go_on_in_clear(struct smtp_session *s, bool offered)
{
	char said[300], text[400];

	if (!s->plain && s->demand->offer)
		smtp_report(s, TLSRPT_STARTTLS_NOT_SUPPORTED, "");
	if (s->demand->require) {
		smtp_target_said(&s->target, said);
		snprintf(text, sizeof(text), "TLS is required, but was not offered by host %s", said);
		smtp_session_fail_text(s, SMTP_BLAME_SITE, "4.7.4", text);
		return;
	}
	if (s->demand->offer)
		smtp_report_tested(s, "it offers no TLS");
	if (offered && s->profile->conf->smtp_tls_note_starttls_offer && !s->plain)
		log_info(smtp_session_service(s), "Host offered STARTTLS: [%s]", s->target.host);
	go_on_after_hello(s);
}

/* is_ourselves - the second net against loops, behind a translator of addresses or a balancer: who greets us with our own name is we */
static bool is_ourselves(struct smtp_session *s)
{
	const char *own = s->profile->conf->myhostname;
	struct reply r;
	char where[300];

	if (!s->target.mirror || !str_ieq(str_of(s->client.server_name), str_of(own)))
		return false;
	smtp_target_said(&s->target, where);
	log_warn(smtp_session_service(s), "host %s greeted me with my own name %s", where, own);
	reply_set(&r, 554, "5.4.6", "mail for %s loops back to myself", s->target.site);
	smtp_session_fail(s, SMTP_BLAME_SITE, &r);
	return true;
}

/* lacks_requiretls - the message must not go to a server that does not promise to keep to it (RFC 8689 section 4.2.1) */
static bool lacks_requiretls(struct smtp_session *s)
{
	struct reply r;
	char said[300];

	if (s->demand->wish != TLS_WISH_REQUIRED || s->client.extensions & SMTP_EXT_REQUIRETLS)
		return false;
	smtp_target_said(&s->target, said);
	reply_set(&r, 550, "5.7.30", "REQUIRETLS is required, but was not offered by host %s", said);
	s->own_failed = true;
	smtp_session_fail(s, SMTP_BLAME_SITE, &r);
	return true;
}

void smtp_hello(struct smtp_session *s)
{
	bool offered = s->client.extensions & SMTP_EXT_STARTTLS;
	struct buf why;

	if (smtp_session_stops(s, DELIVER_STOP_EHLO) || is_ourselves(s))
		return;
	if (conn_tls(s->conn)) {
		smtp_resume_keep(s);
		smtp_report(s, TLSRPT_GOOD, "");
		if (!lacks_requiretls(s))
			go_on_after_hello(s);
		return;
	}
	buf_init(&why, 400);
	if (offered && starts_tls(s, &why))
		smtp_client_starttls(&s->client);
	else if (offered && why.n && smtp_auth_is_known(s))
		fail_start(s, buf_cstr(&why));
	else
		go_on_in_clear(s, offered);
	buf_fini(&why);
}

void smtp_hello_tls_refused(struct smtp_session *s)
{
	struct buf line;
	struct reply r;
	char said[300];

	smtp_report(s, TLSRPT_STARTTLS_NOT_SUPPORTED, s->client.reply.text);
	if (!s->demand->require && !smtp_auth_is_known(s)) {
		go_on_after_hello(s);
		return;
	}
	smtp_target_said(&s->target, said);
	buf_init(&line, 2 * LIMIT_REPLY_TEXT);
	reply_line(&line, &s->client.reply);
	reply_set(&r, 451, s->demand->require ? "4.7.4" : "4.7.5", s->demand->require ?
		"TLS is required, but host %s refused to start TLS: %s" : "Cannot start TLS: host %s refused to start TLS: %s", said,
		buf_cstr(&line));
	buf_fini(&line);
	smtp_session_fail(s, SMTP_BLAME_SITE, &r);
}

void smtp_hello_auth_done(struct smtp_session *s)
{
	struct reply r;

	if (reply_verdict(&s->client.reply) == VERDICT_DONE) {
		smtp_step(s->try, DELIVER_STEP_AUTH, NULL);
		smtp_auth_forget(s);
		smtp_client_ready(&s->client);
		return;
	}
	auth_failures++;
	smtp_auth_refused(s, &r);
	s->own_failed = s->login_failed = s->own_login;
	smtp_session_fail(s, SMTP_BLAME_SITE, &r);
}

void smtp_hello_refused(struct smtp_session *s)
{
	const struct reply *said = &s->client.reply;
	bool greeting = s->client.phase == SMTP_PHASE_GREETING;
	char host[300], enhanced[12];
	struct buf line;
	struct reply r;
	int code = said->code;

	smtp_target_said(&s->target, host);
	buf_init(&line, 2 * LIMIT_REPLY_TEXT);
	reply_line(&line, said);
	memcpy(enhanced, reply_dsn(said), strnlen(reply_dsn(said), sizeof(enhanced) - 1) + 1);
	if (greeting && code >= 500 && s->profile->conf->smtp_skip_5xx_greeting) {
		code = 450;
		enhanced[0] = '4';
	}
	reply_set(&r, code >= 400 ? code : 450, code >= 400 ? enhanced : "4.5.0", "host %s refused to talk to me: %s", host,
		buf_cstr(&line));
	buf_fini(&line);
	smtp_session_fail(s, SMTP_BLAME_SITE, &r);
}

void smtp_hello_tls_failed(struct smtp_session *s)
{
	struct smtp_try *t = s->try;
	char where[300];
	struct reply r;

	smtp_target_where(&s->target, where);
	tls_failures++;
	log_info(smtp_session_service(s), "SSL_connect error to %s: %s", where, s->conn->why);
	smtp_resume_forget(s);
	/* a remembered session may be what was wrong: the next one tells */
	if (!s->tls_offered)
		smtp_report_handshake(s, s->conn->why);
	if (t && (s->tls_offered || may_be_plain(s))) {
		s->try = NULL;
		smtp_session_drop(s);
		/* a remembered session may be what was wrong: without it first, and never in clear for its sake */
		s->ops->retry(t, !s->tls_offered);
		return;
	}
	smtp_tls_failure(s->demand, s->conn->why, &r);
	smtp_session_fail(s, SMTP_BLAME_BROKEN, &r);
}

