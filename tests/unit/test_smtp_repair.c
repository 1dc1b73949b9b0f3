/* path_repair: envelope addresses as programs send them. What is taken and what is not is what Debian's Postfix 3.7 does, but for group
 * syntax and the like where it reads more into them than can be said for certain. */
#include <stdio.h>

#include "core/msg/addr.h"
#include "core/smtp/path_repair.h"
#include "tests/unit/t.h"

T(path_repair_takes_what_has_one_reading)
{
	static const struct { const char *in, *address, *rest; } rows[] = {
		{ "<Name <a@b.test>>", "a@b.test", "" }, { "<<a@b.test>>", "a@b.test", "" }, { "<a@b.test (x)>", "a@b.test", "" },
		{ "<a@b.test>>", "a@b.test", "" }, { "< a @ b.test >", "a@b.test", "" }, { "a@b.test>", "a@b.test", "" },
		{ "<(x)a@b.test>", "a@b.test", "" }, { "<a@(c)b.test>", "a@b.test", "" }, { "<a@b.test (x (y) \\) z)>", "a@b.test", "" },
		{ "<<a@b.test>> NOTIFY=NEVER", "a@b.test", " NOTIFY=NEVER" }, { " < a@b.test > NOTIFY=NEVER", "a@b.test", " NOTIFY=NEVER" },
		{ "<\"Joe\" <a@b.test>>", "a@b.test", "" }, { "<\"x@y.test\" <a@b.test>>", "a@b.test", "" },
		{ "<\"a>b\" <a@b.test>>", "a@b.test", "" }, { "<\"a b\"@c.test (x)>", "\"a b\"@c.test", "" },
		{ "<Name (x) <a@b.test>>", "a@b.test", "" }, { "<a. b @ c. test>", "a.b@c.test", "" }, { "<a@b.test\t>", "a@b.test", "" },
		{ "<a@b.test <c@d.test>>", "c@d.test", "" }, { "<group: a@b.test;>", "a@b.test", "" }, { "<a@b.test;>", "a@b.test", "" },
		{ "<<<a@b.test>>>", "a@b.test", "" },
		/* none, or more than one */
		{ "<a@b.test c@d.test>", NULL, NULL }, { "<a@b.test,c@d.test>", NULL, NULL }, { "<a b@c.test>", NULL, NULL },
		{ "<a@b.test junk>", NULL, NULL }, { "<a@b.test", NULL, NULL }, { "<<a@b.test>", NULL, NULL }, { "<Name a@b.test>", NULL, NULL },
		{ "<a@b.test>,<c@d.test>", NULL, NULL }, { "<<a@b.test> <c@d.test>>", NULL, NULL }, { "<a@b.test>NOTIFY=NEVER", NULL, NULL },
		{ "<>", NULL, NULL }, { "< >", NULL, NULL }, { "<<>>", NULL, NULL }, { "<Name <>>", NULL, NULL }, { "", NULL, NULL },
		{ "<a@b.test (x>", NULL, NULL }, { "<\"a@b.test>", NULL, NULL }, { "<a@b.test, <c@d.test>>", NULL, NULL },
		{ "<g: a@b.test, c@d.test;>", NULL, NULL }, { "<;>", NULL, NULL }, { ">", NULL, NULL }, { "<'a@b.test' >x", NULL, NULL },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char text[200] = "", tail[200] = "";
		struct arena a;
		struct addr out;
		struct str address, rest;
		bool good;

		ROW("%s", rows[i].in);
		arena_init(&a, 65536);
		good = path_repair(&a, str_of(rows[i].in), &address, &rest) && addr_parse(&a, address, &out) && out.full.n;
		if (good) {
			snprintf(text, sizeof(text), "%.*s", STR_ARG(out.full));
			snprintf(tail, sizeof(tail), "%.*s", STR_ARG(rest));
		}
		CHECK_STR(good ? text : NULL, rows[i].address);
		if (good && rows[i].rest)
			CHECK_STR(tail, rows[i].rest);
		arena_fini(&a);
	}
}

T(path_repair_finds_nothing_in_nothing)
{
	static const char *const rows[] = { "", " ", "\t ", "<", ">" };

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct str address = STR("unset"), rest = STR("unset");
		struct addr out;
		struct arena a;

		ROW("%zu", i);
		arena_init(&a, 65536);
		if (i < 3)
			CHECK(!path_repair(&a, str_of(rows[i]), &address, &rest));
		else
			CHECK(!path_repair(&a, str_of(rows[i]), &address, &rest) || !addr_parse(&a, address, &out) || !out.full.n);
		arena_fini(&a);
	}
}
