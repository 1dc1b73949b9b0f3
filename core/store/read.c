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

struct store_reader {
	struct store *s;
	struct segment *seg;    /* kept while we read */
	struct store_place place;
	uint64_t id;
	struct buf record;      /* as it stands in the log */
	char *own;              /* what does not stand there as it is: an inflated body, a header section from big/ */
	struct str header;      /* in one of the two */
	struct str body;        /* the same; not for a file of its own */
	uint64_t n_body;
	struct body about;      /* what the record says of the body */
	int fd;                 /* of big/ID, or -1 */
	uint64_t fd_at;         /* where the body begins in it */
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
	if (!envelope_parse(a, str_from(head, RECORD_SUMMARY), out) || (out->n_rcpts != m->n_rcpts && !out->unknown.n)) {
		errno = a->overflow ? EFBIG : EILSEQ;
		return a->overflow ? -1 : set_aside_whole(s, m->record, m->id, "envelope");
	}
	/* whatever a later version counts, there are no more states than this */
	if (out->n_rcpts > m->n_rcpts)
		out->n_rcpts = m->n_rcpts;
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

static int refuse(void)
{
	errno = EILSEQ;
	return -1;
}

/* old_header_size - in format 0001 only the envelope knows where the header section ends */
static uint64_t old_header_size(const struct buf *b, const struct record *rec, uint64_t most)
{
	struct envelope e = { .header_size = 0 };
	struct arena a;

	arena_init(&a, LIMIT_STORE_ENVELOPE);
	if (!envelope_parse(&a, str_make(b->p + RECORD_HEADER + RECORD_SUMMARY, rec->head_length - RECORD_SUMMARY), &e))
		e.header_size = 0;
	arena_fini(&a);
	return e.header_size < most ? e.header_size : most;
}

/* open_file - big/ID, which must hold that many bytes */
static int open_file(struct store_reader *r, uint64_t size)
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
	return r->fd >= 0 && (uint64_t)st.st_size == size ? 0 : refuse();
}

/* take_big - the body, and in format 0001 the header section before it, is in a file of its own */
static int take_big(struct store_reader *r, struct str rest, uint64_t n_header)
{
	ssize_t got;

	if (open_file(r, r->about.size) < 0)
		return -1;
	r->n_body = r->about.size;
	r->header = rest;
	if (!n_header)
		return rest.n == r->about.header_size ? 0 : refuse();
	r->own = mem_realloc(NULL, (size_t)n_header);
	got = fs_pread_all(r->fd, r->own, (size_t)n_header, 0);
	if (got < 0 || (uint64_t)got < n_header)
		return got < 0 ? -1 : refuse();
	r->header = str_make(r->own, (size_t)n_header);
	r->fd_at = n_header;
	r->n_body -= n_header;
	return 0;
}

/* take_inline - rest: what stands in the record behind the description */
static int take_inline(struct store_reader *r, struct str rest, uint64_t n_header, bool deflated)
{
	struct str body;

	if (r->about.header_size > rest.n)
		return refuse();
	r->header = str_head(rest, r->about.header_size);
	body = str_from(rest, r->about.header_size);
	if (deflated) {
		r->own = inflate_bytes(body, (size_t)r->about.size);
		/* what is stored as it is was checked with the record */
		if (!r->own || crc32c(0, r->own, (size_t)r->about.size) != r->about.crc)
			return refuse();
		body = str_make(r->own, (size_t)r->about.size);
	}
	if (body.n != r->about.size)
		return refuse();
	if (n_header) {
		r->header = str_head(body, (size_t)n_header);
		body = str_from(body, (size_t)n_header);
	}
	r->body = body;
	r->n_body = body.n;
	return 0;
}

static int take_content(struct store_reader *r, const struct record *rec)
{
	size_t skip = RECORD_HEADER + (size_t)rec->head_length;
	uint64_t n_header = 0;
	struct str rest;

	if (r->record.n - skip < RECORD_BODY)
		return refuse();
	body_parse((unsigned char *)r->record.p + skip, &r->about);
	rest = str_from(buf_view(&r->record), skip + RECORD_BODY);
	if (rec->version == RECORD_WHOLE)
		n_header = old_header_size(&r->record, rec, r->about.size);
	if (rec->flags & RECORD_BIG)
		return take_big(r, rest, n_header);
	return take_inline(r, rest, n_header, rec->flags & RECORD_DEFLATE);
}

struct store_reader *store_read_open(struct store *s, const struct qmsg *m)
{
	struct store_reader *r = MEM_NEW(struct store_reader);
	struct record rec;
	int error;

	*r = (struct store_reader){ .s = s, .place = m->record, .id = m->id, .fd = -1 };
	if (read_record(s, m->record, m->id, &rec, &r->record) < 0) {
		error = errno;
		mem_free(r);
		errno = error;
		return NULL;
	}
	if (take_content(r, &rec) < 0) {
		error = errno;
		if (error == EILSEQ)
			damaged(s, m->record, m->id, "content", r->record.p, r->record.n);
		store_read_close(r);
		errno = error;
		return NULL;
	}
	r->seg = segment_find(s, m->record.segment);
	r->seg->refs++;
	return r;
}

int read_big_size(struct store *s, const struct qmsg *m, uint64_t *size)
{
	struct record rec;
	struct body about;
	struct buf b;

	if (read_record(s, m->record, m->id, &rec, &b) < 0)
		return -1;
	if (b.n - RECORD_HEADER - rec.head_length >= RECORD_BODY) {
		body_parse((unsigned char *)b.p + RECORD_HEADER + rec.head_length, &about);
		*size = about.size;
		buf_fini(&b);
		return 0;
	}
	buf_fini(&b);
	return refuse();
}

struct str store_read_header(const struct store_reader *r)
{
	return r->header;
}

/* check_piece - sum up the file as it is read in order; false when it ends with a wrong sum */
static bool check_piece(struct store_reader *r, uint64_t at, const void *p, size_t n)
{
	if (at == 0) {
		r->next = 0;
		/* in format 0001 the sum is that of header section and body */
		r->sum = r->fd_at ? crc32c(0, r->header.p, r->header.n) : 0;
	}
	if (r->checked || at != r->next)
		return true;
	r->sum = crc32c(r->sum, p, n);
	r->next += n;
	if (r->next < r->n_body)
		return true;
	r->checked = r->sum == r->about.crc;
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

static size_t read_piece(struct str from, uint64_t at, char *p, size_t n)
{
	struct str piece = str_head(str_from(from, (size_t)at), n);

	if (piece.n)
		memcpy(p, piece.p, piece.n);
	return piece.n;
}

ssize_t store_read(struct store_reader *r, uint64_t at, void *p, size_t n)
{
	size_t n_header = r->header.n, before = 0;
	ssize_t got;

	if (at >= n_header + r->n_body)
		return 0;
	if (n > n_header + r->n_body - at)
		n = (size_t)(n_header + r->n_body - at);
	if (at < n_header)
		before = read_piece(r->header, at, p, n);
	at = at + before - n_header;
	n -= before;
	if (!n)
		return (ssize_t)before;
	if (r->fd < 0)
		return (ssize_t)(before + read_piece(r->body, at, (char *)p + before, n));
	got = fs_pread_all(r->fd, (char *)p + before, n, (off_t)(r->fd_at + at));
	if (got < 0)
		return -1;
	return (size_t)got < n || !check_piece(r, at, (char *)p + before, n) ? big_damaged(r) : (ssize_t)before + got;
}

/* is_checked - the whole file was read once, and its sum is right */
static bool is_checked(struct store_reader *r)
{
	char piece[8192];

	for (uint64_t done = 0; !r->checked && done < r->n_body;) {
		ssize_t n = store_read(r, r->header.n + done, piece, sizeof(piece));

		if (n <= 0)
			return false;
		done += (uint64_t)n;
	}
	return true;
}

/* in_segment - the place of a piece of the record */
static struct store_span in_segment(const struct store_reader *r, struct str piece)
{
	return (struct store_span){ r->seg->fd, r->place.offset + (uint64_t)(piece.p - r->record.p), piece.n };
}

size_t store_read_spans(struct store_reader *r, struct store_span out[2])
{
	if (r->fd < 0 && r->own)
		return 0;
	if (r->fd < 0) {
		out[0] = in_segment(r, r->header);
		out[0].n += r->body.n;
		return 1;
	}
	if (!is_checked(r))
		return 0;
	out[0] = (struct store_span){ r->fd, 0, r->fd_at + r->n_body };
	if (r->fd_at)
		return 1;
	out[1] = out[0];
	out[0] = in_segment(r, r->header);
	return 2;
}

void store_read_close(struct store_reader *r)
{
	if (!r)
		return;
	if (r->seg)
		r->seg->refs--;
	if (r->fd >= 0)
		fs_close(r->fd);
	buf_fini(&r->record);
	mem_free(r->own);
	mem_free(r);
}
