/* recover_apply - what a record means for the index of messages and for who needs which segment. See recover_private.h.
 *
 * Entries come in the order of the log: a message, then its states (the newest counts), then its end. Compaction may have
 * copied a message to the front before a crash: then there are two, and the older place is `stale`. */
#include "core/base/mem.h"
#include "core/store/recover_private.h"

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

void recover_apply(struct recovery *r, const struct entry *e)
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
