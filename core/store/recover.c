/* recover - from the files of the log back to the index of messages. See recover_private.h.
 *
 * Damage that is followed by records of a later write, or that was sealed, was once acknowledged: it is set aside in
 * corrupt/ and named. Damage in the last write is what a crash leaves of a flush that never returned: it is cut, kept as
 * *.torn if it has a readable header. Afterwards every segment is sealed, so that the next start need not do this again. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "core/base/fs.h"
#include "core/base/log.h"
#include "core/base/mem.h"
#include "core/store/recover_private.h"

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
	struct stat st;
	uint32_t number;

	if (hex_name(name, "", ".seg", &number)) {
		if (r->n_numbers == r->cap_numbers) {
			r->cap_numbers = r->cap_numbers ? r->cap_numbers * 2 : 64;
			r->numbers = mem_array(r->numbers, r->cap_numbers, sizeof(*r->numbers));
		}
		r->numbers[r->n_numbers++] = number;
	} else if (hex_name(name, "spare-", "", &number) && !s->o.read_only) {
		segment_spare_path(s, path, number);
		if (s->n_spares < LIMIT_STORE_SPARES && stat(path, &st) == 0)
			s->spares[s->n_spares++] = (struct spare){ number, (uint64_t)st.st_size };
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

static bool cannot(struct recovery *r, const char *what, const char *path)
{
	buf_printf(r->why, "cannot %s %s: %s", what, path, strerror(errno));
	r->failed = true;
	return false;
}

bool recover_cannot_read(struct recovery *r)
{
	char path[STORE_PATH];

	segment_path(r->s, path, r->seg->header.number);
	return cannot(r, "read", path);
}

/* --- damage, and footers ----------------------------------------------------------------------------------------------- */

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

static void lost_end(struct recovery *r, uint32_t number)
{
	r->set_aside++;
	log_error("qmgr", "segment %08X of the log has lost its end: mail may be missing", (unsigned)number);
}

/* check_unsealed - the segment that begins with h, or none, follows one without a footer: is all of that there? Segments of
 * format 0001 do not tell; there one that is short counts as cut. After a loss the bodies in big/ that nobody names stay */
static void check_unsealed(struct recovery *r, const struct segment_header *h)
{
	struct unsealed u = r->unsealed;

	r->unsealed = (struct unsealed){ 0 };
	if (!u.number || r->s->o.read_only)
		return;
	if (h->previous == u.number ? u.end < h->previous_end : u.size < (uint64_t)r->s->o.segment_size)
		lost_end(r, u.number);
}

/* drop_or_keep - the file has no header that can be read */
static bool drop_or_keep(struct recovery *r, const unsigned char *start, uint32_t number)
{
	char path[STORE_PATH], to[STORE_PATH];

	if (r->s->o.read_only)
		return true;
	segment_path(r->s, path, number);
	if (number != r->numbers[r->n_numbers - 1] && r->w.size < (uint64_t)r->s->o.segment_size)
		lost_end(r, number);
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
	check_unsealed(r, &r->seg->header);
	if (recover_footer(r))
		return true;
	if (!recover_scan(r))
		return false;
	r->unsealed = (struct unsealed){ r->seg->header.number, r->seg->end, r->w.size };
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
