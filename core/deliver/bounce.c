/* bounce - notices about mail: to the sender, to the postmaster where notify_classes says so, never about a notice.
 *
 * A notice has the null sender, so that nobody answers it; a copy for the postmaster has the double-bounce sender, and
 * what cannot be delivered of that is dropped (threats H2). The original comes back whole when it is not larger than
 * bounce_size_limit and the sender did not ask otherwise, else only its header; a copy has the header only. */
#include <errno.h>
#include <stdio.h>

#include "core/base/log.h"
#include "core/base/mem.h"
#include "core/base/metric.h"
#include "core/cleanup/notice.h"
#include "core/deliver/deliver_private.h"
#include "core/msg/dsn.h"

static const char failure_notice[] = "sender non-delivery notification";
METRIC_ONE(sent_failures, "postfix_bounce_non_delivery_notification", "Notices of failure queued.");

struct notice {
	struct list link;              /* deliver.notices */
	struct loop_task task;
	struct deliver *d;             /* NULL: it went away before the queue answered */
	char about[QID_MAX];
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

static void queued(void *ctx, const struct reply *reply, struct qmsg *m)
{
	struct notice *n = ctx;
	struct deliver *d = n->d;
	char qid[QID_MAX];
	struct log_line l;

	if (!d) {
		end(n);
		return;
	}
	if (m) {
		qid_format(qid, m->id);
		sent_failures += n->what == failure_notice;
		log_begin(&l, "bounce", 0, n->about);
		log_event(&l, LOG_SEV_INFO, "notice", "%s: %s", n->what, qid);
		log_key(&l, "what", str_of(n->what));
		log_key(&l, "notice", str_of(qid));
		log_end(&l);
		d->o.queued(d->o.ctx, m);
	} else {
		log_text(LOG_SEV_WARNING, "bounce", 0, n->about, "%s: %s", n->what, reply->text);
	}
	end_later(n, m ? 0 : EIO);
}

/* --- the text ------------------------------------------------------------------------------------------------------- */

/* what is told about */
struct failure {
	int kind;                      /* enum dsn_kind */
	struct qmsg *m;
	const struct envelope *e;
	const size_t *rcpts;
	const struct delivery_result *results;
	size_t n;
};
/* who is told, and how */
struct audience { struct str from, to; const char *what; bool postmaster, whole; };

/* the body, into memory of the arena; empty when it cannot be read: then only the header comes back */
static struct str read_body(struct arena *a, struct store_reader *r, uint64_t at, uint64_t size)
{
	char *p = size > at ? arena_alloc(a, (size_t)(size - at)) : NULL;
	size_t got = 0;
	ssize_t n = 1;

	while (p && at + got < size && (n = store_read(r, at + got, p + got, (size_t)(size - at) - got)) > 0)
		got += (size_t)n;
	return str_make(p, n > 0 ? got : 0);
}

static void format(struct notice *n, const struct failure *f, const struct audience *to, struct arena *a, struct buf *text)
{
	static const enum bounce_text texts[] = { [DSN_FAILED] = BOUNCE_FAILURE, [DSN_DELAYED] = BOUNCE_DELAY,
		[DSN_DELIVERED] = BOUNCE_SUCCESS, [DSN_RELAYED] = BOUNCE_SUCCESS };
	const struct conf *c = n->d->o.conf;
	usec now = loop_wall(n->d->o.loop);
	struct dsn_rcpt *rows = ARENA_ARRAY(a, struct dsn_rcpt, f->n);
	struct store_reader *r = store_read_open(n->d->o.store, f->m);
	struct str headers = r ? store_read_header(r) : STR_EMPTY;
	struct str body = r && to->whole ? read_body(a, r, headers.n, f->e->size) : STR_EMPTY;

	/* the empty line belongs to neither */
	if (str_ends(headers, STR("\r\n\r\n")) || str_eq(headers, STR("\r\n")))
		headers.n -= 2;
	for (size_t i = 0; rows && i < f->n; i++)
		rows[i] = (struct dsn_rcpt){ &f->e->rcpts[f->rcpts[i]], &f->results[i].reply, str_of(f->results[i].remote_mta),
			str_of(f->results[i].relay) };
	dsn_format(text, &(struct dsn_request){
		.kind = (enum dsn_kind)f->kind, .postmaster = to->postmaster, .hostname = c->myhostname, .mail_name = c->mail_name,
		.qid = n->about, .to = to->to, .envelope = f->e, .rcpts = rows, .n_rcpts = rows ? f->n : 0, .headers = headers,
		.body = body, .now = now,
		.will_retry_until = f->kind == DSN_DELAYED ? f->e->arrival + c->maximal_queue_lifetime : 0,
		.words = bounce_template(n->d->o.templates, texts[f->kind]),
		.boundary = arena_printf(a, "%s.%lld/%s", n->about, (long long)(now / USEC_PER_SEC), c->myhostname).p,
	});
	if (r)
		store_read_close(r);
}

/* --- who is told ------------------------------------------------------------------------------------------------------ */

static bool has_class(const struct conf *c, const char *word)
{
	return str_has_word(str_of(c->notify_classes), ", \t\r\n", str_of(word));
}

/* is_double_bounce - the sender of our own words to the postmaster; that of another host is somebody to tell */
static bool is_double_bounce(const struct deliver *d, struct str sender)
{
	struct arena a;
	bool is;

	arena_init(&a, 4 * LIMIT_ADDRESS);
	is = str_ieq(sender, rewrite_address(d->o.router, &a, str_of(d->o.conf->double_bounce_sender), true));
	arena_fini(&a);
	return is;
}

static struct notice *notice_new(struct deliver *d, struct qmsg *m, void (*fn)(void *, int), void *ctx)
{
	struct notice *n = MEM_NEW(struct notice);

	n->d = d;
	n->fn = fn;
	n->ctx = ctx;
	qid_format(n->about, m->id);
	loop_task_init(&n->task, run_end);
	list_append(&d->notices, &n->link);
	return n;
}

/* tell - the end comes by queued or end_later */
static void tell(struct deliver *d, const struct failure *f, const struct audience *to, void (*fn)(void *, int), void *ctx)
{
	struct notice *n = notice_new(d, f->m, fn, ctx);
	size_t room = LIMIT_NOTICE + (size_t)(to->whole ? f->e->size : f->e->header_size);
	struct arena a;
	struct buf text;

	n->what = to->what;
	arena_init(&a, room);
	buf_init(&text, room);
	format(n, f, to, &a, &text);
	if (text.overflow || a.overflow)
		end_later(n, EFBIG);
	else
		cleanup_notice(&(struct cleanup_notice){
			.store = d->o.store, .router = d->o.router, .conf = d->o.conf, .sender = to->from, .to = to->to,
			.text = buf_view(&text), .smtputf8 = f->e->flags & ENVELOPE_SMTPUTF8 && !str_is_ascii(to->to),
			.now = loop_wall(d->o.loop), .requiretls = f->e->flags & ENVELOPE_REQUIRETLS,
		}, queued, n);
	arena_fini(&a);
	buf_fini(&text);
}

/* tell_postmaster - who: a parameter's address, completed */
static void tell_postmaster(struct deliver *d, const struct failure *f, const char *who, bool whole, void (*fn)(void *, int),
	void *ctx)
{
	struct arena a;
	struct audience to = {
		.what = f->kind == DSN_DELAYED ? "postmaster delay notification" : "postmaster non-delivery notification",
		.postmaster = true, .whole = whole,
	};

	arena_init(&a, 4 * LIMIT_ADDRESS);
	to.from = rewrite_address(d->o.router, &a, str_of(d->o.conf->double_bounce_sender), true);
	to.to = rewrite_address(d->o.router, &a, str_of(who), true);
	tell(d, f, &to, fn, ctx);
	arena_fini(&a);
}

/* nobody to tell: the sender is nobody, or ourselves */
static void drop(struct deliver *d, const struct failure *f, void (*fn)(void *ctx, int error), void *ctx)
{
	struct notice *n = notice_new(d, f->m, fn, ctx);

	if (f->kind == DSN_FAILED)
		log_text(LOG_SEV_INFO, "bounce", 0, n->about, f->e->sender.n ? "undeliverable postmaster notification discarded" :
			"undeliverable notification of the null sender discarded");
	end_later(n, 0);
}

void bounce_notice(struct deliver *d, int dsn_kind, struct qmsg *m, const struct envelope *e, const size_t *rcpts,
	const struct delivery_result *results, size_t n, void (*fn)(void *ctx, int error), void *ctx)
{
	static const char *const what[] = {
		[DSN_FAILED] = failure_notice, [DSN_DELAYED] = "sender delay notification",
		[DSN_DELIVERED] = "sender delivery status notification", [DSN_RELAYED] = "sender delivery status notification",
	};
	const struct conf *c = d->o.conf;
	const struct failure f = { dsn_kind, m, e, rcpts, results, n };
	/* the content of mail with REQUIRETLS does not travel back (RFC 8689 section 5) */
	bool whole = dsn_kind == DSN_FAILED && e->size <= (uint64_t)c->bounce_size_limit && !(e->flags & ENVELOPE_REQUIRETLS);

	if (e->sender.n && is_double_bounce(d, e->sender)) {
		drop(d, &f, fn, ctx);
		return;
	}
	if (!e->sender.n) {
		if (dsn_kind == DSN_FAILED && (has_class(c, "2bounce") || has_class(c, "bounce")))
			tell_postmaster(d, &f, c->twobounce_notice_recipient, whole, fn, ctx);
		else
			drop(d, &f, fn, ctx);
		return;
	}
	if (dsn_kind == DSN_FAILED && has_class(c, "bounce"))
		tell_postmaster(d, &f, c->bounce_notice_recipient, false, NULL, NULL);
	if (dsn_kind == DSN_DELAYED && has_class(c, "delay"))
		tell_postmaster(d, &f, c->delay_notice_recipient, false, NULL, NULL);
	tell(d, &f, &(struct audience){ .to = e->sender, .what = what[dsn_kind], .whole = whole && e->ret != DSN_RET_HDRS }, fn, ctx);
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
