/* heap - see heap.h. Binary heap; each node knows its place, so removal needs no search. */
#include "core/base/heap.h"

#include "core/base/mem.h"

void heap_init(struct heap *h)
{
	*h = (struct heap){ 0 };
}

void heap_fini(struct heap *h)
{
	for (uint32_t i = 0; i < h->n; i++)
		h->v[i]->pos = 0;
	mem_free(h->v);
	heap_init(h);
}

static void put(struct heap *h, uint32_t i, struct heap_node *x)
{
	h->v[i] = x;
	x->pos = i + 1;
}

static uint32_t sift_up(struct heap *h, uint32_t i)
{
	struct heap_node *x = h->v[i];

	while (i > 0 && h->v[(i - 1) / 2]->key > x->key) {
		put(h, i, h->v[(i - 1) / 2]);
		i = (i - 1) / 2;
	}
	put(h, i, x);
	return i;
}

static void sift_down(struct heap *h, uint32_t i)
{
	struct heap_node *x = h->v[i];

	for (;;) {
		uint32_t child = 2 * i + 1;

		if (child >= h->n)
			break;
		if (child + 1 < h->n && h->v[child + 1]->key < h->v[child]->key)
			child++;
		if (h->v[child]->key >= x->key)
			break;
		put(h, i, h->v[child]);
		i = child;
	}
	put(h, i, x);
}

void heap_add(struct heap *h, struct heap_node *x, int64_t key)
{
	x->key = key;
	if (!x->pos) {
		if (h->n == h->cap) {
			h->cap = h->cap ? h->cap * 2 : 16;
			h->v = mem_array(h->v, h->cap, sizeof(h->v[0]));
		}
		put(h, h->n++, x);
	}
	sift_down(h, sift_up(h, x->pos - 1));
}

void heap_remove(struct heap *h, struct heap_node *x)
{
	uint32_t i = x->pos;
	struct heap_node *last;

	if (!i--)
		return;
	if (i >= h->n || h->v[i] != x)
		BUG("heap node is not in this heap");
	x->pos = 0;
	last = h->v[--h->n];
	if (last == x)
		return;
	put(h, i, last);
	sift_down(h, sift_up(h, i));
}

struct heap_node *heap_first(const struct heap *h)
{
	return h->n ? h->v[0] : NULL;
}
