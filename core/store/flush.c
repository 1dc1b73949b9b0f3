/* flush - one write and one fdatasync for everything that waits. See store_private.h.
 *
 * At most one flight is under way. Its job opens the next segment when the old one is full, flushes the names of big
 * bodies, writes the batch and flushes it; meanwhile the next batch gathers. What failed is sorted by what is then known:
 *  - the write failed (disk full, EIO): what part of it reached the file is cut off again and the cut is flushed; the new
 *    messages of the batch are refused, results stay in memory for the next try. Nothing else changes.
 *  - there was no room for the flush, or for that cut: the same, but the content of this file is not trusted any more, since
 *    the kernel marks pages clean that it could not write. What was flushed before stays, the rest is cut off (a length does
 *    not go through those pages), and only once that is on disk the log goes on, in a new segment. Without the cut a start
 *    could find a copy of a message whose end does not name this segment.
 *  - a flush or that cut failed in another way: nobody knows what the disk holds, and asking again would be answered with a
 *    lie. The store is broken until a restart reads the disk anew. */
#include <errno.h>
#include <fcntl.h>

#include "core/base/fs.h"
#include "core/base/log.h"
#include "core/base/mem.h"
#include "core/base/metric.h"
#include "core/base/random.h"
#include "core/store/store_private.h"

/* results wait this long for a commit to ride with; the promise is one second */
#define RESULT_DELAY (USEC_PER_SEC / 2)
#define RETRY_DELAY (USEC_PER_SEC)

static const int64_t flush_times[] = { 100, 300, 1000, 3000, 10000, 30000, 100000, 300000, 1000000, 3000000, 10000000 };
static const int64_t batch_sizes[] = { 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 5000 };
METRIC_BUCKETS(flush_time, "relaybox_flush_seconds", "Time a flush of the queue took.", METRIC_MICROSECONDS, NULL, NULL, 1, flush_times);
METRIC_BUCKETS(flush_batch, "relaybox_flush_records", "Records one flush made durable.",
	METRIC_PLAIN, NULL, NULL, 1, batch_sizes);
METRIC_ONE(flush_failures, "relaybox_flush_failures", "Flushes of the queue that failed.");

struct flight {
	struct pool_job job;
	struct store *s;
	struct batch b;
	struct segment *seg;
	/* the job's own: it looks at nothing else */
	bool create, recycle, sync, root;
	char path[STORE_PATH], spare[STORE_PATH], log_dir[STORE_PATH], big_dir[STORE_PATH], dir[STORE_PATH], parent[STORE_PATH];
	struct segment_header header;
	off_t segment_size, at;
	uint64_t allocated;     /* of a new segment */
	int fd;
	int left_fd;            /* the head that is left, to be cut at left_at before anything else; or -1 */
	off_t left_at;
	int error;              /* the batch is refused */
	int broken;             /* nobody knows what the disk holds */
	bool leave;             /* nor what this segment holds behind `at` */
	const char *what;
	usec began, took;
};

void store_break(struct store *s, int error, const char *what)
{
	if (s->broken)
		return;
	s->broken = error ? error : EIO;
	log_text(LOG_SEV_FATAL, "qmgr", 0, NULL, "the queue cannot be flushed (%s: %s): no mail is accepted until a restart", what,
		strerror(s->broken));
}

/* --- the job -------------------------------------------------------------------------------------------------------- */

static bool failed(struct flight *f, const char *what)
{
	f->error = errno ? errno : EIO;
	f->what = what;
	return false;
}

static bool flush_failed(struct flight *f, const char *what)
{
	failed(f, what);
	if (segment_flush_is_lost(f->error))
		f->broken = f->error;
	return false;
}

/* sync_folder - the names in it */
static bool sync_folder(struct flight *f, const char *path, const char *what)
{
	bool lost = false;

	if (segment_sync_folder(path, &lost) == 0)
		return true;
	return lost ? flush_failed(f, what) : failed(f, what);
}

/* sync_root - the parent may be another user's: then the directory was not made by us either */
static bool sync_root(struct flight *f)
{
	static const char what[] = "flush the queue directory";

	if (!sync_folder(f, f->dir, what))
		return false;
	if (sync_folder(f, f->parent, what))
		return true;
	if (f->error != EACCES || f->broken)
		return false;
	f->error = 0;
	return true;
}

/* allocate - a share of what is free; too little of it may still be enough for this batch: the write will tell */
static bool allocate(struct flight *f)
{
	struct fs_space space = { 0 };
	uint64_t n;

	if (fs_free_space(f->log_dir, &space) < 0)
		return true;
	n = room_to_allocate((uint64_t)f->segment_size, space.bytes);
	if (!n)
		return true;
	if (fs_allocate(f->fd, 0, (off_t)n) < 0)
		return errno == ENOSPC || errno == EDQUOT;
	f->allocated = n > f->allocated ? n : f->allocated;
	return true;
}

/* make_segment - nothing in the new file counts before its name is on disk, so that any failure here is harmless */
static bool make_segment(struct flight *f)
{
	unsigned char start[SEGMENT_START];

	if (f->root && !sync_root(f))
		return false;
	segment_header_format(start, &f->header);
	f->fd = f->recycle ? fs_open(f->spare, O_RDWR | O_NOFOLLOW, 0) : -1;
	/* a spare that somebody has removed is not missed */
	f->recycle = f->fd >= 0;
	f->allocated = f->recycle ? f->allocated : 0;
	if (!f->recycle)
		f->fd = fs_open(f->path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW, 0600);
	if (f->fd < 0)
		return failed(f, "open a segment");
	if (fs_pwrite_all(f->fd, start, sizeof(start), 0) < 0)
		return failed(f, "begin a segment");
	if (!allocate(f))
		return failed(f, "allocate a segment");
	if (f->sync && fs_sync(f->fd) < 0)
		return flush_failed(f, "flush a new segment");
	if (f->recycle && fs_rename(f->spare, f->path) < 0)
		return failed(f, "name a segment");
	return !f->sync || sync_folder(f, f->log_dir, "flush the directory log");
}

static void fill_headers(struct flight *f)
{
	for (size_t i = 0; i < f->b.n_v; i++) {
		struct waiter *w = &f->b.v[i];

		w->r.batch = (uint32_t)f->at;
		record_format((unsigned char *)f->b.data + w->at, &f->header, &w->r);
	}
}

/* cut - what a failed batch left behind `at` must not be found by a start */
static bool cut(struct flight *f, int fd, off_t at)
{
	return (fs_truncate(fd, at) == 0 && (!f->sync || fs_datasync(fd) == 0)) || flush_failed(f, "cut the log");
}

static void write_batch(struct flight *f)
{
	bool written = fs_pwrite_all(f->fd, f->b.data, f->b.n, f->at) >= 0;

	if (!written)
		failed(f, "write to the log");
	else if (f->sync && fs_datasync(f->fd) < 0)
		flush_failed(f, "flush the log");
	else
		return;
	if ((!cut(f, f->fd, f->at) || written) && !f->broken)
		f->leave = true;
}

static void flight_work(struct pool_job *j)
{
	struct flight *f = LIST_ITEM(j, struct flight, job);

	f->began = clock_mono();
	fill_headers(f);
	if ((f->left_fd >= 0 && !cut(f, f->left_fd, f->left_at)) || (f->create && !make_segment(f)))
		return;
	if (!f->b.big || !f->sync || sync_folder(f, f->big_dir, "flush the directory big"))
		write_batch(f);
	f->took = clock_mono() - f->began;
}

/* --- after it: the records stand in the segment ---------------------------------------------------------------------- */

static void index_record(struct flight *f, const struct waiter *w, struct store_place p)
{
	struct entry e = { .id = w->r.id, .offset = p.offset, .length = p.length, .type = w->r.type, .flags = w->r.flags };

	memcpy(e.summary, f->b.data + w->at + RECORD_HEADER, RECORD_SUMMARY);
	segment_index(f->seg, &e);
}

static void landed_message(struct store *s, struct waiter *w, struct store_place p)
{
	struct qmsg *m = w->m;

	m->record = p;
	segment_live(s, p);
	idmap_add(&s->index, m->id, m);
	s->stats.messages_in++;
	s->stats.big_files += m->flags & QMSG_BIG ? 1 : 0;
	store_answer(s, w->fn, w->ctx, m, 0);
}

static void landed_state(struct store *s, struct waiter *w, struct store_place p)
{
	struct qmsg *m = store_find(s, w->r.id);

	segment_dead(s, w->from_state);
	if (m && m->state.segment == PLACE_FLIGHT && m->state.offset == w->at) {
		m->state = p;
		segment_live(s, p);
	}
	store_answer(s, w->fn, w->ctx, m, 0);
}

static void landed_gone(struct store *s, struct flight *f, struct waiter *w)
{
	struct summary sum;

	summary_parse((unsigned char *)f->b.data + w->at + RECORD_HEADER, RECORD_GONE, &sum);
	for (int i = 0; i < RECORD_TARGETS; i++)
		if (sum.gone[i] && sum.gone[i] != f->header.number && segment_find(s, sum.gone[i]))
			segment_pin(f->seg, sum.gone[i]);
	/* only now: were its state's segment gone before, a crash would bring the message back as it first was */
	if (!w->move) {
		segment_dead(s, w->from);
		segment_dead(s, w->from_state);
	}
	if (w->r.flags & RECORD_BIG)
		chore_big_unlink(s, w->r.id);
	store_answer(s, w->fn, w->ctx, NULL, 0);
}

static void landed(struct store *s, struct flight *f)
{
	f->seg->end = (uint64_t)f->at + f->b.n;
	for (size_t i = 0; i < f->b.n_v; i++) {
		struct waiter *w = &f->b.v[i];
		struct store_place p = { f->header.number, (uint32_t)f->at + w->at, record_size(&w->r) };

		index_record(f, w, p);
		if (w->move)
			compact_moved(s, w, p);
		if (w->r.type == RECORD_GONE)
			landed_gone(s, f, w);
		else if (w->move)
			continue;
		else if (w->r.type == RECORD_MESSAGE)
			landed_message(s, w, p);
		else if (w->r.type == RECORD_STATE)
			landed_state(s, w, p);
	}
	s->stats.flushes++;
	metric_observe(&flush_time, 0, f->took);
	metric_observe(&flush_batch, 0, (int64_t)f->b.n_v);
	s->stats.appended_bytes += f->b.n;
	s->stats.last_flush_us = f->took;
	s->may_compact = true;
}

/* --- after a failure -------------------------------------------------------------------------------------------------- */

static void refuse(struct store *s, struct waiter *w, int error)
{
	if (w->move) {
		compact_moved(s, w, (struct store_place){ 0 });
	} else if (w->r.type == RECORD_MESSAGE) {
		if (w->r.flags & RECORD_BIG)
			chore_big_unlink(s, w->r.id);
		store_msg_free(s, w->m);
		store_answer(s, w->fn, w->ctx, NULL, error);
	}
}

/* relabel - a state record that stands elsewhere in memory now */
static void relabel(struct store *s, const struct waiter *w, struct store_place from, struct store_place to)
{
	struct qmsg *m = w->r.type == RECORD_STATE && !w->move ? store_find(s, w->r.id) : NULL;

	if (m && store_place_eq(m->state, from)) {
		m->state.segment = to.segment;
		m->state.offset = to.offset;
	}
}

static void keep(struct store *s, struct batch *to, const struct batch *from, const struct waiter *w, uint32_t segment)
{
	struct waiter *copy = batch_copy(to, from, w);

	relabel(s, w, (struct store_place){ .segment = segment, .offset = w->at },
		(struct store_place){ .segment = PLACE_MOVING, .offset = copy->at });
}

/* settle_labels - the marks of keep become PLACE_GATHER once no old place can be mistaken for a new one */
static void settle_labels(struct store *s, const struct batch *b)
{
	for (size_t i = 0; i < b->n_v; i++)
		relabel(s, &b->v[i], (struct store_place){ .segment = PLACE_MOVING, .offset = b->v[i].at },
			(struct store_place){ .segment = PLACE_GATHER, .offset = b->v[i].at });
}

/* stay - results that were not written go before everything that has gathered since */
static void stay(struct store *s, struct flight *f)
{
	struct batch b = { .urgent = s->gather.urgent, .big = s->gather.big };

	for (size_t i = 0; i < f->b.n_v; i++)
		if (f->b.v[i].r.type != RECORD_MESSAGE && !f->b.v[i].move)
			keep(s, &b, &f->b, &f->b.v[i], PLACE_FLIGHT);
	for (size_t i = 0; i < s->gather.n_v; i++)
		keep(s, &b, &s->gather, &s->gather.v[i], PLACE_GATHER);
	settle_labels(s, &b);
	batch_recycle(s, &s->gather);
	s->gather = b;
}

static void fell(struct store *s, struct flight *f)
{
	flush_failures++;
	log_warn("qmgr", "cannot %s: %s", f->what, strerror(f->error));
	for (size_t i = 0; i < f->b.n_v; i++)
		refuse(s, &f->b.v[i], f->error);
	stay(s, f);
	s->retry_at = 1;
	if (f->broken)
		store_break(s, f->broken, f->what);
	if (!s->broken)
		return;
	/* nothing will be flushed any more: who waits must not wait for ever */
	for (size_t i = 0; i < s->gather.n_v; i++) {
		struct waiter *w = &s->gather.v[i];

		refuse(s, w, s->broken);
		if (w->r.type != RECORD_MESSAGE && !w->move)
			store_answer(s, w->fn, w->ctx, store_find(s, w->r.id), s->broken);
		w->fn = NULL;
	}
	s->gather.urgent = false;
}

static void drop_new_segment(struct store *s, struct flight *f)
{
	if (f->fd >= 0)
		fs_close(f->fd);
	/* a file without records: a later start finds nothing in it and drops it */
	if (!f->recycle && fs_unlink(f->path) < 0 && errno != ENOENT)
		log_warn("qmgr", "cannot remove %s: %s", f->path, strerror(errno));
	segment_free(f->seg);
}

static void flight_done(struct pool_job *j)
{
	struct flight *f = LIST_ITEM(j, struct flight, job);
	struct store *s = f->s;
	struct segment *old = s->head;

	s->flight = NULL;
	f->seg->refs--;
	/* a new segment whose first write failed is as good as none, if it is empty again */
	if (f->create && f->error && !f->leave) {
		drop_new_segment(s, f);
	} else if (f->create) {
		f->seg->fd = f->fd;
		f->seg->allocated = f->allocated;
		segment_add(s, f->seg);
		s->rooted = true;
		s->n_open++;
		s->head = f->seg;
		s->leaving = false;
	}
	s->leaving |= f->leave;
	if (f->error) {
		fell(s, f);
	} else {
		s->retry_at = 0;
		landed(s, f);
	}
	/* the flight goes before the answers: they may want the next one */
	batch_recycle(s, &f->b);
	mem_free(f);
	store_tell(s);
	if (old && old != s->head) {
		old->sealed = true;
		segment_seal(s, old);
	}
	/* what compaction waited for has landed */
	if (s->compaction.victim)
		store_maintain(s);
}

/* --- the start of one -------------------------------------------------------------------------------------------------- */

static bool head_is_full(const struct store *s)
{
	const struct segment *g = s->head;

	if (!g || s->leaving || g->n_index + s->gather.n_v > LIMIT_STORE_ENTRIES + (size_t)LIMIT_STORE_ENTRIES / 2)
		return true;
	return g->end > SEGMENT_START && g->end + s->gather.n > (uint64_t)s->o.segment_size;
}

static void take_new_segment(struct store *s, struct flight *f)
{
	f->create = true;
	f->root = f->sync && !s->rooted;
	f->fd = -1;
	f->seg = segment_new(s, s->next_segment++);
	f->seg->header.mark = random_u32();
	f->seg->header.salt = random_u32();
	f->seg->header.created = clock_wall();
	f->seg->header.high_id = s->next_id;
	if (s->head) {
		f->seg->header.previous = s->head->header.number;
		f->seg->header.previous_end = (uint32_t)s->head->end;
	}
	f->seg->end = SEGMENT_START;
	segment_path(s, f->path, f->seg->header.number);
	f->recycle = s->n_spares > 0;
	if (f->recycle) {
		f->allocated = s->spares[--s->n_spares].bytes;
		segment_spare_path(s, f->spare, s->spares[s->n_spares].number);
	}
}

/* to_flight - states in the batch are now found in the flight */
static void to_flight(struct store *s, const struct batch *b)
{
	for (size_t i = 0; i < b->n_v; i++)
		relabel(s, &b->v[i], (struct store_place){ .segment = PLACE_GATHER, .offset = b->v[i].at },
			(struct store_place){ .segment = PLACE_FLIGHT, .offset = b->v[i].at });
}

void flush_start(struct store *s)
{
	struct flight *f = MEM_NEW(struct flight);

	f->job = (struct pool_job){ .work = flight_work, .done = flight_done };
	f->s = s;
	f->sync = s->o.sync;
	f->segment_size = s->o.segment_size;
	store_path(s, f->log_dir, "log");
	store_path(s, f->big_dir, "big");
	store_path(s, f->dir, ".");
	store_path(s, f->parent, "..");
	f->left_fd = -1;
	if (s->leaving) {
		f->left_fd = s->head->fd;
		f->left_at = (off_t)s->head->end;
	}
	if (head_is_full(s)) {
		take_new_segment(s, f);
	} else {
		f->seg = s->head;
		f->fd = s->head->fd;
	}
	f->seg->refs++;
	f->header = f->seg->header;
	f->at = (off_t)f->seg->end;
	f->b = s->gather;
	s->gather = s->spare;
	s->spare = (struct batch){ 0 };
	to_flight(s, &f->b);
	s->results_since = 0;
	s->flight = f;
	store_run(s, &f->job);
}

const char *flight_bytes(const struct store *s, size_t *n)
{
	*n = s->flight ? s->flight->b.n : 0;
	return s->flight ? s->flight->b.data : NULL;
}

bool store_is_tight(const struct store *s)
{
	return s->is_short && s->gather.n_v + (s->flight ? s->flight->b.n_v : 0) >= LIMIT_STORE_RESULTS;
}

static usec flush_due(struct store *s, usec now)
{
	if (!s->gather.n_v || s->flight || s->broken)
		return USEC_NEVER;
	if (s->retry_at == 1)
		s->retry_at = now + RETRY_DELAY;
	/* a new message is a try of its own: it must not wait for the results that failed */
	if (s->retry_at && !s->gather.urgent && !s->closing)
		return s->retry_at;
	if (s->gather.urgent || s->gather.n_v >= LIMIT_STORE_RESULTS || !s->o.pool || s->closing)
		return now;
	if (!s->results_since)
		s->results_since = now;
	return s->results_since + RESULT_DELAY;
}

usec store_tick(struct store *s, usec now_mono)
{
	usec due;

	if (s->n_answers)
		store_tell(s);
	for (;;) {
		due = flush_due(s, now_mono);
		if (due > now_mono)
			break;
		flush_start(s);
		/* inline, what failed is not tried again within the same tick */
		if (s->flight || s->retry_at)
			break;
	}
	if (!s->flight && !s->gather.n_v)
		s->results_since = 0;
	if (due <= now_mono)
		due = s->flight || !s->retry_at ? USEC_NEVER : now_mono + RETRY_DELAY;
	return due;
}
