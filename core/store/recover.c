/* recover - from the files of the log back to the index of messages. See store_private.h.
 *
 * A sealed segment is known from its footer alone. Any other is read from front to back: a record whose header is whole
 * is stepped over even if its content is damaged; where a header is damaged, the next whole one is looked for (the mark
 * and the salted sum make a false one as good as impossible). Damage that is followed by records of a later write, or
 * that was sealed, was once acknowledged: it is set aside in corrupt/ and named. Damage in the last write is what a
 * crash leaves of a flush that never returned: it is cut, kept as *.torn if it has a readable header.
 * Afterwards every segment is sealed, so that the next start need not do this again. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "core/base/crc.h"
#include "core/base/fs.h"
#include "core/base/log.h"
#include "core/base/mem.h"
#include "core/store/store_private.h"

enum { WINDOW = 256 * 1024 };

struct damage { uint64_t at, n, id; };
struct window { int fd; uint64_t size, at; size_t n, cap; unsigned char *p; };
struct recovery {
	struct store *s;
	struct buf *why;
	uint32_t *numbers;      /* of the files NNNNNNNN.seg */
	size_t n_numbers, cap_numbers;
	uint64_t set_aside;     /* damage found by this start */
	/* the segment that is being read */
	struct segment *seg;
	struct window w;
	struct idmap copies;    /* copies of messages whose state was not copied behind them, so far: struct store_place */
	struct arena places;
	struct damage *damages;
	size_t n_damages, cap_damages;
	uint32_t last_batch;
	bool failed;            /* why says so */
};

/* --- the names ------------------------------------------------------------------------------------------------------ */

static bool hex_name(const char *name, const char *prefix, const char *suffix, uint32_t *number)
{
	struct str s = str_of(name);
	uint64_t v;

	if (!str_starts(s, str_of(prefix)) || !str_ends(s, str_of(suffix)))
		return false;
	s = str_from(str_head(s, s.n - strlen(suffix)), strlen(prefix));
	if (s.n != 8 || !str_to_hex64(s, &v) || !v || v > SEGMENT_LAST)
		return false;
	*number = (uint32_t)v;
	return true;
}

static int on_log_name(void *ctx, const char *name)
{
	struct recovery *r = ctx;
	struct store *s = r->s;
	char path[STORE_PATH];
	uint32_t number;

	if (hex_name(name, "", ".seg", &number)) {
		if (r->n_numbers == r->cap_numbers) {
			r->cap_numbers = r->cap_numbers ? r->cap_numbers * 2 : 64;
			r->numbers = mem_array(r->numbers, r->cap_numbers, sizeof(*r->numbers));
		}
		r->numbers[r->n_numbers++] = number;
	} else if (hex_name(name, "spare-", "", &number) && !s->o.read_only) {
		segment_spare_path(s, path, number);
		if (s->n_spares < LIMIT_STORE_SPARES)
			s->spares[s->n_spares++] = number;
		else if (fs_unlink(path) < 0)
			log_warn("qmgr", "cannot remove %s: %s", path, strerror(errno));
	}
	return 0;
}

static int by_number(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

/* --- reading in order --------------------------------------------------------------------------------------------------- */

/* window_get - n bytes at `at`, or NULL (past the end, or errno) */
static const unsigned char *window_get(struct window *w, uint64_t at, size_t n)
{
	size_t want = n > WINDOW ? n : WINDOW;
	ssize_t got;

	errno = 0;
	if (at > w->size || n > w->size - at)
		return NULL;
	if (!n)
		return (const unsigned char *)"";
	if (at >= w->at && at + n <= w->at + w->n)
		return w->p + (at - w->at);
	if (want > w->size - at)
		want = (size_t)(w->size - at);
	if (want > w->cap) {
		w->p = mem_realloc(w->p, want);
		w->cap = want;
	}
	w->n = 0;
	got = fs_pread_all(w->fd, w->p, want, (off_t)at);
	if (got < 0 || (size_t)got < n) {
		errno = got < 0 ? errno : EIO;
		return NULL;
	}
	w->at = at;
	w->n = (size_t)got;
	return w->p;
}

static bool cannot(struct recovery *r, const char *what, const char *path)
{
	buf_printf(r->why, "cannot %s %s: %s", what, path, strerror(errno));
	r->failed = true;
	return false;
}

static bool cannot_read(struct recovery *r)
{
	char path[STORE_PATH];

	segment_path(r->s, path, r->seg->header.number);
	return cannot(r, "read", path);
}

/* --- what a record means -------------------------------------------------------------------------------------------- */

static void mark_stale(struct store *s, struct segment *g)
{
	s->n_stale += !g->stale;
	g->stale = true;
}

/* adopt - the copy at p is the message now */
static void adopt(struct store *s, struct qmsg *m, struct store_place p)
{
	mark_stale(s, segment_find(s, m->record.segment));
	segment_dead(s, m->record);
	m->record = p;
	segment_live(s, p);
}

/* apply_copy - compaction copied the message and was interrupted before it could drop where it copied from. The copy counts
 * once its state stands behind it: a state in front of it would be nobody's when the original is gone */
static void apply_copy(struct recovery *r, struct qmsg *m, struct store_place p)
{
	struct store_place *copy;

	if (!m->state.segment) {
		adopt(r->s, m, p);
		return;
	}
	mark_stale(r->s, r->seg);
	copy = ARENA_NEW(&r->places, struct store_place);
	if (!copy)
		BUG("the arena of copies is bounded");
	*copy = p;
	idmap_add(&r->copies, m->id, copy);
}

static void apply_message(struct recovery *r, const struct entry *e, const struct summary *sum, struct store_place p)
{
	struct store *s = r->s;
	struct qmsg *m = store_find(s, e->id);

	if (m) {
		apply_copy(r, m, p);
		return;
	}
	m = store_msg_new(s);
	m->id = e->id;
	m->arrival = sum->message.arrival;
	m->size = sum->message.size;
	m->n_rcpts = m->n_pending = sum->message.n_rcpts;
	m->flags = sum->message.flags | (e->flags & RECORD_BIG ? (uint32_t)QMSG_BIG : 0);
	s->stats.big_files += e->flags & RECORD_BIG ? 1 : 0;
	idmap_add(&s->index, m->id, m);
	m->record = p;
	segment_live(s, p);
}

static void apply_state(struct recovery *r, const struct entry *e, const struct summary *sum, struct store_place p)
{
	struct qmsg *m = store_find(r->s, e->id);
	struct store_place *copy;

	if (!m || sum->state.n_rcpts != m->n_rcpts)
		return;
	copy = idmap_take(&r->copies, e->id);
	if (copy)
		adopt(r->s, m, *copy);
	segment_dead(r->s, m->state);
	m->state = p;
	m->n_pending = sum->state.n_pending;
	m->flags = (m->flags & QMSG_BIG) | sum->state.flags;
	m->due.key = sum->state.due;
	segment_live(r->s, p);
}

static void apply_gone(struct recovery *r, const struct entry *e, const struct summary *sum)
{
	struct store *s = r->s;
	struct qmsg *m = idmap_take(&s->index, e->id);
	struct store_place *copy = idmap_take(&r->copies, e->id);

	if (copy && copy->segment != r->seg->header.number)
		segment_pin(r->seg, copy->segment);
	if (m) {
		/* a copy made by compaction may be younger than what the end names */
		if (m->record.segment != r->seg->header.number)
			segment_pin(r->seg, m->record.segment);
		segment_dead(s, m->record);
		segment_dead(s, m->state);
		s->stats.big_files -= m->flags & QMSG_BIG ? 1 : 0;
		store_msg_free(s, m);
	}
	for (int i = 0; i < RECORD_TARGETS; i++)
		if (sum->gone[i] && sum->gone[i] != r->seg->header.number && segment_find(s, sum->gone[i]))
			segment_pin(r->seg, sum->gone[i]);
}

static void apply(struct recovery *r, const struct entry *e)
{
	struct store_place p = { r->seg->header.number, e->offset, e->length };
	struct summary sum;

	summary_parse(e->summary, e->type, &sum);
	if (e->id >= r->s->next_id)
		r->s->next_id = e->id + 1;
	if (e->type == RECORD_MESSAGE)
		apply_message(r, e, &sum, p);
	else if (e->type == RECORD_STATE)
		apply_state(r, e, &sum, p);
	else if (e->type == RECORD_GONE)
		apply_gone(r, e, &sum);
}

/* --- a sealed segment ----------------------------------------------------------------------------------------------- */

static bool apply_footer(struct recovery *r, const unsigned char *p, uint32_t at, size_t n)
{
	/* first look at all, then act: half a footer is none */
	for (size_t i = 0; i < n; i++) {
		struct entry e;

		entry_parse(p + i * RECORD_ENTRY, &e);
		if (!e.id || e.offset < SEGMENT_START || e.offset > at || e.length > at - e.offset || e.length < RECORD_HEADER)
			return false;
		if (e.type < RECORD_MESSAGE || e.type > RECORD_GONE)
			return false;
	}
	for (size_t i = 0; i < n; i++) {
		struct entry e;

		entry_parse(p + i * RECORD_ENTRY, &e);
		apply(r, &e);
	}
	return true;
}

/* read_footer - false: there is none that is whole */
static bool read_footer(struct recovery *r)
{
	const struct segment_header *h = &r->seg->header;
	const unsigned char *p;
	uint32_t at, length;
	struct record rec;

	if (r->w.size < SEGMENT_START + SEGMENT_TRAILER)
		return false;
	p = window_get(&r->w, r->w.size - SEGMENT_TRAILER, SEGMENT_TRAILER);
	if (!p || !segment_trailer_parse(p, h, &at, &length) || length < RECORD_HEADER)
		return false;
	if (at < SEGMENT_START || (uint64_t)at + length + SEGMENT_TRAILER != r->w.size)
		return false;
	p = window_get(&r->w, at, length);
	if (!p || !record_parse(p, h, &rec) || rec.type != RECORD_FOOTER || rec.version != 1 || record_size(&rec) != length)
		return false;
	if (rec.head_length != rec.length || (rec.length - RECORD_SUMMARY) % RECORD_ENTRY)
		return false;
	if (crc32c(0, p + RECORD_HEADER, rec.length) != rec.head_crc)
		return false;
	if (!apply_footer(r, p + RECORD_HEADER + RECORD_SUMMARY, at, (rec.length - RECORD_SUMMARY) / RECORD_ENTRY))
		return false;
	r->seg->end = r->w.size;
	r->seg->footed = true;
	return true;
}

/* --- any other segment ------------------------------------------------------------------------------------------------ */

static void add_damage(struct recovery *r, uint64_t at, uint64_t n, uint64_t id)
{
	if (r->n_damages == r->cap_damages) {
		r->cap_damages = r->cap_damages ? r->cap_damages * 2 : 8;
		r->damages = mem_array(r->damages, r->cap_damages, sizeof(*r->damages));
	}
	r->damages[r->n_damages++] = (struct damage){ at, n, id };
}

/* next_record - where the next whole record header stands, after `at`; the size of the file if there is none */
static uint64_t next_record(struct recovery *r, uint64_t at)
{
	unsigned char mark[4];
	struct record rec;

	record_put32(mark, r->seg->header.mark);
	for (at++; at + RECORD_HEADER <= r->w.size; at++) {
		size_t n = r->w.size - at > WINDOW ? WINDOW : (size_t)(r->w.size - at);
		const unsigned char *p, *hit;

		/* what the window still holds is enough, if a header fits */
		if (at >= r->w.at && at + RECORD_HEADER <= r->w.at + r->w.n)
			n = (size_t)(r->w.at + r->w.n - at);
		p = window_get(&r->w, at, n);
		if (!p)
			break;
		hit = memmem(p, n, mark, sizeof(mark));
		if (!hit) {
			at += n > sizeof(mark) ? n - sizeof(mark) : 0;
			continue;
		}
		at += (uint64_t)(hit - p);
		p = window_get(&r->w, at, RECORD_HEADER);
		if (p && record_parse(p, &r->seg->header, &rec) && record_size(&rec) <= r->w.size - at)
			return at;
	}
	return r->w.size;
}

static bool refuse_record(struct recovery *r, const struct record *rec, uint64_t at)
{
	char path[STORE_PATH];

	segment_path(r->s, path, r->seg->header.number);
	buf_printf(r->why, "%s has a record of type %u, version %u at %llu, which this version does not know", path, rec->type,
		rec->version, (unsigned long long)at);
	r->failed = true;
	return false;
}

/* take_record - the record whose header was whole; false: stop */
static bool take_record(struct recovery *r, const struct record *rec, uint64_t at)
{
	struct entry e = { .id = rec->id, .offset = (uint32_t)at, .length = record_size(rec), .type = rec->type, .flags = rec->flags };
	const unsigned char *p;

	if (!record_is_known(rec))
		return refuse_record(r, rec, at);
	p = window_get(&r->w, at, record_size(rec));
	if (!p)
		return cannot_read(r);
	p += RECORD_HEADER;
	if (rec->type == RECORD_FOOTER)
		return true;
	if (!rec->id || crc32c(0, p, rec->head_length) != rec->head_crc ||
		crc32c(0, p + rec->head_length, rec->length - rec->head_length) != rec->body_crc) {
		add_damage(r, at, record_size(rec), rec->id);
		return true;
	}
	if (rec->batch > r->last_batch)
		r->last_batch = rec->batch;
	memcpy(e.summary, p, RECORD_SUMMARY);
	segment_index(r->seg, &e);
	apply(r, &e);
	return true;
}

/* scan - every record; the end is set to where the last whole one ends */
static bool scan(struct recovery *r)
{
	uint64_t at = SEGMENT_START;

	r->n_damages = 0;
	r->last_batch = 0;
	r->seg->end = at;
	while (r->w.size >= RECORD_HEADER && at <= r->w.size - RECORD_HEADER) {
		const unsigned char *p = window_get(&r->w, at, RECORD_HEADER);
		struct record rec;
		uint64_t next;

		if (!p)
			return cannot_read(r);
		bool ours = record_parse(p, &r->seg->header, &rec);

		if (ours && record_size(&rec) <= r->w.size - at) {
			if (!take_record(r, &rec, at))
				return false;
			/* what follows a footer is the trailer */
			if (rec.type == RECORD_FOOTER)
				break;
			at += record_size(&rec);
			r->seg->end = at;
			continue;
		}
		next = next_record(r, at);
		/* what was allocated, or served before, is no record; one that goes past the end was cut off */
		if (next == r->w.size && (!ours || rec.type == RECORD_FOOTER))
			break;
		add_damage(r, at, next - at, ours ? rec.id : 0);
		at = next;
	}
	return true;
}

static void set_aside(struct recovery *r, const struct damage *d)
{
	bool torn = d->at >= r->last_batch, kept = true;
	const unsigned char *p = window_get(&r->w, d->at, (size_t)d->n);
	char name[64], qid[QID_MAX] = "unknown";

	if (r->s->o.read_only)
		return;
	if (d->id)
		qid_format(qid, d->id);
	snprintf(name, sizeof(name), "%08X-%08X-%s%s", (unsigned)r->seg->header.number, (unsigned)d->at, qid, torn ? ".torn" : "");
	if (p)
		store_set_aside(r->s, name, p, (size_t)d->n, &kept);
	if (!p || !kept)
		r->seg->kept = true;
	if (torn) {
		log_info("qmgr", "an unfinished write at the end of the log was cut: corrupt/%s has it", name);
		return;
	}
	r->set_aside++;
	log_error("qmgr", "a damaged record of %llu bytes (message %s) was set aside in corrupt/%s", (unsigned long long)d->n, qid, name);
}

/* seal - give the segment its footer, so that it need not be read again; without one it is only slower */
static void seal(struct recovery *r)
{
	struct segment *g = r->seg;
	char path[STORE_PATH];
	bool broken = false;
	int fd;

	segment_path(r->s, path, g->header.number);
	/* a footer hides what is damaged: only once that is safe elsewhere */
	fd = g->kept ? -1 : fs_open(path, O_RDWR | O_NOFOLLOW, 0);
	if (fd >= 0) {
		if (segment_write_footer(fd, &g->header, g->index, g->n_index, &g->end, r->s->o.sync, &broken) < 0)
			log_warn("qmgr", "cannot seal %s: %s", path, strerror(errno));
		else
			g->footed = true;
		fs_close(fd);
	}
	if (broken)
		store_break(r->s, EIO, "flush a segment at the start");
	mem_free(g->index);
	g->index = NULL;
	g->n_index = g->cap_index = 0;
}

/* --- one file --------------------------------------------------------------------------------------------------------- */

static bool all_zero(const unsigned char *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (p[i])
			return false;
	return true;
}

/* suspect_cut - a segment is given all its room when it is made, and its end before long when the next one begins: with
 * neither, something may have been cut off. The content of large messages that nobody names is not removed then */
static void suspect_cut(struct recovery *r, uint32_t number)
{
	if (r->s->o.read_only || number == r->numbers[r->n_numbers - 1] || r->w.size >= (uint64_t)r->s->o.segment_size)
		return;
	r->set_aside++;
	log_error("qmgr", "segment %08X of the log has lost its end: mail may be missing", (unsigned)number);
}

/* drop_or_keep - the file has no header that can be read */
static bool drop_or_keep(struct recovery *r, const unsigned char *start, uint32_t number)
{
	char path[STORE_PATH], to[STORE_PATH];

	if (r->s->o.read_only)
		return true;
	segment_path(r->s, path, number);
	suspect_cut(r, number);
	/* a crash between the file's creation and the flush of its header: nothing was ever written to it */
	if (r->w.size <= SEGMENT_START && (!start || all_zero(start, r->w.size)))
		return fs_unlink(path) < 0 ? cannot(r, "remove", path) : true;
	store_path(r->s, to, "corrupt/%08X.seg", (unsigned)number);
	if (fs_rename(path, to) < 0)
		return cannot(r, "set aside", path);
	log_error("qmgr", "a segment of the log without a readable header was set aside as %s", to);
	r->set_aside++;
	r->s->stats.corrupt++;
	return true;
}

static bool read_segment(struct recovery *r)
{
	struct store *s = r->s;

	if (r->seg->header.high_id > s->next_id)
		s->next_id = r->seg->header.high_id;
	segment_add(s, r->seg);
	r->seg->sealed = true;
	if (read_footer(r))
		return true;
	if (!scan(r))
		return false;
	suspect_cut(r, r->seg->header.number);
	for (size_t i = 0; i < r->n_damages; i++)
		set_aside(r, &r->damages[i]);
	if (!s->o.read_only)
		seal(r);
	return true;
}

static bool open_segment(struct recovery *r, uint32_t number)
{
	struct segment *g = segment_new(r->s, number);
	enum segment_verdict v = SEGMENT_DAMAGED;
	const unsigned char *p;
	char path[STORE_PATH];
	struct stat st;

	segment_path(r->s, path, number);
	r->seg = g;
	if (segment_fd(r->s, g) < 0 || fstat(g->fd, &st) < 0) {
		segment_free(g);
		return cannot(r, "open", path);
	}
	r->w.fd = g->fd;
	r->w.size = (uint64_t)st.st_size < UINT32_MAX ? (uint64_t)st.st_size : UINT32_MAX;
	r->w.n = 0;
	p = window_get(&r->w, 0, r->w.size < SEGMENT_START ? (size_t)r->w.size : SEGMENT_START);
	if (!p && errno) {
		segment_free(g);
		return cannot(r, "read", path);
	}
	if (p && r->w.size >= SEGMENT_START)
		v = segment_header_parse(p, SEGMENT_START, &g->header);
	if (v == SEGMENT_OK && g->header.number == number)
		return read_segment(r);
	r->s->n_open--;
	segment_free(g);
	if (v == SEGMENT_FOREIGN) {
		buf_printf(r->why, "%s was written by another version of relaybox, in a format that this one does not know", path);
		r->failed = true;
		return false;
	}
	return drop_or_keep(r, p, number);
}

static int on_corrupt_name(void *ctx, const char *name)
{
	(*(uint64_t *)ctx)++;
	return 0;
}

/* --- all of it ---------------------------------------------------------------------------------------------------------- */

static bool recover_all(struct recovery *r)
{
	struct store *s = r->s;
	char log_dir[STORE_PATH], big_dir[STORE_PATH], corrupt_dir[STORE_PATH];

	store_path(s, log_dir, "log");
	store_path(s, big_dir, "big");
	store_path(s, corrupt_dir, "corrupt");
	if (fs_each_name(corrupt_dir, on_corrupt_name, &s->stats.corrupt) < 0 && !s->o.read_only)
		return cannot(r, "read", corrupt_dir);
	if (fs_each_name(log_dir, on_log_name, r) < 0)
		return cannot(r, "read", log_dir);
	if (r->n_numbers)
		qsort(r->numbers, r->n_numbers, sizeof(*r->numbers), by_number);
	for (size_t i = 0; i < r->n_numbers; i++) {
		if (r->numbers[i] >= s->next_segment)
			s->next_segment = r->numbers[i] + 1;
		if (!open_segment(r, r->numbers[i]))
			return false;
	}
	if (recover_big(s, &r->set_aside) < 0)
		return cannot(r, "read", big_dir);
	s->may_compact = true;
	return true;
}

int recover(struct store *s, struct buf *why)
{
	struct recovery r = { .s = s, .why = why };
	bool ok;

	idmap_init(&r.copies);
	arena_init(&r.places, SIZE_MAX / 2);
	ok = recover_all(&r);
	idmap_fini(&r.copies);
	arena_fini(&r.places);
	mem_free(r.numbers);
	mem_free(r.damages);
	mem_free(r.w.p);
	return ok ? 0 : -1;
}
