/* mem - see mem.h. malloc and realloc with the one answer to running out: die().
 *
 * Between the C library and the program stands a small cache of blocks from 2 KiB to 256 KiB, by powers of two: buffers and
 * arenas of that size come and go with every message, and musl hands each back to the kernel at once, which costs a system
 * call and, with threads, an interrupt of the other processor. mem_trim gives the cache back; sanitizers see no cache. */
#include "core/base/mem.h"

#include <errno.h>
#include <malloc.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

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
#define LEAST 11                       /* 2 KiB */
#define MOST 18                        /* 256 KiB */

struct spare {
	struct spare *next;
};
static struct {
	pthread_mutex_t lock;
	struct spare *blocks[MOST + 1];
	size_t bytes;
} cache = {.lock = PTHREAD_MUTEX_INITIALIZER};

/* class_of - the power of two that holds n bytes; 0: not a size that is cached */
static unsigned class_of(size_t n)
{
	if (CACHE_BYTES == 0 || n <= (size_t)1 << (LEAST - 1) || n > (size_t)1 << MOST)
		return 0;
	unsigned k = 64 - (unsigned)__builtin_clzll((unsigned long long)n - 1);
	return k < LEAST ? LEAST : k;
}

/* obtain - n bytes or more, not zeroed */
static void *obtain(size_t n)
{
	unsigned k = class_of(n);
	struct spare *p = NULL;

	if (k) {
		pthread_mutex_lock(&cache.lock);
		p = cache.blocks[k];
		if (p) {
			cache.blocks[k] = p->next;
			cache.bytes -= (size_t)1 << k;
		}
		pthread_mutex_unlock(&cache.lock);
	}
	if (!p)
		p = malloc(k ? (size_t)1 << k : n ? n : 1);
	if (!p)
		die("out of memory (%zu bytes)", n);
	return p;
}

void *mem_alloc(size_t n)
{
	return memset(obtain(n), 0, n ? n : 1);
}

void *mem_realloc(void *p, size_t n)
{
	size_t have = p ? malloc_usable_size(p) : 0;

	if (p && class_of(have) == 0 && class_of(n) == 0) {
		p = realloc(p, n ? n : 1);
		if (!p)
			die("out of memory (%zu bytes)", n);
		return p;
	}
	if (p && n <= have && n >= have / 4)
		return p;
	void *q = obtain(n);
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
	size_t have = p ? malloc_usable_size(p) : 0;
	unsigned k = class_of(have);

	/* a block that the C library rounded up serves the class below */
	if (k && have < (size_t)1 << k)
		k--;
	if (k < LEAST || cache.bytes + ((size_t)1 << k) > CACHE_BYTES) {
		free(p);
		return;
	}
	struct spare *s = p;
	pthread_mutex_lock(&cache.lock);
	s->next = cache.blocks[k];
	cache.blocks[k] = s;
	cache.bytes += (size_t)1 << k;
	pthread_mutex_unlock(&cache.lock);
}

void mem_trim(void)
{
	pthread_mutex_lock(&cache.lock);
	for (unsigned k = LEAST; k <= MOST; k++)
		while (cache.blocks[k]) {
			struct spare *s = cache.blocks[k];
			cache.blocks[k] = s->next;
			free(s);
		}
	cache.bytes = 0;
	pthread_mutex_unlock(&cache.lock);
}

void mem_wipe(void *p, size_t n)
{
	if (p && n)
		explicit_bzero(p, n);
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
