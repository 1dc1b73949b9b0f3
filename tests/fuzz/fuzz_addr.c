/* addresses: what is accepted is canonical, printable, splits again into the same parts, and fits a command line */
#include <stdlib.h>

#include "core/base/limits.h"
#include "core/base/mem.h"
#include "core/msg/addr_repair.h"
#include "core/msg/addr_tree.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void check(struct arena *a, const struct addr *x)
{
	struct addr again, split = addr_split(x->full);

	for (size_t i = 0; i < x->full.n; i++)
		if ((unsigned char)x->full.p[i] < ' ' || x->full.p[i] == 127)
			abort();
	if (x->full.n > LIMIT_ADDRESS || !str_is_utf8(x->full))
		abort();
	if (!addr_parse(a, x->full, &again) || !str_eq(again.full, x->full))
		abort();
	if (!str_eq(split.local, x->local) || !str_eq(split.domain, x->domain))
		abort();
	if (addr_key(a, x->full).n > x->full.n)
		abort();
}

static void path(struct arena *a, struct str in)
{
	struct str rest = STR_EMPTY;
	struct addr x;

	if (!addr_parse_path(a, in, &x, &rest))
		return;
	check(a, &x);
	if (rest.n > in.n || (rest.n && rest.p[0] != ' '))
		abort();
}

/* tree - what is written is one field: no line end in it but of its folding, none that nothing follows */
static void tree(struct arena *a, struct str in)
{
	struct addr_tree t;
	struct buf out;

	/* a field's own line ends come with a blank behind them */
	if (memchr(in.p, '\n', in.n) || memchr(in.p, '\r', in.n))
		return;
	addr_tree_init(&t, a, in);
	for (size_t i = 0; i < t.n; i++) {
		struct addr x = addr_split(t.v[i].is);

		check(a, &x);
		if (i % 2)
			t.v[i].is = STR("other@example.test");
	}
	buf_init(&out, 1 << 22);
	addr_tree_format(&t, STR("To"), &out);
	for (size_t i = 0; i < out.n; i++) {
		if (out.p[i] == '\r' && (i + 1 == out.n || out.p[i + 1] != '\n'))
			abort();
		if (out.p[i] == '\n' && (!i || out.p[i - 1] != '\r' || (i + 1 < out.n && out.p[i + 1] != '\t' && out.p[i + 1] != ' ')))
			abort();
	}
	if (!str_ends(buf_view(&out), STR("\r\n")))
		abort();
	buf_fini(&out);
	addr_tree_fini(&t);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	/* exact-size copy: reading past the end is seen */
	char *copy = mem_alloc(n);
	struct str in = str_make(copy, n), rest = in;
	struct addr_element *found;
	size_t n_found;
	struct mailbox m;
	struct arena a;
	struct addr x;

	memcpy(copy, data, n);
	arena_init(&a, 1 << 22);
	if (addr_parse(&a, in, &x))
		check(&a, &x);
	path(&a, in);
	while (addr_list_next(&a, &rest, &m) > 0) {
		check(&a, &m.addr);
		if (m.raw.p < in.p || m.raw.p + m.raw.n > in.p + in.n)
			abort();
	}
	tree(&a, in);
	n_found = addr_repair(&a, in, &found);
	for (size_t i = 0; i < n_found; i++) {
		struct str raw = found[i].mailbox.raw;

		if (found[i].good)
			check(&a, &found[i].mailbox.addr);
		if (raw.p < in.p || raw.p + raw.n > in.p + in.n)
			abort();
	}
	mem_free(found);
	arena_fini(&a);
	mem_free(copy);
	return 0;
}
