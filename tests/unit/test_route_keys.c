/* keys that nobody ever asks for */
#include <stdio.h>

#include "core/route/keys.h"
#include "tests/unit/t.h"

T(keys_that_never_match_are_known)
{
	static const struct { enum keys_use use; const char *key; bool parents, never; } rows[] = {
		{ KEYS_TRANSPORT, "@a.test", false, true }, { KEYS_TRANSPORT, "a.test", false, false }, { KEYS_TRANSPORT, ".a.test", true, false },
		{ KEYS_TRANSPORT, "*", false, false }, { KEYS_TRANSPORT, "*.a.test", false, true }, { KEYS_TRANSPORT, "u@", false, true },
		{ KEYS_TRANSPORT, "a.test.", false, true }, { KEYS_TRANSPORT, "u@a.test", false, false }, { KEYS_TRANSPORT, "<>", false, false },
		{ KEYS_ADDRESS, "@a.test", true, false }, { KEYS_ADDRESS, ".a.test", true, true }, { KEYS_ADDRESS, "*@a.test", false, true },
		{ KEYS_ADDRESS, "u@", false, true }, { KEYS_ADDRESS, "@", false, false }, { KEYS_ADDRESS, "u", false, false },
		{ KEYS_ADDRESS, "u@a.test.", false, true }, { KEYS_ADDRESS, "192.0.2.0/24", false, false },
		{ KEYS_ACCESS, "@a.test", true, true }, { KEYS_ACCESS, "u@", true, false }, { KEYS_ACCESS, ".a.test", true, true },
		{ KEYS_ACCESS, ".a.test", false, false }, { KEYS_ACCESS, "a.test", true, false }, { KEYS_ACCESS, "*.a.test", true, true },
		{ KEYS_ACCESS, "192.0.2.0/24", true, true }, { KEYS_ACCESS, "2001:db8::/32", true, true }, { KEYS_ACCESS, "192.0.2", true, false },
		{ KEYS_ACCESS, "<>", true, false }, { KEYS_ACCESS, "a/b@c.test", true, false },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		ROW("%d %s", rows[i].use, rows[i].key);
		CHECK_INT(keys_fault(rows[i].use, str_of(rows[i].key), rows[i].parents) != NULL, rows[i].never);
	}
}

T(keys_of_a_table_are_told_three_at_most)
{
	static const struct { const char *spec; size_t told; const char *last; } rows[] = {
		{ "inline:{ {a=b} }", 0, NULL },
		{ "inline:{ {a.=b} {b.=b} {c.=b} }", 3, "the key \"" },
		{ "inline:{ {a.=b} {b.=b} {c.=b} {d.=b} {e.=b} }", 4, ": and more of this kind" },
		{ "static:x", 0, NULL },
	};
	static const char *const none[] = { NULL };
	struct conf_diag diag;
	struct conf *c;

	conf_diag_init(&diag);
	c = conf_load(t_tmpdir(), none, &diag);
	conf_diag_fini(&diag);
	REQUIRE(c != NULL);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct buf why;
		struct map *m;

		ROW("%s", rows[i].spec);
		buf_init(&why, 300);
		conf_diag_init(&diag);
		m = map_open(rows[i].spec, &why);
		REQUIRE(m != NULL);
		/* nobody reads warnings: none is looked for */
		keys_advise(m, "transport_maps", KEYS_TRANSPORT, c, &diag);
		CHECK_INT(diag.n, 0);
		diag.advice = true;
		keys_advise(m, "transport_maps", KEYS_TRANSPORT, c, &diag);
		CHECK_INT(diag.n, rows[i].told);
		CHECK_INT(diag.errors, 0);
		if (diag.n && rows[i].last)
			CHECK(strstr(diag.v[diag.n - 1].text, rows[i].last) != NULL);
		map_close(m);
		conf_diag_fini(&diag);
		buf_fini(&why);
	}
	conf_free(c);
}
