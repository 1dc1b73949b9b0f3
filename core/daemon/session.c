/* session - see session.h. The loop gives bytes, the machine turns them into events, this file answers them.
 *
 * An answer may take long (a flush, a DNS lookup, an address probe): the machine waits, `waiting` is set, and
 * session_go continues when the answer came. A session whose connection broke while a commit is under way stays until
 * the store has spoken: the message is kept all the same. */
#include "core/daemon/session.h"

#include <errno.h>
#include <unistd.h>

#include "core/base/format.h"
#include "core/base/log.h"
#include "core/base/mem.h"
#include "core/net/proxy.h"
#include "core/cleanup/cleanup.h"
#include "core/daemon/session_private.h"

#define MIN_DATA_RATE 500              /* bytes per second that content must keep up with (smtpd_min_data_rate) */
#define NAME_WAIT (2 * USEC_PER_SEC)   /* the greeting does not wait longer for a PTR lookup */

static void session_go(struct session *s);

/* --- end of life ------------------------------------------------------------------------------------------------ */

static void free_session(struct loop_task *t)
{
	struct session *s = LIST_ITEM(t, struct session, free_task);
	smtp_server_fini(&s->smtp);
	arena_fini(&s->arena);
	mem_free(s);
}

/* session_end - the connection is gone; what waits elsewhere is cancelled, but a commit is never */
static void session_end(struct session *s)
{
	if (s->ended)
		return;
	s->ended = true;
	session_policy_cancel(s);
	if (s->name_query)
		dns_cancel(s->name_query);
	loop_timer_cancel(s->relay->loop, &s->name_timer);
	if (s->message && !s->committing) {
		cleanup_abort(s->message);
		s->message = NULL;
	}
	session_log_disconnect(s);
	if (s->client && s->uid < 0)
		clients_leave(&s->relay->clients, &s->address);
	list_remove(&s->link);
	s->relay->n_sessions--;
	if (!s->committing)
		loop_defer(s->relay->loop, &s->free_task);
}

static void hang_up(struct session *s)
{
	conn_close_after_send(s->conn, loop_now(s->relay->loop) + 10 * USEC_PER_SEC);
	session_end(s);
}

static void refuse_and_hang_up(struct session *s, int code, const char *enhanced, const char *text)
{
	struct reply r;
	reply_set(&r, code, enhanced, "%s %s", s->service->smtp.hostname, text);
	reply_format(&s->conn->out, &r);
	hang_up(s);
}

/* --- answers ---------------------------------------------------------------------------------------------------- */

void session_answer(struct session *s, const struct reply *r)
{
	smtp_server_answer(&s->smtp, r);
	s->waiting = false;
	if (r->code >= 400)
		s->relay->counts.rejects++;
}

static void answer(struct session *s, int code, const char *enhanced, const char *text)
{
	struct reply r;
	reply_set(&r, code, enhanced, "%s", text);
	session_answer(s, &r);
}

void session_continue(struct session *s)
{
	if (s->ended || s->running)
		return;
	session_go(s);
	if (!s->ended)
		conn_flush(s->conn);
}

static void on_mail(struct session *s)
{
	const struct conf *c = s->service->conf;
	struct relay *r = s->relay;
	struct envelope *e = &s->smtp.envelope;
	struct reply no;
	no.code = 0;
	if (store_is_broken(r->store))
		reply_set(&no, 451, "4.3.0", "Error: queue file write error");
	else if (!store_has_room(r->store, (uint64_t)s->smtp.declared_size))
		cleanup_refusal(&no, errno);
	else if (s->client && !s->exempt && c->smtpd_client_message_rate_limit &&
		client_rate_count(s->client, CLIENT_MESSAGES, loop_now(r->loop), c->anvil_rate_time_unit) > (unsigned)c->smtpd_client_message_rate_limit)
		reply_set(&no, 450, "4.7.1", "Error: too much mail from your address");
	if (no.code) {
		session_refuse(s, &no);
		return;
	}
	s->sender_given = e->sender;
	e->sender = rewrite_address(r->settings->router, &s->arena, e->sender, session_is_local(s));
	e->arrival = loop_wall(r->loop);
	e->client_name = str_of(s->client_name);
	e->client_addr = str_of(s->client_address);
	e->helo = arena_str(&s->arena, str_of(s->smtp.helo));
	e->proto = str_of(smtp_server_proto(&s->smtp));
	e->uid = s->uid;
	if (s->uid >= 0)
		e->flags |= ENVELOPE_LOCAL;
	answer(s, 250, "2.1.0", "Ok");
}

static void on_data(struct session *s)
{
	struct relay *r = s->relay;
	const struct tls_info *tls = conn_tls(s->conn);
	if (tls)
		s->tls_note = arena_printf(&s->arena, "%s with cipher %s (%d/%d bits)", tls->version, tls->cipher, tls->bits, tls->bits).p;
	struct cleanup_options o = {.source = CLEANUP_SMTP, .sink = cleanup_to_store(r->store), .router = r->settings->router,
		.conf = s->service->conf, .local = session_is_local(s), .tls_note = tls && s->service->conf->smtpd_tls_received_header ? s->tls_note : NULL,
		.now = loop_wall(r->loop)};
	s->message = cleanup_begin(&o, &s->smtp.envelope);
	if (!s->message) {
		struct reply full;
		cleanup_refusal(&full, errno);
		session_answer(s, &full);
		return;
	}
	if (s->uid >= 0) {
		struct log_line l;
		log_begin(&l, "pickup", 0, cleanup_qid(s->message));
		l.spaced = true;
		log_field(&l, "uid", "%lld", (long long)s->uid);
		log_addr(&l, "from", s->sender_given);
		log_end(&l);
	} else {
		log_text(LOG_SEV_INFO, "smtpd", s->pid, cleanup_qid(s->message), "client=%s", s->client_text);
	}
	answer(s, 354, "", "End data with <CR><LF>.<CR><LF>");
}

static void on_committed(void *ctx, const struct reply *reply, struct qmsg *m)
{
	struct session *s = ctx;
	struct relay *r = s->relay;
	s->committing = false;
	s->message = NULL;
	if (m) {
		r->counts.mail[0]++;
		r->counts.submissions += s->uid >= 0;
		schedule_add(r->schedule, m, true);
	}
	if (s->ended) {
		loop_defer(r->loop, &s->free_task);
		return;
	}
	session_answer(s, reply);
	session_continue(s);
}

static void on_message(struct session *s)
{
	s->waiting = s->committing = true;
	conn_deadline(s->conn, USEC_NEVER);
	cleanup_end(s->message, on_committed, s);
}

static void start_tls(struct session *s)
{
	if (s->conn->in.n > s->consumed) {
		refuse_and_hang_up(s, 503, "5.5.1", "Error: commands after STARTTLS");
		return;
	}
	buf_clear(&s->conn->in);
	s->consumed = 0;
	s->waiting = true;
	s->in_tls = true;
	conn_deadline(s->conn, loop_now(s->relay->loop) + s->service->conf->smtpd_starttls_timeout);
	conn_start_tls(s->conn, s->service->tls, NULL);
}

/* handle - one event of the machine; false ends the loop of session_go */
static bool handle(struct session *s, enum smtp_server_event ev)
{
	switch (ev) {
	case SMTP_SERVER_WANT_INPUT:
		return false;
	case SMTP_SERVER_HELO:
		answer(s, 250, "", s->service->smtp.hostname);
		return true;
	case SMTP_SERVER_MAIL:
		on_mail(s);
		return true;
	case SMTP_SERVER_RCPT:
		s->waiting = true;
		session_policy_recipient(s);
		return !s->waiting;
	case SMTP_SERVER_DATA:
		on_data(s);
		return true;
	case SMTP_SERVER_BODY:
		cleanup_add(s->message, s->smtp.chunk);
		return true;
	case SMTP_SERVER_MESSAGE:
		on_message(s);
		return !s->waiting;
	case SMTP_SERVER_RSET:
		if (s->message && !s->committing) {
			cleanup_abort(s->message);
			s->message = NULL;
		}
		return true;
	case SMTP_SERVER_STARTTLS:
		start_tls(s);
		return false;
	case SMTP_SERVER_AUTH:
		answer(s, 535, "5.7.8", "Error: authentication failed");
		return true;
	case SMTP_SERVER_VRFY:
		answer(s, 252, "2.0.0", "Cannot VRFY user, but will accept the message and attempt delivery");
		return true;
	case SMTP_SERVER_ETRN:
		answer(s, 459, "4.7.0", "Queuing is not available");
		return true;
	case SMTP_SERVER_QUIT:
		hang_up(s);
		return false;
	case SMTP_SERVER_HANGUP:
		session_log_hangup(s);
		hang_up(s);
		return false;
	case SMTP_SERVER_REFUSED:
		s->relay->counts.rejects++;
		session_log_refused(s);
		return true;
	}
	return false;
}

/* set_deadline - a command must be complete in smtpd_timeout; content must also keep up a least rate */
static void set_deadline(struct session *s, bool fresh, size_t got)
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

static void session_go(struct session *s)
{
	bool progress = false;
	size_t got = s->conn->in.n;
	if (got)
		session_log_connect(s);
	s->running = true;
	while (!s->waiting && !s->ended) {
		struct str in = str_from(buf_view(&s->conn->in), s->consumed);
		size_t before = in.n;
		enum smtp_server_event ev = smtp_server_next(&s->smtp, &in);
		s->consumed += before - in.n;
		progress |= ev != SMTP_SERVER_WANT_INPUT && ev != SMTP_SERVER_BODY;
		if (!handle(s, ev))
			break;
	}
	s->running = false;
	if (s->ended)
		return;
	if (s->consumed) {
		buf_consume(&s->conn->in, s->consumed);
		s->consumed = 0;
	}
	if (!s->waiting)
		set_deadline(s, progress, got);
	if (s->eof && !s->waiting) {
		session_log_break(s, "lost connection");
		conn_close(s->conn);
		session_end(s);
	}
}

/* --- beginning ---------------------------------------------------------------------------------------------------- */

static void name_client(struct session *s)
{
	format_text(s->client_text, sizeof s->client_text, "%s[%s]", s->client_name, s->client_address);
}

static void greet(struct session *s)
{
	const struct conf *c = s->service->conf;
	struct relay *r = s->relay;
	name_client(s);
	if (s->tls_done)
		session_log_tls(s);
	s->waiting = false;
	if (s->client && !s->exempt) {
		unsigned rate = client_rate_count(s->client, CLIENT_CONNECTIONS, loop_now(r->loop), c->anvil_rate_time_unit);
		if ((c->smtpd_client_connection_count_limit && s->client->connections > (unsigned)c->smtpd_client_connection_count_limit) ||
			(c->smtpd_client_connection_rate_limit && rate > (unsigned)c->smtpd_client_connection_rate_limit)) {
			session_log_connect(s);
			log_text(LOG_SEV_WARNING, "smtpd", s->pid, NULL, "Connection %s limit exceeded: %u from %s for service smtp",
				s->client->connections > (unsigned)c->smtpd_client_connection_count_limit ? "concurrency" : "rate",
				s->client->connections, s->client_text);
			refuse_and_hang_up(s, 421, "4.7.0", "Error: too many connections from your address");
			return;
		}
	}
	smtp_server_greet(&s->smtp);
	set_deadline(s, true, 0);
	session_go(s);
	if (!s->ended)
		conn_flush(s->conn);
}

static void on_name_late(struct loop_timer *t)
{
	struct session *s = LIST_ITEM(t, struct session, name_timer);
	dns_cancel(s->name_query);
	s->name_query = NULL;
	greet(s);
}

static void on_name(void *ctx, enum dns_status status, const char *name, const char *why)
{
	struct session *s = ctx;
	s->name_query = NULL;
	loop_timer_cancel(s->relay->loop, &s->name_timer);
	if (status == DNS_OK)
		format_text(s->client_name, sizeof s->client_name, "%s", name);
	(void)why;
	greet(s);
}

/* identify - find the name of the address, then greet */
static void identify(struct session *s)
{
	struct relay *r = s->relay;
	s->client = clients_enter(&r->clients, &s->address);
	s->exempt |= s->service->limit_exceptions && match_address(s->service->limit_exceptions, &s->address) == MAP_FOUND;
	if (!s->service->conf->smtpd_peername_lookup) {
		greet(s);
		return;
	}
	s->waiting = true;
	loop_timer_set(r->loop, &s->name_timer, loop_now(r->loop) + NAME_WAIT);
	s->name_query = dns_lookup_name(r->dns, &s->address, on_name, s);
}

/* begin - the address is known (from the socket or the PROXY header) */
static void begin(struct session *s)
{
	ipaddr_format(&s->address, s->client_address);
	name_client(s);
	if (s->service->tls_wrapper && !s->in_tls) {
		start_tls(s);
		return;
	}
	identify(s);
}

static bool proxy_peer_is_trusted(struct session *s)
{
	if (match_address(s->service->proxy_networks, &s->address) == MAP_FOUND)
		return true;
	char peer[46];
	ipaddr_format(&s->address, peer);
	log_text(LOG_SEV_WARNING, "smtpd", s->pid, NULL, "PROXY header refused from [%s]: not in smtpd_upstream_proxy_networks", peer);
	return false;
}

/* take_address - the proxy's word. A loopback address means the proxy's own host (threats K6): it is ours only when the
 * proxy runs here, too, and it has the rights of mynetworks only when somebody wrote mynetworks down. */
static void take_address(struct session *s, const struct ipaddr *client)
{
	s->foreign = ipaddr_is_loopback(client) && !(ipaddr_is_loopback(&s->address) && conf_is_set(s->service->conf, "mynetworks"));
	s->address = *client;
}

static void read_proxy_header(struct session *s)
{
	struct proxy_header h;
	const char *why = "";
	char peer[46];
	if (!proxy_peer_is_trusted(s)) {
		conn_close(s->conn);
		session_end(s);
		return;
	}
	switch (proxy_parse(buf_view(&s->conn->in), &h, &why)) {
	case PROXY_NEED_MORE:
		return;
	case PROXY_BAD:
		ipaddr_format(&s->address, peer);
		log_text(LOG_SEV_WARNING, "smtpd", s->pid, NULL, "haproxy read error from [%s]: %s", peer, why);
		conn_close(s->conn);
		session_end(s);
		return;
	case PROXY_OK:
		s->expect_proxy = false;
		/* the proxy's own look at us is no client's connection */
		s->exempt = h.local;
		if (!h.local)
			take_address(s, &h.source);
		buf_consume(&s->conn->in, h.length);
		begin(s);
		return;
	}
}

/* --- connection events ---------------------------------------------------------------------------------------------- */

static enum conn_next on_conn(struct conn *c, enum conn_event ev)
{
	struct session *s = c->ctx;
	switch (ev) {
	case CONN_CONNECTED:
	case CONN_SENT:
		break;
	case CONN_DATA:
		if (s->expect_proxy)
			read_proxy_header(s);
		else if (!s->waiting)
			session_go(s);
		break;
	case CONN_TLS_READY:
		s->waiting = false;
		s->tls_done = true;
		smtp_server_tls_done(&s->smtp);
		if (!s->client) {
			identify(s);
			break;
		}
		session_log_tls(s);
		set_deadline(s, true, 0);
		break;
	case CONN_EOF:
		s->eof = true;
		if (!s->waiting && !s->expect_proxy && s->connect_logged)
			session_go(s);
		else if (!s->committing && !s->domain_query && !s->verify) {
			conn_close(c);
			session_end(s);
		}
		break;
	case CONN_FAILED:
		if (s->connect_logged || s->in_tls) {
			session_log_connect(s);
			if (s->in_tls && !s->tls_done)
				log_text(LOG_SEV_INFO, "smtpd", s->pid, NULL, "SSL_accept error from %s: %s", s->client_text, c->why);
			session_log_break(s, "lost connection");
		}
		session_end(s);
		return CONN_CLOSE;
	case CONN_DEADLINE:
		if (s->expect_proxy) {
			log_text(LOG_SEV_WARNING, "smtpd", s->pid, NULL, "haproxy read error: no PROXY header in time; does the balancer send it before "
				"the client speaks?");
			conn_close(c);
			session_end(s);
			break;
		}
		session_log_break(s, "timeout");
		refuse_and_hang_up(s, 421, "4.4.2", "Error: timeout exceeded");
		break;
	}
	return CONN_KEEP;
}

void session_open(struct relay *r, const struct service *v, int fd, int64_t uid)
{
	struct session *s = MEM_NEW(struct session);
	s->relay = r;
	s->service = v;
	s->uid = uid;
	s->pid = ++r->next_pid;
	loop_task_init(&s->free_task, free_session);
	loop_timer_init(&s->name_timer, on_name_late);
	/* sendmail may name as many recipients as a drop may */
	arena_init(&s->arena, (uid >= 0 ? LIMIT_DROP_ARENA : 1) * LIMIT_SESSION_ARENA);
	format_text(s->client_name, sizeof s->client_name, "%s", uid >= 0 ? "local" : "unknown");
	s->conn = conn_accepted(r->loop, fd, LIMIT_SESSION_INPUT, LIMIT_SESSION_OUTPUT, on_conn, s);
	smtp_server_init(&s->smtp, &v->smtp, &s->conn->out, &s->arena);
	list_append(&r->sessions, &s->link);
	r->n_sessions++;
	if (uid >= 0) {
		greet(s);
		return;
	}
	r->counts.connects++;
	ipaddr_from_sockaddr((struct sockaddr *)&s->conn->peer, &s->address);
	if (!v->proxy) {
		begin(s);
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
		if (!s->waiting && smtp_server_is_idle(&s->smtp))
			refuse_and_hang_up(s, 421, "4.3.2", "Server shutting down");
	}
}

bool session_any_of(const struct relay *r, const struct settings *s)
{
	LIST_EACH(&r->sessions, it, tmp) {
		const struct service *v = LIST_ITEM(it, struct session, link)->service;
		if (v == &s->submit || (v >= s->services && v < s->services + s->n_services))
			return true;
	}
	return false;
}
