/* pickup - see pickup.h. One drop at a time: read, commit, and only when it is durable in the queue remove the file; a
 * crash in between delivers it twice, never not at all. A file that is no drop is left alone and named once.
 *
 * The folder is listed at the start and where the kernel's word of what came was not enough; otherwise a drop is taken by the name
 * that the kernel tells, so what else lies there costs a new drop nothing. Names are looked at a few in a step (threats F2). */
#include "core/daemon/pickup.h"

#include <errno.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "core/access/users.h"
#include "core/base/fs.h"
#include "core/base/log.h"
#include "core/base/mem.h"
#include "core/cleanup/cleanup.h"
#include "core/msg/crlf.h"
#include "core/store/maildrop.h"

#define NAMES_PER_STEP 64
#define READ_AT_ONCE 4096

struct pickup {
	struct relay *relay;
	struct loop_io watch;
	struct loop_timer again;
	struct table refused;          /* names that are no drops, so that each is told once */
	char (*names)[MAILDROP_NAME];  /* to be looked at, in the order in which they came */
	size_t n_names, cap_names, at;
	bool list;                     /* the folder is to be listed: not all names were told, or one shall be tried again */
	char current[256];
	struct arena arena;
	/* the drop at work */
	struct maildrop drop;
	uint64_t done;                 /* of its content */
	struct cleanup *message;
	struct crlf_clean clean;
	struct loop_timer slice;       /* takes the next piece, so that others have their turn in between */
	bool busy, committing, stopped;
	bool read_all;                 /* of the drop at work */
};

static void look(struct pickup *p);

static void finish(struct pickup *p)
{
	maildrop_close(&p->drop);
	p->message = NULL;
	p->committing = false;
	arena_reset(&p->arena);
	p->busy = false;
}

static void forget_drop(struct pickup *p)
{
	if (maildrop_remove(".", p->current) != 0)
		log_warn("pickup", "remove maildrop/%s: %s", p->current, strerror(errno));
}

static void on_committed(void *ctx, const struct reply *reply, struct qmsg *m)
{
	struct pickup *p = ctx;
	struct relay *r = p->relay;
	enum verdict verdict = reply_verdict(reply);
	bool never = verdict == VERDICT_NEVER, done = verdict == VERDICT_DONE; /* a rule may have dropped it */

	if (p->stopped) {
		/* the store's last flush: the daemon ends, and the queue has it */
		if (done)
			forget_drop(p);
		return;
	}
	if (m) {
		r->counts.mail[0]++;
		r->counts.submissions++;
		schedule_add(r->schedule, m, true);
	}
	if (never && p->refused.n < LIMIT_PICKUP_REFUSED)
		table_add(&p->refused, str_of(p->current), p);
	if (done)
		forget_drop(p);
	else
		log_warn("pickup", "maildrop/%s: %s%s: %s", p->current, never ? "refused: " : "", reply->text, never ? "left alone" :
			"trying again later");
	finish(p);
	p->list |= !done && !never;
	loop_timer_set(r->loop, &p->again, loop_now(r->loop) + (done || never ? 0 : 60 * USEC_PER_SEC));
}

static void refuse(struct pickup *p, int error)
{
	struct reply r;

	cleanup_refusal(&r, error);
	on_committed(p, &r, NULL);
}

static void end(struct pickup *p)
{
	p->committing = true;
	cleanup_end(p->message, on_committed, p);
}

/* go_on - the message can take more */
static void go_on(void *ctx)
{
	struct pickup *p = ctx;

	if (p->stopped)
		return;
	if (p->read_all)
		end(p);
	else
		loop_timer_set(p->relay->loop, &p->slice, loop_now(p->relay->loop));
}

/* take_piece - LIMIT_CLIENT_PIECE bytes of it, in CRLF lines; at its end the message is queued */
static void take_piece(struct pickup *p)
{
	uint64_t left = p->drop.size - p->done;
	size_t want = left < LIMIT_CLIENT_PIECE ? (size_t)left : LIMIT_CLIENT_PIECE;
	char *piece = mem_alloc(want + 1);
	ssize_t n = want ? fs_pread_all(p->drop.fd, piece, want, (off_t)(p->drop.offset + p->done)) : 0;
	struct buf crlf;

	if (n < 0) {
		cleanup_abort(p->message);
		refuse(p, errno);
		mem_free(piece);
		return;
	}
	buf_init(&crlf, 2 * LIMIT_CLIENT_PIECE + 8);
	crlf_clean_add(&p->clean, &crlf, str_make(piece, (size_t)n));
	p->done += (uint64_t)n;
	if (p->done == p->drop.size || !n)
		crlf_clean_end(&p->clean, &crlf, true);
	cleanup_add(p->message, buf_view(&crlf));
	buf_fini(&crlf);
	mem_free(piece);
	p->read_all = p->done == p->drop.size || !n;
	if (!cleanup_is_busy(p->message))
		go_on(p);
}

static void on_slice(struct loop_timer *t)
{
	struct pickup *p = LIST_ITEM(t, struct pickup, slice);

	if (!p->stopped)
		take_piece(p);
}

static void log_pickup(const struct pickup *p)
{
	struct log_line l;

	log_begin(&l, "pickup", 0, cleanup_qid(p->message));
	l.spaced = true;
	log_key(&l, "event", STR("accept"));
	log_number(&l, "uid", p->drop.envelope.uid);
	log_addr(&l, "from", p->drop.envelope.sender);
	log_end(&l);
}

static void take(struct pickup *p)
{
	struct relay *r = p->relay;
	struct cleanup_options o = {
		.source = CLEANUP_PICKUP, .sink = cleanup_to_store(r->store), .router = r->settings->router,
		.conf = r->settings->submit.incoming->conf,
		.local = true, .now = loop_wall(r->loop), .checks = r->settings->submit.unchecked ? NULL : r->settings->submit.incoming->checks,
		.unchecked = r->settings->submit.unchecked, .unmapped = r->settings->submit.unmapped, .pool = r->pool, .users = &r->settings->n_users,
		.go_on = go_on, .ctx = p,
	};
	struct reply large;

	if (!users_include(o.conf->authorized_submit_users, p->drop.envelope.uid)) {
		log_warn("pickup", "maildrop/%s: refused: uid %lld is not in authorized_submit_users: dropped", p->current,
			(long long)p->drop.envelope.uid);
		forget_drop(p);
		finish(p);
		loop_timer_set(r->loop, &p->again, loop_now(r->loop));
		return;
	}
	/* before a byte of it is read */
	if (o.conf->message_size_limit && p->drop.size > (uint64_t)o.conf->message_size_limit) {
		reply_set(&large, 552, "5.3.4", "Message size exceeds fixed limit");
		on_committed(p, &large, NULL);
		return;
	}
	p->message = cleanup_begin(&o, &p->drop.envelope);
	if (!p->message) {
		refuse(p, errno);
		return;
	}
	log_pickup(p);
	p->done = 0;
	crlf_clean_init(&p->clean);
	take_piece(p);
}

static int remember(void *ctx, const char *name)
{
	struct pickup *p = ctx;

	if (table_find(&p->refused, str_of(name)))
		return 0;
	if (p->n_names == p->cap_names) {
		p->cap_names = p->cap_names ? 2 * p->cap_names : 64;
		p->names = mem_array(p->names, p->cap_names, sizeof(*p->names));
	}
	memcpy(p->names[p->n_names++], name, strlen(name) + 1);
	return 0;
}

static void forget_names(struct pickup *p)
{
	mem_free(p->names);
	p->names = NULL;
	p->n_names = p->cap_names = p->at = 0;
}

/* leave_alone - a name that is no drop's: told once, as long as there are not too many of them */
static void leave_alone(struct pickup *p, const char *name, const char *why)
{
	if (p->refused.n >= LIMIT_PICKUP_REFUSED)
		return;
	if (p->refused.n < LIMIT_PICKUP_TOLD)
		log_warn("pickup", "maildrop/%s: %s: left alone%s", name, why,
			p->refused.n + 1 == LIMIT_PICKUP_TOLD ? "; there are many, further ones are not named" : "");
	table_add(&p->refused, str_of(name), p);
}

/* read_drop - false: there is nothing to take under that name */
static bool read_drop(struct pickup *p, const char *name)
{
	if (maildrop_open(".", name, &p->arena, &p->drop) == 0)
		return true;
	if (errno != ENOENT)
		leave_alone(p, name, errno == EBADMSG ? "not a message" : strerror(errno));
	finish(p);
	return false;
}

static void list_folder(struct pickup *p)
{
	p->list = false;
	forget_names(p);
	if (maildrop_each(".", remember, p) != 0 && errno != ENOENT)
		log_warn("pickup", "maildrop: %s", strerror(errno));
}

/* look - take the next drop; each name is read once, a few of them a step, however many there are */
static void look(struct pickup *p)
{
	if (p->busy || p->stopped)
		return;
	if (p->at >= p->n_names && p->list)
		list_folder(p);
	for (int i = 0; i < NAMES_PER_STEP && p->at < p->n_names; i++) {
		const char *name = p->names[p->at++];

		if (!read_drop(p, name))
			continue;
		snprintf(p->current, sizeof(p->current), "%s", name);
		p->busy = true;
		take(p);
		return;
	}
	if (p->at < p->n_names)
		loop_timer_set(p->relay->loop, &p->again, loop_now(p->relay->loop));
	else
		forget_names(p);
}

static void on_again(struct loop_timer *t)
{
	look(LIST_ITEM(t, struct pickup, again));
}

/* take_word - of one event: a name, or that there were too many of them */
static void take_word(struct pickup *p, const struct inotify_event *e)
{
	if (e->mask & IN_Q_OVERFLOW || p->n_names >= LIMIT_PICKUP_NAMES)
		p->list = true;
	else if (e->len && maildrop_is_name(e->name))
		remember(p, e->name);
}

static void on_change(struct loop_io *io, uint32_t events)
{
	struct pickup *p = LIST_ITEM(io, struct pickup, watch);
	union {
		struct inotify_event event;
		char bytes[READ_AT_ONCE];
	} room;
	ssize_t n = read(io->fd, &room, sizeof(room));

	(void)events;
	for (ssize_t at = 0; at < n;) {
		const struct inotify_event *e = (const void *)(room.bytes + at);

		take_word(p, e);
		at += (ssize_t)(sizeof(*e) + e->len);
	}
	look(p);
}

struct pickup *pickup_start(struct relay *r)
{
	struct pickup *p = MEM_NEW(struct pickup);

	p->relay = r;
	table_init(&p->refused);
	arena_init(&p->arena, LIMIT_DROP_ARENA * LIMIT_SESSION_ARENA);
	p->drop.fd = -1;
	p->list = true;
	loop_timer_init(&p->again, on_again);
	loop_timer_init(&p->slice, on_slice);
	p->watch = (struct loop_io){ .fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC), .on_ready = on_change };
	if (p->watch.fd >= 0 && (inotify_add_watch(p->watch.fd, "maildrop", IN_MOVED_TO) < 0 || loop_io_add(r->loop, &p->watch, EPOLLIN) != 0))
		log_warn("pickup", "watch maildrop: %s: drops are taken at start only", strerror(errno));
	loop_timer_set(r->loop, &p->again, loop_now(r->loop));
	return p;
}

void pickup_stop(struct pickup *p)
{
	if (!p)
		return;
	p->stopped = true;
	loop_timer_cancel(p->relay->loop, &p->again);
	loop_timer_cancel(p->relay->loop, &p->slice);
	if (p->message && !p->committing)
		cleanup_abort(p->message);
	if (p->watch.registered)
		loop_io_remove(p->relay->loop, &p->watch);
	if (p->watch.fd >= 0)
		close(p->watch.fd);
	forget_names(p);
	/* the store still answers for it */
	if (p->committing)
		return;
	table_fini(&p->refused);
	arena_fini(&p->arena);
	maildrop_close(&p->drop);
	mem_free(p);
}
