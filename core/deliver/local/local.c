/* local - delivery to the people of this host, as Postfix's local(8): aliases first, then the user's mailbox.
 *
 * A recipient becomes a list of things to write (mailboxes and files) and a list of addresses. Writing comes first, one
 * after the other; then one new message goes to all addresses, marked with Delivered-To so that a loop is seen. The
 * recipient is done when all of that is durable. Commands are never run. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>

#include "core/base/fs.h"
#include "core/base/format.h"
#include "core/base/log.h"
#include "core/base/mem.h"
#include "core/cleanup/forward.h"
#include "core/deliver/deliver_private.h"
#include "core/deliver/local/helper_client.h"
#include "core/msg/date.h"
#include "core/route/local_user.h"
#include "core/route/luser.h"
#include "core/smtp/grammar.h"

/* a new message for the addresses of an alias; j is NULL when deliver went away before the queue answered */
struct forward { struct local_job *j; struct deliver *d; };

struct local_job {
	struct list link;              /* deliver.local_jobs */
	struct loop_task task;
	struct pool_job work;
	struct deliver *d;
	struct delivery *job;
	struct arena arena;            /* of the recipient at work */
	size_t at;                     /* which recipient */
	struct alias_target *targets;
	size_t n_targets, next;        /* what is written next */
	size_t forwarded;              /* targets that the message awaited is for */
	bool in_pool;
	struct forward *forward;       /* its commit is awaited */
	/* the write that runs */
	struct mailbox_order order;
	struct store_reader *reader;
	int content, memory;           /* descriptors; memory: ours to close */
	struct reply reply;
};

static void step(struct local_job *j);

/* --- answers -------------------------------------------------------------------------------------------------------- */

static const struct rcpt *rcpt_of(const struct local_job *j)
{
	return j->job->rcpts[j->at];
}

static void answer(struct local_job *j, const struct reply *r)
{
	struct delivery_result *x = &j->job->results[j->at];

	x->reply = *r;
	j->reply.code = 0;
	snprintf(x->relay, sizeof(x->relay), "local");
	j->at++;
	j->targets = NULL;
	j->n_targets = j->next = 0;
	arena_reset(&j->arena);
	loop_defer(j->d->o.loop, &j->task);
}

static void answer_text(struct local_job *j, int code, const char *enhanced, const char *text)
{
	struct reply r;

	reply_set(&r, code, enhanced, "%s", text);
	answer(j, &r);
}

static void local_free(struct local_job *j)
{
	if (j->forward)
		j->forward->j = NULL;
	list_remove(&j->link);
	list_remove(&j->task.link);
	arena_fini(&j->arena);
	mem_free(j);
}

static void finish(struct local_job *j)
{
	struct delivery_facts f = { .service = "local" };
	struct deliver *d = j->d;
	struct delivery *job = j->job;

	local_free(j);
	deliver_finish(d, job, &f);
}

/* --- writing ------------------------------------------------------------------------------------------------------------ */

/* content that does not stand uncompressed in files is copied into memory that has a descriptor; it was short */
static int open_content(struct local_job *j)
{
	struct deliver *d = j->d;
	uint64_t size = j->job->envelope->size;
	struct store_span where[2];
	size_t pieces;

	j->memory = -1;
	j->reader = store_read_open(d->o.store, j->job->msg);
	if (!j->reader)
		return -1;
	pieces = store_read_spans(j->reader, where);
	j->order.header_length = 0;
	if (pieces == 2) {
		j->order.header_fd = where[0].fd;
		j->order.header_offset = where[0].at;
		j->order.header_length = where[0].n;
	}
	if (pieces) {
		j->content = where[pieces - 1].fd;
		j->order.offset = where[pieces - 1].at;
		j->order.length = where[pieces - 1].n;
		return 0;
	}
	j->order.length = size;
	j->content = j->memory = memfd_create("message", MFD_CLOEXEC);
	j->order.offset = 0;
	for (uint64_t at = 0; j->memory >= 0 && at < size;) {
		ssize_t n = store_read(j->reader, at, d->scratch, LIMIT_CLIENT_PIECE);

		if (n <= 0 || fs_write_all(j->memory, d->scratch, (size_t)n) < 0)
			return -1;
		at += (uint64_t)n;
	}
	return j->memory < 0 ? -1 : 0;
}

static void close_content(struct local_job *j)
{
	if (j->memory >= 0)
		fs_close(j->memory);
	if (j->reader)
		store_read_close(j->reader);
	j->reader = NULL;
	j->memory = -1;
}

static void written(struct local_job *j, const struct reply *r)
{
	struct str path = str_of(j->order.path);
	bool file = j->next && j->targets[j->next - 1].kind == ALIAS_FILE;

	close_content(j);
	if (r->code >= 400) {
		if (file && j->d->helper)
			log_warn("local", "file %s of an alias: mail_owner may not write it, or no alias named it when relayd was started: "
				"restart it", j->order.path);
		answer(j, r);
		return;
	}
	if (file)
		reply_set(&j->reply, 250, "2.0.0", "delivered to file: %.*s", STR_ARG(path));
	else
		j->reply = *r;
	loop_defer(j->d->o.loop, &j->task);
}

static void pool_work(struct pool_job *w)
{
	struct local_job *j = LIST_ITEM(w, struct local_job, work);

	mailbox_deliver(&j->order, j->content, &j->reply);
}

static void pool_done(struct pool_job *w)
{
	struct local_job *j = LIST_ITEM(w, struct local_job, work);
	struct reply r = j->reply;

	j->in_pool = false;
	if (j->d->closing)
		return;
	written(j, &r);
}

static void helper_done(void *ctx, const struct reply *r)
{
	struct local_job *j = ctx;

	written(j, r);
}

static void start_writing(struct local_job *j)
{
	struct deliver *d = j->d;

	if (open_content(j) < 0) {
		close_content(j);
		answer_text(j, 451, "4.3.0", "queue file read error");
		return;
	}
	if (d->helper && j->order.user[0]) {
		helper_client_deliver(d->helper, &j->order, j->content, helper_done, j);
		return;
	}
	j->work.work = pool_work;
	j->work.done = pool_done;
	j->in_pool = true;
	if (d->o.pool) {
		pool_run(d->o.pool, &j->work);
		return;
	}
	pool_work(&j->work);
	pool_done(&j->work);
}

static void fill_order(struct local_job *j)
{
	const struct envelope *e = j->job->envelope;
	const struct rcpt *r = rcpt_of(j);
	struct deliver *d = j->d;
	usec now = loop_wall(d->o.loop);
	char qid[QID_MAX], date[32];

	deliver_qid(j->job, qid);
	date_mbox(date, now, date_offset(now));
	memset(&j->order, 0, sizeof(j->order));
	j->order.now = now;
	j->order.limit = (uint64_t)d->o.conf->mailbox_size_limit;
	mailbox_unique(j->order.unique, d->o.conf->myhostname, now, qid);
	snprintf(j->order.from_line, sizeof(j->order.from_line), "From %.*s %s\n", e->sender.n ? (int)e->sender.n : 13,
		e->sender.n ? e->sender.p : "MAILER-DAEMON", date);
	snprintf(j->order.prefix, sizeof(j->order.prefix), "Return-Path: <%.*s>\nX-Original-To: %.*s\nDelivered-To: %.*s\n",
		STR_ARG(e->sender), STR_ARG(r->orig.n ? r->orig : r->addr), STR_ARG(arena_lower(&j->arena, r->addr)));
}

/* to_luser - nobody has that name: luser_relay gets what is for him, as the last of the targets. False: it names nobody else */
static bool to_luser(struct local_job *j, struct str name)
{
	const struct conf *c = j->d->o.conf;
	const struct rcpt *r = rcpt_of(j);
	struct str to = luser_address(c, &j->arena, name, r->addr);

	if (!to.n)
		return false;
	to = rewrite_address(j->d->o.router, &j->arena, to, true);
	if (str_ieq(to, r->addr))
		return false;
	j->next--;
	for (size_t i = j->next; i + 1 < j->n_targets; i++)
		j->targets[i] = j->targets[i + 1];
	j->targets[j->n_targets - 1] = (struct alias_target){ .kind = ALIAS_ADDRESS, .text = to };
	loop_defer(j->d->o.loop, &j->task);
	return true;
}

static void write_user(struct local_job *j, struct str name)
{
	const struct conf *c = j->d->o.conf;
	struct local_user u = { .uid = 0 };
	char text[LIMIT_ADDRESS + 120];
	int got = local_user_find(c, name, &u);

	/* what an alias names itself by is a mailbox that this program does not have (core/route/mailbox_route.c) */
	if (*c->mailbox_transport || *c->mailbox_transport_maps) {
		snprintf(text, sizeof(text), "alias \"%.*s\" names itself, and mailboxes are mailbox_transport's: name the mailbox otherwise", STR_ARG(name));
		answer_text(j, 451, "4.3.5", text);
		return;
	}
	if (got < 0) {
		snprintf(text, sizeof(text), "user lookup error: %s", strerror(errno));
		answer_text(j, 451, "4.3.0", text);
		return;
	}
	if (got == 0 && to_luser(j, name))
		return;
	if (got == 0) {
		snprintf(text, sizeof(text), "unknown user: \"%.*s\"", STR_ARG(route_local_base(c, name)));
		answer_text(j, 550, "5.1.1", text);
		return;
	}
	fill_order(j);
	memcpy(j->order.user, u.name, sizeof(u.name));
	if (!mailbox_locate(&j->order, u.home, c->home_mailbox, c->mail_spool_directory)) {
		answer_text(j, 451, "4.3.5", "the mailbox has no usable path: home_mailbox, mail_spool_directory");
		return;
	}
	start_writing(j);
}

static void write_file(struct local_job *j, struct str path)
{
	/* nothing is opened: the sandbox would not let us, and nobody could tell */
	if (str_eq(path, STR("/dev/null"))) {
		reply_set(&j->reply, 250, "2.0.0", "delivered to file: /dev/null");
		loop_defer(j->d->o.loop, &j->task);
		return;
	}
	if (path.n >= MAILBOX_PATH) {
		answer_text(j, 451, "4.3.5", "the file of an alias has a path that is too long");
		return;
	}
	fill_order(j);
	memcpy(j->order.path, path.p, path.n);
	mailbox_set_path(&j->order);
	start_writing(j);
}

/* --- forwarding ------------------------------------------------------------------------------------------------------------ */

static void forwarded(void *ctx, const struct reply *reply, struct qmsg *m)
{
	struct forward *f = ctx;
	struct local_job *j = f->j;
	struct deliver *d = f->d;
	char qid[QID_MAX], text[LIMIT_REPLY_TEXT];

	mem_free(f);
	if (!j)
		return;
	j->forward = NULL;
	if (!m) {
		format_text(text, sizeof(text), "cannot forward: %s", reply->text);
		answer_text(j, reply->code, reply_dsn(reply), text);
		return;
	}
	d->o.queued(d->o.ctx, m);
	qid_format(qid, m->id);
	/* each owner's members are a message of their own */
	if (j->reply.code && str_starts(str_of(j->reply.text), STR("forwarded as "))) {
		format_text(text, sizeof(text), "%s, %s", j->reply.text, qid);
		reply_set(&j->reply, 250, "2.0.0", "%s", text);
	} else {
		reply_set(&j->reply, 250, "2.0.0", "forwarded as %s", qid);
	}
	j->next += j->forwarded;
	loop_defer(d->o.loop, &j->task);
}

/* gather - the addresses that are left with the owner of the first one, to the front; how many */
static size_t gather(struct local_job *j)
{
	struct str owner = j->targets[j->next].owner;
	size_t front = j->next;

	for (size_t i = j->next; i < j->n_targets; i++) {
		struct alias_target t = j->targets[i];

		if (!str_eq(t.owner, owner))
			continue;
		j->targets[i] = j->targets[front];
		j->targets[front++] = t;
	}
	return front - j->next;
}

/* one new message for the addresses of one list */
static void forward(struct local_job *j)
{
	struct deliver *d = j->d;
	const struct envelope *old = j->job->envelope;
	struct cleanup_forward x = {
		.store = d->o.store, .router = d->o.router, .conf = d->o.conf, .m = j->job->msg, .old = old, .rcpt = rcpt_of(j),
		.sender = j->targets[j->next].owner.n ? j->targets[j->next].owner : old->sender, .list = j->targets[j->next].owner.n, .now = loop_wall(d->o.loop),
	};
	struct str *addresses;

	j->forwarded = gather(j);
	addresses = ARENA_ARRAY(&j->arena, struct str, j->forwarded);

	if (!addresses) {
		answer_text(j, 451, "4.3.0", "an alias has too many addresses");
		return;
	}
	for (size_t i = 0; i < j->forwarded; i++)
		addresses[x.n++] = j->targets[j->next + i].text;
	x.addresses = addresses;
	j->forward = MEM_NEW(struct forward);
	*j->forward = (struct forward){ j, d };
	cleanup_forward(&x, forwarded, j->forward);
}

/* --- one recipient ----------------------------------------------------------------------------------------------------------- */

/* our mark from an earlier pass: this mail has been here. -1: cannot be read */
static int has_been_here(struct local_job *j)
{
	struct store_reader *r = store_read_open(j->d->o.store, j->job->msg);
	int found;

	if (!r)
		return -1;
	found = cleanup_was_here(store_read_header(r), rcpt_of(j)->addr);
	store_read_close(r);
	return found;
}

/* is_refused - an alias with a target that gets no mail; its other targets get none either */
static bool is_refused(struct local_job *j)
{
	bool files = grammar_has_word(j->d->o.conf->allow_mail_to_files, STR("alias"));
	char text[300];

	for (size_t i = 0; i < j->n_targets; i++) {
		if (j->targets[i].kind == ALIAS_FILE && !files) {
			answer_text(j, 554, "5.7.1", "mail to file is restricted");
			return true;
		}
		if (j->targets[i].kind != ALIAS_COMMAND)
			continue;
		snprintf(text, sizeof(text), "alias delivers to the command \"|%.*s\": relaybox runs no commands", STR_ARG(j->targets[i].text));
		answer_text(j, 451, "4.3.5", text);
		return true;
	}
	return false;
}

/* what is to be written goes to the front, addresses to the end */
static size_t sort_targets(struct alias_target *v, size_t n)
{
	size_t front = 0;

	for (size_t i = 0; i < n; i++) {
		struct alias_target t = v[i];

		if (t.kind == ALIAS_ADDRESS)
			continue;
		v[i] = v[front];
		v[front++] = t;
	}
	return front;
}

static void begin(struct local_job *j)
{
	struct deliver *d = j->d;
	struct str name = local_user_name(&j->arena, rcpt_of(j)->addr);
	int here = has_been_here(j);
	struct str owner;
	char text[LIMIT_ADDRESS + 40];

	if (here < 0) {
		answer_text(j, 451, "4.3.0", "queue file read error");
		return;
	}
	if (here) {
		snprintf(text, sizeof(text), "mail forwarding loop for %.*s", STR_ARG(rcpt_of(j)->addr));
		answer_text(j, 554, "5.4.6", text);
		return;
	}
	switch (alias_expand(d->o.router, &j->arena, name, &j->targets, &j->n_targets, &owner)) {
	case MAP_ERROR:
		answer_text(j, 451, "4.3.0", d->o.router->alias_why[0] ? d->o.router->alias_why : "alias database unavailable");
		return;
	case MAP_NONE:
		j->targets = ARENA_NEW(&j->arena, struct alias_target);
		*j->targets = (struct alias_target){ .kind = ALIAS_USER, .text = name };
		j->n_targets = 1;
		break;
	case MAP_FOUND:
		if (!j->n_targets) {
			answer_text(j, 554, "5.4.6", "alias names nobody but itself");
			return;
		}
		if (is_refused(j))
			return;
		sort_targets(j->targets, j->n_targets);
		break;
	}
	step(j);
}

static void step(struct local_job *j)
{
	struct alias_target *t;

	if (j->next == j->n_targets) {
		answer(j, &j->reply);
		return;
	}
	t = &j->targets[j->next];
	if (t->kind == ALIAS_ADDRESS) {
		forward(j);
		return;
	}
	j->next++;
	if (t->kind == ALIAS_USER)
		write_user(j, t->text);
	else
		write_file(j, t->text);
}

static void on_task(struct loop_task *task)
{
	struct local_job *j = LIST_ITEM(task, struct local_job, task);

	if (j->targets)
		step(j);
	else if (j->at < j->job->n)
		begin(j);
	else
		finish(j);
}

void local_start(struct deliver *d, struct delivery *job)
{
	struct local_job *j = MEM_NEW(struct local_job);

	j->d = d;
	j->job = job;
	j->content = j->memory = -1;
	arena_init(&j->arena, 2 * LIMIT_SESSION_ARENA);
	loop_task_init(&j->task, on_task);
	list_append(&d->local_jobs, &j->link);
	loop_defer(d->o.loop, &j->task);
}

void local_free_all(struct deliver *d)
{
	if (d->o.pool && !list_is_empty(&d->local_jobs))
		pool_wait(d->o.pool);
	LIST_EACH(&d->local_jobs, it, tmp) {
		struct local_job *j = LIST_ITEM(it, struct local_job, link);

		if (d->helper)
			helper_client_cancel(d->helper, j);
		close_content(j);
		local_free(j);
	}
}
