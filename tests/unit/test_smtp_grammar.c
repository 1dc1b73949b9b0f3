/*
 * test_smtp_grammar.c - lines, parameters, BDAT arguments, replies, EHLO lines.
 */
#include <stdio.h>
#include <stdlib.h>

#include "core/base/limits.h"
#include "core/smtp/client.h"
#include "core/smtp/grammar.h"
#include "tests/unit/t.h"

#define COUNT(table) (sizeof(table) / sizeof((table)[0]))

T(grammar_line_needs_its_end_within_the_limit)
{
	static const struct { const char *in; size_t limit; enum grammar_result want; const char *line, *rest; } rows[] = {
		{ "abc\r\nx", 10, GRAMMAR_OK, "abc", "x" }, { "abc\nx", 10, GRAMMAR_OK, "abc", "x" },
		{ "\r\n", 10, GRAMMAR_OK, "", "" }, { "\n", 1, GRAMMAR_OK, "", "" },
		{ "abc\r\r\n", 10, GRAMMAR_OK, "abc", "" }, { "abc", 10, GRAMMAR_MORE, "", "abc" },
		{ "", 10, GRAMMAR_MORE, "", "" }, { "abc\r\n", 5, GRAMMAR_OK, "abc", "" },
		{ "abc\r\n", 4, GRAMMAR_BAD, "", "abc\r\n" }, { "abcde", 5, GRAMMAR_BAD, "", "abcde" },
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		struct str in = str_of(rows[i].in), line = STR_EMPTY;

		ROW("%s", rows[i].in);
		CHECK_INT(grammar_line(&in, rows[i].limit, &line), rows[i].want);
		CHECK_VIEW(line, rows[i].line);
		CHECK_VIEW(in, rows[i].rest);
	}
}

T(grammar_bdat_takes_digits_and_one_last)
{
	static const struct { const char *in; bool ok; uint64_t size; bool last; } rows[] = {
		{ "0", true, 0, false }, { "00", true, 0, false }, { "0 LAST", true, 0, true }, { "5 last", true, 5, true },
		{ "9223372036854775807", true, INT64_MAX, false }, { "9223372036854775808", false, 0, false },
		{ "18446744073709551616", false, 0, false }, { "000000000000000000001", false, 0, false },
		{ "", false, 0, false }, { "-1", false, 0, false }, { "+1", false, 0, false }, { "0x10", false, 0, false },
		{ "1e3", false, 0, false }, { "5 LAST LAST", false, 0, false }, { "5 FIRST", false, 0, false },
		{ "LAST", false, 0, false }, { "5LAST", false, 0, false },
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		uint64_t size = 0;
		bool last = false;

		ROW("%s", rows[i].in);
		CHECK_INT(grammar_bdat(str_of(rows[i].in), &size, &last), rows[i].ok);
		if (rows[i].ok) {
			CHECK_INT(size, rows[i].size);
			CHECK_INT(last, rows[i].last);
		}
	}
}

T(grammar_param_takes_names_and_values)
{
	static const struct { const char *in; enum grammar_result want; const char *name, *value; } rows[] = {
		{ " SIZE=1 X", GRAMMAR_OK, "SIZE", "1" }, { "SMTPUTF8", GRAMMAR_OK, "SMTPUTF8", "" },
		{ " A=b=c", GRAMMAR_OK, "A", "b=c" }, { "  ", GRAMMAR_MORE, "", "" }, { "", GRAMMAR_MORE, "", "" },
		{ "=1", GRAMMAR_BAD, "", "" }, { "SIZE=", GRAMMAR_OK, "SIZE", "" }, { "<x>", GRAMMAR_BAD, "", "" },
		{ "-A=1", GRAMMAR_BAD, "", "" }, { "A_B=1", GRAMMAR_BAD, "", "" },
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		struct str rest = str_of(rows[i].in), name, value;
		bool has_value;

		ROW("%s", rows[i].in);
		CHECK_INT(grammar_param(&rest, &name, &value, &has_value), rows[i].want);
		if (rows[i].want != GRAMMAR_OK)
			continue;
		CHECK_VIEW(name, rows[i].name);
		CHECK_VIEW(value, rows[i].value);
	}
}

T(grammar_notify_knows_its_words)
{
	static const struct { const char *in; bool ok; unsigned want; } rows[] = {
		{ "NEVER", true, 1 }, { "success", true, 2 }, { "SUCCESS,FAILURE,DELAY", true, 14 }, { "", false, 0 },
		{ "NEVER,DELAY", false, 0 }, { "DELAY,DELAY", false, 0 }, { "DELAY,", false, 0 }, { ",DELAY", false, 0 },
		{ "X", false, 0 }, { "DELAY FAILURE", false, 0 },
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		unsigned bits = 0;

		ROW("%s", rows[i].in);
		CHECK_INT(grammar_notify(str_of(rows[i].in), &bits), rows[i].ok);
		CHECK_INT(bits, rows[i].want);
	}
}

static const struct reply_row {
	const char *in;
	enum grammar_result want;
	int code;
	const char *enhanced, *text, *rest;
} reply_rows[] = {
	{ "250 2.1.0 Ok\r\n", GRAMMAR_OK, 250, "2.1.0", "Ok", "" },
	{ "250\r\n", GRAMMAR_OK, 250, "", "", "" },
	{ "250 \n", GRAMMAR_OK, 250, "", "", "" },
	{ "250 2.1.0\r\nx", GRAMMAR_OK, 250, "2.1.0", "", "x" },
	{ "250-2.1.0 a\r\n250 2.1.0 b\r\n", GRAMMAR_OK, 250, "2.1.0", "a\nb", "" },
	{ "250-a\r\n250-\r\n250 c\r\n", GRAMMAR_OK, 250, "", "a\n\nc", "" },
	{ "550 5.1.1000 x\r\n", GRAMMAR_OK, 550, "", "5.1.1000 x", "" },
	{ "550 2.1.1 x\r\n", GRAMMAR_OK, 550, "", "2.1.1 x", "" },
	{ "550 5.1.1x\r\n", GRAMMAR_OK, 550, "", "5.1.1x", "" },
	{ "550 5.1\r\n", GRAMMAR_OK, 550, "", "5.1", "" },
	{ "334 3.0.0 x\r\n", GRAMMAR_OK, 334, "", "3.0.0 x", "" },
	{ "250-a\r\n251 b\r\n", GRAMMAR_OK, 251, "", "a\nb", "" },
	{ "554 a\tb\033[1m\177 \303\274 \302\205\r\n", GRAMMAR_OK, 554, "", "a b?[1m? \303\274 ?", "" },
	{ "554 \303\r\n", GRAMMAR_OK, 554, "", "?", "" },
	{ "250", GRAMMAR_MORE, 0, "", "", "250" },
	{ "250-a\r\n250", GRAMMAR_MORE, 0, "", "", "250" },
	{ "250-a\r\n550 b\r\n", GRAMMAR_OK, 550, "", "a\nb", "" },
	{ "250-2.1.5 a\r\n450 b\r\n", GRAMMAR_OK, 450, "", "a\nb", "" },
	{ "550-5.1.1 a\r\n451-4.3.0 b\r\n250 c\r\n", GRAMMAR_OK, 250, "", "a\nb\nc", "" },
	{ "451-a\r\n250 2.0.0 b\r\n", GRAMMAR_OK, 250, "2.0.0", "a\nb", "" },
	{ "150 a\r\n", GRAMMAR_BAD, 0, "", "", "" },
	{ "650 a\r\n", GRAMMAR_BAD, 0, "", "", "" },
	{ "25\r\n", GRAMMAR_BAD, 0, "", "", "" },
	{ "\r\n", GRAMMAR_BAD, 0, "", "", "" },
	{ "250a\r\n", GRAMMAR_BAD, 0, "", "", "" },
	{ "250_a\r\n", GRAMMAR_BAD, 0, "", "", "" },
	{ "HTTP/1.1 200\r\n", GRAMMAR_BAD, 0, "", "", "" },
};

T(grammar_reply_takes_whole_replies)
{
	static struct reply r;

	for (size_t i = 0; i < COUNT(reply_rows); i++) {
		const struct reply_row *row = &reply_rows[i];
		size_t n = strlen(row->in);
		char *block = malloc(n);
		struct str in = str_make(memcpy(block, row->in, n), n);
		struct grammar_reply g = { 0 };
		const char *why = NULL;

		ROW("%s", row->in);
		CHECK_INT(grammar_reply(&g, &in, &r, &why, NULL, NULL), row->want);
		CHECK(row->want != GRAMMAR_BAD || why);
		if (row->want == GRAMMAR_OK) {
			CHECK_INT(r.code, row->code);
			CHECK_STR(r.enhanced, row->enhanced);
			CHECK_STR(r.text, row->text);
		}
		if (row->want != GRAMMAR_BAD)
			CHECK_VIEW(in, row->rest);
		free(block);
	}
}

/* give `n` bytes of text in pieces of `step`, as an owner's buffer would; *left: bytes that stayed in the buffer */
static enum grammar_result reply_in_pieces(const char *text, size_t n, size_t step, struct reply *r, const char **why, size_t *left)
{
	struct grammar_reply g = { 0 };
	enum grammar_result got = GRAMMAR_MORE;
	size_t taken = 0, given = 0;

	while (got == GRAMMAR_MORE && given < n) {
		struct str in;

		given = n - given > step ? given + step : n;
		in = str_make(text + taken, given - taken);
		got = grammar_reply(&g, &in, r, why, NULL, NULL);
		taken = given - in.n;
		if (got == GRAMMAR_MORE && in.n >= LIMIT_SMTP_REPLY_LINE)
			t_fail(__FILE__, __LINE__, "%zu bytes wait for more", in.n);
	}
	*left = n - taken;
	return got;
}

/* a code counts, however much a server has to say about it */
T(grammar_reply_cuts_what_is_long)
{
	static const struct { const char *before; size_t fill; const char *after; int code; const char *enhanced; } rows[] = {
		{ "250 ", LIMIT_SMTP_REPLY_LINE - 6, "\r\n", 250, "" }, { "250 ", LIMIT_SMTP_REPLY_LINE - 5, "\r\n", 250, "" },
		{ "250 ", LIMIT_SMTP_REPLY_LINE - 4, "\r\n", 250, "" }, { "250 ", LIMIT_SMTP_REPLY_LINE - 3, "\r\n", 250, "" },
		{ "250 ", LIMIT_SMTP_REPLY_LINE, "\n", 250, "" }, { "550 5.1.1 ", 5000, "\r\n", 550, "5.1.1" },
		{ "250-first\r\n250-", 5000, "\r\n250 last\r\n", 250, "" }, { "450-", 100000, "\r\n450 4.2.0 last\r\n", 450, "4.2.0" },
		{ "354 ", 1000000, "\r\n", 354, "" },
	};
	static const size_t steps[] = { 1, 7, 2047, 2048, 4096, 2000000 };
	static struct reply r;

	for (size_t i = 0; i < COUNT(rows); i++) {
		size_t before = strlen(rows[i].before), after = strlen(rows[i].after), n = before + rows[i].fill + after, left;
		char *text = malloc(n);
		const char *why = NULL;

		memcpy(text, rows[i].before, before);
		memset(text + before, 'x', rows[i].fill);
		memcpy(text + before + rows[i].fill, rows[i].after, after);
		for (size_t k = 0; k < COUNT(steps); k++) {
			ROW("%s %zu, %zu at a time", rows[i].before, rows[i].fill, steps[k]);
			CHECK_INT(reply_in_pieces(text, n, steps[k], &r, &why, &left), GRAMMAR_OK);
			CHECK_INT(r.code, rows[i].code);
			CHECK_STR(r.enhanced, rows[i].enhanced);
			CHECK_INT(strlen(r.text), LIMIT_REPLY_TEXT - 1);
			CHECK_INT(left, 0);
		}
		free(text);
	}
}

T(grammar_reply_of_many_lines)
{
	static struct reply r;
	struct grammar_reply g = { 0 };
	const char *why = NULL;
	struct str in;
	int lines = 0;

	for (int i = 0; i < 20000; i++) {
		in = STR("250-text of some length\r\n");
		REQUIRE(grammar_reply(&g, &in, &r, &why, NULL, NULL) == GRAMMAR_MORE);
	}
	in = STR("250 end\r\n");
	CHECK_INT(grammar_reply(&g, &in, &r, &why, NULL, NULL), GRAMMAR_OK);
	CHECK_INT(strlen(r.text), LIMIT_REPLY_TEXT - 1);
	/* and without an end */
	do {
		in = STR("250-text of some length\r\n");
		lines++;
	} while (grammar_reply(&g, &in, &r, &why, NULL, NULL) == GRAMMAR_MORE && lines < 1000000);
	CHECK(lines > 40000 && lines < 50000);
	CHECK_STR(why, "reply without an end");
}

T(grammar_reply_line_without_an_end)
{
	static char line[4096];
	static struct reply r;
	struct grammar_reply g = { 0 };
	enum grammar_result got = GRAMMAR_MORE;
	const char *why = NULL;
	struct str in;
	int turns = 0;

	memset(line, 'x', sizeof(line));
	memcpy(line, "250 ", 4);
	for (; got == GRAMMAR_MORE && turns < 1000; turns++) {
		in = str_make(line, sizeof(line));
		got = grammar_reply(&g, &in, &r, &why, NULL, NULL);
	}
	CHECK_INT(got, GRAMMAR_BAD);
	CHECK_INT(turns, LIMIT_SMTP_REPLY / (int)sizeof(line) + 2);
	CHECK_STR(why, "reply without an end");
}

T(grammar_reply_cut_keeps_characters_whole)
{
	static char line[2 * LIMIT_SMTP_REPLY_LINE];
	static struct reply r;

	for (int shift = 0; shift < 4; shift++) {
		struct grammar_reply g = { 0 };
		const char *why = NULL;
		struct str in;
		int n;

		ROW("%d", shift);
		n = snprintf(line, sizeof(line), "250 %.*s", shift, "abcd");
		while (n < 3000)
			n += snprintf(line + n, sizeof(line) - (size_t)n, "\xe2\x82\xac");
		n += snprintf(line + n, sizeof(line) - (size_t)n, "\r\n");
		in = str_make(line, (size_t)n);
		CHECK_INT(grammar_reply(&g, &in, &r, &why, NULL, NULL), GRAMMAR_OK);
		CHECK(str_is_utf8(str_of(r.text)) && !strchr(r.text, '?'));
	}
}

T(grammar_extension_knows_keywords)
{
	static const struct { const char *in; unsigned want; const char *arg; } rows[] = {
		{ "PIPELINING", SMTP_EXT_PIPELINING, "" }, { "size 100", SMTP_EXT_SIZE, "100" },
		{ "AUTH PLAIN LOGIN", SMTP_EXT_AUTH, "PLAIN LOGIN" }, { "AUTH=PLAIN LOGIN", SMTP_EXT_AUTH, "PLAIN LOGIN" },
		{ "SIZES", 0, "" }, { "X-NEW thing", 0, "thing" }, { "", 0, "" },
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		struct str arg;

		ROW("%s", rows[i].in);
		CHECK_INT(grammar_extension(str_of(rows[i].in), &arg), rows[i].want);
		CHECK_VIEW(arg, rows[i].arg);
	}
}
