/* busiest - see busiest.h. One walk over all destinations; the least busy of those that were kept makes room for a busier one. */
#include "core/daemon/busiest.h"

#include <stdlib.h>

#include "core/base/list.h"
#include "core/base/mem.h"

static int64_t busy_of(const struct schedule_dest_info *d)
{
	return (int64_t)(d->waiting + d->in_flight + d->messages) + (d->dead_until ? INT64_MAX / 2 : 0);
}

static void add_to_others(struct busiest *b, const struct schedule_dest_info *d)
{
	b->others.waiting += d->waiting;
	b->others.in_flight += d->in_flight;
	b->others.messages += d->messages;
	b->others.window += d->window;
	b->others_suspended += d->dead_until != 0;
	b->n_others++;
}

/* place_for - a row for one that is so busy, or NULL */
static struct busiest_row *place_for(struct busiest *b, int64_t busy)
{
	struct busiest_row *row;

	if (b->n < b->most)
		return &b->v[b->n++];
	row = b->most ? LIST_ITEM(heap_first(&b->heap), struct busiest_row, busy) : NULL;
	if (!row || busy <= row->busy.key)
		return NULL;
	add_to_others(b, &row->d);
	return row;
}

static int by_busy(const void *a, const void *b)
{
	const struct busiest_row *x = a, *y = b;

	return x->busy.key < y->busy.key ? 1 : -(x->busy.key > y->busy.key);
}

void busiest_find(struct busiest *b, const struct schedule *s, size_t most)
{
	struct schedule_dest_info d;
	size_t cursor = 0;

	*b = (struct busiest){ .most = most };
	heap_init(&b->heap);
	b->v = mem_array(NULL, most + 1, sizeof(*b->v));
	memset(b->v, 0, (most + 1) * sizeof(*b->v));
	while (schedule_each_dest(s, &cursor, &d)) {
		struct busiest_row *row = place_for(b, busy_of(&d));

		b->n_suspended += d.dead_until != 0;
		if (!row) {
			add_to_others(b, &d);
			continue;
		}
		row->d = d;
		heap_add(&b->heap, &row->busy, busy_of(&d));
	}
	qsort(b->v, b->n, sizeof(*b->v), by_busy);
}

void busiest_fini(struct busiest *b)
{
	heap_fini(&b->heap);
	mem_free(b->v);
}
