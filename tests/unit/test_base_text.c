/* str, buf, format, arena, mem, opt. */
#include "core/base/arena.h"
#include "core/base/buf.h"
#include "core/base/format.h"
#include "core/base/mem.h"
#include "core/base/opt.h"
#include "tests/unit/t.h"

#include <limits.h>
#include <stdio.h>
#include <sys/types.h>

T(str_compares)
{
	CHECK(str_eq(STR(""), STR_EMPTY));
	CHECK(str_ieq(STR("Example.COM"), STR("eXAMPLE.com")));
	CHECK(!str_ieq(STR("a["), STR("a{")));
	CHECK(str_cmp(STR("ab"), STR("abc")) < 0);
	CHECK(str_cmp(STR("b"), STR("abc")) > 0);
	CHECK(str_starts(STR("abc"), STR("ab")) && !str_starts(STR("a"), STR("ab")));
	CHECK(str_iends(STR("x.EXAMPLE"), STR(".example")) && !str_ends(STR("x.EXAMPLE"), STR(".example")));
	CHECK_VIEW(str_trim(STR(" \t a b\r\n")), "a b");
	CHECK_VIEW(str_from(STR("abc"), 9), "");
	CHECK_INT(str_find(STR("aabab"), STR("bab")), 2);
	CHECK_INT(str_find(STR("ab"), STR("abc")), -1);
	CHECK_INT(str_rchr(STR("a:b:c"), ':'), 3);
	CHECK_INT(str_chr(STR_EMPTY, ':'), -1);
}

T(str_cuts_and_words)
{
	struct str rest = STR("a,,b"), piece;

	CHECK(str_cut(&rest, ',', &piece));
	CHECK_VIEW(piece, "a");
	CHECK(str_cut(&rest, ',', &piece));
	CHECK_VIEW(piece, "");
	CHECK(str_cut(&rest, ',', &piece));
	CHECK_VIEW(piece, "b");
	CHECK(!str_cut(&rest, ',', &piece));
	rest = STR(" a,\tb ");
	CHECK(str_word(&rest, ", \t", &piece));
	CHECK_VIEW(piece, "a");
	CHECK(str_word(&rest, ", \t", &piece));
	CHECK_VIEW(piece, "b");
	CHECK(!str_word(&rest, ", \t", &piece));
}

T(str_tells_tokens)
{
	CHECK(str_is_token(STR("!a~")) && !str_is_token(STR_EMPTY));
	CHECK(!str_is_token(STR("a b")) && !str_is_token(STR("a\x7f")) && !str_is_token(STR("a\x80")) && !str_is_token(str_make("a", 2)));
}

T(str_finds_words_of_lists)
{
	CHECK(str_has_word(STR("one, Two\tthree"), ", \t", STR("tWo")) && str_has_word(STR("one"), ",", STR("one")));
	CHECK(!str_has_word(STR("one two"), " ", STR("on")) && !str_has_word(STR("one two"), ",", STR("one")) && !str_has_word(STR_EMPTY, ",", STR_EMPTY));
}

T(str_parses_numbers)
{
	static const struct { const char *in; bool ok; uint64_t v; } rows[] = {
		{ "0", true, 0 }, { "18446744073709551615", true, UINT64_MAX }, { "18446744073709551616", false, 0 },
		{ "", false, 0 }, { "1a", false, 0 }, { "-1", false, 0 }, { " 1", false, 0 }, { "007", true, 7 },
	};
	uint64_t v;
	int64_t i;

	for (size_t k = 0; k < sizeof(rows) / sizeof(rows[0]); k++) {
		ROW("%s", rows[k].in);
		v = 0;
		CHECK_INT(str_to_u64(str_of(rows[k].in), &v), rows[k].ok);
		if (rows[k].ok)
			CHECK(v == rows[k].v);
	}
	CHECK(str_to_i64(STR("-12"), &i) && i == -12);
	CHECK(!str_to_i64(STR("-"), &i) && !str_to_i64(STR("9223372036854775808"), &i));
	CHECK(str_to_hex64(STR("fFffFFFFffffffff"), &v) && v == UINT64_MAX);
	CHECK(!str_to_hex64(STR("12345678123456781"), &v) && !str_to_hex64(STR("g"), &v));
	CHECK(str_hex_byte(STR("%fA"), 1) == 0xfa && str_hex_byte(STR("00"), 0) == 0);
	CHECK(str_hex_byte(STR("%f"), 1) == -1 && str_hex_byte(STR("%"), 1) == -1 && str_hex_byte(STR("g0"), 0) == -1 && str_hex_byte(STR("0g"), 0) == -1);
}

T(str_knows_utf8)
{
	static const struct { const char *in; bool ok; } rows[] = {
		{ "abc", true }, { "\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80", true }, { "\xc0\x80", false },
		{ "\xe0\x9f\xbf", false }, { "\xed\xa0\x80", false }, { "\xf4\x90\x80\x80", false }, { "\xc3", false },
		{ "\xf0\x9f\x98", false }, { "\x80", false }, { "\xff", false }, { "\xe2\x82\x41", false },
	};

	for (size_t k = 0; k < sizeof(rows) / sizeof(rows[0]); k++) {
		ROW("%zu", k);
		CHECK_INT(str_is_utf8(str_of(rows[k].in)), rows[k].ok);
	}
	CHECK(str_is_ascii(STR("a\x7f")) && !str_is_ascii(STR("\x80")));
}

T(buf_writes_bytes_as_digits_and_for_uris)
{
	struct buf b;

	buf_init(&b, 64);
	buf_hex(&b, "\x00\x9f\xff", 3);
	buf_byte(&b, ' ');
	buf_uri(&b, str_make("aZ0-._~\0 /\xc3", 11));
	CHECK_STR(buf_cstr(&b), "009fff aZ0-._~%00%20%2F%C3");
	buf_clear(&b);
	buf_escaped(&b, STR("a \"b\\c'"));
	CHECK_STR(buf_cstr(&b), "a \\\"b\\\\c'");
	buf_fini(&b);
}

T(buf_drops_whole_what_does_not_fit)
{
	struct buf b;

	buf_init(&b, 5);
	CHECK_STR(buf_cstr(&b), "");
	CHECK(buf_z(&b, "abc"));
	CHECK(!buf_z(&b, "def"));
	CHECK(b.overflow);
	CHECK_STR(buf_cstr(&b), "abc");
	CHECK(buf_z(&b, "de"));
	CHECK(!buf_byte(&b, 'f') && b.overflow);
	CHECK_STR(buf_cstr(&b), "abcde");
	buf_consume(&b, 2);
	CHECK_STR(buf_cstr(&b), "cde");
	buf_clear(&b);
	CHECK(!b.overflow && b.n == 0);
	CHECK(!buf_printf(&b, "%s", "123456") && b.overflow);
	CHECK_STR(buf_cstr(&b), "");
	buf_clear(&b);
	CHECK(buf_printf(&b, "%d", 12345));
	CHECK(!buf_printf(&b, "x"));
	CHECK_STR(buf_cstr(&b), "12345");
	buf_fini(&b);
}

T(buf_grows_takes_and_shrinks)
{
	struct buf b;
	char *taken;

	buf_init(&b, SIZE_MAX);
	for (int i = 0; i < 1000; i++)
		CHECK(buf_printf(&b, "%03d,", i));
	CHECK_INT(b.n, 4000);
	buf_truncate(&b, 8);
	buf_shrink(&b);
	CHECK_INT(b.cap, 9);
	taken = buf_take(&b);
	CHECK_STR(taken, "000,001,");
	CHECK(!b.p && !b.n);
	mem_free(taken);
	taken = buf_take(&b);
	CHECK_STR(taken, "");
	mem_free(taken);
	CHECK(!buf_reserve(&b, SIZE_MAX));
	buf_fini(&b);
}

T(arena_is_bounded_zeroed_and_aligned)
{
	struct arena a;
	char *p;

	arena_init(&a, 100000);
	for (int round = 0; round < 3; round++) {
		for (size_t n = 0; n < 300; n++) {
			p = arena_alloc(&a, n);
			REQUIRE(p);
			CHECK((uintptr_t)p % _Alignof(max_align_t) == 0);
			for (size_t i = 0; i < n; i++)
				if (p[i])
					t_fail(__FILE__, __LINE__, "not zero");
			memset(p, 0xff, n);
		}
		CHECK(!arena_alloc(&a, 99999));
		CHECK(a.overflow);
		arena_reset(&a);
		CHECK(!a.overflow && !a.used);
	}
	CHECK_VIEW(arena_printf(&a, "%s-%d", "x", 7), "x-7");
	CHECK_STR(arena_z(&a, str_make("abcd", 2)), "ab");
	CHECK(!arena_alloc(&a, SIZE_MAX) && a.overflow);
	CHECK_STR(arena_z(&a, str_make("x", 1)), "x");
	arena_fini(&a);
}

static const struct opt table[] = {
	{ 'a', 'a', "all", OPT_NONE, NULL, "everything" },
	{ 'f', 'f', "file", OPT_ARG, "FILE", "take FILE" },
	{ 'q', 'q', NULL, OPT_MAYBE, NULL, NULL },
	{ 256, 0, "json", OPT_NONE, NULL, "as JSON" },
	{ 0 },
};

/* add - append one option or operand to the transcript */
static void add(char *out, size_t size, const char *kind, const char *text)
{
	size_t n = strlen(out);

	snprintf(out + n, size - n, "%s%s ", kind, text ? text : "");
}

/* run - what comes out of one command line: options with their arguments, operands in order, or the error */
static const char *run(bool posix, const char *line)
{
	static char out[400];
	static struct opt_parse o;
	char copy[200], *argv[20] = { copy }, *operands[20], kind[8];
	int argc = 1, id;

	snprintf(copy, sizeof(copy), "prog %s", line);
	for (char *p = copy; *p; p++) {
		if (*p != ' ')
			continue;
		*p = 0;
		if (p[1])
			argv[argc++] = p + 1;
	}
	opt_init(&o, table, argc, argv, operands);
	o.posix = posix;
	out[0] = 0;
	while ((id = opt_next(&o)) >= 0) {
		snprintf(kind, sizeof(kind), "%c%s", id < 256 ? id : '#', o.arg ? "=" : "");
		add(out, sizeof(out), kind, o.arg);
	}
	for (int i = 0; i < o.n_operands; i++)
		add(out, sizeof(out), "+", operands[i]);
	return id == OPT_BAD ? o.error : out;
}

T(opt_parses_as_getopt_does)
{
	static const struct { bool posix; const char *in, *want; } rows[] = {
		{ false, "", "" },
		{ false, "-a -fx y", "a f=x +y " },
		{ false, "-af x y -a", "a f=x a +y " },
		{ true, "-a y -a", "a +y +-a " },
		{ false, "-a -- -a", "a +-a " },
		{ false, "- x", "+- +x " },
		{ false, "--all --file=x --file y --json z", "a f=x f=y # +z " },
		{ false, "--file=", "f= " },
		{ false, "-q -qIid -q x", "q q=Iid q +x " },
		{ false, "-z", "unknown option -z" },
		{ false, "--no", "unknown option --no" },
		{ false, "--all=1", "option --all takes no argument" },
		{ false, "-f", "option -f needs an argument" },
		{ false, "--file", "option --file needs an argument" },
	};

	for (size_t k = 0; k < sizeof(rows) / sizeof(rows[0]); k++) {
		ROW("%s", rows[k].in);
		CHECK_STR(run(rows[k].posix, rows[k].in), rows[k].want);
	}
}

T(opt_help_is_aligned_and_hides_rows)
{
	char text[500] = "";
	FILE *f = fmemopen(text, sizeof(text), "w");

	REQUIRE(f);
	opt_print_help(f, table);
	fclose(f);
	CHECK_STR(text, "  -a, --all        everything\n"
		"  -f, --file=FILE  take FILE\n"
		"      --json       as JSON\n");
}

/* called so that no compiler warns of what is cut: that is what is tested */
static int (*volatile libc_format)(char *out, size_t size, const char *fmt, ...) = snprintf;

/* both answers to the same question, into the same little room: text, what stands behind it, and the length */
#define SAME(...) do { \
		for (size_t size_ = 0; size_ < sizeof(ours); size_++) { \
			memset(ours, '~', sizeof(ours)); \
			memset(theirs, '~', sizeof(theirs)); \
			CHECK_INT(format_text(ours, size_, __VA_ARGS__), libc_format(theirs, size_, __VA_ARGS__)); \
			CHECK_MEM(ours, sizeof(ours), theirs, sizeof(theirs)); \
		} \
	} while (0)

T(format_text_writes_what_snprintf_writes)
{
	char ours[40], theirs[40];

	SAME("%s", "");
	SAME("plain, and longer than the room that there is for it");
	SAME("%%|%s|%s", "one", "");
	SAME("[%10s][%-10s][%.2s][%-5.3s][%.*s][%*s]", "ab", "cd", "efgh", "ijkl", 2, "mnop", -4, "q");
	SAME("%c%-3c%3c|", 'x', 'y', 'z');
	SAME("%d %d %d %i", 0, -1, INT_MIN, INT_MAX);
	SAME("%u %x %X", UINT_MAX, 0xbeefu, 0xbeefu);
	SAME("%5d|%-5d|%05d|%05d|%.3d|%8.3d|%.0d|", 42, 42, 42, -42, 7, -7, 0);
	SAME("%ld %lu %lld %llu", LONG_MIN, ULONG_MAX, LLONG_MIN, ULLONG_MAX);
	SAME("%zu %zd %jd %td", SIZE_MAX, (ssize_t)-5, (intmax_t)-6, (ptrdiff_t)-7);
	SAME("%hd %hu %hhd %hhu %hhx", (short)-3, (unsigned short)65535, (signed char)-4, (unsigned char)200, (unsigned char)255);
	SAME("%010llX-%08x %02d:%02d", 0x1234abcdULL, 0xau, 3, 59);
	SAME("%060d|%.50d", 5, 6);
	SAME("%+d %+d %+.4d %+05d %+5d|%-+5d|", 3, -3, 540, 12, 7, 8);
	SAME("%0100d|%.90x", 5, 6u);
	SAME("%.3f %.1f %f %.0f", 2.5, 0.25, 1.0 / 3, 1e15);
	SAME("%8.3f|%-8.2f|%08.1f|%+.1f|%.0f %.0f %.0f %.0f", 3.14159, -2.5, -1.25, 7.0, 0.5, 1.5, 2.5, -0.4);
	SAME("%.6f %.9f %.3f %.1f", 0.000001, 123.000000001, 99.9996, 9.95);
	SAME("%p %p", (void *)ours, (void *)0x1);
}

T(format_text_refuses_what_it_does_not_know)
{
	static const char *const unknown[] = { "%o", "%e", "%#x", "% d", "%.10f", "%Lf", "%ls", "%n", "%" };
	char out[40];

	for (size_t i = 0; i < sizeof(unknown) / sizeof(unknown[0]); i++) {
		int (*volatile ask)(char *, size_t, const char *, ...) = format_text;

		ROW("%s", unknown[i]);
		CHECK_INT(ask(out, sizeof(out), unknown[i], 1.0, 1), -1);
	}
}

/* turn_blocks - take, change and give back blocks of all sizes */
static void turn_blocks(void)
{
	/* both sides of every size class, in an order that mixes fresh blocks, kept ones and those that grow */
	static const size_t sizes[] = { 0, 1, 32, 33, 64, 65, 80, 81, 112, 113, 161, 1000, 4096, 4097, 100000, 262144, 262145, 600000 };
	enum { N = sizeof(sizes) / sizeof(sizes[0]) };
	unsigned char *p[N];

	for (int round = 0; round < 4; round++) {
		for (size_t i = 0; i < N; i++) {
			p[i] = mem_alloc(sizes[i]);
			for (size_t k = 0; k < sizes[i]; k++)
				REQUIRE(p[i][k] == 0);
			memset(p[i], (int)i + 1, sizes[i]);
		}
		for (size_t i = 0; i < N; i++) {
			size_t more = sizes[(i * 5 + (size_t)round) % N], kept = more < sizes[i] ? more : sizes[i];

			p[i] = mem_realloc(p[i], more);
			for (size_t k = 0; k < kept; k++)
				REQUIRE(p[i][k] == i + 1);
			memset(p[i], 0xee, more);
		}
		for (size_t i = 0; i < N; i++)
			mem_free(p[(i * 7) % N]);
		if (round == 2)
			mem_trim();
	}
}

T(mem_cache_keeps_contents_and_sizes)
{
	mem_cache();
	turn_blocks();
}

/* until it is used up, and after that */
T(mem_brief_keeps_contents_and_sizes)
{
	mem_cache();
	mem_brief();
	turn_blocks();
	for (size_t i = 0; i < 10000; i++) {
		char *p = mem_dupz("one of many"), *q;

		q = mem_realloc(p, 20);
		CHECK_STR(q, "one of many");
		mem_free(q);
	}
}
