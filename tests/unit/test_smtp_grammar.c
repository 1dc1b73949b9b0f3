/*
 * test_smtp_grammar.c - lines, parameters, BDAT arguments, replies, EHLO lines.
 */
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
		{ "abc\r\r\n", 10, GRAMMAR_OK, "abc\r", "" }, { "abc", 10, GRAMMAR_MORE, "", "abc" },
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
		{ "=1", GRAMMAR_BAD, "", "" }, { "SIZE=", GRAMMAR_BAD, "", "" }, { "<x>", GRAMMAR_BAD, "", "" },
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
	{ "250-a\r\n550 b\r\n", GRAMMAR_BAD, 0, "", "", "" },
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

T(grammar_reply_bounds_lines_and_length)
{
	static struct reply r;
	static char line[LIMIT_SMTP_REPLY_LINE + 2];
	struct grammar_reply g = { 0 };
	const char *why = NULL;
	struct str in;
	int i;

	memset(line, 'x', sizeof(line));
	memcpy(line, "250 ", 4);
	in = str_make(line, LIMIT_SMTP_REPLY_LINE);
	CHECK_INT(grammar_reply(&g, &in, &r, &why, NULL, NULL), GRAMMAR_BAD);
	line[LIMIT_SMTP_REPLY_LINE - 1] = '\n';
	in = str_make(line, LIMIT_SMTP_REPLY_LINE);
	CHECK_INT(grammar_reply(&g, &in, &r, &why, NULL, NULL), GRAMMAR_OK);
	CHECK_INT(strlen(r.text), LIMIT_REPLY_TEXT - 1);
	for (i = 0; i < LIMIT_SMTP_REPLY_LINES; i++) {
		in = STR("250-text of some length\r\n");
		REQUIRE(grammar_reply(&g, &in, &r, &why, NULL, NULL) == GRAMMAR_MORE);
	}
	in = STR("250 end\r\n");
	CHECK_INT(grammar_reply(&g, &in, &r, &why, NULL, NULL), GRAMMAR_BAD);
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
