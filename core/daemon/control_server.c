/* control_server - one request a connection, answered from a table of verbs.
 *
 * Long listings stream: a slice is written, the next follows when the peer took it, so a million messages cost no memory
 * and never hold up the loop. The ids are taken when the request comes; a message that has gone meanwhile is left out. */
#include "core/daemon/control_server.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/un.h>
#include <unistd.h>

#include "core/base/fs.h"
#include "core/base/log.h"
#include "core/base/mem.h"
#include "core/net/acceptor.h"
#include "core/view/control.h"
#include "core/view/give.h"
#include "core/daemon/control_private.h"
#include "core/daemon/explain.h"
#include "core/daemon/health.h"
#include "core/daemon/stats.h"
#include "core/daemon/takeover.h"
#include "core/access/users.h"

#define SLICE 65536                    /* listing bytes written before the peer must take them */
#define LISTEN_BACKLOG 64
#define REQUEST_TIME (10 * USEC_PER_SEC)
#define STR_OF_(x) #x
#define STR_OF(x) STR_OF_(x)

struct control_server {
	struct relay *relay;
	struct acceptor acceptor;
	struct list peers;
};

/* --- output ------------------------------------------------------------------------------------------------------ */

static void put_lines(struct peer *p, struct str text)
{
	struct str line;

	while (str_cut(&text, '\n', &line))
		buf_printf(&p->conn->out, "+%.*s\n", STR_ARG(line));
}

static void peer_free(struct peer *p)
{
	control_adopt_gone(p);
	if (p->explanation)
		explain_cancel(p->explanation);
	list_remove(&p->link);
	mem_free(p->ids);
	mem_free(p);
}

void control_finish(struct peer *p, const char *problem)
{
	if (problem)
		buf_printf(&p->conn->out, "!%s\n", problem);
	else
		buf_z(&p->conn->out, ".\n");
	p->done = true;
}

/* --- verbs --------------------------------------------------------------------------------------------------------- */

static int by_id(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

static void collect_ids(struct peer *p)
{
	size_t cursor = 0;
	struct qmsg *m;

	p->ids = mem_array(NULL, store_count(p->relay->store) + 1, sizeof(*p->ids));
	while (store_each(p->relay->store, &cursor, &m))
		p->ids[p->n_ids++] = m->id;
	qsort(p->ids, p->n_ids, sizeof(*p->ids), by_id);
}

/* slice - of a long answer: p->next until it has no more, or the peer has to take what there is */
static void slice(struct peer *p)
{
	struct buf text;
	bool more = true;

	buf_init(&text, 16 << 20);
	while (more && text.n < SLICE)
		more = p->next(p, &text);
	put_lines(p, buf_view(&text));
	buf_fini(&text);
	if (!more)
		control_finish(p, NULL);
}

static bool next_message(struct peer *p, struct buf *out)
{
	struct qmsg *m = p->at < p->n_ids ? store_find(p->relay->store, p->ids[p->at]) : NULL;

	if (m)
		listing_message(&p->listing, p->relay->store, m, schedule_is_active(m), out);
	if (p->at++ < p->n_ids)
		return true;
	listing_end(&p->listing, out);
	return false;
}

static void do_queue(struct peer *p, struct str args)
{
	if (!listing_form(args, &p->listing.form)) {
		control_finish(p, "no such form of the queue");
		return;
	}
	collect_ids(p);
	p->next = next_message;
}

static bool is_in(const struct qmsg *m, struct str queues)
{
	struct str word;
	bool in = !queues.n;

	while (str_word(&queues, " ", &word))
		in |= str_eq(word, str_of(listing_queue(m, schedule_is_active(m))));
	return in;
}

/* message_of - if it is in one of these queues, or there are none */
static struct qmsg *message_of(struct peer *p, struct str text, struct str queues)
{
	uint64_t id;
	struct qmsg *m = qid_parse(text, &id) ? store_find(p->relay->store, id) : NULL;

	if (m && is_in(m, queues))
		return m;
	control_finish(p, "no such message in the queue");
	return NULL;
}

static void show(struct peer *p, struct str args, bool content)
{
	struct buf text;
	struct qmsg *m = message_of(p, args, STR_EMPTY);
	int result;

	if (!m)
		return;
	buf_init(&text, LIMIT_SESSION_OUTPUT * 8);
	result = listing_show(p->relay->store, m, content, &text);
	put_lines(p, buf_view(&text));
	buf_fini(&text);
	control_finish(p, result == 0 ? NULL : strerror(errno));
}

static void do_show(struct peer *p, struct str args) { show(p, args, true); }
static void do_trace(struct peer *p, struct str args) { show(p, args, false); }

static const char *const control_words[] = {
	[SCHEDULE_FLUSH] = "flushed", [SCHEDULE_HOLD] = "placed on hold", [SCHEDULE_RELEASE] = "released from hold",
	[SCHEDULE_DELETE] = "removed", [SCHEDULE_REQUEUE] = "requeued", [SCHEDULE_EXPIRE] = "expired",
};

/* apply - what is being delivered has its answer first, and is changed then */
static bool apply(struct peer *p, enum schedule_verb v, struct qmsg *m)
{
	char qid[QID_MAX];

	qid_format(qid, m->id);
	if (schedule_control(p->relay->schedule, v, m) != 0 && errno != EBUSY)
		return false;
	if (v != SCHEDULE_FLUSH)
		log_say(LOG_SEV_INFO, "postsuper", 0, qid, control_words[v], "%s", control_words[v]);
	return true;
}

/* change - args: an id or ALL, and the queues that count, all if none is named */
static void change(struct peer *p, enum schedule_verb v, struct str args)
{
	size_t n = 0;
	struct str id = args, queues = args;

	str_cut(&queues, ' ', &id);
	if (str_eq(id, STR("ALL"))) {
		collect_ids(p);
		for (size_t i = 0; i < p->n_ids; i++) {
			struct qmsg *m = store_find(p->relay->store, p->ids[i]);

			/* of all, only what is held can be released */
			if (m && is_in(m, queues) && (v != SCHEDULE_RELEASE || m->flags & QMSG_HELD))
				n += apply(p, v, m);
		}
	} else {
		struct qmsg *m = message_of(p, id, queues);

		if (!m)
			return;
		if (!apply(p, v, m)) {
			control_finish(p, strerror(errno));
			return;
		}
		n = 1;
	}
	buf_printf(&p->conn->out, "+%zu\n", n);
	control_finish(p, NULL);
}

static void do_hold(struct peer *p, struct str args) { change(p, SCHEDULE_HOLD, args); }
static void do_release(struct peer *p, struct str args) { change(p, SCHEDULE_RELEASE, args); }
static void do_delete(struct peer *p, struct str args) { change(p, SCHEDULE_DELETE, args); }
static void do_requeue(struct peer *p, struct str args) { change(p, SCHEDULE_REQUEUE, args); }
static void do_expire(struct peer *p, struct str args) { change(p, SCHEDULE_EXPIRE, args); }

static void do_flush(struct peer *p, struct str args)
{
	size_t n;

	deliver_ask_again(p->relay->deliver);
	if (args.n && !str_starts(args, STR("site:"))) {
		change(p, SCHEDULE_FLUSH, args);
		return;
	}
	n = args.n ? schedule_flush_site(p->relay->schedule, str_from(args, 5)) : schedule_flush_all(p->relay->schedule);
	buf_printf(&p->conn->out, "+%zu\n", n);
	control_finish(p, NULL);
}

/* next_destination - one that comes or goes meanwhile may be missed */
static bool next_destination(struct peer *p, struct buf *out) { return stats_destination(p->relay, &p->at, out); }

static void do_stats(struct peer *p, struct str args)
{
	struct buf text;

	(void)args;
	buf_init(&text, LIMIT_SESSION_OUTPUT);
	stats_rows(p->relay, &text);
	put_lines(p, buf_view(&text));
	buf_fini(&text);
	p->next = next_destination;
}

static void do_reload(struct peer *p, struct str args)
{
	(void)args;
	control_finish(p, relay_reload(p->relay) ? NULL : "the new configuration was refused (the log says why); the old one stays in force");
}

static void do_stop(struct peer *p, struct str args)
{
	(void)args;
	control_finish(p, NULL);
	relay_stop(p->relay, "request");
}

static void do_ping(struct peer *p, struct str args)
{
	(void)args;
	control_finish(p, NULL);
}

static void do_health(struct peer *p, struct str args)
{
	(void)args;
	control_finish(p, health_alive(p->relay));
}

static void on_explained(void *ctx, struct str rows, const char *problem)
{
	struct peer *p = ctx;
	bool later = p->explanation;

	p->explanation = NULL;
	put_lines(p, rows);
	control_finish(p, problem);
	if (later)
		control_send(p);
}

/* explain ADDR [from=S] [client=IP] …: what would happen to this recipient */
static void do_explain(struct peer *p, struct str args)
{
	struct relay *r = p->relay;

	p->explanation = explain_begin(&(struct explain_world){ r->settings, r->deliver, r->name_dns, r->judge_dns }, args, on_explained, p);
}

enum right { RIGHT_ANYONE, RIGHT_MAILQ, RIGHT_FLUSH, RIGHT_OWNER };
static const struct verb {
	const char *name;
	void (*run)(struct peer *p, struct str args);
	enum right right;
} verbs[] = {
	{ "ping", do_ping, RIGHT_ANYONE },
	{ "health", do_health, RIGHT_ANYONE },
	{ "queue", do_queue, RIGHT_MAILQ },
	{ "stats", do_stats, RIGHT_MAILQ },
	{ "explain", do_explain, RIGHT_MAILQ },
	{ "flush", do_flush, RIGHT_FLUSH },
	{ "show", do_show, RIGHT_OWNER },
	{ "trace", do_trace, RIGHT_OWNER },
	{ "hold", do_hold, RIGHT_OWNER },
	{ "release", do_release, RIGHT_OWNER },
	{ "delete", do_delete, RIGHT_OWNER },
	{ "requeue", do_requeue, RIGHT_OWNER },
	{ "expire", do_expire, RIGHT_OWNER },
	{ "reload", do_reload, RIGHT_OWNER },
	{ "stop", do_stop, RIGHT_OWNER },
	{ "started", control_started, RIGHT_OWNER },
	{ GIVE_REQUEST, control_adopt, RIGHT_OWNER },
	{ TAKEOVER_REQUEST, control_takeover, RIGHT_OWNER },
};

static bool is_master(int64_t uid)
{
	return uid == 0 || uid == (int64_t)geteuid();
}

static bool may(const struct peer *p, enum right right)
{
	const struct conf *c = p->relay->settings->conf;

	if (is_master(p->uid) || right == RIGHT_ANYONE)
		return true;
	if (right == RIGHT_MAILQ)
		return users_include(c->authorized_mailq_users, p->uid);
	return right == RIGHT_FLUSH && users_include(c->authorized_flush_users, p->uid);
}

static void serve(struct peer *p, struct str line)
{
	struct str name = line, rest = line;

	str_cut(&rest, ' ', &name);
	for (size_t i = 0; i < sizeof(verbs) / sizeof(*verbs); i++) {
		if (!str_eq(name, str_of(verbs[i].name)))
			continue;
		if (may(p, verbs[i].right))
			verbs[i].run(p, str_trim(rest));
		else
			control_finish(p, CONTROL_NOT_PERMITTED);
		return;
	}
	control_finish(p, "unknown request");
}

/* --- connection -------------------------------------------------------------------------------------------------------- */

void control_send(struct peer *p)
{
	conn_close_after_send(p->conn, loop_now(p->relay->loop) + 30 * USEC_PER_SEC);
	peer_free(p);
}

static enum conn_next on_conn(struct conn *c, enum conn_event ev)
{
	struct peer *p = c->ctx;

	if (ev == CONN_DATA && !p->answering) {
		ptrdiff_t lf = str_chr(buf_view(&c->in), '\n');

		if (lf >= 0) {
			p->answering = true;
			conn_deadline(c, loop_now(p->relay->loop) + CONTROL_ANSWER_TIME);
			buf_printf(&c->out, CONTROL_HELLO "%d\n", CONTROL_VERSION);
			serve(p, str_trim(str_head(buf_view(&c->in), (size_t)lf)));
			buf_consume(&c->in, (size_t)lf + 1);
			if (p->next)
				slice(p);
		} else if (c->in.n >= LIMIT_CONTROL_LINE) {
			control_finish(p, "request too long");
		}
	} else if (ev == CONN_SENT && p->next && !p->done) {
		slice(p);
	} else if (ev == CONN_FAILED || ev == CONN_DEADLINE || (ev == CONN_EOF && (!p->answering || p->more))) {
		peer_free(p);
		return CONN_CLOSE;
	}
	if (p->more && c->in.n)
		p->more(p);
	if (p->done)
		control_send(p);
	return CONN_KEEP;
}

/* may_come - a user has so many connections, and all but the masters of this have a share between them */
static bool may_come(struct control_server *s, int64_t uid)
{
	unsigned same = 0, others = 0;

	LIST_EACH(&s->peers, it, tmp) {
		struct peer *p = LIST_ITEM(it, struct peer, link);

		same += p->uid == uid;
		others += !is_master(p->uid);
	}
	return same < LIMIT_CONTROL_USER && (is_master(uid) || others < LIMIT_CONTROL_USERS);
}

static void on_accepted(struct acceptor *a, int fd)
{
	static const char no[] = CONTROL_HELLO STR_OF(CONTROL_VERSION) "\n!too many connections of your user, or of all users, to the control socket\n";
	struct control_server *s = LIST_ITEM(a, struct control_server, acceptor);
	struct ucred u;
	socklen_t n = sizeof(u);
	struct peer *p;

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &u, &n) != 0 || !may_come(s, u.uid)) {
		(void)!send(fd, no, sizeof(no) - 1, MSG_DONTWAIT | MSG_NOSIGNAL);
		close(fd);
		return;
	}
	p = MEM_NEW(struct peer);
	p->relay = s->relay;
	p->uid = u.uid;
	p->conn = conn_accepted(s->relay->loop, fd, LIMIT_CONTROL_LINE, 32 << 20, on_conn, p);
	if (!p->conn) {
		mem_free(p);
		return;
	}
	list_append(&s->peers, &p->link);
	conn_deadline(p->conn, loop_now(s->relay->loop) + REQUEST_TIME);
}

/* bind_for_all - everybody may connect: who may ask for what is asked of the kernel, of each */
static int bind_for_all(int fd, const struct sockaddr_un *sa)
{
	mode_t mask = umask(0111);
	int result = bind(fd, (const struct sockaddr *)sa, sizeof(*sa));

	umask(mask);
	return result;
}

struct control_server *control_open(struct relay *r)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX, .sun_path = "control" };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct control_server *s;

	if (fd < 0)
		return NULL;
	/* the spool is locked: whoever left this name is gone */
	if ((unlink(sa.sun_path) != 0 && errno != ENOENT) || bind_for_all(fd, &sa) != 0 || listen(fd, LISTEN_BACKLOG) != 0) {
		int error = errno;

		close(fd);
		errno = error;
		return NULL;
	}
	s = MEM_NEW(struct control_server);
	s->relay = r;
	list_init(&s->peers);
	if (acceptor_open(&s->acceptor, r->loop, fd, "control", on_accepted) == 0)
		return s;
	close(fd);
	mem_free(s);
	return NULL;
}

void control_close(struct control_server *s)
{
	if (!s)
		return;
	LIST_EACH(&s->peers, it, tmp) {
		struct peer *p = LIST_ITEM(it, struct peer, link);

		if (p->stays)
			continue;
		conn_close(p->conn);
		peer_free(p);
	}
	acceptor_close(&s->acceptor);
	unlink("control");
	mem_free(s);
}
