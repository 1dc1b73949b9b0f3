/* store_model - a small model of the log: accept, state, end, flush, a new segment, compaction, removal of a segment, a failed write,
 * and a crash at any point that keeps any part of what was not flushed.
 *
 * The model has the rules of core/store (docs/internals.md, "Why nothing is lost") and none of its code, so that a rule that is
 * wrong is found even where the code follows it. test_store_model walks all of it; test_store_traces draws ways through it and plays
 * them in the store. After each crash recovery runs and the promise is checked:
 *   acknowledged and no end asked: there, with its newest acknowledged state; end acknowledged: not there. */
#ifndef TESTS_UNIT_STORE_MODEL_H
#define TESTS_UNIT_STORE_MODEL_H

#include "tests/unit/t.h"

#include <stdio.h>
#include <stdlib.h>

enum { MSGS = 2, SEGS = 5, RECS = 5, BATCH = 5, STATES_MOST = 80000000 };
enum type { MSG = 1, STATE, GONE };
enum rule { ALL_RULES, NO_PINS, NO_MOVED_ENDS, NO_STATE_WITH_MESSAGE, NO_DIR_FLUSH, ACK_BEFORE_FLUSH, NO_STALE_TARGET, RELEASE_EARLY, ADOPT_EARLY };

struct rec { uint8_t type, id, move, from, targets; };
struct seg { struct rec v[RECS]; uint8_t n, durable, there, named, sealed, stale, pins; };
struct msg { uint8_t used, live, ending /* its end is not durable: what it has is still needed */, place, state, in_acked, out_asked, out_acked, state_acked, state_asked; };
struct world {
	struct seg seg[SEGS];      /* 0 is not used; bit i of a mask is segment i */
	struct msg msg[MSGS];
	struct rec gather[BATCH], flight[BATCH];
	uint8_t n_gather, n_flight, head, next, crashes;
	uint8_t victim, cursor, waiting, failed;
	uint8_t unlinking;         /* segment that is unlinked, and the directory not flushed yet */
};

static enum rule without;
static int msgs, with_states, recs; /* how large the walk is */
static uint64_t *seen;
static size_t n_seen, cap_seen;
static unsigned long states;
static const char *broken;

/* --- the set of worlds that were visited --------------------------------------------------------------------------------- */

static uint64_t digest(const struct world *w)
{
	uint64_t words[sizeof(*w) / 8 + 1] = { 0 }, h = 1469598103934665603u;

	memcpy(words, w, sizeof(*w));
	for (size_t i = 0; i < sizeof(words) / 8; i++) {
		h = (h ^ words[i]) * 0x9fb21c651e98df25u;
		h ^= h >> 29;
	}
	h ^= h >> 32;
	return h ? h : 1;
}

static int is_new(uint64_t h)
{
	size_t i;

	if (n_seen * 2 >= cap_seen) {
		uint64_t *old = seen;
		size_t old_cap = cap_seen;

		cap_seen = cap_seen ? cap_seen * 2 : 1 << 16;
		seen = calloc(cap_seen, sizeof(*seen));
		n_seen = 0;
		for (i = 0; i < old_cap; i++)
			if (old[i])
				is_new(old[i]);
		free(old);
	}
	for (i = (size_t)(h * 0x9e3779b97f4a7c15u) & (cap_seen - 1); seen[i]; i = (i + 1) & (cap_seen - 1))
		if (seen[i] == h)
			return 0;
	seen[i] = h;
	n_seen++;
	return 1;
}

/* --- small things --------------------------------------------------------------------------------------------------------- */

static uint8_t bit(uint8_t i)
{
	return (uint8_t)(1u << i);
}

static uint8_t existing(const struct world *w, uint8_t mask)
{
	for (uint8_t i = 1; i < SEGS; i++)
		if (!w->seg[i].there)
			mask &= (uint8_t)~bit(i);
	return mask & (uint8_t)~1u;
}

static int gather(struct world *w, struct rec r)
{
	if (w->n_gather == BATCH)
		return 0;
	w->gather[w->n_gather++] = r;
	return 1;
}

/* --- recovery, and what must hold after it -------------------------------------------------------------------------------- */

static void adopt(struct world *w, struct msg *m, uint8_t s)
{
	w->seg[m->place].stale = 1;
	m->place = s;
}

static void recover_record(struct world *w, uint8_t s, const struct rec *r, uint8_t *copies)
{
	struct msg *m = &w->msg[r->id];

	if (r->type == MSG && m->live && m->state && without != ADOPT_EARLY) {
		/* without its state behind it the copy is not yet the message: where the state is now comes before it */
		w->seg[s].stale = 1;
		copies[r->id] = s;
	} else if (r->type == MSG && m->live) {
		adopt(w, m, s);
	} else if (r->type == MSG) {
		m->live = 1;
		m->place = s;
	} else if (r->type == STATE) {
		/* a state without its message is nobody's */
		if (m->live && copies[r->id])
			adopt(w, m, copies[r->id]);
		copies[r->id] = 0;
		if (m->live)
			m->state = s;
	} else {
		w->seg[s].pins |= existing(w, r->targets);
		if (m->live)
			w->seg[s].pins |= (uint8_t)(bit(m->place) | bit(copies[r->id]));
		m->live = 0;
		m->state = 0;
		w->seg[s].pins &= (uint8_t)~(bit(s) | 1u);
	}
}

static void recover_world(struct world *w)
{
	uint8_t copies[MSGS] = { 0 };

	for (int i = 0; i < MSGS; i++)
		w->msg[i].live = w->msg[i].place = w->msg[i].state = w->msg[i].ending = 0;
	w->n_gather = w->n_flight = w->head = w->victim = w->cursor = w->waiting = w->failed = w->unlinking = 0;
	memset(w->gather, 0, sizeof(w->gather));
	memset(w->flight, 0, sizeof(w->flight));
	for (uint8_t s = 1; s < SEGS; s++) {
		w->seg[s].sealed = w->seg[s].there;
		w->seg[s].stale = w->seg[s].pins = 0;
	}
	for (uint8_t s = 1; s < SEGS; s++)
		for (int i = 0; w->seg[s].there && i < w->seg[s].n; i++)
			recover_record(w, s, &w->seg[s].v[i], copies);
}

static void judge(const struct world *w)
{
	for (int i = 0; i < MSGS; i++) {
		const struct msg *m = &w->msg[i];

		if (m->in_acked && !m->out_asked && !m->live)
			broken = "an acknowledged message is lost";
		if (m->out_acked && m->live)
			broken = "a message came back after its end was acknowledged";
		if (m->live && m->state_acked && !m->state)
			broken = "an acknowledged state is lost";
		if (m->live && !m->used)
			broken = "there is a message that nobody sent";
	}
}

/* settle_ghosts - after a restart what was in doubt is what it is */
static void settle_ghosts(struct world *w)
{
	for (int i = 0; i < MSGS; i++) {
		struct msg *m = &w->msg[i];

		m->in_acked = m->live;
		m->out_asked &= !m->live || m->out_acked;
		m->state_acked = m->state_asked = m->state != 0;
	}
}

static void visit(const struct world *w);

/* crash_keep - any subset of the records of the flight reached the disk: the bits of `keep` */
static void crash_keep(const struct world *before, unsigned keep, int unlink_kept)
{
	struct world w = *before;

	w.crashes--;
	for (uint8_t s = 1; s < SEGS; s++) {
		struct seg *g = &w.seg[s];
		uint8_t n = g->durable;

		for (uint8_t i = g->durable; i < g->n; i++)
			if (keep & bit((uint8_t)(i - g->durable)))
				g->v[n++] = g->v[i];
		memset(&g->v[n], 0, (size_t)(RECS - n) * sizeof(g->v[0]));
		g->n = g->durable = n;
		/* a name that was not flushed is lost; one that was removed may be back */
		if (!g->named)
			g->there = 0;
		if (s == w.unlinking)
			g->there = !unlink_kept;
		if (!g->there)
			memset(g, 0, sizeof(*g));
		g->named = g->there;
	}
	recover_world(&w);
	judge(&w);
	settle_ghosts(&w);
	/* what no further crash can judge need not be walked */
	if (w.crashes)
		visit(&w);
}

static void crash(const struct world *w)
{
	if (!w->crashes)
		return;
	for (unsigned keep = 0; keep < 1u << w->n_flight; keep++)
		for (int unlinked = 0; unlinked <= (w->unlinking != 0); unlinked++)
			crash_keep(w, keep, unlinked);
}

/* --- what the store does ------------------------------------------------------------------------------------------------- */

static void accept_one(struct world w, uint8_t id)
{
	struct msg *m = &w.msg[id];

	/* the messages are alike: the first comes first */
	if (m->used || (id && !w.msg[id - 1].used) || !gather(&w, (struct rec){ .type = MSG, .id = id }))
		return;
	m->used = 1;
	if (without == ACK_BEFORE_FLUSH)
		m->in_acked = 1;
	visit(&w);
}

static void update_one(struct world w, uint8_t id)
{
	if (!w.msg[id].live || w.msg[id].state_asked || !gather(&w, (struct rec){ .type = STATE, .id = id }))
		return;
	w.msg[id].state_asked = 1;
	visit(&w);
}

static uint8_t stale_mask(const struct world *w)
{
	uint8_t mask = 0;

	for (uint8_t s = 1; s < SEGS && without != NO_STALE_TARGET; s++)
		if (w->seg[s].there && w->seg[s].stale)
			mask |= bit(s);
	return mask;
}

static void end_one(struct world w, uint8_t id)
{
	struct msg *m = &w.msg[id];

	if (!m->live || !gather(&w, (struct rec){ .type = GONE, .id = id, .targets = (uint8_t)(bit(m->place) | stale_mask(&w)) }))
		return;
	m->live = 0;
	m->ending = without != RELEASE_EARLY;
	m->out_asked = 1;
	visit(&w);
}

static void start_flush(struct world w, int new_segment)
{
	struct seg *g;

	if (!w.n_gather || w.n_flight)
		return;
	if (new_segment || !w.head) {
		if (w.next == SEGS)
			return;
		if (w.head)
			w.seg[w.head].sealed = 1;
		w.head = w.next++;
		w.seg[w.head].there = 1;
		/* the directory is flushed before anything counts */
		w.seg[w.head].named = without != NO_DIR_FLUSH;
	}
	g = &w.seg[w.head];
	if (g->n + w.n_gather > recs)
		return;
	memcpy(w.flight, w.gather, sizeof(w.flight));
	w.n_flight = w.n_gather;
	w.n_gather = 0;
	memset(w.gather, 0, sizeof(w.gather));
	for (int i = 0; i < w.n_flight; i++)
		g->v[g->n++] = w.flight[i];
	visit(&w);
}

static void land_move(struct world *w, const struct rec *r)
{
	struct msg *m = &w->msg[r->id];

	w->waiting--;
	if (r->type == GONE)
		w->seg[w->head].pins |= existing(w, r->targets) & (uint8_t)~bit(w->head);
	else if (r->type == STATE && m->live && m->state == r->from)
		m->state = w->head;
	else if (r->type == MSG && m->live && m->place == r->from)
		m->place = w->head;
	else if (r->type == MSG && !m->live && without != NO_MOVED_ENDS)
		gather(w, (struct rec){ .type = GONE, .id = r->id, .targets = bit(w->head) });
}

static void land(struct world *w, const struct rec *r)
{
	struct msg *m = &w->msg[r->id];

	if (r->move) {
		land_move(w, r);
	} else if (r->type == MSG) {
		m->live = m->in_acked = 1;
		m->place = w->head;
	} else if (r->type == STATE) {
		if (m->live) {
			m->state = w->head;
			m->state_acked = 1;
		}
	} else {
		m->out_acked = m->out_asked;
		m->ending = m->state = 0;
		w->seg[w->head].pins |= existing(w, r->targets) & (uint8_t)~bit(w->head);
	}
}

static void end_flush(struct world w)
{
	struct rec v[BATCH];
	int n = w.n_flight;

	/* an end for a copy may be added: leave room */
	if (!n || w.n_gather > BATCH - MSGS)
		return;
	memcpy(v, w.flight, sizeof(v));
	memset(w.flight, 0, sizeof(w.flight));
	w.n_flight = 0;
	w.seg[w.head].durable = w.seg[w.head].n;
	for (int i = 0; i < n; i++)
		land(&w, &v[i]);
	visit(&w);
}

/* fail_write - what was written is cut off; new messages are refused, results stay and go first */
static void fail_write(struct world w)
{
	struct rec v[2 * BATCH] = { 0 };
	int n = 0;
	struct seg *g = &w.seg[w.head];

	if (!w.n_flight)
		return;
	for (int i = 0; i < w.n_flight; i++) {
		if (w.flight[i].move) {
			w.waiting--;
			w.failed = 1;
		} else if (w.flight[i].type != MSG) {
			v[n++] = w.flight[i];
		}
	}
	for (int i = 0; i < w.n_gather; i++)
		v[n++] = w.gather[i];
	if (n > BATCH)
		return;
	memset(&g->v[g->durable], 0, (size_t)(RECS - g->durable) * sizeof(g->v[0]));
	g->n = g->durable;
	memset(w.flight, 0, sizeof(w.flight));
	w.n_flight = 0;
	memcpy(w.gather, v, sizeof(w.gather));
	w.n_gather = (uint8_t)n;
	visit(&w);
}

/* --- compaction and removal of segments ---------------------------------------------------------------------------------- */

static void begin_compaction(struct world w, uint8_t s)
{
	if (w.victim || !w.seg[s].there || !w.seg[s].sealed || s == w.head || s == w.unlinking || !w.seg[s].n)
		return;
	w.victim = s;
	w.cursor = w.waiting = w.failed = 0;
	visit(&w);
}

static int in_memory(const struct world *w, uint8_t id)
{
	for (int i = 0; i < w->n_gather; i++)
		if (w->gather[i].type == STATE && w->gather[i].id == id)
			return 1;
	for (int i = 0; i < w->n_flight; i++)
		if (w->flight[i].type == STATE && w->flight[i].id == id)
			return 1;
	return 0;
}

static int copy(struct world *w, const struct rec *r)
{
	struct msg *m = &w->msg[r->id];
	uint8_t v = w->victim, targets = existing(w, r->targets) & (uint8_t)~bit(v);

	if (r->type == GONE) {
		w->waiting += targets != 0;
		return !targets || gather(w, (struct rec){ .type = GONE, .id = r->id, .move = 1, .targets = targets });
	}
	if (r->type == MSG && m->live && m->place == v) {
		w->seg[v].stale = 1;
		w->waiting++;
		if (!gather(w, (struct rec){ .type = MSG, .id = r->id, .move = 1, .from = v }))
			return 0;
		if (without == NO_STATE_WITH_MESSAGE)
			return 1;
		/* its state after it: the one on its way once more, or a copy of the one on disk */
		if (in_memory(w, r->id))
			return gather(w, (struct rec){ .type = STATE, .id = r->id });
		w->waiting += m->state != 0;
		return !m->state || gather(w, (struct rec){ .type = STATE, .id = r->id, .move = 1, .from = m->state });
	}
	if (r->type == STATE && m->live && m->state == v && m->place != v) {
		w->waiting++;
		return gather(w, (struct rec){ .type = STATE, .id = r->id, .move = 1, .from = v });
	}
	return 1;
}

static void step_compaction(struct world w)
{
	struct seg *g = &w.seg[w.victim];

	if (!w.victim)
		return;
	if (w.cursor < g->n && !w.failed) {
		if (copy(&w, &g->v[w.cursor++]))
			visit(&w);
		return;
	}
	if (w.waiting)
		return;
	if (!w.failed)
		g->pins = 0;
	w.victim = w.cursor = w.failed = 0;
	visit(&w);
}

static void remove_segment(struct world w, uint8_t s)
{
	struct seg *g = &w.seg[s];

	if (!g->there || !g->sealed || s == w.head || s == w.victim || w.unlinking)
		return;
	if (g->pins && without != NO_PINS)
		return;
	for (int i = 0; i < MSGS; i++)
		if ((w.msg[i].live || w.msg[i].ending) && (w.msg[i].place == s || w.msg[i].state == s))
			return;
	w.unlinking = s;
	visit(&w);
}

static void flush_removal(struct world w)
{
	if (!w.unlinking)
		return;
	memset(&w.seg[w.unlinking], 0, sizeof(w.seg[0]));
	for (uint8_t s = 1; s < SEGS; s++)
		w.seg[s].pins &= (uint8_t)~bit(w.unlinking);
	w.unlinking = 0;
	visit(&w);
}

/* --- the walk --------------------------------------------------------------------------------------------------------------- */

static struct world *stack;
static size_t n_stack, cap_stack;
/* while a trace is drawn: the letter of the step that is under way, and of those that were possible */
static char letter, *letters;

static void visit(const struct world *w)
{
	if (letters)
		letters[n_stack] = letter;
	else if (broken || !is_new(digest(w)))
		return;
	if (n_stack == cap_stack) {
		cap_stack = cap_stack ? cap_stack * 2 : 1024;
		stack = realloc(stack, cap_stack * sizeof(*stack));
	}
	stack[n_stack++] = *w;
	states++;
}

static void step(const struct world *w)
{
	for (uint8_t i = 0; i < msgs; i++) {
		letter = (char)('a' + i), accept_one(*w, i);
		letter = (char)('u' + i);
		if (with_states)
			update_one(*w, i);
		letter = (char)('e' + i), end_one(*w, i);
	}
	letter = 's', start_flush(*w, 0);
	letter = 'n', start_flush(*w, 1);
	letter = 'l', end_flush(*w);
	letter = 'w', fail_write(*w);
	for (uint8_t s = 1; s < SEGS; s++) {
		letter = 'c', begin_compaction(*w, s);
		letter = 'r', remove_segment(*w, s);
	}
	letter = 'm', step_compaction(*w);
	letter = 'd', flush_removal(*w);
	letter = 'x', crash(w);
}

#endif
