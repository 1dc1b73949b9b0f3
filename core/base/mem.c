/* mem - see mem.h. malloc and realloc with the one answer to running out: die().
 *
 * Between the C library and the main thread (mem_cache) stands a cache of blocks from 64 bytes to 256 KiB, four
 * sizes to a doubling: every message takes and gives some forty of them, and musl hands what becomes empty back to the kernel
 * at once, which costs a system call and, with threads, an interrupt of the other processor. The cache is the thread's own
 * and needs no lock; there is one such thread. mem_trim gives it back; sanitizers see no cache.
 *
 * A process that is brief (mem_brief) takes what the cache has not from one region, block behind block: the C library has a place
 * of its own for each size, which is a mapping, and a page or two that are touched for the first time. */
#include "core/base/mem.h"

#include <errno.h>
#include <malloc.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sysexits.h>

#include "core/base/memory.h"

#if defined(__SANITIZE_ADDRESS__)
#define CACHE_BYTES 0
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define CACHE_BYTES 0
#endif
#endif
#ifndef CACHE_BYTES
#define CACHE_BYTES ((size_t)4 << 20)  /* what the cache may hold at most */
#endif
#define BRIEF_BYTES (CACHE_BYTES / 1024 * 13)  /* of the region: what a message of some KiB takes */
#define LEAST 32                       /* what is not larger goes to the C library */
#define MOST ((size_t)256 << 10)
enum { CLASSES = 49 };
#define HUGE_PAGE ((uintptr_t)2 << 20)

struct spare {
	struct spare *next;
};
struct cache {
	size_t bytes;
	struct spare *blocks[CLASSES + 1]; /* the last one stays empty */
};
static struct cache only;              /* of the one thread that may have it */
static _Thread_local struct cache *cache;

struct carved {
	_Alignas(max_align_t) size_t size;
	_Alignas(max_align_t) char data[];
};
static _Alignas(max_align_t) char region[BRIEF_BYTES + 1];
static size_t region_left;

static bool is_carved(const void *p)
{
	return (uintptr_t)p >= (uintptr_t)region && (uintptr_t)p < (uintptr_t)(region + BRIEF_BYTES);
}

/* carve - the next n bytes of the region; NULL: they are not there, or not for this thread */
static void *carve(size_t n)
{
	size_t need = sizeof(struct carved) + ((n + !n + sizeof(max_align_t) - 1) & ~(sizeof(max_align_t) - 1));
	struct carved *c = (void *)(region + BRIEF_BYTES - region_left);

	if (!cache || need > region_left)
		return NULL;
	region_left -= need;
	c->size = need - sizeof(*c);
	return c->data;
}

static size_t usable(void *p)
{
	return is_carved(p) ? ((struct carved *)p - 1)->size : malloc_usable_size(p);
}

static size_t size_of(unsigned class)
{
	return (size_t)(4 + class % 4) << (4 + class / 4);
}

/* class_within - the largest class that a block of n bytes can serve; n is 64 or more */
static unsigned class_within(size_t n)
{
	unsigned top = 63 - (unsigned)__builtin_clzll((unsigned long long)n);

	return (top - 6) * 4 + (unsigned)(n >> (top - 2) & 3);
}

static bool is_cached(size_t n)
{
	return n > LEAST && n <= MOST && cache;
}

/* obtain - n bytes or more, not zeroed */
static void *obtain(size_t n)
{
	struct spare *p = NULL;

	if (is_cached(n)) {
		unsigned k = n <= 64 ? 0 : class_within(n - 1) + 1;

		/* the C library rounds up, too: a block of this size may come back as one of the next */
		k += !cache->blocks[k];
		p = cache->blocks[k];
		n = size_of(k);
		if (p) {
			cache->blocks[k] = p->next;
			cache->bytes -= n;
			return p;
		}
		n = size_of(k - 1);
	}
	p = carve(n);
	if (p)
		return p;
	p = malloc(n ? n : 1);
	if (!p)
		die("out of memory (%zu bytes)", n);
	/* the smallest are not worth their counting */
	if (n > LEAST)
		memory_count((ptrdiff_t)malloc_usable_size(p));
	return p;
}

/* give_back - a block of which the C library says that it has so many bytes */
static void give_back(void *p, size_t have)
{
	if (is_carved(p))
		return;
	if (have > LEAST)
		memory_count(-(ptrdiff_t)have);
	free(p);
}

void *mem_alloc(size_t n)
{
	return memset(obtain(n), 0, n ? n : 1);
}

static void count_change(size_t from, size_t to)
{
	memory_count((to > LEAST ? (ptrdiff_t)to : 0) - (from > LEAST ? (ptrdiff_t)from : 0));
}

void *mem_realloc(void *p, size_t n)
{
	size_t have = p ? usable(p) : 0;
	void *q;

	if (p && !is_cached(have) && !is_cached(n) && !is_carved(p)) {
		p = realloc(p, n ? n : 1);
		if (!p)
			die("out of memory (%zu bytes)", n);
		count_change(have, malloc_usable_size(p));
		return p;
	}
	if (p && n <= have && n >= have / 4)
		return p;
	q = obtain(n);
	if (p) {
		memcpy(q, p, n < have ? n : have);
		mem_free(p);
	}
	return q;
}

void *mem_array(void *p, size_t count, size_t size)
{
	size_t n;

	if (__builtin_mul_overflow(count, size, &n))
		die("out of memory (%zu times %zu bytes)", count, size);
	return mem_realloc(p, n);
}

char *mem_dupz(const char *z)
{
	size_t n = strlen(z) + 1;

	return memcpy(mem_realloc(NULL, n), z, n);
}

void mem_free(void *p)
{
	size_t have = p ? usable(p) : 0;
	struct spare *s = p;
	unsigned k;

	if (!cache || have < 64 || have >= 2 * MOST || cache->bytes + have > CACHE_BYTES) {
		give_back(p, have);
		return;
	}
	k = class_within(have);
	k = k < CLASSES ? k : CLASSES - 1;
	s->next = cache->blocks[k];
	cache->blocks[k] = s;
	cache->bytes += size_of(k);
}

void mem_cache(void)
{
	cache = CACHE_BYTES ? &only : NULL;
	memory_count_here();
}

void mem_brief(void)
{
	uintptr_t page = 4096, from = (uintptr_t)region & ~(page - 1);

	region_left = BRIEF_BYTES;
	/* all its pages at once instead of fault by fault; only advice: Linux before 5.14 does not know it */
	madvise((void *)from, (uintptr_t)region + BRIEF_BYTES - from, MEM_POPULATE_WRITE);
}

void mem_trim(void)
{
	for (unsigned k = 0; cache && k < CLASSES; k++)
		while (cache->blocks[k]) {
			struct spare *s = cache->blocks[k];

			cache->blocks[k] = s->next;
			give_back(s, usable(s));
		}
	only.bytes = 0;
}

void mem_expect_random(void *p, size_t n)
{
	uintptr_t from = ((uintptr_t)p + HUGE_PAGE - 1) & ~(uintptr_t)(HUGE_PAGE - 1), to = ((uintptr_t)p + n) & ~(uintptr_t)(HUGE_PAGE - 1);

	/* only advice: a system without them goes on as before */
	if (from < to)
		madvise((void *)from, to - from, MADV_HUGEPAGE);
}

void mem_wipe(void *p, size_t n)
{
	if (p && n)
		explicit_bzero(p, n);
}

void mem_free_secret(char *z)
{
	if (z)
		mem_wipe(z, strlen(z));
	mem_free(z);
}

void die(const char *fmt, ...)
{
	va_list ap;

	fprintf(stderr, "%s: fatal: ", program_invocation_short_name);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	exit(EX_OSERR);
}

void bug_at(const char *file, int line, const char *what)
{
	fprintf(stderr, "%s: panic: %s:%d: %s\n", program_invocation_short_name, file, line, what);
	abort();
}
