/* arena - see arena.h. Blocks grow by doubling from ARENA_FIRST to ARENA_MOST; a reset keeps the first, smallest one,
 * so that an idle session costs little. The largest one is a power of two with what the C library adds. */
#include "core/base/arena.h"

#include <stdarg.h>
#include <stddef.h>

#include "core/base/format.h"
#include "core/base/mem.h"

enum { ARENA_ALIGN = _Alignof(max_align_t), ARENA_FIRST = 1024, ARENA_MOST = 64 * 1024 - 64 };

struct arena_block {
	struct arena_block *next;  /* older */
	size_t size, used;         /* of data */
	_Alignas(max_align_t) char data[];
};

void arena_init(struct arena *a, size_t max)
{
	*a = (struct arena){ .max = max };
}

void arena_fini(struct arena *a)
{
	for (struct arena_block *b = a->blocks, *next; b; b = next) {
		next = b->next;
		mem_free(b);
	}
	arena_init(a, a->max);
}

void arena_reset(struct arena *a)
{
	while (a->blocks && a->blocks->next) {
		struct arena_block *b = a->blocks;

		a->blocks = b->next;
		mem_free(b);
	}
	if (a->blocks && a->blocks->size > ARENA_MOST) {
		mem_free(a->blocks);
		a->blocks = NULL;
	}
	if (a->blocks)
		a->blocks->used = 0;
	a->used = 0;
	a->overflow = false;
}

static struct arena_block *add_block(struct arena *a, size_t need)
{
	size_t size = a->blocks ? a->blocks->size * 2 : ARENA_FIRST;
	struct arena_block *b;

	if (size > ARENA_MOST)
		size = ARENA_MOST;
	if (size < need)
		size = need;
	b = mem_realloc(NULL, sizeof(*b) + size);
	b->size = size;
	b->used = 0;
	b->next = a->blocks;
	a->blocks = b;
	return b;
}

void *arena_alloc(struct arena *a, size_t n)
{
	struct arena_block *b = a->blocks;
	size_t need = (n + ARENA_ALIGN - 1) & ~(size_t)(ARENA_ALIGN - 1);
	void *p;

	if (need < n || need > a->max || a->used > a->max - need) {
		a->overflow = true;
		return NULL;
	}
	if (!need)
		need = ARENA_ALIGN;
	if (!b || b->size - b->used < need)
		b = add_block(a, need);
	p = b->data + b->used;
	b->used += need;
	a->used += need;
	return memset(p, 0, need);
}

struct str arena_str(struct arena *a, struct str s)
{
	char *p = s.n < SIZE_MAX ? arena_alloc(a, s.n + 1) : NULL;

	if (!p)
		return STR("");
	bytes_copy(p, s.p, s.n);
	return str_make(p, s.n);
}

struct str arena_lower(struct arena *a, struct str s)
{
	char *p = arena_alloc(a, s.n + 1);

	if (!p)
		return STR_EMPTY;
	for (size_t i = 0; i < s.n; i++)
		p[i] = ascii_lower(s.p[i]);
	return str_make(p, s.n);
}

const char *arena_z(struct arena *a, struct str s)
{
	return arena_str(a, s).p;
}

struct str arena_printf(struct arena *a, const char *fmt, ...)
{
	va_list ap;
	int n;
	char *p;

	va_start(ap, fmt);
	n = format_vtext(NULL, 0, fmt, ap);
	va_end(ap);
	if (n < 0)
		BUG("bad format");
	p = arena_alloc(a, (size_t)n + 1);
	if (!p)
		return STR("");
	va_start(ap, fmt);
	format_vtext(p, (size_t)n + 1, fmt, ap);
	va_end(ap);
	return str_make(p, (size_t)n);
}
