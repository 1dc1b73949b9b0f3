/* heap - min-heap of intrusive nodes ordered by an int64 key (a time, mostly). The heap borrows its nodes. */
#ifndef CORE_BASE_HEAP_H
#define CORE_BASE_HEAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct heap_node {
	int64_t key;
	uint32_t pos;  /* 1-based place in the heap; 0 = not in it */
};
struct heap {
	struct heap_node **v;
	uint32_t n, cap;
};

void heap_init(struct heap *h);
void heap_fini(struct heap *h);
void heap_add(struct heap *h, struct heap_node *x, int64_t key);   /* moves it if it is in the heap already */
void heap_remove(struct heap *h, struct heap_node *x);             /* nothing if it is not in the heap */
struct heap_node *heap_first(const struct heap *h);                /* smallest key, NULL if empty */

#endif
