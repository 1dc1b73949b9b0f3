/* session - see session.h. The loop gives bytes, the machine turns them into events, and each event walks through its phases
 * (session_private.h). All that takes long makes the session wait, and the walk goes on where it stopped.
 *
 * A session whose connection broke while a commit is under way stays until the store has spoken: the message is kept all the
 * same. */
#include "core/daemon/session.h"

#include "core/base/format.h"
#include "core/base/log.h"
#include "core/base/mem.h"
#include "core/daemon/listener.h"
#include "core/daemon/session_private.h"

#define MIN_DATA_RATE 500              /* bytes per second that content must keep up with (smtpd_min_data_rate) */
#define LAST_WORDS (10 * USEC_PER_SEC) /* for a last reply to be taken by the client */

/* --- end of life ------------------------------------------------------------------------------------------------------ */

static void free_session(struct loop_task *t)
{
	struct session *s = LIST_ITEM(t, struct session, free_task);

	smtp_server_fini(&s->smtp);
	arena_fini(&s->arena);
	mem_free(s);
}

/* session_end - what waits elsewhere is cancelled, but a commit is never */
void session_end(struct session *s)
{
	bool committing = s->waits == SESSION_WAITS_COMMIT;

	if (s->ended)
		return;
	s->ended = true;
	session_policy_cancel(s);
	if (s->name_query)
		dns_cancel(s->name_query);
	loop_timer_cancel(s->relay->loop, &s->timer);
	if (!committing)
		session_abort_message(s);
	session_log_disconnect(s);
	if (s->client && s->uid < 0)
		clients_leave(&s->relay->clients, &s->address);
	list_remove(&s->link);
	s->relay->n_sessions--;
	listener_left(s->relay, s->service);
	if (!committing)
		loop_defer(s->relay->loop, &s->free_task);
}

void session_hang_up(struct session *s, int code, const char *enhanced, const char *text)
{
	struct reply r;

	if (code) {
		reply_set(&r, code, enhanced, "%s %s", s->service->smtp.hostname, text);
		reply_format(&s->conn->out, &r);
	}
	conn_close_after_send(s->conn, loop_now(s->relay->loop) + LAST_WORDS);
	session_end(s);
}

/* --- waiting ---------------------------------------------------------------------------------------------------------- */

void session_wake(struct session *s)
{
	s->waits = SESSION_WAITS_NOT;
	/* the connection went while the store wrote */
	if (s->ended) {
		loop_defer(s->relay->loop, &s->free_task);
		return;
	}
	if (s->running)
		return;
	session_go(s);
	if (!s->ended)
		conn_flush(s->conn);
}

/* session_deadline - a command must be complete in smtpd_timeout; content must also keep up a least rate */
void session_deadline(struct session *s, bool fresh, size_t got)
{
	usec now = loop_now(s->relay->loop), timeout = s->service->conf->smtpd_timeout;

	if (fresh || s->deadline < now)
		s->deadline = now + timeout;
	else if (s->message)
		s->deadline += (usec)got * (USEC_PER_SEC / MIN_DATA_RATE);
	if (s->deadline > now + timeout)
		s->deadline = now + timeout;
	conn_deadline(s->conn, s->deadline);
}

/* must_slow - a client that made many errors waits before each command. What it sends meanwhile stays in its buffer, and past
 * that in the kernel's; no thread waits with it */
static bool must_slow(struct session *s)
{
	const struct conf *c = s->service->conf;
	usec pause = c->smtpd_error_sleep_time, now;

	if (s->smtp.errors < s->smtp.opt.soft_error_limit || !s->smtp.opt.soft_error_limit || s->slowed || !pause || s->uid >= 0 ||
	    !smtp_server_wants_command(&s->smtp) || s->conn->in.n == s->consumed)
		return false;
	now = loop_now(s->relay->loop);
	s->slowed = true;
	loop_timer_set(s->relay->loop, &s->timer, now + pause);
	conn_deadline(s->conn, now + pause + c->smtpd_timeout);
	session_wait(s, SESSION_WAITS_SLOW);
	return true;
}

/* --- the walk of an event --------------------------------------------------------------------------------------------- */

/* take_event - false: nothing can be done without more input */
static bool take_event(struct session *s)
{
	struct str in = str_from(buf_view(&s->conn->in), s->consumed);
	size_t before = in.n;

	if (must_slow(s))
		return false;
	s->event = smtp_server_next(&s->smtp, &in);
	s->consumed += before - in.n;
	s->slowed &= before == in.n;
	s->phase = SESSION_CHECK;
	if (s->event != SMTP_SERVER_WANT_INPUT)
		return true;
	s->phase = SESSION_READY;
	return false;
}

static void say_answer(struct session *s, bool logs)
{
	if (s->answer.code >= 400) {
		s->relay->counts.rejects++;
		if (logs)
			session_log_reject(s, "reject", &s->answer);
	}
	if (s->event == SMTP_SERVER_EVENTS)
		smtp_server_deny(&s->smtp, &s->answer, s->client_text);
	else
		smtp_server_answer(&s->smtp, &s->answer);
}

/* walk - one event, until it is answered or waits */
static void walk(struct session *s)
{
	const struct session_event *row = &session_events[s->event];
	bool logs = row->logs;

	if (s->phase == SESSION_CHECK) {
		s->answer.code = 0;
		if (row->check)
			row->check(s, &s->answer);
		if (s->ended)
			return;
		s->phase = s->answer.code ? SESSION_ANSWER :
		           row->judged >= 0 && session_policy_begin(s, (enum access_event)row->judged) ? SESSION_JUDGE : SESSION_ACT;
	}
	if (s->phase == SESSION_JUDGE) {
		if (!session_policy_go(s))
			return;
		logs |= s->answer.code != 0;
		s->phase = s->answer.code ? SESSION_ANSWER : SESSION_ACT;
	}
	if (s->phase == SESSION_ACT) {
		s->phase = SESSION_ANSWER;
		if (row->act)
			row->act(s, &s->answer);
		if (s->waits || s->ended)
			return;
	}
	s->phase = SESSION_READY;
	if (s->answer.code)
		say_answer(s, logs);
}

/* lost - the client finished sending, and nothing of it is left to answer */
static void lost(struct session *s)
{
	session_log_break(s, "lost connection");
	conn_close(s->conn);
	session_end(s);
}

void session_go(struct session *s)
{
	bool progress = false;
	size_t got = s->conn->in.n;

	if (got)
		session_log_connect(s);
	s->running = true;
	while (!s->waits && !s->ended) {
		if (s->phase == SESSION_READY && !take_event(s))
			break;
		progress |= s->event != SMTP_SERVER_BODY;
		walk(s);
	}
	s->running = false;
	if (s->ended)
		return;
	if (s->consumed) {
		buf_consume(&s->conn->in, s->consumed);
		s->consumed = 0;
	}
	if (!s->waits)
		session_deadline(s, progress, got);
	if (s->eof && !s->waits)
		lost(s);
}

/* --- connection events ------------------------------------------------------------------------------------------------ */

static void on_tls_ready(struct session *s)
{
	s->waits = SESSION_WAITS_NOT;
	s->tls_done = true;
	smtp_server_tls_done(&s->smtp);
	if (!s->client) {
		session_identify(s);
		return;
	}
	session_log_tls(s);
	session_deadline(s, true, 0);
}

static void on_eof(struct session *s)
{
	/* an answer that is on its way is still given, but nobody waits for a name or a handshake any more */
	static const bool answers[] = { [SESSION_WAITS_POLICY] = true, [SESSION_WAITS_COMMIT] = true, [SESSION_WAITS_SLOW] = true,
		[SESSION_WAITS_ROOM] = true };

	s->eof = true;
	if (!s->waits && !s->expect_proxy && s->connect_logged) {
		session_go(s);
	} else if (!answers[s->waits]) {
		conn_close(s->conn);
		session_end(s);
	}
}

static void on_failed(struct session *s)
{
	if (s->connect_logged || s->in_tls) {
		session_log_connect(s);
		if (s->in_tls && !s->tls_done)
			log_text(LOG_SEV_INFO, "smtpd", s->pid, NULL, "SSL_accept error from %s: %s", s->client_text, s->conn->why);
		session_log_break(s, "lost connection");
	}
	session_end(s);
}

static void on_deadline(struct session *s)
{
	if (s->expect_proxy) {
		log_text(LOG_SEV_WARNING, "smtpd", s->pid, NULL,
			"haproxy read error: no PROXY header in time; does the balancer send it before the client speaks?");
		conn_close(s->conn);
		session_end(s);
		return;
	}
	session_log_break(s, "timeout");
	session_hang_up(s, 421, "4.4.2", "Error: timeout exceeded");
}

static enum conn_next on_conn(struct conn *c, enum conn_event ev)
{
	struct session *s = c->ctx;

	switch (ev) {
	case CONN_CONNECTED:
	case CONN_SENT:
		break;
	case CONN_DATA:
		if (s->expect_proxy)
			session_read_proxy(s);
		else if (!s->waits)
			session_go(s);
		break;
	case CONN_TLS_READY:
		on_tls_ready(s);
		break;
	case CONN_EOF:
		on_eof(s);
		break;
	case CONN_FAILED:
		on_failed(s);
		return CONN_CLOSE;
	case CONN_DEADLINE:
		on_deadline(s);
		break;
	}
	return CONN_KEEP;
}

/* --- life ------------------------------------------------------------------------------------------------------------- */

void session_open(struct relay *r, const struct service *v, int fd, int64_t uid)
{
	struct session *s = MEM_NEW(struct session);

	s->relay = r;
	s->service = v;
	s->uid = uid;
	s->pid = ++r->next_pid;
	s->name_state = ACCESS_NAME_NONE;
	s->event = SMTP_SERVER_EVENTS;
	s->phase = SESSION_CHECK;
	s->wake = session_wake;
	loop_task_init(&s->free_task, free_session);
	loop_timer_init(&s->timer, session_on_timer);
	arena_init(&s->arena, smtp_server_arena(&v->smtp));
	format_text(s->client_name, sizeof(s->client_name), "%s", uid >= 0 ? "local" : "unknown");
	s->conn = conn_accepted(r->loop, fd, LIMIT_SESSION_INPUT, LIMIT_SESSION_OUTPUT, on_conn, s);
	smtp_server_init(&s->smtp, &v->smtp, &s->conn->out, &s->arena);
	list_append(&r->sessions, &s->link);
	r->n_sessions++;
	v->load->sessions++;
	if (uid >= 0) {
		format_text(s->client_text, sizeof(s->client_text), "local[]");
		session_wake(s);
		return;
	}
	r->counts.connects++;
	ipaddr_from_sockaddr((struct sockaddr *)&s->conn->peer, &s->address);
	if (!v->proxy) {
		session_begin(s);
		return;
	}
	s->expect_proxy = true;
	s->deadline = loop_now(r->loop) + v->conf->smtpd_upstream_proxy_timeout;
	conn_deadline(s->conn, s->deadline);
}

void session_close_idle(struct relay *r)
{
	LIST_EACH(&r->sessions, it, tmp) {
		struct session *s = LIST_ITEM(it, struct session, link);

		if ((!s->waits || s->waits == SESSION_WAITS_SLOW) && smtp_server_is_idle(&s->smtp))
			session_hang_up(s, 421, "4.3.2", "Server shutting down");
	}
}

bool session_any_of(const struct relay *r, const struct settings *s)
{
	LIST_EACH(&r->sessions, it, tmp)
		if (LIST_ITEM(it, struct session, link)->service->settings == s)
			return true;
	return false;
}
