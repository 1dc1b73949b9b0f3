/* recover_scan - from the bytes of one segment to its entries. See recover_private.h.
 *
 * A sealed segment is known from its footer alone. Any other is read from front to back: a record whose header is whole
 * is stepped over even if its content is damaged; where a header is damaged, the next whole one is looked for (the mark
 * and the salted sum make a false one as good as impossible). */
#include <errno.h>

#include "core/base/crc.h"
#include "core/base/fs.h"
#include "core/base/mem.h"
#include "core/store/recover_private.h"

enum { WINDOW = 256 * 1024 };

const unsigned char *window_get(struct window *w, uint64_t at, size_t n)
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
		recover_apply(r, &e);
	}
	return true;
}

bool recover_footer(struct recovery *r)
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
		return recover_cannot_read(r);
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
	recover_apply(r, &e);
	return true;
}

bool recover_scan(struct recovery *r)
{
	uint64_t at = SEGMENT_START;

	r->n_damages = 0;
	r->last_batch = 0;
	r->seg->end = at;
	while (r->w.size >= RECORD_HEADER && at <= r->w.size - RECORD_HEADER) {
		const unsigned char *p = window_get(&r->w, at, RECORD_HEADER);
		struct record rec;
		uint64_t next;
		bool ours;

		if (!p)
			return recover_cannot_read(r);
		ours = record_parse(p, &r->seg->header, &rec);
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
