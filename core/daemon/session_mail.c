/* session_mail - what each event of the server machine does: checks of our own, the list that judges it, the act. Handlers give the
 * reply; session.c sends it. */
#include <errno.h>

#include "core/access/users.h"
#include "core/base/format.h"
#include "core/base/log.h"
#include "core/base/metric.h"
#include "core/daemon/limit_hit.h"
#include "core/daemon/pressure.h"
#include "core/daemon/session_private.h"

/* --- connection ------------------------------------------------------------------------------------------------------- */

static void check_user(struct session *s)
{
	if (s->client->connections <= LIMIT_SUBMIT_SESSIONS)
		return;
	log_say(LOG_SEV_WARNING, "pickup", s->pid, NULL, "limit", "uid %lld has %u connections to the submit socket: no more are taken",
		(long long)s->uid, LIMIT_SUBMIT_SESSIONS);
	session_hang_up(s, 421, "4.7.0", "Error: too many connections of your user");
}

static void check_connection(struct session *s, struct reply *r)
{
	const struct conf *c = session_conf(s);
	int64_t most = c->smtpd_client_connection_count_limit, rate_most = c->smtpd_client_connection_rate_limit;
	bool many, fast;
	char why[120];

	(void)r;
	if (s->uid >= 0)
		check_user(s);
	if (s->uid >= 0 || s->exempt)
		return;
	fast = session_over(s, CLIENT_CONNECTIONS, rate_most);
	many = most && s->client->connections > (unsigned)most;
	if (!many && !fast)
		return;
	limit_hit(many ? LIMIT_HIT_CLIENT_SESSIONS : LIMIT_HIT_CLIENT_CONNECTIONS);
	session_log_connect(s);
	session_log_say(s, LOG_SEV_WARNING, "limit", "Connection %s limit exceeded: %u from %s for service smtp",
		many ? "concurrency" : "rate", s->client->connections, s->client_text);
	format_text(why, sizeof(why), "Error: too many connections from %s", s->client_address);
	session_hang_up(s, 421, "4.7.0", why);
}

static void greet(struct session *s, struct reply *r)
{
	(void)r;
	smtp_server_greet(&s->smtp);
	session_deadline(s, true, 0);
}

static void act_helo(struct session *s, struct reply *r)
{
	reply_set(r, 250, "", "%s", s->service->smtp.hostname);
}

static void act_starttls(struct session *s, struct reply *r)
{
	(void)r;
	session_start_tls(s);
}

/* whatever would be said to RCPT */
static void act_vrfy(struct session *s, struct reply *r)
{
	if (session_conf(s)->smtpd_reject_unlisted_recipient && !session_is_listed(s, s->judge.request.rcpt, false, r))
		return;
	reply_set(r, 252, "2.0.0", "%.*s", STR_ARG(s->smtp.argument));
}

/* RFC 1985: mail that waits for a domain of fast_flush_domains is tried now */
static void act_etrn(struct session *s, struct reply *r)
{
	enum map_answer ours = s->service->flush_domains ? match_domain(s->service->flush_domains, s->smtp.argument) : MAP_NONE;

	if (ours == MAP_ERROR) {
		reply_set(r, 451, "4.3.0", "Temporary lookup failure");
		return;
	}
	if (ours == MAP_NONE) {
		reply_set(r, 459, "", "<%.*s>: service unavailable", STR_ARG(s->smtp.argument));
		return;
	}
	schedule_flush_site(s->relay->schedule, s->smtp.argument);
	reply_set(r, 250, "", "Queuing started");
}

static void act_quit(struct session *s, struct reply *r)
{
	(void)r;
	session_hang_up(s, 0, "", "");
}

static void act_hangup(struct session *s, struct reply *r)
{
	(void)r;
	session_log_hangup(s);
	session_hang_up(s, 0, "", "");
}

static void act_refused(struct session *s, struct reply *r)
{
	(void)r;
	s->relay->counts.rejects++;
	session_log_refused(s);
}

/* --- MAIL ------------------------------------------------------------------------------------------------------------- */

static bool is_own(const struct session *s)
{
	return s->uid >= 0 || service_is_own(s->service, &s->address);
}

static void check_mail(struct session *s, struct reply *r)
{
	struct relay *relay = s->relay;

	/* those of the transaction before are gone with its arena */
	s->wishes = NULL;
	if (store_is_broken(relay->store)) {
		reply_set(r, 451, "4.3.0", "Error: queue file write error");
	} else if (!store_has_room(relay->store, (uint64_t)s->smtp.declared_size)) {
		cleanup_refusal(r, errno);
		limit_hit(LIMIT_HIT_ROOM);
	} else if (pressure_is_on(relay) && pressure_refuses(relay, is_own(s))) {
		reply_set(r, 452, "4.3.1", "Error: too little memory, try again later");
		limit_hit(LIMIT_HIT_MEMORY);
	} else if (session_over(s, CLIENT_MESSAGES, session_conf(s)->smtpd_client_message_rate_limit)) {
		reply_set(r, 450, "4.7.1", "Error: too much mail from %s", s->client_address);
		limit_hit(LIMIT_HIT_CLIENT_MESSAGES);
	}
}

static void act_mail(struct session *s, struct reply *r)
{
	struct envelope *e = &s->smtp.envelope;

	s->sender_given = e->sender;
	e->sender = rewrite_address(session_router(s), &s->arena, e->sender, true);
	e->arrival = loop_wall(s->relay->loop);
	e->client_name = str_of(s->client_name);
	e->client_addr = str_of(s->client_address);
	e->helo = arena_str(&s->arena, str_of(s->smtp.helo));
	e->proto = str_of(smtp_server_proto(&s->smtp));
	e->uid = s->uid;
	if (s->uid >= 0)
		e->flags |= ENVELOPE_LOCAL;
	reply_set(r, 250, "2.1.0", "Ok");
}

/* --- RCPT ------------------------------------------------------------------------------------------------------------- */

static void check_rcpt(struct session *s, struct reply *r)
{
	const struct conf *c = session_conf(s);
	struct str rcpt = rewrite_address(session_router(s), &s->arena, s->smtp.rcpt.full, true);

	s->judge.request.rcpt = s->smtp.rcpt_becomes = rcpt;
	/* a local user may send anywhere; a wrong address comes back as a notice, as with every sendmail */
	if (s->uid >= 0 && !users_include(c->authorized_submit_users, s->uid))
		reply_set(r, 550, "5.7.0", "you are not in authorized_submit_users");
	/* as the router refuses it, which would be a notice to a sender who may be invented */
	else if (s->uid < 0 && route_is_option(c, rcpt))
		reply_set(r, 501, "5.1.3", "Bad recipient address syntax");
	/* those that will be refused count as well: who guesses addresses has many */
	if (s->event == SMTP_SERVER_RCPT && session_over(s, CLIENT_RECIPIENTS, c->smtpd_client_recipient_rate_limit)) {
		reply_set(r, 450, "4.7.1", "Error: too many recipients from %s", s->client_address);
		limit_hit(LIMIT_HIT_CLIENT_RECIPIENTS);
	}
}

static void act_rcpt(struct session *s, struct reply *r)
{
	const struct conf *c = session_conf(s);

	if (s->uid < 0) {
		if (c->smtpd_reject_unlisted_sender && !session_is_listed(s, s->smtp.envelope.sender, true, r))
			return;
		if (c->smtpd_reject_unlisted_recipient && !session_is_listed(s, s->judge.request.rcpt, false, r))
			return;
	}
	reply_set(r, 250, "2.1.5", "Ok");
}

/* --- content ---------------------------------------------------------------------------------------------------------- */

METRIC_LEARNT(processed, "postfix_smtpd_messages_processed", "Messages begun by clients.", "sasl_method");

static void log_client(struct session *s)
{
	struct log_line l;

	if (s->uid < 0)
		metric_learn(&processed, "sasl_method=\"%s\"", s->smtp.authenticated ? s->smtp.auth_mechanism : "");
	log_begin(&l, s->uid < 0 ? "smtpd" : "pickup", s->uid < 0 ? s->pid : 0, cleanup_qid(s->message));
	if (s->uid < 0) {
		log_words(&l, "client=%s", s->client_text);
		l.fields = 1;
		session_log_client(s, &l, "accept");
		if (s->smtp.authenticated) {
			log_str(&l, "sasl_method", str_of(s->smtp.auth_mechanism));
			log_str(&l, "sasl_username", str_of(s->smtp.user));
		}
	} else {
		log_key(&l, "event", STR("accept"));
		l.spaced = true;
		log_number(&l, "uid", s->uid);
		log_addr(&l, "from", s->sender_given);
	}
	log_end(&l);
}

static void go_on_with_content(void *ctx)
{
	session_wake(ctx);
}

/* conf_of_incoming - a line of cleanup may have settings of its own */
static const struct conf *conf_of_incoming(const struct session *s)
{
	const struct incoming *in = s->service->incoming;

	return in == s->service->settings->incoming ? session_conf(s) : in->conf;
}

static void act_data(struct session *s, struct reply *r)
{
	const struct tls_info *tls = conn_tls(s->conn);
	struct cleanup_options o = { .source = CLEANUP_SMTP, .sink = cleanup_to_store(s->relay->store), .router = session_router(s),
		.conf = conf_of_incoming(s), .local = session_is_local(s), .now = loop_wall(s->relay->loop), .wishes = &s->wishes,
		.checks = s->service->unchecked ? NULL : s->service->incoming->checks, .unchecked = s->service->unchecked,
		.unmapped = s->service->unmapped, .pool = s->relay->pool, .users = &s->service->settings->n_users,
		.go_on = go_on_with_content, .ctx = s };

	if (tls)
		s->tls_note = arena_printf(&s->arena, "%s with cipher %s (%d/%d bits)", tls->version, tls->cipher, tls->bits, tls->bits).p;
	if (tls && session_conf(s)->smtpd_tls_received_header) {
		o.tls_note = s->tls_note;
		o.peer_note = session_cert_note(s);
	}
	s->message = cleanup_begin(&o, &s->smtp.envelope);
	if (!s->message) {
		cleanup_refusal(r, errno);
		return;
	}
	log_client(s);
	reply_set(r, 354, "", "End data with <CR><LF>.<CR><LF>");
}

static void act_body(struct session *s, struct reply *r)
{
	(void)r;
	cleanup_add(s->message, s->smtp.chunk);
	if (cleanup_is_busy(s->message))
		session_wait(s, SESSION_WAITS_ROOM);
}

static void on_committed(void *ctx, const struct reply *reply, struct qmsg *m)
{
	struct session *s = ctx;
	struct relay *r = s->relay;

	s->message = NULL;
	if (m) {
		r->counts.mail[0]++;
		r->counts.submissions += s->uid >= 0;
		schedule_add(r->schedule, m, true);
	}
	*s->answer = *reply;
	session_wake(s);
}

static void act_message(struct session *s, struct reply *r)
{
	(void)r;
	session_wait(s, SESSION_WAITS_COMMIT);
	conn_deadline(s->conn, USEC_NEVER);
	cleanup_end(s->message, on_committed, s);
}

void session_abort_message(struct session *s)
{
	if (s->message)
		cleanup_abort(s->message);
	s->message = NULL;
}

static void act_rset(struct session *s, struct reply *r)
{
	(void)r;
	session_abort_message(s);
}

/* --- the table -------------------------------------------------------------------------------------------------------- */

const struct session_event session_events[SMTP_SERVER_EVENTS + 1] = {
	[SMTP_SERVER_HELO] = { NULL, ACCESS_AT_HELO, act_helo, true },
	[SMTP_SERVER_MAIL] = { check_mail, ACCESS_AT_MAIL, act_mail, true },
	[SMTP_SERVER_RCPT] = { check_rcpt, ACCESS_AT_RCPT, act_rcpt, true },
	[SMTP_SERVER_DATA] = { NULL, ACCESS_AT_DATA, act_data, true },
	[SMTP_SERVER_BODY] = { NULL, -1, act_body, false },
	[SMTP_SERVER_MESSAGE] = { NULL, ACCESS_AT_END, act_message, false },
	[SMTP_SERVER_RSET] = { NULL, -1, act_rset, false },
	[SMTP_SERVER_STARTTLS] = { NULL, -1, act_starttls, false },
	[SMTP_SERVER_AUTH] = { session_auth_check, -1, session_auth, false },
	[SMTP_SERVER_VRFY] = { check_rcpt, ACCESS_AT_RCPT, act_vrfy, true },
	[SMTP_SERVER_ETRN] = { NULL, ACCESS_AT_ETRN, act_etrn, true },
	[SMTP_SERVER_QUIT] = { NULL, -1, act_quit, false },
	[SMTP_SERVER_HANGUP] = { NULL, -1, act_hangup, false },
	[SMTP_SERVER_REFUSED] = { NULL, -1, act_refused, false },
	/* the connection itself, before the greeting */
	[SMTP_SERVER_EVENTS] = { check_connection, ACCESS_AT_CONNECT, greet, true },
};
