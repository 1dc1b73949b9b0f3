/* address fields that are written again, in Postfix's form */
#include "core/base/limits.h"
#include "core/msg/addr_tree.h"
#include "tests/unit/t.h"

/* every address without a domain gets one; what is odd is left or mended as Postfix does */
static void complete(struct addr_tree *t, struct arena *a)
{
	for (size_t i = 0; i < t->n; i++)
		if (!addr_split(t->v[i].is).domain.n)
			t->v[i].is = arena_printf(a, "%.*s@d.test", STR_ARG(t->v[i].is));
}

T(addr_tree_writes_what_postfix_writes)
{
	static const struct { const char *in, *want; } rows[] = {
		{ "root", "root@d.test" },
		{ "\"root, x\" <root>,\r\n\tu@host (c), v@x.test", "\"root, x\" <root@d.test>, u@host (c), v@x.test" },
		{ "Joe   User <joe> (the user), (first) ann(second)@(third)host , x", "Joe User <joe@d.test>(the user),\r\n\tann@host (first) (second) (third), x@d.test" },
		{ "friends: a, b@c.test, Joe <d>;, e", "friends: a@d.test, b@c.test, Joe <d@d.test>;, e@d.test" },
		{ "undisclosed-recipients:;", NULL },
		{ "a b c@d.test", "a@d.test, b@d.test, c@d.test" },
		{ "Joe Blow", "Joe@d.test, Blow@d.test" },
		{ "a@b.test <c>", "a@b.test <c@d.test>" },
		{ "<@relay.test,@two.test:user@three.test>, <>, x", "<user@three.test>, <>, x@d.test" },
		{ "<a> <b> c", "<a@d.test> <b@d.test>, c@d.test" },
		{ "\"joe\" <\"joe q\"@host>, \"a@b\"", "\"joe\" <\"joe q\"@host>, \"a@b\"@d.test" },
		{ "joe\\ x <x>, \\root, a\\@b", "\"joe x\" <x@d.test>, root@d.test, \"a@b\"@d.test" },
		{ "\"unended <x>", "\"unended <x>\"@d.test" },
		{ "\"y\"@[IPv6:::1], joe@host.test.", "y@[IPv6:::1], joe@host.test" },
		{ "(a(b)c) joe (d), x (e) y", "joe@d.test (a(b)c) (d), x@d.test, y@d.test (e)" },
		{ "joe (unended", "joe@d.test (unended" },
		{ "a,,b", "a@d.test, , b@d.test" },
		{ "not <an address", "not <an, address@d.test" },
		{ "a@b.test,   c@d.test", NULL },
		{ "\"Very long\r\n name\" <a>", "\"Very long  name\" <a@d.test>" }, { "a (b\r\n\tc)", "a@d.test (b \tc)" },
		{ "", NULL }, { "()", NULL }, { ",", NULL }, { ";:<>", NULL },
		{ "aaaaaaaaaaaaaaaaaaaaaaaaa@example.com, bbbbbbbbbbbbbbbbbbbbbbbbbbbbbb@example.com, cc, ddd", "aaaaaaaaaaaaaaaaaaaaaaaaa@example.com,\r\n"
			"\tbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb@example.com, cc@d.test, ddd@d.test" },
	};
	struct arena a;
	struct buf out, want;

	arena_init(&a, 1 << 20);
	buf_init(&out, 4096);
	buf_init(&want, 4096);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct addr_tree t;

		ROW("%s", rows[i].in);
		addr_tree_init(&t, &a, str_of(rows[i].in));
		complete(&t, &a);
		CHECK_INT(addr_tree_is_changed(&t), rows[i].want != NULL);
		if (rows[i].want) {
			buf_clear(&out);
			buf_clear(&want);
			addr_tree_format(&t, STR("To"), &out);
			buf_printf(&want, "To: %s\r\n", rows[i].want);
			CHECK_STR(buf_cstr(&out), buf_cstr(&want));
		}
		addr_tree_fini(&t);
	}
	buf_fini(&out);
	buf_fini(&want);
	arena_fini(&a);
}

T(addr_tree_leaves_what_is_behind_its_bound)
{
	struct buf in, out;
	struct addr_tree t;
	struct arena a;

	arena_init(&a, 1 << 20);
	buf_init(&in, 1 << 20);
	buf_init(&out, 1 << 20);
	for (int more = 0; more < 2; more++) {
		ROW("%d", more);
		buf_clear(&in);
		buf_clear(&out);
		/* with each comma two tokens: the last one is within the bound, or behind it */
		for (int i = 0; i < LIMIT_FIELD_TOKENS / 2 - 2 + more; i++)
			buf_z(&in, "u, ");
		buf_z(&in, "v,\r\n\tw");
		arena_reset(&a);
		addr_tree_init(&t, &a, buf_view(&in));
		complete(&t, &a);
		addr_tree_format(&t, STR("To"), &out);
		CHECK(addr_tree_is_changed(&t));
		CHECK_INT(t.n, LIMIT_FIELD_TOKENS / 2);
		CHECK(str_ends(buf_view(&out), more ? STR(" v@d.test, \tw\r\n") : STR(" v@d.test, w@d.test\r\n")) ||
			str_ends(buf_view(&out), more ? STR("v@d.test,\r\n\tw\r\n") : STR(" v@d.test,\r\n\tw@d.test\r\n")));
		addr_tree_fini(&t);
	}
	buf_clear(&in);
	for (int i = 0; i <= LIMIT_FIELD_TOKENS; i++)
		buf_z(&in, "u ");
	addr_tree_init(&t, &a, buf_view(&in));
	CHECK_INT(t.n, 0);
	CHECK(!addr_tree_is_changed(&t));
	addr_tree_fini(&t);
	buf_fini(&in);
	buf_fini(&out);
	arena_fini(&a);
}
