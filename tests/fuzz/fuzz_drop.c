/* envelopes of drops: what a stranger wrote comes out with addresses that parse, no control byte and no mark of ours (threats F2) */
#include <stdlib.h>

#include "core/base/mem.h"
#include "core/msg/addr.h"
#include "core/msg/envelope.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void must_be_plain(struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		if ((unsigned char)s.p[i] < ' ' || s.p[i] == 127)
			abort();
}

static void must_be_address(struct arena *a, struct str s)
{
	struct addr again;

	must_be_plain(s);
	if (!addr_parse(a, s, &again) || !str_eq(again.full, s))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	char *copy = mem_alloc(n + 1);
	struct envelope e;
	struct arena a;

	memcpy(copy, data, n);
	arena_init(&a, 1 << 22);
	if (envelope_parse(&a, str_make(copy, n), &e) && envelope_judge(&a, &e, 1000, 5000)) {
		must_be_address(&a, e.sender);
		must_be_plain(e.envid);
		if (e.client_name.n || e.client_addr.n || e.helo.n || e.sasl_user.n || e.uid != 1000 || e.arrival <= 0 || e.arrival > 5000 ||
		    e.flags & (ENVELOPE_BOUNCE | ENVELOPE_VERIFY))
			abort();
		for (size_t i = 0; i < e.n_rcpts; i++) {
			must_be_address(&a, e.rcpts[i].addr);
			must_be_plain(e.rcpts[i].orig);
			must_be_plain(e.rcpts[i].orcpt);
		}
	}
	arena_fini(&a);
	mem_free(copy);
	return 0;
}
