/* addresses: what is accepted, what it becomes, and that nothing hostile passes */
#include <stdio.h>
#include <stdlib.h>

#include "core/base/limits.h"
#include "core/base/mem.h"
#include "core/msg/addr.h"
#include "core/msg/addr_repair.h"
#include "tests/unit/t.h"

static struct arena arena;

T(addr_parse_accepts_and_canonicalises)
{
	static const struct { const char *in, *full, *local, *domain; } rows[] = {
		{ "", "", "", "" },
		{ "root", "root", "root", "" },
		{ "a@b", "a@b", "a", "b" },
		{ "User.Name+ext@Example.JP", "User.Name+ext@Example.JP", "User.Name+ext", "Example.JP" },
		{ "a@b.", "a@b", "a", "b" },
		{ "a..b@docomo.example", "\"a..b\"@docomo.example", "\"a..b\"", "docomo.example" },
		{ ".a@b", "\".a\"@b", "\".a\"", "b" },
		{ "a.@b", "\"a.\"@b", "\"a.\"", "b" },
		{ "\"a b\"@c", "\"a b\"@c", "\"a b\"", "c" },
		{ "\"ab\"@c", "ab@c", "ab", "c" },
		{ "\"a\\b\"@c", "ab@c", "ab", "c" },
		{ "\"a@b\"@c", "\"a@b\"@c", "\"a@b\"", "c" },
		{ "\"a\\\"b\\\\\"@c", "\"a\\\"b\\\\\"@c", "\"a\\\"b\\\\\"", "c" },
		{ "a.\"b c\".d@e", "\"a.b c.d\"@e", "\"a.b c.d\"", "e" },
		{ "\"<>,:;()[]\"@e", "\"<>,:;()[]\"@e", "\"<>,:;()[]\"", "e" },
		{ "a@[1.2.3.4]", "a@[1.2.3.4]", "a", "[1.2.3.4]" },
		{ "a@[IPv6:2001:db8::1]", "a@[IPv6:2001:db8::1]", "a", "[IPv6:2001:db8::1]" },
		{ "a%b@c", "a%b@c", "a%b", "c" },
		{ "a!b", "a!b", "a!b", "" },
		{ "\xf0\x9f\x98\x80@b", "\xf0\x9f\x98\x80@b", "\xf0\x9f\x98\x80", "b" },
		{ "用户@例え.jp", "用户@例え.jp", "用户", "例え.jp" },
		{ "a_b@c_d.e-f", "a_b@c_d.e-f", "a_b", "c_d.e-f" },
		{ "a@xn--r8jz45g.jp", "a@xn--r8jz45g.jp", "a", "xn--r8jz45g.jp" },
	};

	arena_init(&arena, 1 << 20);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct addr a, again;

		ROW("%s", rows[i].in);
		CHECK(addr_parse(&arena, str_of(rows[i].in), &a));
		CHECK_VIEW(a.full, rows[i].full);
		CHECK_VIEW(a.local, rows[i].local);
		CHECK_VIEW(a.domain, rows[i].domain);
		CHECK(addr_parse(&arena, a.full, &again));
		CHECK_VIEW(again.full, rows[i].full);
	}
	arena_fini(&arena);
}

T(addr_parse_refuses)
{
	static const char *const rows[] = {
		"@x", "a@", "a@@b", "a@b@c", "a b@c", "a@b c", " a@b", "a@b ", "<a@b>", "a@b>", "a,b@c", "a(b)@c", "a@b..c", "a@.b",
		"a@-b", "a@b-", "a@1.2.3.4", "a@[1.2.3]", "a@[IPv6:x]", "a@[]", "a@[", "a@[1.2.3.4", "\"a", "\"a@b", "\"a\\", "\"a\"b@c",
		"\"a\"\"b\"@c", "a\"b\"@c", "\"\"@c", "\"\"", "a\\b@c", "a@b\\", "a\r@b", "a\n@b", "\"a\rb\"@c", "\"a\nb\"@c", "\"a\tb\"@c",
		"a\x7f@b", "a@b\x7f", "a\x01@b", "a\xff@b", "a@\xff", "\xc0\xae@b", "\xed\xa0\x80@b", "a\xc2\x85@b", "a@b\xe3\x80\x82" "c",
		"a@\xef\xbc\xa0.b", "a\xe2\x80\xae" "b@c", "a@b\xef\xbc\x8e" "c", "a;b@c", "a:b@c", "a[b@c", "a@b/c", "a@b:25", "a@b%c",
		/* four bytes: tags, variation selectors; beyond Unicode */
		"a\xf3\xa0\x80\x81" "b@c", "a@b\xf3\xa0\x84\x80" "c", "a\xf3\xa0\xbf\xbf@b", "a\xf4\x90\x80\x80@b",
	};
	struct addr a;

	arena_init(&arena, 1 << 20);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		ROW("%s", rows[i]);
		CHECK(!addr_parse(&arena, str_of(rows[i]), &a));
	}
	CHECK(!addr_parse(&arena, STR("a\0b@c"), &a));
	CHECK(!addr_parse(&arena, STR("a@b\0c"), &a));
	CHECK(!addr_parse(&arena, STR("\"a\0b\"@c"), &a));
	arena_fini(&arena);
}

/* every byte in a local part, plain and quoted: what passes is printable or UTF-8 */
T(addr_parse_every_byte)
{
	arena_init(&arena, 1 << 20);
	for (int c = 0; c < 256; c++) {
		char plain[] = { 'a', (char)c, 'b', '@', 'x' }, quoted[] = { '"', (char)c, 'b', '"', '@', 'x' };
		struct addr a;
		bool good = c > ' ' && c < 127;

		ROW("byte %d", c);
		CHECK_INT(addr_parse(&arena, str_make(plain, 5), &a), good && !strchr("()<>@,;:\\\"[]", c));
		CHECK_INT(addr_parse(&arena, str_make(quoted, 6), &a), (good || c == ' ') && c != '"' && c != '\0');
	}
	arena_fini(&arena);
}

T(addr_parse_lengths)
{
	char text[3000];
	struct addr a;

	arena_init(&arena, 1 << 20);
	memset(text, 'a', sizeof(text));
	memcpy(text + 64, "@b", 2);
	CHECK(addr_parse(&arena, str_make(text, 66), &a));
	memcpy(text + 64, "aa", 2);
	memcpy(text + LIMIT_ADDRESS - 2, "@b", 2);
	CHECK(addr_parse(&arena, str_make(text, LIMIT_ADDRESS), &a));
	CHECK(!addr_parse(&arena, str_make(text, LIMIT_ADDRESS + 1), &a));
	memset(text, 'a', sizeof(text));
	text[1] = '@';
	CHECK(addr_parse(&arena, str_make(text, 2 + 63), &a));
	CHECK(!addr_parse(&arena, str_make(text, 2 + 64), &a));
	for (int i = 2 + 63; i < 2500; i += 64)
		text[i] = '.';
	CHECK(addr_parse(&arena, str_make(text, 2 + 255), &a));
	CHECK(!addr_parse(&arena, str_make(text, 2 + 257), &a));
	arena_fini(&arena);
}

T(addr_path_of_mail_and_rcpt)
{
	static const struct { const char *in, *full, *rest; } rows[] = {
		{ "<a@b>", "a@b", "" }, { "<>", "", "" }, { "<a@b> SIZE=5", "a@b", " SIZE=5" }, { " <a@b>", "a@b", "" }, { "a@b", "a@b", "" },
		{ "a@b BODY=8BITMIME", "a@b", " BODY=8BITMIME" }, { "<@x,@y:a@b>", "a@b", "" }, { "<@x.example:a@b> X", "a@b", " X" },
		{ "<\"a>b\"@c>", "\"a>b\"@c", "" }, { "<postmaster>", "postmaster", "" }, { "< a@b >", "a@b", "" },
		{ "<a@b", NULL, "" }, { "<a@b>x", NULL, "" }, { "<<a@b>>", NULL, "" }, { "", NULL, "" }, { "<@x>", NULL, "" }, { "<@:a@b>", NULL, "" },
		{ "<@x,y:a@b>", NULL, "" }, { "<@x:>", NULL, "" }, { "<a@b\\>", NULL, "" }, { "X <a@b>", NULL, "" }, { "<\"a>", NULL, "" },
		{ "<@x:@y:a@b>", NULL, "" },
	};

	arena_init(&arena, 1 << 20);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct addr a;
		struct str rest = STR_EMPTY;
		bool good = addr_parse_path(&arena, str_of(rows[i].in), &a, &rest);

		/* "X <a@b>": the first word is a path, what follows is no parameter; the caller refuses it */
		if (rows[i].in[0] == 'X') {
			CHECK_VIEW(rest, " <a@b>");
			continue;
		}
		ROW("%s", rows[i].in);
		CHECK_INT(good, rows[i].full != NULL);
		if (good && rows[i].full) {
			CHECK_VIEW(a.full, rows[i].full);
			CHECK_VIEW(rest, rows[i].rest);
		}
	}
	arena_fini(&arena);
}

T(addr_key_is_unquoted_and_lower)
{
	arena_init(&arena, 1 << 20);
	CHECK_VIEW(addr_key(&arena, STR("User@Example.JP")), "user@example.jp");
	CHECK_VIEW(addr_key(&arena, STR("\"A b\\\"\"@C")), "a b\"@c");
	CHECK_VIEW(addr_key(&arena, STR("Root")), "root");
	CHECK_VIEW(addr_unquote_local(&arena, STR("\"a\\\\b\"")), "a\\b");
	CHECK_VIEW(addr_split(STR("\"a@b\"@c")).domain, "c");
	CHECK_VIEW(addr_split(STR("\"a@b\"@c")).local, "\"a@b\"");
	CHECK(addr_is_utf8(STR("\xc3\xa9@b")));
	CHECK(!addr_is_utf8(STR("e@b")));
	arena_fini(&arena);
}

/* "NAME|ADDRESS;" per mailbox, "!" for an error */
static void list_all(const char *in, struct buf *out)
{
	struct str rest = str_of(in);
	struct mailbox m;
	int got;

	arena_init(&arena, 1 << 24);
	while ((got = addr_list_next(&arena, &rest, &m)) > 0)
		buf_printf(out, "%.*s|%.*s;", STR_ARG(m.name), STR_ARG(m.addr.full));
	if (got < 0)
		buf_byte(out, '!');
	arena_fini(&arena);
}

T(addr_list_reads_headers)
{
	static const struct { const char *in, *want; } rows[] = {
		{ "", "" }, { " ,, ", "" }, { "a@b", "|a@b;" }, { "a@b, c@d", "|a@b;|c@d;" }, { "root", "|root;" },
		{ "John Doe <j@d>", "John Doe|j@d;" }, { "\"Doe, John\" <j@d>", "\"Doe, John\"|j@d;" }, { "John Q. Doe <j@d>", "John Q. Doe|j@d;" },
		{ "j@d (John (nested) Doe)", "|j@d;" }, { "(c) j (c) @ (c) d . (c) e (c)", "|j@d.e;" }, { "<j@d>", "|j@d;" },
		{ "\r\n a@b,\r\n\tc@d", "|a@b;|c@d;" }, { "friends: a@b, X <c@d>;, e@f", "|a@b;X|c@d;|e@f;" }, { "none:;", "" },
		{ "undisclosed-recipients:;", "" }, { "<@x,@y:a@b>", "|a@b;" }, { "a@b <a@b>", "a@b|a@b;" }, { "A@B <a@b>", "A@B|a@b;" },
		{ "\"a@evil x\"@good", "|\"a@evil x\"@good;" }, { "=?UTF-8?B?44GC?= <a@b>", "=?UTF-8?B?44GC?=|a@b;" },
		{ "\xe3\x81\x82 <a@b>", "\xe3\x81\x82|a@b;" }, { "\"x\\\"y\" <a@b>", "\"x\\\"y\"|a@b;" }, { "x@[1.2.3.4]", "|x@[1.2.3.4];" },
		{ "a@b;c@d", "|a@b;|c@d;" }, { "x <>", "x|;" },
		{ "a@b c@d", "!" }, { "John Doe", "!" }, { "a@evil <b@good>", "!" }, { "a@b (open", "!" }, { "a@b (open \\", "!" }, { "\"open", "!" },
		{ "<a@b", "!" }, { "<a@b> x", "!" }, { "a@b>", "!" }, { "x@y: a@b;", "!" }, { ":a@b", "!" }, { "a@b, c d", "|a@b;!" },
		{ "<a b@c>", "!" }, { "a\x01@b", "!" }, { "a@[1.2", "!" }, { "a@b)", "!" }, { "\\a@b", "!" }, { "<a@b><c@d>", "!" },
		{ "\"a\r\nb\"@c", "!" }, { "a@b\r\nc", "!" },
	};
	struct buf out;

	buf_init(&out, 10000);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		ROW("%s", rows[i].in);
		buf_clear(&out);
		list_all(rows[i].in, &out);
		CHECK_STR(buf_cstr(&out), rows[i].want);
	}
	buf_fini(&out);
}

/* deep nesting and many members cost one pass each (threats I3) */
T(addr_list_is_linear)
{
	struct buf in;
	struct str rest;
	struct mailbox m;
	unsigned n = 0;

	buf_init(&in, 1 << 24);
	for (int i = 0; i < 100000; i++)
		buf_byte(&in, '(');
	for (int i = 0; i < 100000; i++)
		buf_byte(&in, ')');
	for (int i = 0; i < 100000; i++)
		buf_printf(&in, "user%d@example.com, ", i);
	arena_init(&arena, 1 << 26);
	rest = buf_view(&in);
	while (addr_list_next(&arena, &rest, &m) > 0)
		n++;
	CHECK_INT(n, 100000);
	CHECK_INT(rest.n, 0);
	arena_fini(&arena);
	buf_clear(&in);
	for (int i = 0; i < 1000000; i++)
		buf_byte(&in, i % 2 ? '"' : '(');
	arena_init(&arena, 1 << 20);
	rest = buf_view(&in);
	CHECK_INT(addr_list_next(&arena, &rest, &m), -1);
	arena_fini(&arena);
	buf_fini(&in);
}

/* the answers are those of Postfix 3.7's sendmail; what is in {} it takes only to bounce it */
T(addr_repair_reads_lists_as_postfix_does)
{
	static const struct { const char *in, *want; } rows[] = {
		{ "o\\'donnel@x", "o'donnel@x" }, { "'a@b' <a@b>", "a@b" }, { "CORP\\joe <joe@x>", "joe@x" }, { "Joe @ Work <joe@x>", "joe@x" },
		{ "a@x b@x", "a@x b@x" }, { "\"b@x\"", "b@x" }, { "a@x, b@x", "a@x b@x" }, { "a@x;b@x", "a@x b@x" }, { "<a@x>", "a@x" },
		{ "Joe <a@x>", "a@x" }, { "a@x (Joe)", "a@x" }, { "\"Joe, X\" <a@x>", "a@x" }, { "joe x", "joe x" }, { "a@x <b@x>", "b@x" },
		{ "<a@x> b@x", "a@x b@x" }, { "a@x>", "a@x" }, { "<a@x", "{<a@x}" }, { "a@@x", "{a@@x}" }, { "a@x@y", "{a@x@y}" }, { "@x", "{@x}" },
		{ "a@", "{a@}" }, { "a b@x", "a b@x" }, { "a..b@x", "\"a..b\"@x" }, { ".a@x", "\".a\"@x" }, { "a.@x", "\"a.\"@x" },
		{ "grp: a@x, b@x;", "a@x b@x" }, { "grp: a@x, b@x", "{grp: a@x} b@x" }, { "undisclosed-recipients:;", "" }, { "a@x,", "a@x" },
		{ ",a@x", "a@x" }, { "a@x,,b@x", "a@x b@x" }, { "Joe <a@x> Bob <b@x>", "a@x b@x" }, { "a@x Bob <b@x>", "b@x" },
		{ "a@x.", "a@x" }, { "a@[1.2.3.4]", "a@[1.2.3.4]" }, { "a@1.2.3.4", "{a@1.2.3.4}" }, { "\"a b\"@x", "\"a b\"@x" },
		{ "\"a@b\"@x", "\"a@b\"@x" }, { "\"a@b", "a@b" }, { "(c) a@x", "a@x" }, { "a(c)@x", "a@x" }, { "a@x (", "a@x" }, { "a@x )", "{a@x )}" },
		{ "a@x\\", "a@x" }, { "\\a@x", "a@x" }, { "a\\@b@x", "\"a@b\"@x" }, { "a\\ b@x", "\"a b\"@x" }, { "<@r:a@x>", "a@x" },
		{ "a%b@x", "a%b@x" }, { "x!a", "x!a" }, { "|cmd", "|cmd" }, { "/dev/null", "/dev/null" }, { "\"|cmd x\"", "\"|cmd x\"" },
		{ "a@x -b@x", "a@x -b@x" }, { "\xc3\xbcni@x", "\xc3\xbcni@x" }, { "J\xc3\xb6 <a@x>", "a@x" }, { "a@x\tb@x", "a@x b@x" }, { "", "" }, { "<>", "" },
		{ "a@x <>", "" }, { "root bob", "root bob" }, { "Joe. X <a@x>", "a@x" }, { "Joe's <a@x>", "a@x" }, { "[X] Joe <a@x>", "a@x" },
		{ "J:K <a@x>", "J a@x" }, { "a@x:b", "{a@x:b}" }, { "<a@x><b@x>", "a@x b@x" }, { "<<a@x>>", "a@x" }, { "Joe <<a@x>>", "a@x" }, { "<Joe <a@x>>", "a@x" }, { "<<<a@x>>>, c@z", "a@x c@z" },
		{ "<a@x>>", "a@x" }, { "<<a@x>", "a@x" }, { "<<a@x>> <b@y>", "a@x b@y" }, { "b@y <<a@x>>", "a@x" }, { "<<>>", "" }, { "<<a@x> b@y>", "{<<a@x> b@y>}" },
		{ "a @ x", "a@x" },
		{ "a . b @ x", "a.b@x" }, { "\"Joe\" a@x", "Joe a@x" }, { "a@x <a@x> c", "a@x c" }, { "a@x \"Joe\"", "a@x Joe" }, { "Joe(x)<a@x>", "a@x" },
		{ "'a@x'", "{'a@x'}" }, { "a@x, bad@@, b@x", "a@x {bad@@} b@x" }, { "a@x, <b@x, c@x", "a@x {<b@x} c@x" },
		{ "a@x, b c d@x, e@x", "a@x b c d@x e@x" }, { "=?utf-8?q?J?= <a@x>", "a@x" }, { "a@\"x\"", "a@x" }, { "a\"b\"@x", "a b@x" },
		{ "\"a\".b@x", "a.b@x" }, { "a@(c)x", "a@x" }, { "a@x,\"", "a@x" }, { "<\"a b\"@x>", "\"a b\"@x" }, { "a@b@c <d@x>", "d@x" },
		{ "x <a@x>; y <b@x>", "a@x b@x" }, { "a\x01@x, b@x", "{a\x01@x} b@x" },
	};
	struct arena a;
	struct addr_element *v;
	struct buf text;
	size_t n;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		ROW("%s", rows[i].in);
		arena_init(&a, 100000);
		buf_init(&text, 1000);
		n = addr_repair(&a, str_of(rows[i].in), &v);
		for (size_t k = 0; k < n; k++)
			buf_printf(&text, v[k].good ? "%s%.*s" : "%s{%.*s}", k ? " " : "",
				STR_ARG(v[k].good ? v[k].mailbox.addr.full : v[k].mailbox.raw));
		CHECK_STR(buf_cstr(&text), rows[i].want);
		mem_free(v);
		buf_fini(&text);
		arena_fini(&a);
	}
}

T(addr_repair_keeps_names_as_written)
{
	struct arena a;
	struct addr_element *v;
	size_t n;

	arena_init(&a, 100000);
	n = addr_repair(&a, STR("Joe @ Work <j@x>, (c) \"K, L\" (d) <k@x> (e), m@x, <Joe <n@x>>"), &v);
	CHECK_INT(n, 4);
	CHECK(str_eq(v[0].mailbox.name, STR("Joe @ Work")) && str_eq(v[0].mailbox.raw, STR("Joe @ Work <j@x>")));
	CHECK(str_eq(v[1].mailbox.name, STR("(c) \"K, L\" (d)")));
	CHECK(!v[2].mailbox.name.n && str_eq(v[2].mailbox.raw, STR("m@x")));
	CHECK(str_eq(v[3].mailbox.name, STR("Joe")) && str_eq(v[3].mailbox.raw, STR("<Joe <n@x>>")));
	mem_free(v);
	arena_fini(&a);
}

static size_t put_code_point(char *to, uint32_t c)
{
	if (c < 0x80)
		return (void)(to[0] = (char)c), 1;
	if (c < 0x800)
		return (void)(to[0] = (char)(0xc0 | c >> 6), to[1] = (char)(0x80 | (c & 63))), 2;
	if (c < 0x10000)
		return (void)(to[0] = (char)(0xe0 | c >> 12), to[1] = (char)(0x80 | (c >> 6 & 63)), to[2] = (char)(0x80 | (c & 63))), 3;
	return (void)(to[0] = (char)(0xf0 | c >> 18), to[1] = (char)(0x80 | (c >> 12 & 63)), to[2] = (char)(0x80 | (c >> 6 & 63)), to[3] = (char)(0x80 | (c & 63))), 4;
}

static bool takes(uint32_t c, bool in_domain)
{
	char text[40] = "a@x";
	size_t n = in_domain ? 3 : 1;
	struct arena a;
	struct addr out;
	bool good;

	n += put_code_point(text + n, c);
	memcpy(text + n, in_domain ? "y.test" : "z@x.test", in_domain ? 7 : 9);
	arena_init(&a, 10000);
	good = addr_parse(&a, str_of(text), &out);
	arena_fini(&a);
	return good;
}

/* what steers, hides or turns round is nowhere, and what becomes ASCII in a look-up is in no domain: the ends of each range, and beyond */
T(addr_knows_where_hostile_characters_begin_and_end)
{
	static const struct { uint32_t first, last; bool everywhere; } ranges[] = {
		{ 0x80, 0x9f, true }, { 0x200b, 0x200f, true }, { 0x2028, 0x202e, true }, { 0x2060, 0x206f, true }, { 0xfeff, 0xfeff, true }, { 0xfff0, 0xffff, true },
		{ 0xe0000, 0xe0fff, true }, { 0xa0, 0xa0, false }, { 0x2000, 0x200a, false }, { 0x2024, 0x2026, false }, { 0x2100, 0x2101, false }, { 0x2105, 0x2106, false },
		{ 0x3000, 0x3000, false }, { 0x3002, 0x3002, false }, { 0xfe00, 0xfe1f, false }, { 0xfe30, 0xfe6f, false }, { 0xff00, 0xff65, false },
	};
	static const uint32_t good[] = { 0xa1, 0x1fff, 0x2010, 0x2023, 0x2027, 0x202f, 0x205f, 0x2070, 0x20ff, 0x2102, 0x2104, 0x2107, 0x2fff, 0x3001, 0x3003, 0xfdff, 0xfe20,
		0xfe2f, 0xfe70, 0xfefe, 0xff66, 0xffef, 0x10000, 0xdffff, 0xe1000 };

	for (size_t i = 0; i < sizeof(ranges) / sizeof(ranges[0]); i++)
		for (int end = 0; end < 2; end++) {
			uint32_t c = end ? ranges[i].last : ranges[i].first;

			ROW("U+%04X", (unsigned)c);
			CHECK_INT(takes(c, false), !ranges[i].everywhere);
			CHECK(!takes(c, true));
		}
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		ROW("U+%04X", (unsigned)good[i]);
		CHECK(takes(good[i], false));
		CHECK(takes(good[i], true));
	}
}
