/* read - envelope, recipient states and content of one message. See store.h.
 *
 * Every byte is checked before anybody acts on it: heads and inline content against their checksums at once; a body in a
 * file of its own is checked while it is read in order, and the piece that ends it is not handed out if the sum is wrong. What
 * is damaged is copied to corrupt/ and reported as EILSEQ. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "core/base/crc.h"
#include "core/base/fs.h"
#include "core/base/log.h"
#include "core/base/mem.h"
#include "core/store/deflate.h"
#include "core/store/store_private.h"

enum { CHECK_PIECE = 64 * 1024 };

struct store_reader {
	struct store *s;
	struct segment *seg;    /* inline: kept while we read */
	const struct qmsg *m;
	uint64_t id, size;
	uint32_t crc;           /* of the plain content */
	char *plain;            /* inline: all of it */
	int fd;                 /* big */
	uint64_t at;            /* inline and stored as it is: its place in the segment */
	bool as_is;
	uint64_t next;          /* big: what was read in order so far, and its sum */
	uint32_t sum;
	bool checked;
};

static int damaged(struct store *s, struct store_place p, uint64_t id, const char *what, const void *bytes, size_t n)
{
	char name[64], qid[QID_MAX];
	struct segment *g = segment_find(s, p.segment);
	bool kept = true;

	qid_format(qid, id);
	snprintf(name, sizeof(name), "%08X-%08X-%s", (unsigned)p.segment, (unsigned)p.offset, qid);
	log_text(LOG_SEV_ERROR, "qmgr", 0, qid, "the %s of this message is damaged; what is left of it is in corrupt/%s", what, name);
	store_set_aside(s, name, bytes, n, &kept);
	if (g && !kept)
		g->kept = true;
	errno = EILSEQ;
	return -1;
}

/* read_bytes - all bytes of the record, unchecked */
static int read_bytes(struct store *s, struct store_place p, struct buf *out)
{
	struct segment *g = segment_find(s, p.segment);
	int fd = g ? segment_fd(s, g) : -1;
	ssize_t n;

	if (!g)
		errno = ENOENT;
	if (fd < 0)
		return -1;
	buf_init(out, p.length);
	if (!buf_reserve(out, p.length)) {
		errno = EFBIG;
		return -1;
	}
	n = fs_pread_all(fd, out->p, p.length, p.offset);
	if (n < 0) {
		buf_fini(out);
		return -1;
	}
	/* less than the record: the check of its sums says so */
	memset(out->p + n, 0, p.length - (size_t)n);
	out->n = p.length;
	return 0;
}

static bool is_whole(const struct store *s, struct store_place p, uint64_t id, const struct buf *b, struct record *r)
{
	const struct segment *g = segment_find(s, p.segment);
	const unsigned char *bytes = (const unsigned char *)b->p;

	return b->n >= RECORD_HEADER && record_parse(bytes, &g->header, r) && r->id == id && record_size(r) == b->n &&
		crc32c(0, bytes + RECORD_HEADER, r->head_length) == r->head_crc &&
		crc32c(0, bytes + RECORD_HEADER + r->head_length, r->length - r->head_length) == r->body_crc;
}

int read_record(struct store *s, struct store_place p, uint64_t id, struct record *r, struct buf *out)
{
	buf_init(out, 0);
	if (read_bytes(s, p, out) < 0)
		return -1;
	if (is_whole(s, p, id, out, r))
		return 0;
	damaged(s, p, id, "record", out->p, out->n);
	buf_fini(out);
	errno = EILSEQ;
	return -1;
}

/* --- envelope --------------------------------------------------------------------------------------------------------- */

/* head_bytes - the first n bytes of the record, into the arena; NULL with errno */
static unsigned char *head_bytes(int fd, struct store_place p, struct arena *a, size_t n)
{
	unsigned char *bytes = arena_alloc(a, n);

	errno = EFBIG;
	return bytes && fs_pread_all(fd, bytes, n, p.offset) >= 0 ? bytes : NULL;
}

/* read_head - the record's header and head alone, into the arena: content may be long and is not wanted here */
static int read_head(struct store *s, struct store_place p, uint64_t id, struct arena *a, struct str *head)
{
	enum { GUESS = 2048 };
	struct segment *g = segment_find(s, p.segment);
	int fd = g ? segment_fd(s, g) : -1;
	size_t have = p.length < GUESS ? p.length : GUESS;
	unsigned char *bytes;
	struct record r;

	if (!g)
		errno = ENOENT;
	bytes = fd < 0 ? NULL : head_bytes(fd, p, a, have);
	if (!bytes)
		return -1;
	errno = EILSEQ;
	if (!record_parse(bytes, &g->header, &r) || r.id != id || record_size(&r) != p.length)
		return -1;
	if (RECORD_HEADER + (size_t)r.head_length > have)
		bytes = head_bytes(fd, p, a, RECORD_HEADER + (size_t)r.head_length);
	if (!bytes)
		return -1;
	errno = EILSEQ;
	if (crc32c(0, bytes + RECORD_HEADER, r.head_length) != r.head_crc)
		return -1;
	*head = str_make((char *)bytes + RECORD_HEADER, r.head_length);
	return 0;
}

static int set_aside_whole(struct store *s, struct store_place p, uint64_t id, const char *what)
{
	struct buf b;

	if (read_bytes(s, p, &b) < 0)
		return -1;
	damaged(s, p, id, what, b.p, b.n);
	buf_fini(&b);
	errno = EILSEQ;
	return -1;
}

int store_envelope(struct store *s, const struct qmsg *m, struct arena *a, struct envelope *out)
{
	struct str head;

	if (read_head(s, m->record, m->id, a, &head) < 0)
		return errno == EILSEQ ? set_aside_whole(s, m->record, m->id, "envelope") : -1;
	if (!envelope_parse(a, str_from(head, RECORD_SUMMARY), out) || out->n_rcpts != m->n_rcpts) {
		errno = a->overflow ? EFBIG : EILSEQ;
		return a->overflow ? -1 : set_aside_whole(s, m->record, m->id, "envelope");
	}
	return 0;
}

/* --- states ------------------------------------------------------------------------------------------------------------- */

/* state_in_memory - the head of a state record that waits for a flush or is being written */
static bool state_in_memory(const struct store *s, struct store_place p, struct str *head)
{
	size_t n = s->gather.n;
	const char *data = s->gather.data;

	if (p.segment != PLACE_GATHER && p.segment != PLACE_FLIGHT)
		return false;
	if (p.segment == PLACE_FLIGHT)
		data = flight_bytes(s, &n);
	if (!data || p.offset + (size_t)p.length > n)
		BUG("a state is not where it was put");
	*head = str_make(data + p.offset + RECORD_HEADER, p.length - RECORD_HEADER);
	return true;
}

/* read_states - 0 with the rows, 1: they are damaged, -1 with errno */
static int read_states(struct store *s, const struct qmsg *m, struct arena *a, struct rcpt_state **out)
{
	struct str head;

	if (!state_in_memory(s, m->state, &head) && read_head(s, m->state, m->id, a, &head) < 0)
		return errno == EILSEQ ? 1 : -1;
	*out = states_parse(a, str_from(head, RECORD_SUMMARY), m->n_rcpts);
	errno = EFBIG;
	return *out ? 0 : a->overflow ? -1 : 1;
}

int store_states(struct store *s, const struct qmsg *m, struct arena *a, struct rcpt_state **out)
{
	int r = m->state.segment ? read_states(s, m, a, out) : 1;

	if (r < 1)
		return r;
	/* who has it is not known any more: rather once more to each than not at all, as after a crash */
	if (m->state.segment && set_aside_whole(s, m->state, m->id, "state") < 0 && errno != EILSEQ)
		return -1;
	*out = ARENA_ARRAY(a, struct rcpt_state, m->n_rcpts);
	errno = EFBIG;
	return *out ? 0 : -1;
}

/* --- content -------------------------------------------------------------------------------------------------------------- */

static bool take_inline(struct store_reader *r, struct buf *b, const struct record *rec)
{
	size_t skip = RECORD_HEADER + rec->head_length + RECORD_BODY;

	r->at = r->m->record.offset + skip;
	r->as_is = !(rec->flags & RECORD_DEFLATE);
	if (!r->as_is)
		r->plain = inflate_bytes(str_make(b->p + skip, b->n - skip), r->size);
	else if (b->n - skip == r->size)
		r->plain = memcpy(mem_realloc(NULL, r->size + 1), b->p + skip, r->size);
	/* what is stored as it is was checked with the record */
	return r->plain && (r->as_is || crc32c(0, r->plain, r->size) == r->crc);
}

static int open_big(struct store_reader *r)
{
	char path[STORE_PATH], qid[QID_MAX];
	struct stat st;

	qid_format(qid, r->id);
	store_path(r->s, path, "big/%s", qid);
	r->fd = fs_open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK, 0);
	if (r->fd < 0 && errno != ENOENT)
		return -1;
	if (r->fd >= 0 && fstat(r->fd, &st) < 0)
		return -1;
	errno = EILSEQ;
	return r->fd >= 0 && (uint64_t)st.st_size == r->size ? 0 : -1;
}

struct store_reader *store_read_open(struct store *s, const struct qmsg *m)
{
	struct store_reader *r;
	struct record rec;
	struct body body;
	struct buf b;
	bool ok;

	if (read_record(s, m->record, m->id, &rec, &b) < 0)
		return NULL;
	r = MEM_NEW(struct store_reader);
	*r = (struct store_reader){ .s = s, .m = m, .id = m->id, .fd = -1 };
	ok = rec.length - rec.head_length >= RECORD_BODY;
	if (ok) {
		body_parse((unsigned char *)b.p + RECORD_HEADER + rec.head_length, &body);
		r->size = body.size;
		r->crc = body.crc;
	}
	errno = EILSEQ;
	if (ok)
		ok = rec.flags & RECORD_BIG ? open_big(r) == 0 : take_inline(r, &b, &rec);
	if (ok) {
		r->seg = segment_find(s, m->record.segment);
		r->seg->refs++;
	} else {
		int error = errno;

		if (error == EILSEQ)
			damaged(s, m->record, m->id, "content", b.p, b.n);
		r->seg = NULL;
		store_read_close(r);
		errno = error;
		r = NULL;
	}
	buf_fini(&b);
	return r;
}

/* check_piece - sum up what is read in order; false when the content ends with a wrong sum */
static bool check_piece(struct store_reader *r, uint64_t at, const void *p, size_t n)
{
	if (at == 0) {
		r->next = 0;
		r->sum = 0;
	}
	if (r->checked || at != r->next)
		return true;
	r->sum = crc32c(r->sum, p, n);
	r->next += n;
	if (r->next < r->size)
		return true;
	r->checked = r->sum == r->crc;
	return r->checked;
}

static ssize_t big_damaged(struct store_reader *r)
{
	char qid[QID_MAX];

	qid_format(qid, r->id);
	log_text(LOG_SEV_ERROR, "qmgr", 0, qid, "the content in big/%s is damaged", qid);
	errno = EILSEQ;
	return -1;
}

ssize_t store_read(struct store_reader *r, uint64_t at, void *p, size_t n)
{
	ssize_t got;

	if (at >= r->size)
		return 0;
	if (n > r->size - at)
		n = (size_t)(r->size - at);
	if (r->plain) {
		memcpy(p, r->plain + at, n);
		return (ssize_t)n;
	}
	got = fs_pread_all(r->fd, p, n, (off_t)at);
	if (got < 0)
		return -1;
	return (size_t)got < n || !check_piece(r, at, p, n) ? big_damaged(r) : got;
}

int store_read_fd(struct store_reader *r, uint64_t *at)
{
	char piece[8192];

	*at = 0;
	if (r->plain) {
		*at = r->at;
		return r->as_is ? r->seg->fd : -1;
	}
	for (uint64_t done = 0; !r->checked && done < r->size;) {
		ssize_t n = store_read(r, done, piece, sizeof(piece));

		if (n <= 0)
			return -1;
		done += (uint64_t)n;
	}
	return r->fd;
}

void store_read_close(struct store_reader *r)
{
	if (!r)
		return;
	if (r->seg)
		r->seg->refs--;
	if (r->fd >= 0)
		fs_close(r->fd);
	mem_free(r->plain);
	mem_free(r);
}
