/* change - what is appended to the log: a batch of records, each with the one who waits for it. See store_private.h.
 *
 * A record gets its header when the batch is written, since only then its segment is known. What is still in memory has
 * PLACE_GATHER or PLACE_FLIGHT instead of a segment number, and its offset is the one in the batch's bytes. */
#include <errno.h>

#include "core/base/crc.h"
#include "core/base/mem.h"
#include "core/store/store_private.h"

enum { BATCH_KEEP = 1024 * 1024 };

/* --- batches ------------------------------------------------------------------------------------------------------ */

void batch_fini(struct batch *b)
{
	mem_free(b->data);
	mem_free(b->v);
	*b = (struct batch){ 0 };
}

void batch_recycle(struct store *s, struct batch *b)
{
	if (s->spare.data || b->cap > BATCH_KEEP) {
		batch_fini(b);
		return;
	}
	s->spare = (struct batch){ .data = b->data, .cap = b->cap, .v = b->v, .cap_v = b->cap_v };
	*b = (struct batch){ 0 };
}

static char *batch_room(struct batch *b, size_t n)
{
	if (b->cap - b->n < n) {
		b->cap = b->cap * 2 > b->n + n ? b->cap * 2 : b->n + n + 4096;
		b->data = mem_realloc(b->data, b->cap);
	}
	b->n += n;
	return b->data + b->n - n;
}

static struct waiter *add_waiter(struct batch *b)
{
	if (b->n_v == b->cap_v) {
		b->cap_v = b->cap_v ? b->cap_v * 2 : 64;
		b->v = mem_array(b->v, b->cap_v, sizeof(*b->v));
	}
	b->v[b->n_v] = (struct waiter){ 0 };
	return &b->v[b->n_v++];
}

static char *put(char *to, struct str s)
{
	if (s.n)
		memcpy(to, s.p, s.n);
	return to + s.n;
}

struct waiter *batch_add(struct batch *b, const struct record *r, struct str head, const struct str *pieces, size_t n)
{
	struct waiter *w = add_waiter(b);
	size_t length = head.n;
	char *to;

	w->r = (struct record){ .type = r->type, .version = r->version, .flags = r->flags, .id = r->id };
	for (size_t i = 0; i < n; i++) {
		length += pieces[i].n;
		w->r.body_crc = crc32c(w->r.body_crc, pieces[i].p, pieces[i].n);
	}
	w->r.length = (uint32_t)length;
	w->r.head_length = (uint32_t)head.n;
	w->r.head_crc = crc32c(0, head.p, head.n);
	w->at = (uint32_t)b->n;
	to = batch_room(b, RECORD_HEADER + length);
	memset(to, 0, RECORD_HEADER);
	to = put(to + RECORD_HEADER, head);
	for (size_t i = 0; i < n; i++)
		to = put(to, pieces[i]);
	return w;
}

struct waiter *batch_copy(struct batch *b, const struct batch *from, const struct waiter *w)
{
	struct waiter *copy = add_waiter(b);

	*copy = *w;
	copy->at = (uint32_t)b->n;
	put(batch_room(b, record_size(&w->r)), str_make(from->data + w->at, record_size(&w->r)));
	return copy;
}

bool store_place_eq(struct store_place a, struct store_place b)
{
	return a.segment == b.segment && a.offset == b.offset;
}

/* --- states and ends ----------------------------------------------------------------------------------------------- */

static int refuse_change(const struct store *s)
{
	errno = s->broken ? s->broken : s->o.read_only ? EROFS : 0;
	return errno ? -1 : 0;
}

int store_update(struct store *s, struct qmsg *m, const struct rcpt_state *states, usec due, store_fn fn, void *ctx)
{
	struct record r = { .type = RECORD_STATE, .version = RECORD_PLAIN, .id = m->id };
	struct summary sum = { .state = { .due = due, .flags = m->flags & QMSG_STORED, .n_rcpts = m->n_rcpts } };
	unsigned char head[RECORD_SUMMARY];
	struct waiter *w;
	struct buf b;

	if (refuse_change(s) < 0)
		return -1;
	for (uint32_t i = 0; i < m->n_rcpts; i++)
		sum.state.n_pending += states[i].status == RCPT_PENDING;
	summary_format(head, RECORD_STATE, &sum);
	buf_init(&b, LIMIT_STORE_ENVELOPE);
	buf_add(&b, head, sizeof(head));
	states_format(&b, states, m->n_rcpts);
	if (b.overflow) {
		buf_fini(&b);
		errno = EFBIG;
		return -1;
	}
	w = batch_add(&s->gather, &r, buf_view(&b), NULL, 0);
	buf_fini(&b);
	w->fn = fn;
	w->ctx = ctx;
	w->from_state = m->state;
	m->state = (struct store_place){ PLACE_GATHER, w->at, record_size(&w->r) };
	m->n_pending = sum.state.n_pending;
	return 0;
}

void store_append_gone(struct store *s, uint64_t id, const uint32_t *targets, size_t n, store_fn fn, void *ctx)
{
	struct record r = { .type = RECORD_GONE, .version = RECORD_PLAIN, .id = id };
	unsigned char head[RECORD_SUMMARY];
	struct waiter *w;

	/* more targets than one record holds: further records */
	do {
		size_t some = n < RECORD_TARGETS ? n : RECORD_TARGETS;
		struct summary sum = { 0 };

		for (size_t i = 0; i < some; i++)
			sum.gone[i] = targets[i];
		n -= some;
		targets += some;
		summary_format(head, RECORD_GONE, &sum);
		w = batch_add(&s->gather, &r, str_make((char *)head, sizeof(head)), NULL, 0);
	} while (n);
	w->fn = fn;
	w->ctx = ctx;
}

int store_remove(struct store *s, struct qmsg *m, store_fn fn, void *ctx)
{
	uint32_t targets[64];
	struct waiter *w;
	size_t n = 0;

	if (refuse_change(s) < 0)
		return -1;
	targets[n++] = m->record.segment;
	/* a segment that compaction copies from may hold an older copy */
	for (size_t i = 0; s->n_stale && i < s->n_segs && n < sizeof(targets) / sizeof(targets[0]); i++)
		if (s->segs[i]->stale && s->segs[i]->header.number != m->record.segment)
			targets[n++] = s->segs[i]->header.number;
	store_append_gone(s, m->id, targets, n, fn, ctx);
	w = &s->gather.v[s->gather.n_v - 1];
	w->r.flags = m->flags & QMSG_BIG ? RECORD_BIG : 0;
	w->from = m->record;
	w->from_state = m->state;
	s->stats.messages_out++;
	s->stats.big_files -= m->flags & QMSG_BIG ? 1 : 0;
	idmap_take(&s->index, m->id);
	store_msg_free(s, m);
	return 0;
}
