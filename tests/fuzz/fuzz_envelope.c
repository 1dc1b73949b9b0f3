/* envelopes: what parses formats back to something that parses to the same; values forge no fields (threats C3) */
#include <stdlib.h>

#include "core/base/mem.h"
#include "core/msg/envelope.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void round_trip(struct arena *a, const struct envelope *e)
{
	struct envelope again;
	struct buf one, two;

	buf_init(&one, 1 << 22);
	buf_init(&two, 1 << 22);
	envelope_format(&one, e);
	if (!envelope_parse(a, buf_view(&one), &again) || again.n_rcpts != e->n_rcpts)
		abort();
	envelope_format(&two, &again);
	if (!str_eq(buf_view(&one), buf_view(&two)))
		abort();
	buf_fini(&one);
	buf_fini(&two);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	char *copy = mem_alloc(n);
	struct str in = str_make(copy, n);
	struct envelope e;
	struct rcpt r = { .addr = in, .orig = str_from(in, n / 2), .orcpt = in, .notify = 3 };
	struct arena a;

	memcpy(copy, data, n);
	arena_init(&a, 1 << 22);
	if (envelope_parse(&a, in, &e) && !e.unknown.n)
		round_trip(&a, &e);
	memset(&e, 0, sizeof(e));
	e.sender = e.envid = e.helo = in;
	e.rcpts = &r;
	e.n_rcpts = 1;
	if (n < 100000)
		round_trip(&a, &e);
	arena_fini(&a);
	mem_free(copy);
	return 0;
}
