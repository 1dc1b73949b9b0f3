/* bounce - notices about mail: to the sender, to the postmaster where notify_classes says so, never about a notice.
 *
 * A notice has the null sender, so that nobody answers it; a copy for the postmaster has the double-bounce sender, and
 * what cannot be delivered of that is dropped (threats H2). The original comes back whole when it is not larger than
 * bounce_size_limit and the sender did not ask otherwise, else only its header. */
#include <errno.h>
#include <stdio.h>

#include "core/base/log.h"
#include "core/base/mem.h"
#include "core/deliver/deliver_private.h"
#include "core/msg/date.h"
#include "core/msg/dsn.h"
#include "core/msg/header.h"
#include "core/msg/received.h"

struct notice {
	struct list link;              /* deliver.notices */
	struct loop_task task;
	struct deliver *d;             /* NULL: it went away before the queue answered */
	struct arena arena;
	struct envelope e;
	struct buf text;
	uint64_t id;
	char about[QID_MAX], qid[QID_MAX];
	const char *message_id;        /* without brackets */
	const char *what;              /* "sender non-delivery notification" */
	void (*fn)(void *ctx, int error);
	void *ctx;
	int error;
};

static void end(struct notice *n)
{
	void (*fn)(void *, int) = n->fn;
	void *ctx = n->ctx;
	int error = n->error;

	list_remove(&n->link);
	list_remove(&n->task.link);
	arena_fini(&n->arena);
	buf_fini(&n->text);
	mem_free(n);
	if (fn)
		fn(ctx, error);
}

static void run_end(struct loop_task *task)
{
	end(LIST_ITEM(task, struct notice, task));
}

static void end_later(struct notice *n, int error)
{
	n->error = error;
	loop_defer(n->d->o.loop, &n->task);
}

static void committed(void *ctx, struct qmsg *m, int error)
{
	struct notice *n = ctx;
	struct deliver *d = n->d;

	n->error = m ? 0 : error ? error : EIO;
	if (m && d) {
		log_text(LOG_SEV_INFO, "bounce", 0, n->about, "%s: %s", n->what, n->qid);
		d->o.queued(d->o.ctx, m);
	}
	end(n);
}

/* --- the text ------------------------------------------------------------------------------------------------------- */

struct original { struct str headers, body; };

static void read_original(struct notice *n, struct qmsg *m, const struct envelope *e, bool whole, struct original *out)
{
	size_t head = e->header_size < LIMIT_HEADER ? (size_t)e->header_size : LIMIT_HEADER;
	size_t size = whole ? (size_t)e->size : head;
	struct store_reader *r = store_read_open(n->d->o.store, m);
	char *p = arena_alloc(&n->arena, size + 1);
	size_t got = 0;

	*out = (struct original){ STR_EMPTY, STR_EMPTY };
	while (r && p && got < size) {
		ssize_t k = store_read(r, got, p + got, size - got);

		if (k <= 0)
			break;
		got += (size_t)k;
	}
	if (r)
		store_read_close(r);
	head = head < got ? head : got;
	if (p)
		*out = (struct original){ str_make(p, head), str_make(p + head, got - head) };
	/* the empty line belongs to neither */
	if (str_ends(out->headers, STR("\r\n\r\n")))
		out->headers.n -= 2;
}

static void make_message_id(struct notice *n)
{
	struct buf id;

	buf_init(&id, 1024);
	message_id_format(&id, n->e.arrival, n->qid, n->d->o.conf->myhostname);
	n->message_id = id.n > 2 ? arena_z(&n->arena, str_make(id.p + 1, id.n - 2)) : n->qid;
	buf_fini(&id);
}

static void format(struct notice *n, int kind, struct qmsg *m, const struct envelope *e, const size_t *rcpts,
	const struct delivery_result *results, size_t count)
{
	const struct conf *c = n->d->o.conf;
	usec now = loop_wall(n->d->o.loop);
	bool whole = kind == DSN_FAILED && e->ret != DSN_RET_HDRS && e->size <= (uint64_t)c->bounce_size_limit;
	struct dsn_rcpt *rows = ARENA_ARRAY(&n->arena, struct dsn_rcpt, count);
	struct original o;

	read_original(n, m, e, whole, &o);
	for (size_t i = 0; rows && i < count; i++)
		rows[i] = (struct dsn_rcpt){ &e->rcpts[rcpts[i]], &results[i].reply, str_of(results[i].remote_mta) };
	dsn_format(&n->text, &(struct dsn_request){
		.kind = (enum dsn_kind)kind, .hostname = c->myhostname, .mail_name = c->mail_name, .qid = n->about,
		.to = n->e.rcpts[0].addr, .envelope = e, .rcpts = rows, .n_rcpts = rows ? count : 0,
		.headers = o.headers, .body = o.body, .now = now,
		.will_retry_until = kind == DSN_DELAYED ? e->arrival + c->maximal_queue_lifetime : 0,
		.boundary = arena_printf(&n->arena, "%s.%lld/%s", n->about, (long long)(now / USEC_PER_SEC), c->myhostname).p,
		.message_id = n->message_id,
	});
}

/* --- who is told ------------------------------------------------------------------------------------------------------ */

static bool has_class(const struct conf *c, const char *word)
{
	struct str rest = str_of(c->notify_classes), w;

	while (str_word(&rest, ", \t\r\n", &w))
		if (str_ieq(w, str_of(word)))
			return true;
	return false;
}

static bool is_double_bounce(const struct conf *c, struct str sender)
{
	return str_ieq(addr_split(sender).local, str_of(c->double_bounce_sender));
}

static struct notice *notice_new(struct deliver *d, struct qmsg *m, void (*fn)(void *, int), void *ctx)
{
	struct notice *n = MEM_NEW(struct notice);
	size_t room = 8 * LIMIT_SESSION_ARENA + (size_t)d->o.conf->bounce_size_limit;

	n->d = d;
	n->fn = fn;
	n->ctx = ctx;
	arena_init(&n->arena, room);
	buf_init(&n->text, 2 * room);
	qid_format(n->about, m->id);
	loop_task_init(&n->task, run_end);
	list_append(&d->notices, &n->link);
	return n;
}

static void address(struct notice *n, struct str sender, struct str to)
{
	usec now = loop_wall(n->d->o.loop);

	n->e = (struct envelope){
		.sender = sender, .rcpts = ARENA_NEW(&n->arena, struct rcpt), .n_rcpts = 1,
		.flags = ENVELOPE_BOUNCE | ENVELOPE_LOCAL, .arrival = now, .uid = -1,
	};
	n->e.rcpts[0].addr = arena_str(&n->arena, to);
	n->e.rcpts[0].notify = DSN_NOTIFY_NEVER;
}

static struct str complete(struct notice *n, const char *name)
{
	return rewrite_address(n->d->o.router, &n->arena, str_of(name), true);
}

/* address, format, queue: the end comes by committed or end_later */
static void submit(struct notice *n, int kind, struct qmsg *m, const struct envelope *e, const size_t *rcpts,
	const struct delivery_result *results, size_t count)
{
	struct store_writer *w = store_begin(n->d->o.store, &n->id);
	size_t head;

	if (!w) {
		end_later(n, errno ? errno : EIO);
		return;
	}
	qid_format(n->qid, n->id);
	make_message_id(n);
	format(n, kind, m, e, rcpts, results, count);
	head = header_body_split(buf_view(&n->text));
	if (n->text.overflow || store_add(w, str_from(buf_view(&n->text), head)) < 0) {
		store_abort(w);
		end_later(n, n->text.overflow ? EFBIG : EIO);
		return;
	}
	log_text(LOG_SEV_INFO, "cleanup", 0, n->qid, "message-id=<%s>", n->message_id);
	store_commit(w, &n->e, str_head(buf_view(&n->text), head), committed, n);
}

static void tell_postmaster(struct deliver *d, const char *who, int kind, struct qmsg *m, const struct envelope *e,
	const size_t *rcpts, const struct delivery_result *results, size_t count, void (*fn)(void *, int), void *ctx)
{
	struct notice *n = notice_new(d, m, fn, ctx);

	n->what = "postmaster non-delivery notification";
	address(n, complete(n, d->o.conf->double_bounce_sender), complete(n, who));
	submit(n, kind, m, e, rcpts, results, count);
}

void bounce_notice(struct deliver *d, int dsn_kind, struct qmsg *m, const struct envelope *e, const size_t *rcpts,
	const struct delivery_result *results, size_t n, void (*fn)(void *ctx, int error), void *ctx)
{
	static const char *const what[] = {
		[DSN_FAILED] = "sender non-delivery notification", [DSN_DELAYED] = "sender delay notification",
		[DSN_DELIVERED] = "sender delivery status notification", [DSN_RELAYED] = "sender delivery status notification",
	};
	const struct conf *c = d->o.conf;
	bool failed = dsn_kind == DSN_FAILED, returned = !e->sender.n || is_double_bounce(c, e->sender);
	struct notice *x;

	if (returned && failed && !e->sender.n && has_class(c, "2bounce")) {
		tell_postmaster(d, c->twobounce_notice_recipient, dsn_kind, m, e, rcpts, results, n, fn, ctx);
		return;
	}
	x = notice_new(d, m, fn, ctx);
	if (returned) {
		if (failed)
			log_text(LOG_SEV_INFO, "bounce", 0, x->about, e->sender.n ? "undeliverable postmaster notification discarded" :
				"undeliverable notification of the null sender discarded");
		end_later(x, 0);
		return;
	}
	if (failed && has_class(c, "bounce"))
		tell_postmaster(d, c->bounce_notice_recipient, dsn_kind, m, e, rcpts, results, n, NULL, NULL);
	x->what = what[dsn_kind];
	address(x, STR_EMPTY, e->sender);
	submit(x, dsn_kind, m, e, rcpts, results, n);
}

void bounce_forget_all(struct deliver *d)
{
	LIST_EACH(&d->notices, it, tmp) {
		struct notice *n = LIST_ITEM(it, struct notice, link);

		list_remove(&n->link);
		n->d = NULL;
		n->fn = NULL;
	}
}
