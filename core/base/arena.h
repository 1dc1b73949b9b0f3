/* arena - memory for one session or one transaction: allocate freely, free all at once.
 *
 * A bound is given at init; past it arena_alloc returns NULL and sets `overflow` (checked once, at the end). */
#ifndef CORE_BASE_ARENA_H
#define CORE_BASE_ARENA_H

#include "core/base/str.h"

struct arena_block;
struct arena {
	struct arena_block *blocks;  /* newest first */
	size_t used;                 /* bytes handed out since the last reset */
	size_t max;
	bool overflow;
};

void arena_init(struct arena *a, size_t max);
void arena_fini(struct arena *a);                      /* free every block */
void arena_reset(struct arena *a);                     /* forget all; keeps one block */
void *arena_alloc(struct arena *a, size_t n);          /* zeroed, aligned for any type; NULL past the bound */
struct str arena_str(struct arena *a, struct str s);   /* copy, NUL-terminated; empty past the bound */
struct str arena_lower(struct arena *a, struct str s);  /* the same with small letters (ASCII) */
const char *arena_z(struct arena *a, struct str s);    /* copy as a C string; "" past the bound */
struct str arena_printf(struct arena *a, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
#define ARENA_NEW(a, type) ((type *)arena_alloc((a), sizeof(type)))
#define ARENA_ARRAY(a, type, count) ((type *)arena_alloc((a), sizeof(type) * (count)))

#endif
