/* pattern_run - the matcher: it goes down the program, and leaves a frame where it could have gone another way.
 *
 * A way that was tried from a place and came to nothing comes to nothing again, so `tried` has a bit for each branch and place, for
 * all starts of a match together. What a look or an atomic group tried counts for one evaluation of it: there an end was found, and
 * is not to be found missing the next time. */
#include "core/base/limits.h"
#include "core/base/mem.h"
#include "core/map/pattern_private.h"

struct pattern_frame {
	uint32_t at;           /* A_WAY: the step to go on with; A_BRANCH: which */
	uint32_t slot;         /* slots[slot] was value; or one of these: */
	size_t value;          /* A_WAY: the place to go on from; A_BRANCH: its place */
};
#define A_WAY UINT32_MAX                       /* not gone yet */
#define A_BRANCH (UINT32_MAX - 1)              /* all of its ways are above; when this is the top, they came to nothing */
#define UNSET SIZE_MAX

struct run {
	const struct pattern *p;
	struct str text;
	struct pattern_work *w;
	size_t stride;         /* bytes of a branch's row in tried */
	bool dear;
};

void pattern_work_fini(struct pattern_work *w)
{
	mem_free(w->slots);
	mem_free(w->stack);
	mem_free(w->tried);
	*w = (struct pattern_work){ .steps = 0 };
}

void pattern_begin(struct pattern_work *w, struct str text, size_t steps)
{
	w->text = text;
	w->steps = steps;
	w->present = (struct pattern_set){ { 0 } };
	for (size_t i = 0; i < text.n; i++)
		pattern_set_add(&w->present, (unsigned char)ascii_lower(text.p[i]));
}

/* lacks - has the text not all that a match needs? */
static bool lacks(const struct pattern_work *w, const struct pattern *p)
{
	uint64_t missing = 0;

	for (size_t i = 0; i < PATTERN_SET_WORDS; i++)
		missing |= p->needs.bits[i] & ~w->present.bits[i];
	return missing;
}

static bool pay(struct run *r, size_t steps)
{
	if (r->w->steps < steps) {
		r->w->steps = 0;
		r->dear = true;
		return false;
	}
	r->w->steps -= steps;
	return true;
}

static void push(struct run *r, uint32_t at, uint32_t slot, size_t value)
{
	struct pattern_work *w = r->w;

	if (w->depth == w->room) {
		if (w->room >= LIMIT_PATTERN_STACK) {
			r->dear = true;
			return;
		}
		w->room = w->room ? 2 * w->room : 64;
		w->stack = mem_array(w->stack, w->room, sizeof(*w->stack));
	}
	w->stack[w->depth++] = (struct pattern_frame){ at, slot, value };
}

/* enter - a branch at this place; false: it came to nothing before. A second visit while the first goes on is a loop that adds nothing,
 * which PATTERN_OP_LOOP ends: only what failed is marked, or captures would lack what that loop saved */
static bool enter(struct run *r, uint32_t branch, size_t place)
{
	if (r->p->backs)
		return true;
	if (r->w->tried[branch * r->stride + place / 8] >> (place % 8) & 1)
		return false;
	push(r, branch, A_BRANCH, place);
	return true;
}

static bool is_word(const struct run *r, size_t at)
{
	return at < r->text.n && (ascii_is_alnum(r->text.p[at]) || r->text.p[at] == '_');
}

static bool holds(const struct run *r, enum pattern_assert which, size_t at)
{
	size_t n = r->text.n;
	bool word;

	switch (which) {
	case PATTERN_AT_START:
		return at == 0;
	case PATTERN_AT_LINE:
		return at == 0 || (r->text.p[at - 1] == '\n' && at < n);
	case PATTERN_AT_END:
		return at == n;
	case PATTERN_AT_LAST_LINE:
		return at == n || (at + 1 == n && r->text.p[at] == '\n');
	case PATTERN_AT_LINE_END:
		return at == n || r->text.p[at] == '\n';
	default:
		word = (at > 0 && is_word(r, at - 1)) != is_word(r, at);
		return word == (which == PATTERN_AT_WORD);
	}
}

/* repeats_group - does the text go on with what the group matched? A group that took no part matches nothing */
static bool repeats_group(struct run *r, const struct pattern_step *s, size_t *at)
{
	size_t from = r->w->slots[2 * s->a], to = r->w->slots[2 * s->a + 1];
	struct str one;

	if (from == UNSET || to == UNSET || to < from || to - from > r->text.n - *at || !pay(r, (to - from) / 16))
		return false;
	one = str_make(r->text.p + from, to - from);
	*at += one.n;
	return (s->b ? str_ieq : str_eq)(one, str_make(r->text.p + *at - one.n, one.n));
}

/* undo - what was saved since the stack had this depth */
static void undo(struct run *r, size_t depth)
{
	while (r->w->depth > depth) {
		const struct pattern_frame *f = &r->w->stack[--r->w->depth];

		if (f->slot < A_BRANCH)
			r->w->slots[f->slot] = f->value;
	}
}

/* forget_ways - what was saved can still be undone */
static void forget_ways(struct run *r, size_t depth)
{
	size_t kept = depth;

	for (size_t i = depth; i < r->w->depth; i++)
		if (r->w->stack[i].slot < A_BRANCH)
			r->w->stack[kept++] = r->w->stack[i];
	r->w->depth = kept;
}

static bool go(struct run *r, uint32_t pc, size_t at, size_t *end);

/* part - a look or an atomic group: its own run. true: go on at s->x from *at */
static bool part(struct run *r, uint32_t pc, size_t *at)
{
	const struct pattern_step *s = &r->p->steps[pc];
	size_t depth = r->w->depth, from = *at, end, row = (s->branch + 1) * r->stride, size = s->branches * r->stride;
	bool look = s->op == PATTERN_OP_LOOK, found;

	if (look && s->a && from < s->y)
		return s->b;
	if (!pay(r, 1 + size / 32))
		return false;
	if (!r->p->backs && size)
		memset(r->w->tried + row, 0, size);
	found = go(r, pc + 1, look && s->a ? from - s->y : from, &end);
	if (found && !(look && s->b))
		forget_ways(r, depth);
	else
		undo(r, depth);
	if (found && !look)
		*at = end;
	return !r->dear && found != (look && s->b);
}

/* one - a step that goes on or does not, from *at */
static bool one(struct run *r, uint32_t pc, size_t *at)
{
	const struct pattern_step *s = &r->p->steps[pc];
	unsigned char c = *at < r->text.n ? (unsigned char)r->text.p[*at] : 0;

	switch ((enum pattern_op)s->op) {
	case PATTERN_OP_BYTE:
	case PATTERN_OP_TWO:
		return *at < r->text.n && (c == s->a || c == s->b) && ++*at;
	case PATTERN_OP_SET:
		return *at < r->text.n && pattern_set_has(&r->p->sets[s->x], c) && ++*at;
	case PATTERN_OP_ASSERT:
		return holds(r, (enum pattern_assert)s->a, *at);
	case PATTERN_OP_BACK:
		return repeats_group(r, s, at);
	case PATTERN_OP_LOOK:
	case PATTERN_OP_ATOMIC:
		return part(r, pc, at);
	default:
		return true;
	}
}

/* way_back - the last way that was left for later; false: none since depth */
static bool way_back(struct run *r, size_t depth, uint32_t *pc, size_t *at)
{
	while (r->w->depth > depth) {
		const struct pattern_frame *f = &r->w->stack[--r->w->depth];

		if (f->slot == A_WAY) {
			*pc = f->at;
			*at = f->value;
			return true;
		}
		if (f->slot == A_BRANCH)
			r->w->tried[f->at * r->stride + f->value / 8] |= (unsigned char)(1u << (f->value % 8));
		else
			r->w->slots[f->slot] = f->value;
	}
	return false;
}

static bool go(struct run *r, uint32_t pc, size_t at, size_t *end)
{
	size_t depth = r->w->depth;

	while (!r->dear) {
		const struct pattern_step *s = &r->p->steps[pc];
		bool good = true;

		if (!pay(r, 1))
			break;
		switch ((enum pattern_op)s->op) {
		case PATTERN_OP_DONE:
			*end = at;
			return true;
		case PATTERN_OP_JUMP:
			pc = s->x;
			break;
		case PATTERN_OP_SPLIT:
			good = enter(r, s->branch, at);
			if (good)
				push(r, s->y, A_WAY, at);
			pc = s->x;
			break;
		case PATTERN_OP_SAVE:
			push(r, 0, s->x, r->w->slots[s->x]);
			r->w->slots[s->x] = at;
			pc++;
			break;
		case PATTERN_OP_LOOP:
			pc = r->w->slots[s->x] == at ? s->y : pc + 1;
			break;
		case PATTERN_OP_LOOK:
		case PATTERN_OP_ATOMIC:
			good = enter(r, s->branch, at) && one(r, pc, &at);
			pc = s->x;
			break;
		default:
			good = one(r, pc, &at);
			pc++;
			break;
		}
		if (!good && !way_back(r, depth, &pc, &at))
			return false;
	}
	return false;
}

static void prepare(struct run *r)
{
	struct pattern_work *w = r->w;
	size_t size;

	r->stride = r->text.n / 8 + 1;
	size = r->p->backs ? 0 : r->p->branches * r->stride;
	if (w->n_slots < r->p->slots) {
		w->n_slots = r->p->slots;
		w->slots = mem_array(w->slots, w->n_slots, sizeof(*w->slots));
	}
	if (w->tried_room < size) {
		w->tried_room = size;
		w->tried = mem_array(w->tried, size, 1);
	}
	if (size)
		memset(w->tried, 0, size);
	r->dear = size > LIMIT_PATTERN_TRIED || !pay(r, size / 32);
}

static enum pattern_answer found(const struct run *r, size_t from, size_t end, struct pattern_span *groups)
{
	for (size_t i = 1; i < PATTERN_GROUPS; i++) {
		size_t a = i <= r->p->groups ? r->w->slots[2 * i] : UNSET, b = i <= r->p->groups ? r->w->slots[2 * i + 1] : UNSET;
		bool took_part = a != UNSET && b != UNSET;

		groups[i] = (struct pattern_span){ took_part ? (ptrdiff_t)a : -1, took_part ? (ptrdiff_t)b : -1 };
	}
	groups[0] = (struct pattern_span){ (ptrdiff_t)from, (ptrdiff_t)end };
	return PATTERN_FOUND;
}

static uint64_t modulo_64(const struct pattern_set *s)
{
	return s->bits[0] | s->bits[1] | s->bits[2] | s->bits[3];
}

struct pattern_sieve pattern_sieve(const struct pattern *p)
{
	bool first = p->anchored && p->has_first;

	return (struct pattern_sieve){ modulo_64(&p->needs), first ? modulo_64(&p->first) : UINT64_MAX };
}

struct pattern_sieve pattern_sift(const struct pattern_work *w)
{
	/* an empty text has no first byte, and only what asks for none can match it: its sieve has all bits */
	return (struct pattern_sieve){ modulo_64(&w->present), w->text.n ? (uint64_t)1 << (w->text.p[0] & 63) : UINT64_MAX };
}

enum pattern_answer pattern_find(const struct pattern *p, struct pattern_work *w, struct pattern_span *groups)
{
	struct str text = w->text;
	struct run r = { .p = p, .text = text, .w = w };
	bool prepared = false;
	size_t end;

	if (lacks(w, p))
		return PATTERN_NONE;
	for (size_t from = 0; from <= text.n; from++) {
		if (!pay(&r, from % 16 == 0))
			return PATTERN_DEAR;
		if (p->has_first && (from == text.n || !pattern_set_has(&p->first, (unsigned char)text.p[from]))) {
			if (p->anchored)
				break;
			continue;
		}
		if (!prepared)
			prepare(&r);
		prepared = true;
		for (size_t i = 0; i < p->slots; i++)
			w->slots[i] = UNSET;
		w->depth = 0;
		if (!r.dear && go(&r, 0, from, &end))
			return found(&r, from, end, groups);
		if (r.dear)
			return PATTERN_DEAR;
		if (p->anchored)
			break;
	}
	return PATTERN_NONE;
}
