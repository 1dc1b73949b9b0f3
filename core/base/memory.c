/* memory - see memory.h. One thread counts in a number of its own; the others, which take few blocks, share an atomic one. Each of
 * the two may be negative, for a block may go where it did not come from; their sum is right. */
#include "core/base/memory.h"

#include <stdatomic.h>

static ptrdiff_t here;
static _Atomic ptrdiff_t elsewhere;
static _Thread_local bool is_here;

void memory_count_here(void)
{
	is_here = true;
}

void memory_count(ptrdiff_t n)
{
	if (is_here)
		here += n;
	else
		atomic_fetch_add_explicit(&elsewhere, n, memory_order_relaxed);
}

size_t memory_used(void)
{
	ptrdiff_t all = here + atomic_load_explicit(&elsewhere, memory_order_relaxed);

	/* blocks have sizes of a few kinds, so the C library takes up to a quarter more for them */
	return all > 0 ? (size_t)all / 4 * 5 : 0;
}
