/* pattern_compile - tree to program, and what can be known of each match before it is tried: that it begins at the start of the text,
 * and with which bytes. */
#include <limits.h>

#include "core/base/limits.h"
#include "core/base/mem.h"
#include "core/map/pattern_private.h"

/* --- of the tree --------------------------------------------------------------------------------------------------------- */

bool pattern_width(const struct pattern_node *n, size_t *width)
{
	size_t one;

	*width = n->kind == PATTERN_SET;
	switch (n->kind) {
	case PATTERN_CAT:
		for (const struct pattern_node *i = n->first; i; i = i->next) {
			if (!pattern_width(i, &one))
				return false;
			*width += one;
		}
		return true;
	case PATTERN_ALT:
		if (!pattern_width(n->first, width))
			return false;
		for (const struct pattern_node *i = n->first->next; i; i = i->next)
			if (!pattern_width(i, &one) || one != *width)
				return false;
		return true;
	case PATTERN_REPEAT:
		if (n->least != n->most || !pattern_width(n->first, &one))
			return false;
		*width = one * n->least;
		return *width <= UINT16_MAX;
	case PATTERN_GROUP:
	case PATTERN_ATOMIC:
		return pattern_width(n->first, width);
	case PATTERN_BACK:
		return false;
	default:
		return true;
	}
}

static void add_to(struct pattern_set *all, const struct pattern_set *one)
{
	for (size_t i = 0; i < PATTERN_SET_WORDS; i++)
		all->bits[i] |= one->bits[i];
}

/* can_be_empty - may it match without a byte? Adds the bytes that it can begin with to first */
static bool can_be_empty(const struct pattern_node *n, struct pattern_set *first)
{
	bool empty = false;

	switch (n->kind) {
	case PATTERN_SET:
		add_to(first, &n->set);
		return false;
	case PATTERN_CAT:
		for (const struct pattern_node *i = n->first; i; i = i->next)
			if (!can_be_empty(i, first))
				return false;
		return true;
	case PATTERN_ALT:
		for (const struct pattern_node *i = n->first; i; i = i->next)
			empty |= can_be_empty(i, first);
		return empty;
	case PATTERN_REPEAT:
		return can_be_empty(n->first, first) || !n->least;
	case PATTERN_GROUP:
	case PATTERN_ATOMIC:
		return can_be_empty(n->first, first);
	case PATTERN_BACK:
		memset(first, 255, sizeof(*first));
		return true;
	default:
		return true;
	}
}

/* only_byte - the one byte that the set has, or the small letter of two cases; false: it has others */
static bool only_byte(const struct pattern_set *s, unsigned *byte)
{
	bool some = false;

	for (unsigned c = 0; c < 256; c++) {
		unsigned small = c < 128 ? (unsigned char)ascii_lower((char)c) : c;

		if (!pattern_set_has(s, (unsigned char)c))
			continue;
		if (some && small != *byte)
			return false;
		*byte = small;
		some = true;
	}
	return some;
}

/* needed - add bytes that each match has */
static void needed(const struct pattern_node *n, struct pattern_set *out)
{
	struct pattern_set all = { { 0 } }, one;
	unsigned byte;

	switch (n->kind) {
	case PATTERN_SET:
		if (only_byte(&n->set, &byte))
			pattern_set_add(out, byte);
		break;
	case PATTERN_CAT:
		for (const struct pattern_node *i = n->first; i; i = i->next)
			needed(i, out);
		break;
	case PATTERN_ALT:
		if (n->first)
			needed(n->first, &all);
		for (const struct pattern_node *i = n->first ? n->first->next : NULL; i; i = i->next) {
			one = (struct pattern_set){ { 0 } };
			needed(i, &one);
			for (size_t w = 0; w < PATTERN_SET_WORDS; w++)
				all.bits[w] &= one.bits[w];
		}
		add_to(out, &all);
		break;
	case PATTERN_REPEAT:
		if (n->least)
			needed(n->first, out);
		break;
	case PATTERN_GROUP:
	case PATTERN_ATOMIC:
		needed(n->first, out);
		break;
	default:
		break;
	}
}

static bool is_anchored(const struct pattern_node *n)
{
	switch (n->kind) {
	case PATTERN_CAT:
		return n->first && (is_anchored(n->first) || (n->first->kind == PATTERN_EMPTY && n->first->next && is_anchored(n->first->next)));
	case PATTERN_ALT:
		for (const struct pattern_node *i = n->first; i; i = i->next)
			if (!is_anchored(i))
				return false;
		return true;
	case PATTERN_GROUP:
	case PATTERN_ATOMIC:
		return is_anchored(n->first);
	case PATTERN_ASSERT:
		return n->number == PATTERN_AT_START;
	default:
		return false;
	}
}

/* --- the program --------------------------------------------------------------------------------------------------------- */

struct compiler {
	struct pattern *p;
	unsigned depth;
	bool too_large;
};

/* emit - a step; the program may have moved then */
static uint32_t emit(struct compiler *k, enum pattern_op op)
{
	struct pattern *p = k->p;

	if (p->n >= LIMIT_PATTERN_STEPS) {
		k->too_large = true;
		return 0;
	}
	if (p->n == p->room) {
		p->room = p->room ? 2 * p->room : 32;
		p->steps = mem_array(p->steps, p->room, sizeof(*p->steps));
	}
	p->steps[p->n] = (struct pattern_step){ .op = (uint8_t)op };
	return (uint32_t)p->n++;
}

static uint32_t emit_x(struct compiler *k, enum pattern_op op, uint32_t x)
{
	uint32_t at = emit(k, op);

	k->p->steps[at].x = x;
	return at;
}

static uint32_t here(const struct compiler *k)
{
	return (uint32_t)k->p->n;
}

static uint32_t split(struct compiler *k)
{
	uint32_t at = emit(k, PATTERN_OP_SPLIT);

	k->p->steps[at].branch = k->p->branches++;
	return at;
}

/* go - where a split goes: into the body, or past it; a lazy one the other way round */
static void go(struct compiler *k, uint32_t at, bool lazy, uint32_t body, uint32_t past)
{
	k->p->steps[at].x = lazy ? past : body;
	k->p->steps[at].y = lazy ? body : past;
}

static void compile(struct compiler *k, const struct pattern_node *n);

static void compile_set(struct compiler *k, const struct pattern_set *set)
{
	struct pattern *p = k->p;
	unsigned held = 0, bytes[2] = { 0, 0 };
	uint32_t at;

	for (unsigned c = 0; c < 256 && held < 3; c++)
		if (pattern_set_has(set, (unsigned char)c)) {
			bytes[held % 2] = c;
			held++;
		}
	if (held == 1 || held == 2) {
		at = emit(k, held == 1 ? PATTERN_OP_BYTE : PATTERN_OP_TWO);
		p->steps[at].a = (uint8_t)bytes[0];
		p->steps[at].b = (uint8_t)bytes[held - 1];
		return;
	}
	at = emit(k, PATTERN_OP_SET);
	for (size_t i = 0; i < p->n_sets; i++)
		if (!memcmp(&p->sets[i], set, sizeof(*set))) {
			p->steps[at].x = (uint32_t)i;
			return;
		}
	p->sets = mem_array(p->sets, p->n_sets + 1, sizeof(*p->sets));
	p->steps[at].x = (uint32_t)p->n_sets;
	p->sets[p->n_sets++] = *set;
}

static void compile_alternatives(struct compiler *k, const struct pattern_node *first)
{
	uint32_t at, jump;

	if (!first->next) {
		compile(k, first);
		return;
	}
	/* each jump holds the one before, until the end is known */
	jump = UINT32_MAX;
	for (const struct pattern_node *i = first; i && !k->too_large; i = i->next) {
		if (!i->next) {
			compile(k, i);
			break;
		}
		at = split(k);
		compile(k, i);
		jump = emit_x(k, PATTERN_OP_JUMP, jump);
		go(k, at, false, at + 1, here(k));
	}
	while (jump != UINT32_MAX && !k->too_large) {
		uint32_t before = k->p->steps[jump].x;

		k->p->steps[jump].x = here(k);
		jump = before;
	}
}

/* a pass that came to nothing ends the loop: without that it would go on for ever */
static void compile_loop(struct compiler *k, const struct pattern_node *n, bool empty)
{
	uint32_t at = split(k), loop = 0, slot = 0;

	if (empty) {
		slot = k->p->slots++;
		emit_x(k, PATTERN_OP_SAVE, slot);
	}
	compile(k, n->first);
	if (empty)
		loop = emit_x(k, PATTERN_OP_LOOP, slot);
	emit_x(k, PATTERN_OP_JUMP, at);
	if (empty)
		k->p->steps[loop].y = here(k);
	go(k, at, n->lazy, at + 1, here(k));
}

/* at least one: the body once, and back */
static void compile_plus(struct compiler *k, const struct pattern_node *n)
{
	uint32_t body = here(k), at;

	compile(k, n->first);
	at = split(k);
	go(k, at, n->lazy, body, here(k));
}

static void compile_repeat(struct compiler *k, const struct pattern_node *n)
{
	struct pattern_set ignored = { { 0 } };
	bool empty = can_be_empty(n->first, &ignored), endless = n->most == UINT_MAX;
	unsigned least = n->least;
	uint32_t last = UINT32_MAX, at;

	if (endless && least && !empty)
		least--;
	for (unsigned i = 0; i < least && !k->too_large; i++)
		compile(k, n->first);
	if (endless && n->least && !empty) {
		compile_plus(k, n);
		return;
	}
	if (endless) {
		compile_loop(k, n, empty);
		return;
	}
	/* each of the rest may be where it ends; the splits hold the one before */
	for (unsigned i = n->least; i < n->most && !k->too_large; i++) {
		at = split(k);
		go(k, at, n->lazy, at + 1, last);
		last = at;
		compile(k, n->first);
	}
	while (last != UINT32_MAX && !k->too_large) {
		uint32_t *past = n->lazy ? &k->p->steps[last].x : &k->p->steps[last].y, before = *past;

		*past = here(k);
		last = before;
	}
}

static void compile_body(struct compiler *k, const struct pattern_node *n, enum pattern_op op)
{
	uint32_t at = emit(k, op), from;

	k->p->steps[at].branch = k->p->branches++;
	from = k->p->branches;
	compile(k, n->first);
	emit(k, PATTERN_OP_DONE);
	k->p->steps[at].x = here(k);
	k->p->steps[at].branches = k->p->branches - from;
	k->p->steps[at].a = n->behind;
	k->p->steps[at].b = n->negative;
	k->p->steps[at].y = n->least;
}

static void compile(struct compiler *k, const struct pattern_node *n)
{
	uint32_t at;

	if (k->too_large)
		return;
	switch (n->kind) {
	case PATTERN_EMPTY:
		break;
	case PATTERN_SET:
		compile_set(k, &n->set);
		break;
	case PATTERN_CAT:
		for (const struct pattern_node *i = n->first; i; i = i->next)
			compile(k, i);
		break;
	case PATTERN_ALT:
		if (n->first)
			compile_alternatives(k, n->first);
		break;
	case PATTERN_REPEAT:
		compile_repeat(k, n);
		break;
	case PATTERN_GROUP:
		emit_x(k, PATTERN_OP_SAVE, 2 * n->number);
		compile(k, n->first);
		emit_x(k, PATTERN_OP_SAVE, 2 * n->number + 1);
		break;
	case PATTERN_ATOMIC:
		compile_body(k, n, PATTERN_OP_ATOMIC);
		break;
	case PATTERN_LOOK:
		compile_body(k, n, PATTERN_OP_LOOK);
		break;
	case PATTERN_ASSERT:
		at = emit(k, PATTERN_OP_ASSERT);
		k->p->steps[at].a = (uint8_t)n->number;
		break;
	case PATTERN_BACK:
		at = emit(k, PATTERN_OP_BACK);
		k->p->steps[at].a = (uint8_t)n->number;
		k->p->steps[at].b = n->fold;
		break;
	}
}

struct pattern *pattern_new(struct str text, unsigned flags, bool *missing, struct buf *why)
{
	struct arena arena;
	struct pattern_text t = { .arena = &arena, .rest = text, .flags = flags, .why = why };
	struct pattern *p = MEM_NEW(struct pattern);
	struct compiler k = { .p = p };
	struct pattern_node *tree;

	arena_init(&arena, LIMIT_PATTERN_TREE);
	tree = pattern_parse(&t);
	if (tree) {
		p->groups = t.groups;
		p->slots = 2 * (t.groups + 1);
		p->backs = t.backs;
		p->anchored = (flags & PATTERN_ANCHORED) || is_anchored(tree);
		p->has_first = !can_be_empty(tree, &p->first);
		needed(tree, &p->needs);
		compile(&k, tree);
		emit(&k, PATTERN_OP_DONE);
		if (k.too_large)
			pattern_missing(&t, "the expression is too large");
	}
	arena_fini(&arena);
	*missing = t.missing;
	if (tree && !k.too_large)
		return p;
	pattern_free(p);
	return NULL;
}

void pattern_free(struct pattern *p)
{
	if (!p)
		return;
	mem_free(p->steps);
	mem_free(p->sets);
	mem_free(p);
}

size_t pattern_groups(const struct pattern *p)
{
	return p->groups;
}
