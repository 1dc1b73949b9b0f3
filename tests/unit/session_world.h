/* session_world - a session of the daemon with nothing real around it: connection, loop, DNS, probes, the way into the queue and the log
 * are plain memory here, so a test says when each of them answers. The server machine, the lists and the router are the real ones. */
#ifndef TESTS_UNIT_SESSION_WORLD_H
#define TESTS_UNIT_SESSION_WORLD_H

#include <stdio.h>

#include "core/base/log.h"
#include "core/base/mem.h"
#include "core/cleanup/notice.h"
#include "core/daemon/places.h"
#include "core/daemon/session.h"
#include "core/daemon/session_private.h"
#include "tests/unit/t.h"

static struct world {
	struct relay relay;
	struct settings settings;
	struct service service;
	struct incoming incoming;
	struct service_load load;
	struct conf_diag diag;
	struct conn conn;
	conn_fn on_conn;
	bool closed;
	usec now, deadline, timer_due;
	struct loop_timer *timer;
	struct loop_task *task;
	/* one question at a time */
	char asked[300];
	const struct dns *asked_of;
	dns_fn on_dns;
	dns_addresses_fn on_addresses;
	dns_name_fn on_name;
	verify_fn on_verified;
	void *ctx;
	unsigned cancelled;
	/* a login under way */
	char login[300];
	auth_fn on_login;
	void *login_ctx;
	/* the way into the queue */
	struct buf content;
	cleanup_fn on_commit;
	void *commit_ctx;
	unsigned begun, aborted, queued;
	bool full;                     /* no room for content: the session must wait */
	unsigned notices;
	char notice[8000];
	bool busy;                     /* checks are at work on it */
	struct action_wish *const *wishes;
	unsigned *users;               /* what it counts while it is on its way */
	void (*go_on)(void *ctx);
} w;
static bool world_auth, world_tls;     /* worlds to come offer AUTH in clear, STARTTLS */

static char resolvers[3];              /* of deliveries, of names, of judging: never looked into */

/* --- what a session uses ------------------------------------------------------------------------------------------------ */

void loop_timer_init(struct loop_timer *t, void (*on_due)(struct loop_timer *)) { t->on_due = on_due; }
void loop_timer_set(struct loop *l, struct loop_timer *t, usec deadline)
{
	(void)l;
	w.timer = t;
	w.timer_due = deadline;
}
void loop_timer_cancel(struct loop *l, struct loop_timer *t)
{
	(void)l;
	if (w.timer == t)
		w.timer = NULL;
}
void loop_task_cancel(struct loop_task *t) { w.task = w.task == t ? NULL : w.task; }
void loop_task_init(struct loop_task *t, void (*run)(struct loop_task *)) { t->run = run; }
void loop_defer(struct loop *l, struct loop_task *t)
{
	(void)l;
	w.task = t;
}
usec loop_now(const struct loop *l) { return (void)l, w.now; }
usec loop_wall(const struct loop *l) { return (void)l, w.now; }

struct conn *conn_accepted(struct loop *l, int fd, size_t in_max, size_t out_max, conn_fn fn, void *ctx)
{
	(void)l;
	(void)fd;
	buf_init(&w.conn.in, in_max);
	buf_init(&w.conn.out, out_max);
	w.conn.ctx = ctx;
	w.on_conn = fn;
	return &w.conn;
}
void conn_deadline(struct conn *c, usec deadline) { (void)c, w.deadline = deadline; }
void conn_flush(struct conn *c) { (void)c; }
size_t conn_memory(const struct conn *c) { return c->in.cap + c->out.cap; }
void conn_close(struct conn *c) { (void)c, w.closed = true; }
void conn_close_after_send(struct conn *c, usec deadline) { (void)c, (void)deadline, w.closed = true; }
void conn_start_tls(struct conn *c, struct tls_context *t, const struct tls_peer *p) { (void)c, (void)t, (void)p; }
const struct tls_info *conn_tls(const struct conn *c) { return (void)c, NULL; }

static struct dns_query *ask(const struct dns *d, struct str name, void *ctx)
{
	w.asked_of = d;
	snprintf(w.asked, sizeof(w.asked), "%.*s", STR_ARG(name));
	w.ctx = ctx;
	return (struct dns_query *)&w;
}
struct dns_query *dns_ask(struct dns *d, struct str name, enum dns_type type, dns_fn fn, void *ctx)
{
	(void)type;
	w.on_dns = fn;
	return ask(d, name, ctx);
}
struct dns_query *dns_lookup_host(struct dns *d, struct str host, int families, enum dns_source from, dns_addresses_fn fn, void *ctx)
{
	(void)families;
	(void)from;
	w.on_addresses = fn;
	return ask(d, host, ctx);
}
struct dns_query *dns_lookup_name(struct dns *d, const struct ipaddr *a, dns_name_fn fn, void *ctx)
{
	(void)a;
	w.on_name = fn;
	return ask(d, STR("name"), ctx);
}
void dns_cancel(struct dns_query *q) { w.cancelled += q != NULL; }
struct verify_wait *verify_ask(struct verify *v, struct str rcpt, struct reply *known, verify_fn fn, void *ctx)
{
	(void)v;
	(void)known;
	w.on_verified = fn;
	ask(NULL, rcpt, ctx);
	return (struct verify_wait *)&w;
}
struct tls_session *conn_tls_session(const struct conn *c) { return (void)c, NULL; }
bool auth_burns(const struct auth *a) { return (void)a, false; }
struct auth_check *auth_ask(struct auth *a, struct loop *l, struct pool *p, const struct auth_question *q, auth_fn fn, void *ctx)
{
	(void)a;
	(void)l;
	(void)p;
	if (q->user)
		snprintf(w.login, sizeof(w.login), "%s %s %s", q->user, q->password, q->client);
	else
		snprintf(w.login, sizeof(w.login), "%s: %.*s", q->mechanism, STR_ARG(q->message));
	w.on_login = fn;
	w.login_ctx = ctx;
	return (struct auth_check *)&w;
}
void auth_go_on(struct auth_check *c, struct str message)
{
	(void)c;
	snprintf(w.login, sizeof(w.login), "on: %.*s", STR_ARG(message));
}
const char *auth_mechanisms(const struct auth *a, enum auth_channel channel) { return (void)a, (void)channel, "PLAIN LOGIN SCRAM-SHA-256"; }
void auth_cancel(struct auth_check *c) { w.cancelled += c != NULL; }
int loop_io_add(struct loop *l, struct loop_io *io, uint32_t events) { return (void)l, (void)io, (void)events, 0; }
void verify_cancel(struct verify_wait *v) { w.cancelled += v != NULL; }

struct cleanup *cleanup_begin(const struct cleanup_options *o, struct envelope *e)
{
	(void)e;
	w.wishes = o->wishes;
	w.go_on = o->go_on;
	w.users = o->users;
	w.begun++;
	buf_clear(&w.content);
	return (struct cleanup *)&w;
}
const char *cleanup_qid(const struct cleanup *i) { return (void)i, "ABC"; }
void cleanup_add(struct cleanup *i, struct str content)
{
	(void)i;
	buf_str(&w.content, content);
	if (w.full)
		session_wait(w.conn.ctx, SESSION_WAITS_ROOM);
}
bool cleanup_is_busy(const struct cleanup *i) { return (void)i, w.busy; }
void cleanup_end(struct cleanup *i, cleanup_fn fn, void *ctx)
{
	(void)i;
	w.on_commit = fn;
	w.commit_ctx = ctx;
}
size_t cleanup_memory(const struct cleanup *c) { return (void)c, 0; }
void cleanup_notice(const struct cleanup_notice *n, cleanup_fn fn, void *ctx)
{
	struct reply r = { .code = 250 };

	w.notices++;
	snprintf(w.notice, sizeof(w.notice), "%.*s > %.*s: %.*s", STR_ARG(n->sender), STR_ARG(n->to), STR_ARG(n->text));
	fn(ctx, &r, NULL);
}
void cleanup_abort(struct cleanup *i) { (void)i, w.aborted++; }
void cleanup_refusal(struct reply *r, int error) { (void)error, reply_set(r, 452, "4.3.1", "full"); }
void schedule_add(struct schedule *s, struct qmsg *m, bool fresh) { (void)s, (void)m, (void)fresh, w.queued++; }
size_t schedule_flush_site(struct schedule *s, struct str domain) { (void)s, (void)domain; return 0; }
struct cleanup_sink cleanup_to_store(struct store *s) { return (struct cleanup_sink){ .to = s }; }
bool store_is_broken(const struct store *s) { return (void)s, false; }
bool store_has_room(struct store *s, uint64_t size) { return (void)s, (void)size, true; }
void simple_answer(const struct master_transport *t, struct str text, struct reply *out)
{
	(void)t;
	reply_set(out, 550, "5.1.1", "%.*s", STR_ARG(text));
}
void places_left(struct relay *r, const struct service *v) { (void)r, v->load->sessions--; }
bool places_may_stay(struct relay *r, const struct service *v, const struct ipaddr *a) { return (void)r, (void)v, (void)a, true; }

static unsigned world_reports;         /* enum report_class, of the next world */

/* --- for tests -------------------------------------------------------------------------------------------------------- */

/* world_open - main.cf as `name=value` texts; the client is 192.0.2.1 and its name is not looked up unless a text says so */
static void world_open(const char *const *more)
{
	const char *extra[20] = { "myhostname=here.test", "mydestination=here.test", "relay_domains=relayed.test", "mynetworks=10.0.0.0/8",
		"alias_maps=", "local_recipient_maps=", "compatibility_level=3.6", "smtpd_peername_lookup=no", "smtpd_banner=here.test" };
	size_t n = 9;
	struct buf why;

	w = (struct world){ .now = 1000 * USEC_PER_SEC, .deadline = USEC_NEVER };
	buf_init(&w.content, 65536);
	log_open(&(struct log_config){ .sink = LOG_TO_FILE, .path = "/dev/null", .syslog_name = "postfix", .host = "h" });
	while (*more)
		extra[n++] = *more++;
	conf_diag_init(&w.diag);
	w.settings.conf = conf_load(t_tmpdir(), extra, &w.diag);
	if (!w.settings.conf || master_load(w.settings.conf, &w.settings.master, &w.diag) != 0)
		t_fail(__FILE__, __LINE__, "configuration");
	w.settings.router = router_new(w.settings.conf, &w.settings.master, &w.diag);
	w.incoming.conf = w.settings.conf;
	w.settings.incoming = &w.incoming;
	w.service = (struct service){ .conf = w.settings.conf, .settings = &w.settings, .load = &w.load,
		.rules = access_rules_new(w.settings.conf, &w.diag),
		.header_clients = header_clients_new(w.settings.conf->local_header_rewrite_clients, &w.diag),
		.reports = world_reports, .incoming = &w.incoming,
		.smtp = { .hostname = "here.test", .banner = "here.test", .recipient_limit = 100, .hard_error_limit = 20,
			.soft_error_limit = (unsigned)w.settings.conf->smtpd_soft_error_limit, .starttls = world_tls, .auth = world_auth, .auth_in_clear = world_auth,
			.auth_mechanisms = world_auth ? "PLAIN LOGIN SCRAM-SHA-256" : "", .etrn = true, .chunking = true, .pipelining = true, .discard_keywords = "" } };
	buf_init(&why, 1024);
	w.service.limit_exceptions = match_open(MATCH_HOSTS, w.settings.conf->smtpd_client_event_limit_exceptions, &why);
	buf_fini(&why);
	list_init(&w.relay.sessions);
	list_init(&w.relay.listeners);
	clients_init(&w.relay.clients);
	w.relay.settings = &w.settings;
	w.relay.has_auth_secret = true;
	w.relay.memory_limit = SIZE_MAX;
	w.relay.dns = (struct dns *)(void *)&resolvers[0];
	w.relay.name_dns = (struct dns *)(void *)&resolvers[1];
	w.relay.judge_dns = (struct dns *)(void *)&resolvers[2];
	((struct sockaddr_in *)&w.conn.peer)->sin_family = AF_INET;
	memcpy(&((struct sockaddr_in *)&w.conn.peer)->sin_addr, "\xc0\x00\x02\x01", 4);
	session_open(&w.relay, &w.service, -1, -1);
}

/* tick - what the loop does between two events */
static void tick(void)
{
	struct loop_task *t = w.task;

	w.task = NULL;
	if (t)
		t->run(t);
}

static void feed(const char *text)
{
	buf_z(&w.conn.in, text);
	w.on_conn(&w.conn, CONN_DATA);
}

/* said - all replies since the last call, lines joined by a bar, EHLO's cut to its last */
static const char *said(void)
{
	static char text[2000];
	struct str rest = buf_view(&w.conn.out), line;
	size_t n = 0;

	text[0] = '\0';
	while (str_cut(&rest, '\n', &line))
		if (line.n > 3 && line.p[3] != '-')
			n += (size_t)snprintf(text + n, sizeof(text) - n, "%.*s|", (int)line.n - 1, line.p);
	buf_clear(&w.conn.out);
	return text;
}

static inline void domain_says(enum dns_status status)
{
	dns_fn fn = w.on_dns;

	w.on_dns = NULL;
	w.asked[0] = '\0';
	fn(w.ctx, &(struct dns_answer){ .status = status });
}

static void world_close(void)
{
	struct reply later;
	struct session *s = w.relay.n_sessions ? w.conn.ctx : NULL;

	if (s)
		w.on_conn(&w.conn, CONN_FAILED);
	/* a commit keeps its session until the store has spoken */
	if (s && s->waits == SESSION_WAITS_COMMIT) {
		reply_set(&later, 451, "4.3.0", "no");
		w.on_commit(w.commit_ctx, &later, NULL);
	}
	tick();
	mem_free(w.relay.spare_answer);
	clients_fini(&w.relay.clients);
	access_rules_free(w.service.rules);
	match_close(w.service.limit_exceptions);
	header_clients_free(w.service.header_clients);
	router_free(w.settings.router);
	master_fini(&w.settings.master);
	conf_free(w.settings.conf);
	conf_diag_fini(&w.diag);
	buf_fini(&w.content);
	buf_fini(&w.conn.in);
	buf_fini(&w.conn.out);
}

#endif
