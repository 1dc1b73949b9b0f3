/* session - see session.h. The loop gives bytes, the machine turns them into events, and each event walks through its phases
 * (session_private.h). All that takes long makes the session wait, and the walk goes on where it stopped.
 *
 * A session whose connection broke while a commit is under way stays until the store has spoken: the message is kept all the
 * same. */
#include "core/daemon/session.h"

#include "core/base/format.h"
#include "core/base/log.h"
#include "core/base/mem.h"
#include "core/daemon/places.h"
#include "core/daemon/pressure.h"
#include "core/daemon/session_private.h"

#define MIN_DATA_RATE 500              /* bytes per second that content must keep up with (smtpd_min_data_rate) */
#define LAST_WORDS (10 * USEC_PER_SEC) /* for a last reply to be taken by the client */

/* --- end of life ------------------------------------------------------------------------------------------------------ */

static void free_session(struct loop_task *t)
{
	struct session *s = LIST_ITEM(t, struct session, free_task);

	smtp_server_fini(&s->smtp);
	arena_fini(&s->arena);
	mem_free(s->names);
	judge_fini(&s->judge);
	mem_free(s->cert);
	mem_free(s->answer);
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
	if (s->auth)
		auth_cancel(s->auth);
	if (s->name_query)
		dns_cancel(s->name_query);
	loop_timer_cancel(s->relay->loop, &s->timer);
	loop_task_cancel(&s->turn_task);
	if (!committing)
		session_abort_message(s);
	session_log_disconnect(s);
	session_report_end(s);
	if (s->client)
		clients_leave(s->client);
	list_remove(&s->link);
	s->relay->n_sessions--;
	places_left(s->relay, s->service);
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
	/* it was us who took no content */
	if (s->waits == SESSION_WAITS_ROOM)
		s->deadline = loop_now(s->relay->loop) + session_conf(s)->smtpd_timeout;
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

static void on_turn(struct loop_task *t)
{
	session_wake(LIST_ITEM(t, struct session, turn_task));
}

/* session_deadline - each command must be complete in smtpd_timeout after the one before, whatever it is; content must also keep up a
 * least rate. Single bytes renew nothing, so that nobody holds a session by dripping */
void session_deadline(struct session *s, bool fresh, size_t got)
{
	usec now = loop_now(s->relay->loop), timeout = session_conf(s)->smtpd_timeout;

	if (fresh)
		s->deadline = now + timeout;
	else if (smtp_server_reads_content(&s->smtp))
		s->deadline += (usec)got * (USEC_PER_SEC / MIN_DATA_RATE);
	if (s->deadline > now + timeout)
		s->deadline = now + timeout;
	conn_deadline(s->conn, s->deadline);
}

/* must_slow - a client that made many errors waits before each command. What it sends meanwhile stays in its buffer, and past
 * that in the kernel's; no thread waits with it */
static bool must_slow(struct session *s)
{
	const struct conf *c = session_conf(s);
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
	size_t before = in.n, out = s->conn->out.n;
	bool content = s->report && smtp_server_reads_content(&s->smtp);

	if (must_slow(s))
		return false;
	s->event = smtp_server_next(&s->smtp, &in);
	if (s->report) {
		if (!content)
			session_report_in(s, str_head(str_from(buf_view(&s->conn->in), s->consumed), before - in.n));
		session_report_out(s, out);
		session_report_machine(s, out);
	}
	s->consumed += before - in.n;
	s->slowed &= before == in.n;
	s->phase = SESSION_CHECK;
	if (s->event != SMTP_SERVER_WANT_INPUT)
		return true;
	s->phase = SESSION_READY;
	return false;
}

static void say_answer(struct session *s, bool logs, bool judged)
{
	size_t before = s->conn->out.n;

	if (s->smtp.opt.soft)
		reply_soften(s->answer);
	if (s->answer->code >= 400) {
		s->relay->counts.rejects++;
		if (logs)
			session_log_reject(s, "reject", s->answer);
		if (s->smtp.opt.refused)
			session_add_footer(s, s->answer);
	}
	if (s->event == SMTP_SERVER_EVENTS)
		smtp_server_deny(&s->smtp, s->answer, s->client_text);
	else
		smtp_server_answer(&s->smtp, s->answer);
	session_report_out(s, before);
	session_report_answer(s, s->answer, judged);
}

/* begin_answer, end_answer - a session has room for an answer while an event is under way, and ten thousand idle ones have none */
static void begin_answer(struct session *s)
{
	s->answer = s->relay->spare_answer;
	s->relay->spare_answer = NULL;
	if (!s->answer)
		s->answer = mem_realloc(NULL, sizeof(*s->answer));
	s->answer->code = 0;
}

static void end_answer(struct session *s)
{
	if (s->relay->spare_answer)
		mem_free(s->relay->spare_answer);
	s->relay->spare_answer = s->answer;
	s->answer = NULL;
}

/* walk - one event, until it is answered or waits */
static void walk(struct session *s)
{
	const struct session_event *row = &session_events[s->event];
	bool logs = row->logs, judged = false;

	if (s->phase == SESSION_CHECK) {
		begin_answer(s);
		if (row->check)
			row->check(s, s->answer);
		if (s->ended)
			return;
		s->phase = s->answer->code ? SESSION_ANSWER :
		           row->judged >= 0 && session_policy_begin(s, (enum access_event)row->judged) ? SESSION_JUDGE : SESSION_ACT;
	}
	if (s->phase == SESSION_JUDGE) {
		if (!session_policy_go(s))
			return;
		judged = s->answer->code != 0;
		logs |= judged;
		s->phase = s->answer->code ? SESSION_ANSWER : SESSION_ACT;
	}
	if (s->phase == SESSION_ACT) {
		size_t before = s->conn->out.n;

		s->phase = SESSION_ANSWER;
		if (row->act)
			row->act(s, s->answer);
		if (s->waits || s->ended)
			return;
		session_report_out(s, before);
	}
	s->phase = SESSION_READY;
	if (s->answer->code)
		say_answer(s, logs, judged);
	end_answer(s);
}

/* lost - the client finished sending, and nothing of it is left to answer */
static void lost(struct session *s)
{
	session_log_break(s, session_lost);
	conn_close(s->conn);
	session_end(s);
}

/* let_others - go on in the next tick */
static void let_others(struct session *s)
{
	session_wait(s, SESSION_WAITS_TURN);
	loop_defer(s->relay->loop, &s->turn_task);
}

/* is_new - it has brought nothing yet, and hung up on it would have come for nothing */
static bool is_new(const struct session *s)
{
	return loop_now(s->relay->loop) < s->relay->last_call && !smtp_server_had_mail(&s->smtp);
}

/* must_leave - we are shutting down, and the client is between two messages, or was not greeted in time */
static bool must_leave(const struct session *s)
{
	bool between = s->phase == SESSION_READY || (s->phase == SESSION_CHECK && s->event == SMTP_SERVER_EVENTS);

	return s->relay->stopping && between && smtp_server_is_idle(&s->smtp) && !is_new(s);
}

static void say_leaving(struct session *s)
{
	session_hang_up(s, 421, "4.3.2", "Server shutting down");
}

/* cut_off - with a last word, and not after all is sent, as otherwise: there is no time, or it would keep its memory until then */
static void cut_off(struct session *s, const char *enhanced, const char *why)
{
	struct reply no;

	reply_set(&no, 421, enhanced, "%s %s", s->service->smtp.hostname, why);
	reply_format(&s->conn->out, &no);
	conn_flush(s->conn);
	conn_close(s->conn);
	session_end(s);
}

/* relieve - memory is short; the session at hand may be one of those that end */
static void relieve(struct relay *r)
{
	struct session *s;

	while ((s = pressure_next(r)) != NULL) {
		session_log_break(s, "too little memory");
		cut_off(s, "4.3.1", "Error: too little memory, try again later");
	}
}

void session_go(struct session *s)
{
	size_t got = s->conn->in.n;
	unsigned lines = s->smtp.lines;
	bool progress = false;

	if (got)
		session_log_connect(s);
	s->running = true;
	while (!s->waits && !s->ended) {
		bool had_turn = s->phase == SESSION_READY && s->smtp.lines - lines >= LIMIT_SESSION_STEP;
		bool idle;

		if (must_leave(s)) {
			say_leaving(s);
			break;
		}
		idle = s->phase == SESSION_READY && (had_turn || !take_event(s));
		if (had_turn || (idle && s->smtp.yields))
			let_others(s);
		if (idle)
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
		session_deadline(s, progress || lines != s->smtp.lines, got);
	if (s->eof && !s->waits)
		lost(s);
	if (pressure_is_on(s->relay))
		relieve(s->relay);
}

/* --- connection events ------------------------------------------------------------------------------------------------ */

static void on_tls_ready(struct session *s)
{
	const char *why;
	char text[80];

	s->waits = SESSION_WAITS_NOT;
	s->tls_done = true;
	smtp_server_tls_done(&s->smtp);
	session_auth_under_tls(s);
	why = session_take_cert(s);
	if (why) {
		format_text(text, sizeof(text), "Error: %s", why);
		session_hang_up(s, 421, "4.7.1", text);
		return;
	}
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
	static const bool answers[] = { [SESSION_WAITS_POLICY] = true, [SESSION_WAITS_AUTH] = true, [SESSION_WAITS_COMMIT] = true,
		 [SESSION_WAITS_SLOW] = true, [SESSION_WAITS_ROOM] = true, [SESSION_WAITS_TURN] = true };

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
			session_log_say(s, LOG_SEV_INFO, "tls-failed", "SSL_accept error from %s: %s", s->client_text, s->conn->why);
		session_log_break(s, session_lost);
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

/* take_limits - those of errors and junk that count now */
static void take_limits(struct session *s)
{
	const struct conf *c = session_conf(s);
	struct smtp_server_options *o = &s->smtp.opt;

	o->soft_error_limit = (unsigned)c->smtpd_soft_error_limit;
	o->hard_error_limit = (unsigned)c->smtpd_hard_error_limit;
	o->junk_command_limit = (unsigned)c->smtpd_junk_command_limit;
}

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
	loop_task_init(&s->turn_task, on_turn);
	loop_timer_init(&s->timer, session_on_timer);
	arena_init(&s->arena, smtp_server_arena(&v->smtp));
	s->client_name = uid >= 0 ? "local" : "unknown";
	s->client_text = uid >= 0 ? "local[]" : "";
	s->reverse_name = "unknown";
	s->conn = conn_accepted(r->loop, fd, LIMIT_SESSION_INPUT, LIMIT_SESSION_OUTPUT, on_conn, s);
	smtp_server_init(&s->smtp, &v->smtp, &s->conn->out, &s->arena);
	s->smtp.opt.most_lines = LIMIT_SESSION_STEP;
	/* what sendmail is refused comes back at once, as a notice */
	s->smtp.opt.soft &= uid < 0;
	if (uid < 0 && v->rules && (*v->conf->smtpd_reject_footer || *v->conf->smtpd_reject_footer_maps)) {
		s->smtp.opt.refused = session_on_refused;
		s->smtp.opt.ctx = s;
	}
	if (v->load->stress)
		take_limits(s);
	session_report_begin(s);
	list_append(&r->sessions, &s->link);
	r->n_sessions++;
	v->load->sessions++;
	if (uid >= 0) {
		s->client = clients_enter_user(&r->clients, uid);
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

void session_close_idle(struct relay *r, usec since)
{
	LIST_EACH(&r->sessions, it, tmp) {
		struct session *s = LIST_ITEM(it, struct session, link);
		bool spoke = s->expect_proxy || s->deadline - session_conf(s)->smtpd_timeout >= since;

		if ((!s->waits || s->waits == SESSION_WAITS_SLOW) && smtp_server_is_idle(&s->smtp) && !(spoke && is_new(s)))
			say_leaving(s);
	}
}

void session_close_all(struct relay *r)
{
	LIST_EACH(&r->sessions, it, tmp) {
		struct session *s = LIST_ITEM(it, struct session, link);

		if (s->waits == SESSION_WAITS_COMMIT)
			continue;
		session_log_break(s, "shutdown");
		cut_off(s, "4.3.2", "Server shutting down");
	}
}

void session_stress(struct relay *r, const struct service_load *load)
{
	usec now = loop_now(r->loop);

	LIST_EACH(&r->sessions, it, tmp) {
		struct session *s = LIST_ITEM(it, struct session, link);
		usec end = now + session_conf(s)->smtpd_timeout;

		if (s->service->load != load)
			continue;
		take_limits(s);
		if (s->waits || s->expect_proxy || s->deadline <= end)
			continue;
		s->deadline = end;
		conn_deadline(s->conn, end);
	}
}

bool session_any_of(const struct relay *r, const struct settings *s)
{
	LIST_EACH(&r->sessions, it, tmp)
		if (LIST_ITEM(it, struct session, link)->service->settings == s)
			return true;
	return false;
}
