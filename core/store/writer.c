/* writer - a message on its way into the store: begin, add, commit or abort. See store.h.
 *
 * The header section comes with the commit. A short body stays in memory until then; past big_threshold it goes to big/ID
 * as it arrives, under its final name, so that memory per session is bounded. What a commit needs done before its record
 * may be appended (flush that file, deflate the body) is a job of its own on the pool: a large message never holds up the
 * flush of small ones. */
#include <errno.h>
#include <fcntl.h>

#include "core/base/crc.h"
#include "core/base/fs.h"
#include "core/base/log.h"
#include "core/base/mem.h"
#include "core/store/deflate.h"
#include "core/store/store_private.h"

/* when much is held in memory by all writers together, bodies go to files from a smaller size on */
enum { DEFLATE_LEAST = 4096, SPILL_LEAST = 32 * 1024 };

struct store_writer {
	struct pool_job job;
	struct store *s;
	uint64_t id, size;      /* of the body */
	uint32_t crc;
	struct buf body;        /* while it is short */
	int fd;                 /* big */
	int error;              /* errno of the first failure: nothing can be committed any more */
	/* from the commit on */
	struct buf head, header; /* header: a copy, while the record cannot be appended yet */
	struct summary sum;
	store_fn fn;
	void *ctx;
	char *small;            /* deflated body */
	size_t n_small;
	bool sync, is_big;
	int broken;
	char path[];            /* of the big file */
};

struct store_writer *store_begin(struct store *s, uint64_t *id)
{
	size_t room = strlen(s->dir) + sizeof("/big/") + QID_MAX;
	struct store_writer *w = mem_alloc(sizeof(*w) + room);
	char qid[QID_MAX], path[STORE_PATH];

	w->s = s;
	w->id = *id = s->next_id++;
	w->fd = -1;
	w->sync = s->o.sync;
	w->error = s->broken ? s->broken : s->o.read_only ? EROFS : 0;
	qid_format(qid, w->id);
	store_path(s, path, "big/%s", qid);
	memcpy(w->path, path, strlen(path) + 1);
	buf_init(&w->body, (size_t)s->o.big_threshold);
	buf_init(&w->head, LIMIT_STORE_ENVELOPE);
	buf_init(&w->header, LIMIT_STORE_ENVELOPE);
	return w;
}

static int writer_failed(struct store_writer *w)
{
	w->error = errno ? errno : EIO;
	errno = w->error;
	return -1;
}

/* drop_body - the bytes in memory are not needed any more, or belong to somebody else now */
static void drop_body(struct store_writer *w)
{
	w->s->held_bytes -= w->body.n;
	buf_fini(&w->body);
}

static int become_big(struct store_writer *w)
{
	w->fd = fs_open(w->path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0600);
	if (w->fd < 0)
		return writer_failed(w);
	w->is_big = true;
	if (w->body.n && fs_write_all(w->fd, w->body.p, w->body.n) < 0)
		return writer_failed(w);
	drop_body(w);
	return 0;
}

static bool is_too_much(const struct store_writer *w, size_t more)
{
	const struct store *s = w->s;
	size_t n = w->body.n + more;

	return n > w->body.max || (n > SPILL_LEAST && s->held_bytes + s->gather.n + s->preparing_bytes > LIMIT_STORE_HELD);
}

int store_add(struct store_writer *w, struct str piece)
{
	if (w->error) {
		errno = w->error;
		return -1;
	}
	if (!w->is_big && is_too_much(w, piece.n) && become_big(w) < 0)
		return -1;
	if (w->is_big && fs_write_all(w->fd, piece.p, piece.n) < 0)
		return writer_failed(w);
	if (!w->is_big) {
		buf_str(&w->body, piece);
		w->s->held_bytes += piece.n;
	}
	w->crc = crc32c(w->crc, piece.p, piece.n);
	w->size += piece.n;
	return 0;
}

static void writer_free(struct store_writer *w)
{
	drop_body(w);
	buf_fini(&w->head);
	buf_fini(&w->header);
	mem_free(w->small);
	mem_free(w);
}

void store_abort(struct store_writer *w)
{
	if (w->fd >= 0)
		fs_close(w->fd);
	/* if it stays, the next start finds that no message names it */
	if (w->is_big && fs_unlink(w->path) < 0 && errno != ENOENT)
		log_warn("qmgr", "cannot remove %s: %s", w->path, strerror(errno));
	writer_free(w);
}

/* --- commit ------------------------------------------------------------------------------------------------------------ */

static void append_message(struct store_writer *w, struct str header)
{
	struct store *s = w->s;
	struct record r = { .type = RECORD_MESSAGE, .version = RECORD_APART, .id = w->id };
	struct body body = { .size = w->size, .crc = w->crc, .header_size = (uint32_t)header.n };
	unsigned char desc[RECORD_BODY];
	struct str pieces[] = { str_make((char *)desc, sizeof(desc)), header, buf_view(&w->body) };
	struct waiter *v;
	struct qmsg *m = store_msg_new(s);

	if (w->small)
		pieces[2] = str_make(w->small, w->n_small);
	r.flags = (uint16_t)((w->small ? RECORD_DEFLATE : 0) | (w->is_big ? RECORD_BIG : 0));
	body_format(desc, &body);
	m->id = w->id;
	m->arrival = w->sum.message.arrival;
	m->size = w->sum.message.size;
	m->n_rcpts = m->n_pending = w->sum.message.n_rcpts;
	m->flags = w->sum.message.flags | (w->is_big ? (uint32_t)QMSG_BIG : 0);
	v = batch_add(&s->gather, &r, buf_view(&w->head), pieces, sizeof(pieces) / sizeof(pieces[0]));
	v->m = m;
	v->fn = w->fn;
	v->ctx = w->ctx;
	s->gather.urgent = true;
	s->gather.big |= w->is_big;
}

static void prepare_work(struct pool_job *j)
{
	struct store_writer *w = LIST_ITEM(j, struct store_writer, job);
	int r = 0;

	if (!w->is_big) {
		w->small = deflate_bytes(buf_view(&w->body), &w->n_small);
		return;
	}
	if (w->sync)
		r = fs_sync(w->fd);
	w->error = r < 0 ? errno : 0;
	/* a full disk is this message's trouble; anything else is the disk's */
	if (w->error && w->error != ENOSPC && w->error != EDQUOT)
		w->broken = w->error;
	if (fs_close(w->fd) < 0 && !w->error)
		w->error = errno;
	w->fd = -1;
}

static void refuse(struct store_writer *w, int error)
{
	store_answer(w->s, w->fn, w->ctx, NULL, error);
	store_abort(w);
}

static void prepare_done(struct pool_job *j)
{
	struct store_writer *w = LIST_ITEM(j, struct store_writer, job);
	struct store *s = w->s;

	s->preparing--;
	s->preparing_bytes -= w->body.n + w->header.n;
	if (w->broken)
		store_break(s, w->broken, "flush a file in big");
	if (w->error || s->broken) {
		refuse(w, w->error ? w->error : s->broken);
		return;
	}
	append_message(w, buf_view(&w->header));
	writer_free(w);
}

static void format_head(struct store_writer *w, struct envelope *e, size_t header_size)
{
	unsigned char head[RECORD_SUMMARY];

	e->header_size = header_size;
	e->size = header_size + w->size;
	w->sum = (struct summary){ .message = { .arrival = e->arrival, .size = e->size, .n_rcpts = (uint32_t)e->n_rcpts,
		.flags = (e->flags & ENVELOPE_BOUNCE ? QMSG_BOUNCE : 0) | (e->flags & ENVELOPE_HOLD ? QMSG_HOLD : 0) } };
	summary_format(head, RECORD_MESSAGE, &w->sum);
	buf_add(&w->head, head, sizeof(head));
	envelope_format(&w->head, e);
}

/* prepare - what must be done before the record may be appended goes to the pool */
static void prepare(struct store_writer *w, struct str header)
{
	buf_str(&w->header, header);
	w->job = (struct pool_job){ .work = prepare_work, .done = prepare_done };
	w->s->preparing++;
	w->s->preparing_bytes += w->body.n + w->header.n;
	store_run(w->s, &w->job);
}

void store_commit(struct store_writer *w, struct envelope *e, struct str header, store_fn fn, void *ctx)
{
	struct store *s = w->s;

	w->fn = fn;
	w->ctx = ctx;
	format_head(w, e, header.n);
	if (!w->error && s->broken)
		w->error = s->broken;
	if (!w->error && (w->head.overflow || header.n > w->header.max))
		w->error = EFBIG;
	/* sessions ask store_has_room first: this is for many that asked at once */
	if (!w->error && s->gather.n + s->preparing_bytes > 2 * (size_t)LIMIT_STORE_PENDING)
		w->error = EAGAIN;
	if (w->error) {
		refuse(w, w->error);
		return;
	}
	if (w->is_big || (s->o.compress && w->body.n >= DEFLATE_LEAST)) {
		prepare(w, header);
		return;
	}
	append_message(w, header);
	writer_free(w);
}
