/* compact - what is still needed of a sparse segment is written again at the head of the log, so that the segment can go.
 * See store_private.h.
 *
 * One victim at a time, in slices: small ones that ride with somebody's flush under load, larger ones with a flush of their
 * own when nothing else waits. Each flush that lands starts the next slice. A message is copied
 * together with its state, message first, because recovery forgets a state whose message it does not know. Copied too
 * are the ends of messages that an older file could bring back: without that, one old message would keep every later
 * segment alive. Until the victim is durably gone it is `stale`: an end that is written meanwhile names it as well. */
#include <errno.h>
#include <fcntl.h>

#include "core/base/crc.h"
#include "core/base/fs.h"
#include "core/base/log.h"
#include "core/base/mem.h"
#include "core/store/store_private.h"

enum {
	SLICE_BYTES = 64 * 1024,
	SLICE_IDLE = 256 * 1024,
	SLICE_ENTRIES = 1024,
	RECENT = 3,             /* the newest segments: what they hold ends soon by itself */
	SMALL_SHARE = 8,        /* of segment_size: smaller segments come from restarts */
};

/* --- the victim -------------------------------------------------------------------------------------------------------- */

static bool is_movable(const struct store *s, const struct segment *g)
{
	return g->sealed && g->footed && !g->retiring && !g->kept && !g->refs;
}

/* choose - a segment that only pins keep; else the emptiest, when much is dead; else one of too many small ones */
static struct segment *choose(const struct store *s)
{
	struct segment *sparse = NULL, *small = NULL;
	uint64_t live = 0, all = 0;
	size_t n_small = 0;

	for (size_t i = 0; i < s->n_segs; i++) {
		struct segment *g = s->segs[i];

		live += g->live;
		all += g->end;
		if (!is_movable(s, g) || i + RECENT > s->n_segs)
			continue;
		if (!g->n_live && g->n_pins)
			return g;
		if (g->live * 2 < g->end && (!sparse || g->live * sparse->end < sparse->live * g->end))
			sparse = g;
		if (g->end < (uint64_t)s->o.segment_size / SMALL_SHARE) {
			n_small++;
			small = small ? small : g;
		}
	}
	/* disk is spent to at most one and a half times what is alive, and two segments */
	if (sparse && all - live > live / 2 + 2 * (uint64_t)s->o.segment_size)
		return sparse;
	return n_small > LIMIT_STORE_SMALL ? small : NULL;
}

static bool read_entries(struct store *s, struct segment *g, struct compaction *c)
{
	unsigned char trailer[SEGMENT_TRAILER];
	uint32_t at, length;
	struct record r;
	int fd = segment_fd(s, g);

	errno = EILSEQ;
	if (fd < 0 || fs_pread_all(fd, trailer, sizeof(trailer), (off_t)(g->end - sizeof(trailer))) != sizeof(trailer))
		return false;
	if (!segment_trailer_parse(trailer, &g->header, &at, &length) || length < RECORD_HEADER + RECORD_SUMMARY || at > g->end)
		return false;
	c->bytes = mem_realloc(NULL, length);
	if (fs_pread_all(fd, c->bytes, length, at) != (ssize_t)length || !record_parse(c->bytes, &g->header, &r))
		return false;
	if (record_size(&r) != length || crc32c(0, c->bytes + RECORD_HEADER, r.length) != r.head_crc)
		return false;
	c->n = (r.length - RECORD_SUMMARY) / RECORD_ENTRY;
	return true;
}

static void end_compaction(struct store *s)
{
	mem_free(s->compaction.bytes);
	s->compaction = (struct compaction){ 0 };
}

static bool begin(struct store *s)
{
	struct compaction *c = &s->compaction;
	struct segment *g = choose(s);

	if (!g)
		return false;
	*c = (struct compaction){ .victim = g };
	if (read_entries(s, g, c)) {
		g->refs++;
		return true;
	}
	/* its messages can still be read one by one; it is only not moved */
	log_warn("qmgr", "cannot read the index of segment %08X: %s", (unsigned)g->header.number, strerror(errno));
	g->kept = true;
	end_compaction(s);
	return true;
}

/* --- copying ------------------------------------------------------------------------------------------------------------- */

static void give_up(struct store *s, const char *why)
{
	log_warn("qmgr", "segment %08X is not compacted: %s", (unsigned)s->compaction.victim->header.number, why);
	s->compaction.victim->kept = true;
	s->compaction.next = s->compaction.n;
}

/* copy_record - what stands at p, appended once more; false: it could not be read */
static bool copy_record(struct store *s, struct store_place p, uint64_t id)
{
	struct waiter *w;
	struct record r;
	struct str body;
	struct buf b;

	if (read_record(s, p, id, &r, &b) < 0) {
		give_up(s, strerror(errno));
		return false;
	}
	body = str_from(buf_view(&b), RECORD_HEADER + (size_t)r.head_length);
	w = batch_add(&s->gather, &r, str_make(b.p + RECORD_HEADER, r.head_length), &body, 1);
	w->move = true;
	w->from = p;
	s->compaction.waiting++;
	buf_fini(&b);
	return true;
}

/* copy_state_again - the state is in memory, on its way to a place before the message's copy: say it again after it */
static void copy_state_again(struct store *s, struct qmsg *m)
{
	size_t n = s->gather.n;
	const char *data = m->state.segment == PLACE_FLIGHT ? flight_bytes(s, &n) : s->gather.data;
	struct record r = { .type = RECORD_STATE, .version = RECORD_PLAIN, .id = m->id };
	size_t length = m->state.length - RECORD_HEADER;
	char *copy = mem_realloc(NULL, length);
	struct waiter *w;

	/* the batch may move in memory while it grows */
	memcpy(copy, data + m->state.offset + RECORD_HEADER, length);
	w = batch_add(&s->gather, &r, str_make(copy, length), NULL, 0);
	m->state = (struct store_place){ PLACE_GATHER, w->at, record_size(&w->r) };
	mem_free(copy);
}

static void move_message(struct store *s, struct qmsg *m)
{
	struct segment *g = s->compaction.victim;

	s->n_stale += !g->stale;
	g->stale = true;
	if (!copy_record(s, m->record, m->id))
		return;
	if (m->state.segment > SEGMENT_LAST)
		copy_state_again(s, m);
	else if (m->state.segment)
		copy_record(s, m->state, m->id);
}

static void move_gone(struct store *s, const struct entry *e)
{
	uint32_t targets[RECORD_TARGETS];
	struct summary sum;
	size_t n = 0;

	summary_parse(e->summary, RECORD_GONE, &sum);
	for (int i = 0; i < RECORD_TARGETS; i++)
		if (sum.gone[i] && sum.gone[i] != s->compaction.victim->header.number && segment_find(s, sum.gone[i]))
			targets[n++] = sum.gone[i];
	if (!n)
		return;
	store_append_gone(s, e->id, targets, n, NULL, NULL);
	s->gather.v[s->gather.n_v - 1].move = true;
	s->compaction.waiting++;
}

static void move_entry(struct store *s, const struct entry *e)
{
	struct store_place p = { s->compaction.victim->header.number, e->offset, e->length };
	struct qmsg *m;

	if (e->type == RECORD_GONE) {
		move_gone(s, e);
		return;
	}
	m = store_find(s, e->id);
	if (m && e->type == RECORD_MESSAGE && store_place_eq(m->record, p))
		move_message(s, m);
	/* with its message still in the victim it goes when that goes */
	else if (m && e->type == RECORD_STATE && store_place_eq(m->state, p) && m->record.segment != p.segment)
		copy_record(s, p, m->id);
}

static void append_gone_at(struct store *s, uint64_t id, uint32_t segment)
{
	store_append_gone(s, id, &segment, 1, NULL, NULL);
}

static void moved_message(struct store *s, const struct waiter *w, struct store_place p)
{
	struct qmsg *m = store_find(s, w->r.id);

	if (!m) {
		/* it ended while its copy was on the way: that end does not name the segment of the copy */
		append_gone_at(s, w->r.id, p.segment);
	} else if (store_place_eq(m->record, w->from)) {
		segment_dead(s, m->record);
		m->record = p;
		segment_live(s, p);
	}
}

static void moved_state(struct store *s, const struct waiter *w, struct store_place p)
{
	struct qmsg *m = store_find(s, w->r.id);

	if (!m || !store_place_eq(m->state, w->from))
		return;
	segment_dead(s, m->state);
	m->state = p;
	segment_live(s, p);
}

void compact_moved(struct store *s, const struct waiter *w, struct store_place p)
{
	s->compaction.waiting--;
	if (!p.segment)
		s->compaction.failed = true;
	s->stats.moved += p.segment != 0;
	if (p.segment && w->r.type == RECORD_MESSAGE)
		moved_message(s, w, p);
	else if (p.segment && w->r.type == RECORD_STATE)
		moved_state(s, w, p);
}

/* --- slices ------------------------------------------------------------------------------------------------------------- */

static bool finish(struct store *s)
{
	struct compaction *c = &s->compaction;
	struct segment *g = c->victim;

	g->refs--;
	/* the ends it held stand elsewhere now */
	if (!c->failed && !g->kept)
		g->n_pins = 0;
	end_compaction(s);
	return segment_retire_next(s);
}

static void entry_at(const struct compaction *c, size_t i, struct entry *e)
{
	entry_parse(c->bytes + RECORD_HEADER + RECORD_SUMMARY + i * RECORD_ENTRY, e);
}

/* read_ahead - ask for what the next slice will read, so that the loop need not wait for the disk then */
static void read_ahead(struct store *s)
{
	struct compaction *c = &s->compaction;
	struct entry e;

	if (c->next == c->n)
		return;
	entry_at(c, c->next, &e);
	if (e.offset < c->ahead)
		return;
	c->ahead = e.offset + 2 * SLICE_IDLE;
	(void)posix_fadvise(c->victim->fd, e.offset, 4 * SLICE_IDLE, POSIX_FADV_WILLNEED);
}

static bool slice(struct store *s)
{
	struct compaction *c = &s->compaction;
	size_t before = s->gather.n, entries = 0;
	bool idle = !s->flight && !s->gather.n_v;

	read_ahead(s);
	while (c->next < c->n && s->gather.n - before < (idle ? SLICE_IDLE : SLICE_BYTES) && entries++ < SLICE_ENTRIES) {
		struct entry e;

		entry_at(c, c->next++, &e);
		move_entry(s, &e);
	}
	s->gather.urgent |= idle && c->waiting;
	/* copies that wait need a flush first; then the next slice */
	return !c->waiting;
}

bool store_maintain(struct store *s)
{
	struct compaction *c = &s->compaction;

	if (s->o.read_only || s->broken || s->closing)
		return false;
	if (segment_retire_next(s))
		return true;
	if (c->victim && c->waiting)
		return false;
	if (c->victim && (c->failed || c->next == c->n))
		return finish(s) || s->may_compact;
	if (c->victim)
		return slice(s);
	if (!s->may_compact)
		return false;
	s->may_compact = false;
	return begin(s);
}
