/* pattern_private - what the files of pattern share: pattern_parse.c and pattern_escape.c make a tree of the text, pattern_compile.c a
 * program of the tree, pattern_run.c runs it. */
#ifndef CORE_MAP_PATTERN_PRIVATE_H
#define CORE_MAP_PATTERN_PRIVATE_H

#include "core/base/arena.h"
#include "core/map/pattern.h"

#define PATTERN_SET_WORDS 4
static inline bool pattern_set_has(const struct pattern_set *s, unsigned char c) { return s->bits[c >> 6] >> (c & 63) & 1; }
static inline void pattern_set_add(struct pattern_set *s, unsigned c) { s->bits[c >> 6] |= (uint64_t)1 << (c & 63); }
void pattern_set_fold(struct pattern_set *s);          /* both cases of each letter */
void pattern_set_invert(struct pattern_set *s);

enum pattern_assert { PATTERN_AT_START, PATTERN_AT_LINE, PATTERN_AT_END, PATTERN_AT_LAST_LINE /* the end, or a line feed there */,
	PATTERN_AT_LINE_END, PATTERN_AT_WORD, PATTERN_NOT_AT_WORD };
enum pattern_kind { PATTERN_EMPTY, PATTERN_SET, PATTERN_CAT, PATTERN_ALT, PATTERN_REPEAT, PATTERN_GROUP, PATTERN_ATOMIC, PATTERN_LOOK,
	PATTERN_ASSERT, PATTERN_BACK };
struct pattern_node {
	enum pattern_kind kind;
	struct pattern_node *first;    /* of CAT and ALT: the list; else the one inside */
	struct pattern_node *next;     /* in the list of the parent */
	struct pattern_set set;
	unsigned least, most;          /* REPEAT; most UINT_MAX: no end */
	bool lazy;
	bool behind, negative;         /* LOOK */
	bool fold;                     /* BACK */
	unsigned number;               /* GROUP, BACK: which; ASSERT: enum pattern_assert */
};

struct pattern_text {                  /* a text on its way to a tree */
	struct arena *arena;
	struct str rest;
	unsigned flags;
	unsigned groups;
	unsigned depth;
	bool backs;                    /* there is a PATTERN_BACK */
	unsigned highest_back;
	struct str quoted;             /* left of \Q...\E */
	struct buf *why;
	bool missing;
};
/* pattern_parse - NULL with t->why */
struct pattern_node *pattern_parse(struct pattern_text *t);
struct pattern_node *pattern_node(struct pattern_text *t, enum pattern_kind kind);
/* pattern_wrong, pattern_missing - NULL, with the first reason in why; missing: something that Perl knows */
struct pattern_node *pattern_wrong(struct pattern_text *t, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
struct pattern_node *pattern_missing(struct pattern_text *t, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* pattern_escape - what stands behind a backslash, which is taken; pattern_bracket: behind [ */
struct pattern_node *pattern_escape(struct pattern_text *t);
struct pattern_node *pattern_bracket(struct pattern_text *t);
struct pattern_node *pattern_byte(struct pattern_text *t, unsigned char c);
/* pattern_quote - \Q at the front of rest: what is up to \E becomes t->quoted */
bool pattern_quote(struct pattern_text *t);
/* pattern_width - bytes that it takes; false: more than one number */
bool pattern_width(const struct pattern_node *n, size_t *width);

enum pattern_op { PATTERN_OP_BYTE, PATTERN_OP_TWO, PATTERN_OP_SET, PATTERN_OP_SPLIT, PATTERN_OP_JUMP, PATTERN_OP_SAVE, PATTERN_OP_ASSERT,
	PATTERN_OP_LOOK, PATTERN_OP_ATOMIC, PATTERN_OP_BACK, PATTERN_OP_LOOP /* does not begin anew where it came to nothing */,
	PATTERN_OP_DONE };
struct pattern_step {
	uint8_t op;
	uint8_t a, b;                  /* BYTE, TWO: bytes. ASSERT: which. LOOK: behind, negative. BACK: which, fold */
	uint32_t x, y;                 /* SPLIT: tried first, then. JUMP: x. SAVE: slot x. SET: x. LOOP: slot x, where nothing came y.
	                                * LOOK, ATOMIC: body at the next step, go on at x; LOOK behind: y bytes */
	uint32_t branch, branches;     /* SPLIT: its row of tried. LOOK, ATOMIC: row branch, the first of its body's rows is the next, how many */
};
struct pattern {
	struct pattern_step *steps;
	size_t n, room;
	struct pattern_set *sets;
	size_t n_sets;
	unsigned groups, slots, branches;
	bool anchored;                 /* only the start of the text can match */
	bool backs;                    /* a pair of branch and place may be worth a second try */
	bool has_first;                /* it takes at least a byte, and the first is one of these */
	struct pattern_set first;
	struct pattern_set needs;      /* small letters and other bytes without which it cannot match, in either case */
};
#endif
