/* the text of aliases: what Postfix's local(8) makes of what people write */
#include "core/base/buf.h"
#include "core/base/limits.h"
#include "core/msg/alias_text.h"
#include "tests/unit/t.h"

/* "@addr /path |command :path !bad" of text, with a blank between */
static void elements(const char *text, struct buf *out)
{
	static const char mark[] = "@u/|:!";
	struct str rest = str_of(text);
	struct alias_target t;
	struct arena a;

	arena_init(&a, 1 << 20);
	buf_clear(out);
	while (alias_text_next(&a, &rest, &t)) {
		if (out->n)
			buf_byte(out, ' ');
		if (t.kind != ALIAS_FILE)
			buf_byte(out, mark[t.kind]);
		buf_str(out, t.text);
	}
	arena_fini(&a);
}

T(alias_text_reads_what_postfix_reads)
{
	/* the addresses are what real mail through postalias and local(8) of Postfix 3.7 went to; where that bounces with "bad
	 * recipient address syntax", or makes a quoted monster of it, the element is bad */
	static const struct { const char *in, *want; } rows[] = {
		{ "/dev/null", "/dev/null" }, { "\\root", "@root" }, { "\"\\\\root\"", "@root" },
		{ "a@x.test; b@x.test", "@a@x.test @b@x.test" }, { "a@x.test b@x.test", "@a@x.test @b@x.test" },
		{ "'joe@x.test' <joe@x.test>", "@joe@x.test" }, { "CORP\\jd <jd@x.test>", "@jd@x.test" },
		{ "Joe @ Work <j@x.test>", "@j@x.test" }, { "\"dq@x.test\"", "@dq@x.test" },
		{ "ok@x.test, a b c, ok2@x.test", "@ok@x.test @a @b @c @ok2@x.test" },
		{ "Joe Doe <jd@x.test>, \"Doe, John\" <dj@x.test>", "@jd@x.test @dj@x.test" }, { "a@x.test;", "@a@x.test" },
		{ "(comment) a@x.test (other)", "@a@x.test" }, { "group: a@x.test, b@x.test;", "@a@x.test @b@x.test" },
		{ "<a@x.test>, <b@x.test>", "@a@x.test @b@x.test" }, { "root joe", "@root @joe" }, { "\"a b\"@x.test", "@\"a b\"@x.test" },
		{ "o\\'donnel@x.test", "@o'donnel@x.test" }, { "<@route.test:u@x.test>", "@u@x.test" },
		{ "a@x.test,, b@x.test,", "@a@x.test @b@x.test" }, { "\\joe@x.test", "@joe@x.test" }, { "a b@x.test", "@a @b@x.test" },
		{ "\"Joe Doe\" jd@x.test", "@\"Joe Doe\" @jd@x.test" }, { "a @ x.test", "@a@x.test" }, { "a@x .test", "@a@x.test" },
		{ "Joe <a@x.test> <b@x.test>", "@a@x.test @b@x.test" }, { "Joe <a@x.test> b@x.test", "@a@x.test @b@x.test" },
		{ "\"a@x.test\" \"b@x.test\"", "@a@x.test @b@x.test" }, { "=?utf-8?q?J?= <a@x.test>", "@a@x.test" },
		{ "a@[127.0.0.9]", "@a@[127.0.0.9]" }, { "Joe, <j@x.test>", "@Joe @j@x.test" }, { "a@x.test # c", "@a@x.test @# @c" },
		{ "joe@x.test.", "@joe@x.test" }, { "\"a@x.test\", b@x.test", "@a@x.test @b@x.test" }, { "joe\\", "@joe" },
		{ "", "" }, { " ,; ", "" }, { "/var/x, /var/y/ z@x.test", "/var/x /var/y/ @z@x.test" },
		{ "\"|/bin/v -a \\\"b c\\\"\", d", "|/bin/v -a \"b c\" @d" }, { "|/bin/v -a b, d", "|/bin/v -a b @d" },
		{ "\"/var/a b\"", "/var/a b" }, { ":include:/x y", ":/x @y" }, { "\":include: /x\"", ":/x" }, { ":include: /x", ":/x" },
		{ "a@x.test <b@x.test>", "@b@x.test" }, { "undisclosed: ;", "" }, { "x: : a", "@a" },
		{ "'a@x.test'", "!'a@x.test'" }, { "a@, b@x.test", "!a@ @b@x.test" }, { "@x.test, b@x.test", "!@x.test @b@x.test" },
		{ "a@x.test, @, b@x.test", "@a@x.test !@ @b@x.test" }, { "a@@x.test", "!a@@x.test" }, { "root@", "!root@" },
		{ "a@x.test, \"unclosed, b@x.test", "@a@x.test !\"unclosed @b@x.test" },
		{ "a@x.test, (unclosed, b@x.test", "@a@x.test !(unclosed @b@x.test" },
		{ "a@x.test, <b@x.test, c@x.test", "@a@x.test !<b@x.test @c@x.test" },
		{ "a@x.test, b>@x.test, c@x.test", "@a@x.test !b>@x.test @c@x.test" }, { "mailto:a@x.test", "!mailto:a@x.test" },
		{ "\"joe@x.test, b@x.test\", c@x.test", "!\"joe@x.test, b@x.test\" @c@x.test" }, { "<>", "!<>" }, { "\"\"", "!\"\"" },
		{ "Joe <x y>, b@x.test", "!Joe <x y> @b@x.test" },
	};
	struct buf out;

	buf_init(&out, 4096);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		ROW("%s", rows[i].in);
		elements(rows[i].in, &out);
		CHECK_STR(buf_cstr(&out), rows[i].want);
	}
	buf_fini(&out);
}

/* what cannot be an element any more is looked at no further, so that no text costs more than its length and a little */
T(alias_text_looks_at_so_much_of_an_element)
{
	static const struct { const char *before, *much, *behind, *want; bool cut; } rows[] = {
		/* lists have as many addresses in a line as anybody likes, with commas or without */
		{ "", "a@x.test, ", "b@x.test", "@b@x.test", false }, { "", "a@x.test ", "b@x.test", "@b@x.test", false },
		{ "", "a@x.test (c) ", "b@x.test", "@b@x.test", false }, { "", "g: ", "b@x.test", "@b@x.test", false },
		{ "(", "comment ", ") b@x.test, c@x.test", "@c@x.test", true }, { "\"", "name ", "\" <b@x.test>, c@x.test", "@c@x.test", true },
		{ "", "long", "@x.test, c@x.test", "@c@x.test", true }, { "(", "\\)", ", c@x.test", "@c@x.test", true },
		{ "|x ", "(", ", c@x.test", "@c@x.test", true },
	};
	struct buf in, out;

	buf_init(&in, 1 << 20);
	buf_init(&out, 1 << 20);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		ROW("%s%s%s", rows[i].before, rows[i].much, rows[i].behind);
		buf_clear(&in);
		buf_z(&in, rows[i].before);
		while (in.n < 3 * LIMIT_ALIAS_WORDS)
			buf_z(&in, rows[i].much);
		buf_z(&in, rows[i].behind);
		elements(buf_cstr(&in), &out);
		CHECK(str_ends(buf_view(&out), str_of(rows[i].want)));
		CHECK_INT(rows[i].cut, out.n > 0 && out.p[0] != '@');
	}
	buf_fini(&in);
	buf_fini(&out);
}

T(alias_text_ends_on_any_bytes)
{
	static const char bytes[] = "a@.,;:<>()[]\"\\ \n|/'#";
	char text[8] = "";
	struct buf out;

	buf_init(&out, 4096);
	for (unsigned long n = 0; n < 160000; n++) {
		unsigned long rest = n;

		for (size_t i = 0; i < 4; i++, rest /= 20)
			text[i] = bytes[rest % 20];
		elements(text, &out);
	}
	CHECK(out.n < 4096);
	buf_fini(&out);
}

T(alias_text_counts_lines_of_a_list)
{
	struct str rest = STR("# c\n\n one@x.test \r\n#x\ntwo@x.test"), line;
	unsigned number = 0;

	REQUIRE(alias_text_line(&rest, &number, &line));
	CHECK_VIEW(line, "one@x.test");
	CHECK_INT(number, 3);
	REQUIRE(alias_text_line(&rest, &number, &line));
	CHECK_VIEW(line, "two@x.test");
	CHECK_INT(number, 5);
	CHECK(!alias_text_line(&rest, &number, &line));
}
