/* dates, replies, headers, envelopes, encodings, trace headers */
#include <stdio.h>
#include <stdlib.h>

#include "core/msg/date.h"
#include "core/msg/envelope.h"
#include "core/msg/header.h"
#include "core/msg/mime.h"
#include "core/msg/mime_lines.h"
#include "core/msg/received.h"
#include "core/msg/reply.h"
#include "tests/unit/t.h"

#define WHEN (1795309200 * USEC_PER_SEC)        /* 2026-11-22 01:00:00 UTC */

T(date_formats)
{
	char out[40];

	date_rfc5322(out, WHEN, 540);
	CHECK_STR(out, "Sun, 22 Nov 2026 10:00:00 +0900");
	date_rfc5322(out, WHEN, -210);
	CHECK_STR(out, "Sat, 21 Nov 2026 21:30:00 -0330");
	date_mbox(out, 1796000000 * USEC_PER_SEC, 0);
	CHECK_STR(out, "Mon Nov 30 00:53:20 2026");
	date_mbox(out, 0, 0);
	CHECK_STR(out, "Thu Jan  1 00:00:00 1970");
	date_rfc3339(out, WHEN, 540);
	CHECK_STR(out, "2026-11-22T10:00:00+09:00");
	date_rfc5322(out, -1, 0);
	CHECK_STR(out, "Wed, 31 Dec 1969 23:59:59 +0000");
	date_rfc3339(out, INT64_MAX, 0);
}

T(date_reads_http)
{
	static const struct { const char *in; int64_t want; } rows[] = {
		{ "Sun, 06 Nov 1994 08:49:37 GMT", 784111777 }, { "Thu, 01 Jan 1970 00:00:00 GMT", 0 },
		{ "Wed, 31 Dec 1969 23:59:59 GMT", -1 }, { "Sun, 00 Nov 1994 08:49:37 GMT", -1 }, { "Sun, 06 Nov 20x4 08:49:37 GMT", -1 },
		{ "Sun, 06 Nox 1994 08:49:37 GMT", -1 }, { "Sun, 06 Nov 1994 08:4a:37 GMT", -1 }, { "Sun, 06 Nov 1994 08:49:37 UTC", -1 },
		{ "Sun, 6 Nov 1994 08:49:37 GMT", -1 }, { "", -1 },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		usec at = -USEC_PER_SEC;

		ROW("%s", rows[i].in);
		CHECK_INT(date_http(str_of(rows[i].in), &at), rows[i].want >= 0);
		CHECK_INT(at, rows[i].want * USEC_PER_SEC);
	}
}

T(reply_text_is_printable)
{
	struct reply r;
	struct buf out;

	buf_init(&out, 4000);
	reply_set(&r, 550, "5.1.1", "<%s>: no\r\nQUIT\x1b[0m\xff\xc2\x85 \xe3\x81\x82", "a@b");
	CHECK_STR(r.text, "<a@b>: no?\nQUIT?[0m??? \xe3\x81\x82");
	reply_format(&out, &r);
	CHECK_STR(buf_cstr(&out), "550-5.1.1 <a@b>: no?\r\n550 5.1.1 QUIT?[0m??? \xe3\x81\x82\r\n");
	buf_clear(&out);
	reply_line(&out, &r);
	CHECK_STR(buf_cstr(&out), "550 5.1.1 <a@b>: no? QUIT?[0m??? \xe3\x81\x82");
	CHECK_INT(reply_verdict(&r), VERDICT_NEVER);
	CHECK_STR(reply_dsn(&r), "5.1.1");
	reply_set(&r, 250, "", "Ok");
	buf_clear(&out);
	reply_format(&out, &r);
	CHECK_STR(buf_cstr(&out), "250 Ok\r\n");
	CHECK_STR(reply_dsn(&r), "2.0.0");
	reply_set(&r, 0, "", "connection timed out");
	CHECK_INT(reply_verdict(&r), VERDICT_LATER);
	CHECK_STR(reply_dsn(&r), "4.0.0");
	buf_clear(&out);
	reply_line(&out, &r);
	CHECK_STR(buf_cstr(&out), "connection timed out");
	reply_set(&r, 354, "", "%s", "");
	CHECK_INT(reply_verdict(&r), VERDICT_DONE);
	buf_fini(&out);
}

T(reply_lines_fit_the_wire)
{
	struct reply r;
	struct buf out;
	struct str rest, line;
	char text[LIMIT_REPLY_TEXT];

	buf_init(&out, 8000);
	memset(text, 'x', sizeof(text));
	text[sizeof(text) - 1] = '\0';
	reply_set(&r, 550, "5.7.1", "%s", text);
	reply_format(&out, &r);
	rest = buf_view(&out);
	while (str_cut(&rest, '\n', &line))
		CHECK(line.n < 512 && str_starts(line, STR("550")));
	buf_fini(&out);
}

T(header_splits_fields)
{
	static const struct { const char *in, *want; size_t body; } rows[] = {
		{ "", "", 0 },
		{ "A: b\r\n\r\nbody", "A|b;", 8 },
		{ "A: b\r\n c\r\nD:e\r\n\r\n", "A|b c;D|e;", 17 },
		{ "A: b\r\nnot a field\r\n", "A|b;!", 6 },
		{ "A: b\r\n \r\nC: d\r\n\r\nx", "A|b;C|d;", 17 },
		{ "A : b\r\n", "A|b;", 7 },
		{ "A: b", "A|b;", 4 },
		{ " folded: first\r\n", "!", 0 },
		{ ":x\r\n", "!", 0 },
		{ "\r\nbody", "", 2 },
		{ "A:\r\n\r\n", "A|;", 6 },
		{ "A b: c\r\n", "!", 0 },
		{ "A\x80: c\r\n", "!", 0 },
	};
	struct buf out;

	buf_init(&out, 1000);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct str rest = str_of(rows[i].in);
		struct header h;
		int got;

		ROW("%s", rows[i].in);
		buf_clear(&out);
		while ((got = header_next(&rest, &h)) > 0) {
			buf_printf(&out, "%.*s|", STR_ARG(h.name));
			header_unfold(h.value, &out);
			buf_byte(&out, ';');
		}
		if (got < 0)
			buf_byte(&out, '!');
		CHECK_STR(buf_cstr(&out), rows[i].want);
		CHECK_INT(header_body_split(str_of(rows[i].in)), rows[i].body);
	}
	{
		struct header h;

		CHECK(header_find(STR("A: 1\r\nb: 2\r\nB: 3\r\n"), "B", &h));
		CHECK_VIEW(h.raw, "b: 2\r\n");
		CHECK_INT(header_count(STR("A: 1\r\nb: 2\r\nB: 3\r\n"), "B"), 2);
	}
	buf_fini(&out);
}

T(envelope_round_trip)
{
	struct rcpt rcpts[2] = {
		{ .addr = STR("a@b"), .orig = STR("old@b"), .orcpt = STR("rfc822;a b\nrcpt 3 x@y\n"), .notify = DSN_NOTIFY_FAILURE | DSN_NOTIFY_DELAY },
		{ .addr = STR("\"x y\"@c") },
	};
	struct envelope e = {
		.sender = STR("s@x"), .rcpts = rcpts, .n_rcpts = 2, .envid = STR("id\nend 0 \n"), .ret = DSN_RET_HDRS,
		.flags = ENVELOPE_8BIT | ENVELOPE_BOUNCE, .arrival = WHEN, .header_size = 7, .size = 1234567890123,
		.client_name = STR("unknown"), .client_addr = STR("192.0.2.1"), .helo = STR("h"), .proto = STR("ESMTP"),
		.sasl_user = STR("u"), .uid = 1000,
	}, got;
	struct buf text;
	struct arena a;

	buf_init(&text, 10000);
	arena_init(&a, 10000);
	envelope_format(&text, &e);
	REQUIRE(envelope_parse(&a, buf_view(&text), &got));
	CHECK_VIEW(got.sender, "s@x");
	CHECK_INT(got.n_rcpts, 2);
	CHECK_VIEW(got.rcpts[0].orcpt, "rfc822;a b\nrcpt 3 x@y\n");
	CHECK_VIEW(got.rcpts[0].orig, "old@b");
	CHECK_INT(got.rcpts[0].notify, 12);
	CHECK_VIEW(got.rcpts[1].addr, "\"x y\"@c");
	CHECK_VIEW(got.envid, "id\nend 0 \n");
	CHECK_INT(got.size, 1234567890123);
	CHECK_INT(got.arrival, WHEN);
	CHECK_INT(got.uid, 1000);
	CHECK_INT(got.ret, DSN_RET_HDRS);
	CHECK_VIEW(got.sasl_user, "u");
	/* every truncation and an addition are damage */
	for (size_t n = 0; n < text.n; n++)
		CHECK(!envelope_parse(&a, str_head(buf_view(&text), n), &got));
	buf_z(&text, "rcpt 3 x@y\n");
	CHECK(!envelope_parse(&a, buf_view(&text), &got));
	buf_fini(&text);
	arena_fini(&a);
}

T(envelope_unique_leaves_wishes_apart)
{
	for (int by_origin = 0; by_origin < 2; by_origin++) {
		struct rcpt rcpts[] = {
			{ .addr = STR("a@b") }, { .addr = STR("c@d") }, { .addr = STR("A@B"), .orig = STR("a") },
			{ .addr = STR("a@b"), .notify = DSN_NOTIFY_NEVER }, { .addr = STR("a@b"), .orcpt = STR("rfc822;x") },
			{ .addr = STR("c@d") },
		};
		struct envelope e = { .rcpts = rcpts, .n_rcpts = 6 };

		ROW("%d", by_origin);
		envelope_unique(&e, by_origin);
		CHECK_INT(e.n_rcpts, (size_t)(4 + by_origin));
		CHECK_VIEW(rcpts[0].addr, "a@b");
		CHECK_VIEW(rcpts[1].addr, "c@d");
		CHECK_VIEW(rcpts[2].orig, by_origin ? "a" : "");
		CHECK_INT(rcpts[2 + by_origin].notify, DSN_NOTIFY_NEVER);
		CHECK_VIEW(rcpts[3 + by_origin].orcpt, "rfc822;x");
	}
}

T(envelope_refuses_damage)
{
	static const char *const rows[] = {
		"", "sender 1 a\nend 0 \n", "envelope 1 1\nsize 2 -1\nend 0 \n", "envelope 1 1\nuid 1 x\nend 0 \n",
		"envelope 1 1\nnotify 1 1\nend 0 \n", "envelope 1 1\norcpt 1 a\nend 0 \n", "envelope 1 1\nrcpt 99999999999 a\nend 0 \n",
		"envelope 1 1\nrcpt 1 ab\nend 0 \n", "envelope 1 1\nend 1 x\n", "envelope 01 1\nend 0 x\n",
	};
	struct envelope e;
	struct arena a;

	arena_init(&a, 10000);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		ROW("%s", rows[i]);
		CHECK(!envelope_parse(&a, str_of(rows[i]), &e));
	}
	CHECK(envelope_parse(&a, STR("envelope 1 1\nend 0 \n"), &e));
	CHECK_INT(e.uid, -1);
	arena_fini(&a);
}

T(envelope_names_what_it_does_not_know)
{
	static const struct { const char *text, *unknown; } rows[] = {
		{ "envelope 1 1\nnonsense 1 x\nend 0 \n", "nonsense" },
		{ "envelope 1 1\nrcpt 1 a\nnonsense 1 x\nmore 0 \nrcpt 1 b\nend 0 \n", "nonsense" },
		{ "envelope 1 2\nrcpt 1 a\nend 0 \n", "envelope" },
		{ "envelope 1 1\nrcpt 1 a\nnotify 2 16\nend 0 \n", "notify" },
		{ "envelope 1 1\nflags 3 128\nend 0 \n", "flags" },
		{ "envelope 1 1\nret 1 3\nend 0 \n", "ret" },
		{ "envelope 1 1\nopt 1 3\nend 0 \n", "opt" },
		{ "envelope 1 1\nopt_x 1 3\nOPT_y 1 3\nend 0 \n", "OPT_y" },
		{ "envelope 1 1\nopt_nonsense 1 x\nrcpt 1 a\nopt_more 0 \nrcpt 1 b\nend 0 \n", "" },
	};
	struct envelope e;
	struct arena a;

	arena_init(&a, 10000);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		ROW("%s", rows[i].text);
		if (!CHECK(envelope_parse(&a, str_of(rows[i].text), &e)))
			continue;
		CHECK_VIEW(e.unknown, rows[i].unknown);
	}
	arena_fini(&a);
}

T(envelope_keeps_what_may_be_passed_by)
{
	static const char text[] = "envelope 1 1\narrival 1 0\nsize 1 0\nheader_size 1 0\nflags 1 0\nuid 2 -1\nsender 0 \nopt_a 3 x\ny\nopt_b 0 \n"
		"rcpt 1 a\nopt_c 1 1\nopt_d 1 2\nrcpt 1 b\nnotify 1 1\nopt_c 1 3\nend 0 \n";
	struct envelope e;
	struct arena a;
	struct buf out;

	arena_init(&a, 10000);
	buf_init(&out, 1000);
	REQUIRE(envelope_parse(&a, str_of(text), &e));
	CHECK_INT(e.n_rcpts, 2);
	envelope_format(&out, &e);
	CHECK_STR(buf_cstr(&out), text);
	buf_fini(&out);
	arena_fini(&a);
}

T(mime_base64_both_ways)
{
	static const struct { const char *plain, *coded; } rows[] = {
		{ "", "" }, { "f", "Zg==" }, { "fo", "Zm8=" }, { "foo", "Zm9v" }, { "foob", "Zm9vYg==" }, { "fooba", "Zm9vYmE=" }, { "foobar", "Zm9vYmFy" },
	};
	static const char *const bad[] = { "Zg=", "Zg", "Z", "Zg==Zg==", "Z===", "====", "Zm9v\n", "Zm 9v", "Zh==", "Zm9=", "Zm9-", "=m9v", "Zg=v" };
	struct buf out;

	buf_init(&out, 1000);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		ROW("%s", rows[i].plain);
		buf_clear(&out);
		mime_base64(&out, str_of(rows[i].plain), 0);
		CHECK_STR(buf_cstr(&out), rows[i].coded);
		buf_clear(&out);
		CHECK(mime_base64_decode(&out, str_of(rows[i].coded)));
		CHECK_STR(buf_cstr(&out), rows[i].plain);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		ROW("%s", bad[i]);
		CHECK(!mime_base64_decode(&out, str_of(bad[i])));
	}
	buf_clear(&out);
	mime_base64(&out, STR("0123456789"), 8);
	CHECK_STR(buf_cstr(&out), "MDEyMzQ1\r\nNjc4OQ==\r\n");
	buf_clear(&out);
	mime_base64(&out, STR("012345"), 8);
	CHECK_STR(buf_cstr(&out), "MDEyMzQ1\r\n");
	buf_fini(&out);
}

T(mime_quoted_printable_lines)
{
	struct buf out;
	struct str rest, line;

	buf_init(&out, 10000);
	mime_quoted_printable(&out, STR("a=b \r\n.\r\nFrom x\r\n\tq\t\r\n\xe3\x81\x82\r\rz"));
	CHECK_STR(buf_cstr(&out), "a=3Db=20\r\n=2E\r\n=46rom x\r\n\tq=09\r\n=E3=81=82=0D=0Dz");
	buf_clear(&out);
	for (int i = 0; i < 200; i++)
		mime_quoted_printable(&out, STR_EMPTY);
	CHECK_INT(out.n, 0);
	{
		char longest[500];

		memset(longest, 'x', sizeof(longest));
		longest[77] = '=';
		longest[300] = ' ';
		mime_quoted_printable(&out, str_make(longest, sizeof(longest)));
	}
	rest = buf_view(&out);
	while (str_cut(&rest, '\n', &line))
		CHECK(line.n <= 77);
	buf_fini(&out);
}

T(mime_phrase_leaves_nothing_that_parts_addresses)
{
	static const struct { const char *in, *want; } rows[] = {
		{ "ACME, M\xc3\xbcller", "=?UTF-8?Q?ACME=2C_M=C3=BCller?=" },
		{ "J\xc3\xb6rg A (Ops)", "=?UTF-8?B?SsO2cmc=?= A =?UTF-8?B?KE9wcyk=?=" },
		{ "\xc3\xa9 \"x\" y", "=?UTF-8?B?w6kgIngi?= y" },
	};
	struct buf out;

	buf_init(&out, 1000);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		ROW("%s", rows[i].in);
		buf_clear(&out);
		mime_phrase(&out, str_of(rows[i].in), 6);
		CHECK_STR(buf_cstr(&out), rows[i].want);
	}
	buf_fini(&out);
}

T(mime_header_text_encodes_what_must_be)
{
	static const struct { const char *in, *want; } rows[] = {
		{ "plain  text", "plain  text" },
		{ "caf\xc3\xa9", "=?UTF-8?B?Y2Fmw6k=?=" },
		{ "caf\xc3\xa9-restaurant", "=?UTF-8?Q?caf=C3=A9-restaurant?=" },
		{ "\xe3\x83\x86\xe3\x82\xb9\xe3\x83\x88", "=?UTF-8?B?44OG44K544OI?=" },
		{ "a \xc3\xa9 b", "a =?UTF-8?B?w6k=?= b" },
		{ "\xc3\xa9 \xc3\xa9 x", "=?UTF-8?B?w6kgw6k=?= x" },
		{ "x\r\nBcc: evil", "x  Bcc: evil" },
		/* what is encoded already stays; what only looks so does not */
		{ "=?UTF-8?Q?x?=", "=?UTF-8?Q?x?=" }, { "a =?utf-8?b?w7w=?= b", "a =?utf-8?b?w7w=?= b" },
		{ "=?UTF-8?X?x?=", "=?UTF-8?B?PT9VVEYtOD9YP3g/PQ==?=" }, { "a=?UTF-8?Q?x?=", "=?UTF-8?B?YT0/VVRGLTg/UT94Pz0=?=" },
		{ "\xc3\xa9 =?UTF-8?Q?x?=", "=?UTF-8?B?w6kg?= =?UTF-8?Q?x?=" }, { "=?UTF-8?Q?x?= \xc3\xa9", "=?UTF-8?Q?x?= =?UTF-8?B?IMOp?=" },
		{ "=?\xc3\xa9?Q?x?=", "=?UTF-8?B?PT/DqT9RP3g/PQ==?=" },
		{ "\xff", "=?unknown-8bit?Q?=FF?=" },
		{ "", "" },
	};
	struct buf out;
	struct str rest, line;

	buf_init(&out, 100000);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		ROW("%s", rows[i].in);
		buf_clear(&out);
		mime_header_text(&out, str_of(rows[i].in), 9);
		CHECK_STR(buf_cstr(&out), rows[i].want);
	}
	ROW("folding");
	buf_clear(&out);
	{
		struct buf in;

		buf_init(&in, 10000);
		for (int i = 0; i < 60; i++)
			buf_z(&in, i % 9 ? "\xe6\x97\xa5\xe6\x9c\xac" : " word ");
		mime_header_text(&out, buf_view(&in), 9);
		buf_fini(&in);
	}
	rest = buf_view(&out);
	while (str_cut(&rest, '\n', &line)) {
		CHECK(line.n <= 77);
		CHECK(str_is_ascii(line));
	}
	buf_fini(&out);
}

/* lines of plain words are as long as they may be, the first behind the name of the field, and no longer */
T(mime_header_text_folds_at_its_width)
{
	struct buf in, out;
	struct str rest, line;
	size_t n = 0;

	buf_init(&in, 1000);
	buf_init(&out, 1000);
	for (int i = 0; i < 200; i++)
		buf_z(&in, i ? " x" : "x");
	mime_header_text(&out, buf_view(&in), 9);
	rest = buf_view(&out);
	while (str_cut(&rest, '\n', &line)) {
		ROW("line %zu", n);
		if (!rest.n)
			break;
		CHECK(str_ends(line, STR("\r")));
		/* one more would be too long; a line that goes on begins with a blank */
		CHECK_INT(line.n - 1 + (n ? 0 : 9) + 2 > 76, 1);
		CHECK_INT(line.n - 1 + (n ? 0 : 9) <= 76, 1);
		CHECK(!n || line.p[0] == ' ');
		n++;
	}
	CHECK(n > 3);
	buf_fini(&in);
	buf_fini(&out);
}

T(mime_parameters)
{
	struct buf out;

	buf_init(&out, 10000);
	mime_parameter(&out, "filename", STR("a \"b\".txt"));
	CHECK_STR(buf_cstr(&out), "; filename=\"a \\\"b\\\".txt\"");
	buf_clear(&out);
	mime_parameter(&out, "filename", STR("\xe3\x81\x82.txt"));
	CHECK_STR(buf_cstr(&out), "; filename*=UTF-8''%E3%81%82.txt");
	buf_clear(&out);
	mime_parameter(&out, "name", STR("a\r\nb"));
	CHECK_STR(buf_cstr(&out), "; name*=UTF-8''a%0D%0Ab");
	buf_clear(&out);
	mime_parameter(&out, "n", STR("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"));
	CHECK(str_starts(buf_view(&out), STR(";\r\n n*0*=UTF-8''aaa")));
	CHECK(str_find(buf_view(&out), STR(";\r\n n*1*=aaa")) > 0);
	buf_fini(&out);
}

static void note_line(void *ctx, enum mime_line kind, struct str text)
{
	static const char *const marks[] = { "", "H:", "P:", "N:" };

	buf_printf(ctx, "%s%.*s|", marks[kind], STR_ARG(text));
}

T(mime_lines_tells_headers_from_body)
{
	static const struct { bool mime; const char *in, *want; } rows[] = {
		{ false, "", "" },
		{ false, "A: b\n c\nD : e\n\nx\n\n", "H:A: b\n c|H:D: e||x||" },
		{ false, "A: b\nno field\nC: d\n", "H:A: b||no field|C: d|" },
		{ false, " A: b\n", "| A: b|" },
		{ false, "Content-Type: multipart/x; boundary=b\n\n--b\nA: b\n", "H:Content-Type: multipart/x; boundary=b||--b|A: b|" },
		{ true, "Content-Type: multipart/x; boundary=b\n\n--b\nA: b\n\nC: d\n--b--\nE: f\n",
			"H:Content-Type: multipart/x; boundary=b||--b|P:A: b||C: d|--b--|E: f|" },
		{ true, "Content-Type: message/rfc822\n\nA: b\n\nC: d\n", "H:Content-Type: message/rfc822||N:A: b||C: d|" },
		{ true, "Content-Type: message/partial\n\nA: b\n", "H:Content-Type: message/partial||A: b|" },
		{ true, "Content-Type: multipart/digest; boundary=b\n\n--b\n\nA: b\n", "H:Content-Type: multipart/digest; boundary=b||--b||N:A: b|" },
		{ true, "Content-Type: multipart/x; boundary=\"a \\\"b\"\n\n--a \"bc\nA: b\n",
			"H:Content-Type: multipart/x; boundary=\"a \\\"b\"||--a \"bc|P:A: b|" },
		{ true, "Content-Type: (x(y)) multipart/x; z; boundary(q) = b\n\n--b\nA: b\n",
			"H:Content-Type: (x(y)) multipart/x; z; boundary(q) = b||--b|P:A: b|" },
	};
	struct buf out;

	buf_init(&out, 1000);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct str rest = str_of(rows[i].in), line;
		struct mime_lines m;

		ROW("%s", rows[i].in);
		buf_clear(&out);
		mime_lines_init(&m, rows[i].mime, note_line, &out);
		while (str_cut(&rest, '\n', &line))
			mime_lines_add(&m, line);
		mime_lines_end(&m);
		CHECK_STR(buf_cstr(&out), rows[i].want);
	}
	buf_fini(&out);
}

static void count_line(void *ctx, enum mime_line kind, struct str text)
{
	*(size_t *)ctx += kind != MIME_LINE_BODY && str_eq(text, STR("Deep: x"));
}

T(mime_lines_goes_down_so_far_and_no_further)
{
	size_t found = 0;
	struct mime_lines m;
	char line[80];

	mime_lines_init(&m, true, count_line, &found);
	for (int i = 0; i < LIMIT_MIME_DEPTH + 2; i++) {
		snprintf(line, sizeof(line), "Content-Type: multipart/x; boundary=%03d", i);
		mime_lines_add(&m, str_of(line));
		mime_lines_add(&m, STR(""));
		snprintf(line, sizeof(line), "--%03d", i);
		mime_lines_add(&m, str_of(line));
		mime_lines_add(&m, STR("Deep: x"));
	}
	mime_lines_end(&m);
	CHECK_INT(found, LIMIT_MIME_DEPTH);
}

T(mime_xtext_both_ways)
{
	static const char *const bad[] = { "+", "+4", "+4G", "a b", "a=b", "+0A", "+0D", "+00", "+7F", "\x80" };
	struct buf out;

	buf_init(&out, 1000);
	mime_xtext(&out, STR("a+b=c d\xc3"));
	CHECK_STR(buf_cstr(&out), "a+2Bb+3Dc+20d+C3");
	buf_clear(&out);
	CHECK(mime_xtext_decode(&out, STR("a+2Bb+3dc+20d")));
	CHECK_STR(buf_cstr(&out), "a+b=c d");
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		ROW("%s", bad[i]);
		CHECK(!mime_xtext_decode(&out, str_of(bad[i])));
	}
	buf_fini(&out);
}

T(received_like_postfix)
{
	struct rcpt rcpts[2] = { { .addr = STR("r@x") }, { .addr = STR("q@x") } };
	struct envelope e = {
		.rcpts = rcpts, .n_rcpts = 1, .arrival = WHEN, .client_name = STR("unknown"), .client_addr = STR("192.0.2.1"),
		.helo = STR("cli(ent)\r\nX: y"), .proto = STR("ESMTPS"), .uid = -1, .sasl_user = STR("u)"),
	};
	struct received r = { &e, "h.example", "Postfix", "ABC", 540, "TLSv1.3 with cipher X (256/256 bits)", NULL, true, false };
	struct buf out;

	buf_init(&out, 1000);
	received_format(&out, &r);
	CHECK_STR(buf_cstr(&out), "Received: from cli?ent???X:?y (unknown [192.0.2.1])\r\n"
		"\t(using TLSv1.3 with cipher X (256/256 bits))\r\n\t(Authenticated sender: u?)\r\n"
		"\tby h.example (Postfix) with ESMTPS id ABC\r\n\tfor <r@x>; Sun, 22 Nov 2026 10:00:00 +0900\r\n");
	buf_clear(&out);
	e.n_rcpts = 2;
	e.helo = STR("c");
	e.client_addr = STR("2001:db8::1");
	r.tls = NULL;
	r.show_sasl_user = false;
	received_format(&out, &r);
	CHECK_STR(buf_cstr(&out), "Received: from c (unknown [IPv6:2001:db8::1])\r\n"
		"\tby h.example (Postfix) with ESMTPS id ABC; Sun, 22 Nov 2026 10:00:00 +0900\r\n");
	buf_clear(&out);
	e.uid = 1000;
	r.hide_client = true;
	received_format(&out, &r);
	CHECK_STR(buf_cstr(&out), "Received: by h.example (Postfix)\r\n\tid ABC; Sun, 22 Nov 2026 10:00:00 +0900\r\n");
	buf_clear(&out);
	e.client_addr = STR_EMPTY;
	e.flags = ENVELOPE_LOCAL;
	e.uid = 1000;
	received_format(&out, &r);
	CHECK_STR(buf_cstr(&out), "Received: by h.example (Postfix, from userid 1000)\r\n\tid ABC; Sun, 22 Nov 2026 10:00:00 +0900\r\n");
	buf_clear(&out);
	message_id_format(&out, WHEN, "ABC", "h.example");
	CHECK_STR(buf_cstr(&out), "<20261122010000.ABC@h.example>");
	buf_fini(&out);
}

T(envelope_judge_believes_no_stranger)
{
	static const struct { const char *sender, *rcpt; bool good; } rows[] = {
		{ "a@x", "b@x", true }, { "", "b@x", true }, { "root", "root", true }, { "\"a b\"@x", "b@x", true },
		{ "a@x> SIZE=1", "b@x", false }, { "a@x", "b@x\r\nDATA", false }, { "a@x", "", false }, { "a@x", "<b@x>", false },
		{ "a b@x", "b@x", false }, { "a@x", "b@x c@x", false },
	};
	struct arena a;

	arena_init(&a, 100000);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct rcpt r = { .addr = str_of(rows[i].rcpt), .orig = STR("x\ny"), .orcpt = STR("rfc822;b@x"), .notify = 0xff };
		struct envelope e = { .sender = str_of(rows[i].sender), .rcpts = &r, .n_rcpts = 1, .envid = STR("a\rb"), .flags = 0xff,
			.arrival = INT64_MAX, .client_name = STR("bank"), .client_addr = STR("192.0.2.1"), .helo = STR("bank"), .proto = STR("ESMTPS"),
			.sasl_user = STR("root"), .uid = 0 };

		ROW("%s %s", rows[i].sender, rows[i].rcpt);
		CHECK_INT(envelope_judge(&a, &e, 1000, 77), rows[i].good);
		if (!rows[i].good)
			continue;
		CHECK_INT(e.arrival, 77);
		CHECK_INT(e.uid, 1000);
		CHECK_INT(e.flags, ENVELOPE_8BIT | ENVELOPE_SMTPUTF8 | ENVELOPE_REQUIRETLS | ENVELOPE_LOCAL);
		CHECK_INT(e.client_name.n + e.client_addr.n + e.helo.n + e.proto.n + e.sasl_user.n + e.envid.n + r.orig.n, 0);
		CHECK_VIEW(r.orcpt, "rfc822;b@x");
		CHECK_INT(r.notify, DSN_NOTIFY_NEVER);
	}
	arena_fini(&a);
}
