/* tls_memory - where mbedTLS takes its memory from (mbedtls_config.h). Big-number arithmetic takes and gives back a few small
 * blocks thousands of times in one handshake; musl's allocator, which takes a lock and returns empty pages to the kernel at once,
 * was a third of its time. Each thread keeps a few blocks of each size instead: no lock, and a bound.
 *
 * The library overwrites what is secret before it frees it. */
#include <malloc.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/limits.h"
#include "core/base/memory.h"

enum { SMALLEST = 64, CLASSES = 6 };

struct block {
	struct block *next;
	size_t class;          /* CLASSES: not kept */
};
struct bin {
	struct block *first;
	unsigned n;
};
static _Thread_local struct bin bins[CLASSES];

void *tls_calloc(size_t n, size_t size);
void tls_free(void *p);

/* a thread that ends gives its blocks back */
static pthread_once_t once = PTHREAD_ONCE_INIT;
static pthread_key_t at_exit;
static _Thread_local bool known;

static void give_up(struct block *b)
{
	memory_count(-(ptrdiff_t)malloc_usable_size(b));
	free(b);
}

static void give_back(void *ignored)
{
	(void)ignored;
	for (size_t i = 0; i < CLASSES; i++) {
		while (bins[i].first) {
			struct block *b = bins[i].first;

			bins[i].first = b->next;
			give_up(b);
		}
		bins[i].n = LIMIT_TLS_KEPT_BLOCKS;
	}
}

static void make_key(void)
{
	(void)pthread_key_create(&at_exit, give_back);
}

static void watch_exit(void)
{
	known = true;
	(void)pthread_once(&once, make_key);
	(void)pthread_setspecific(at_exit, &known);
}

static struct block *take(struct bin *bin)
{
	struct block *b = bin->first;

	if (b) {
		bin->first = b->next;
		bin->n--;
	}
	return b;
}

void *tls_calloc(size_t n, size_t size)
{
	size_t class = 0, total;
	struct block *b;

	if (size && n > (SIZE_MAX - sizeof(*b)) / size)
		return NULL;
	total = n * size;
	while (class < CLASSES && total > (size_t)SMALLEST << class)
		class++;
	b = class < CLASSES ? take(&bins[class]) : NULL;
	if (b) {
		memset(b + 1, 0, total);
		return b + 1;
	}
	b = calloc(1, sizeof(*b) + (class < CLASSES ? (size_t)SMALLEST << class : total));
	if (!b)
		return NULL;
	memory_count((ptrdiff_t)malloc_usable_size(b));
	b->class = class;
	return b + 1;
}

void tls_free(void *p)
{
	struct block *b = p;
	struct bin *bin;

	if (!p)
		return;
	b--;
	bin = &bins[b->class < CLASSES ? b->class : 0];
	if (b->class >= CLASSES || bin->n >= LIMIT_TLS_KEPT_BLOCKS) {
		give_up(b);
		return;
	}
	if (!known)
		watch_exit();
	b->next = bin->first;
	bin->first = b;
	bin->n++;
}
