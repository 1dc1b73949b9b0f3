/* tls_memory - where mbedTLS takes its memory from (mbedtls_config.h). Big-number arithmetic takes and gives back a few small
 * blocks thousands of times in one handshake; musl's allocator, which takes a lock and returns empty pages to the kernel at once,
 * was a third of its time. Each thread keeps a few blocks of each size instead: no lock, and a bound.
 *
 * The library overwrites what is secret before it frees it. */
#include <limits.h>
#include <malloc.h>
#include <pthread.h>
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
/* Not in the thread's own storage: as much as that musl would have to map before main, in programs that speak no TLS, too. */
static _Thread_local struct bin *bins;
static struct bin full[CLASSES] = { { .n = UINT_MAX }, { .n = UINT_MAX }, { .n = UINT_MAX }, { .n = UINT_MAX }, { .n = UINT_MAX }, { .n = UINT_MAX } };

void *tls_calloc(size_t n, size_t size);
void tls_free(void *p);

/* a thread that ends gives its blocks back */
static pthread_once_t once = PTHREAD_ONCE_INIT;
static pthread_key_t at_exit;

static void give_up(struct block *b)
{
	memory_count(-(ptrdiff_t)malloc_usable_size(b));
	free(b);
}

static void give_back(void *all)
{
	struct bin *kept = all;

	bins = full;
	for (size_t i = 0; i < CLASSES; i++) {
		while (kept[i].first) {
			struct block *b = kept[i].first;

			kept[i].first = b->next;
			give_up(b);
		}
	}
	free(kept);
}

static void make_key(void)
{
	(void)pthread_key_create(&at_exit, give_back);
}

/* open_bins - of this thread, with its first block; without memory for them nothing is kept */
static void open_bins(void)
{
	struct bin *own = calloc(CLASSES, sizeof(*own));

	(void)pthread_once(&once, make_key);
	if (own && pthread_setspecific(at_exit, own) != 0) {
		free(own);
		own = NULL;
	}
	bins = own ? own : full;
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

	if (!bins)
		open_bins();
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
	if (!bins)
		open_bins();
	bin = &bins[b->class < CLASSES ? b->class : 0];
	if (b->class >= CLASSES || bin->n >= LIMIT_TLS_KEPT_BLOCKS) {
		give_up(b);
		return;
	}
	b->next = bin->first;
	bin->first = b;
	bin->n++;
}
