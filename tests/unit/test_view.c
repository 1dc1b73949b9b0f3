/* What relayctl shows: the queue as a table, figures, the story of a message. */
#include <stdio.h>
#include <stdlib.h>

#include "core/base/term.h"
#include "core/view/history.h"
#include "core/view/listing.h"
#include "core/view/queue_view.h"
#include "core/view/stats_view.h"
#include "core/view/status_page.h"
#include "core/view/trace.h"
#include "tests/unit/t.h"

#define NOW (100000 * USEC_PER_SEC)

static const char *cell(const char *s, size_t width)
{
	static char text[200];
	struct buf b;

	buf_init(&b, 200);
	term_cell(&b, str_of(s), width);
	snprintf(text, sizeof(text), "%s", buf_cstr(&b));
	buf_fini(&b);
	return text;
}

T(term_cell_is_as_wide_as_asked)
{
	static const struct { const char *in; size_t width; const char *want; } rows[] = {
		{ "abc", 5, "abc  " }, { "abc", 3, "abc" }, { "abcd", 3, "ab\xe2\x80\xa6" }, { "abc", 0, "abc" }, { "", 2, "  " },
		{ "\xe6\x97\xa5\xe6\x9c\xac", 4, "\xe6\x97\xa5\xe6\x9c\xac" },
		/* half a wide character does not fit: a blank takes its place */
		{ "\xe6\x97\xa5\xe6\x9c\xac", 3, "\xe6\x97\xa5\xe2\x80\xa6" }, { "\xe6\x97\xa5\xe6\x9c\xac", 2, "\xe2\x80\xa6 " },
		{ "e\xcc\x81x", 2, "e\xcc\x81x" }, { "a\xff" "b", 3, "a?b" }, { "a\033[1m", 5, "a?[1m" }, { "a\xc2\x9b", 2, "a?" },
	};

	setenv("LC_ALL", "C.UTF-8", 1);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		ROW("%s in %zu", rows[i].in, rows[i].width);
		CHECK_STR(cell(rows[i].in, rows[i].width), rows[i].want);
	}
	setenv("LC_ALL", "C", 1);
	ROW("no UTF-8");
	CHECK_STR(cell("abcd", 3), "ab>");
}

T(term_text_writes_what_steers_a_terminal)
{
	static const struct { const char *in, *want; } rows[] = {
		{ "plain \t text", "plain \t text" }, { "gr\xc3\xbc\xc3\x9f", "gr\xc3\xbc\xc3\x9f" }, { "\033[31mred\033[0m", "\\033[31mred\\033[0m" },
		{ "\033]0;title\007", "\\033]0;title\\007" }, { "a\rb\nc\bd", "a\\015b\\012c\\010d" }, { "\xc2\x9b" "31m", "\\302\\23331m" },
		{ "\x9b" "31m", "\\23331m" }, { "\xff", "\\377" }, { "\x7f", "\\177" }, { "a\xe2\x80\xae" "b", "a\\342\\200\\256b" },
		{ "\xc2\xa0", "\xc2\xa0" }, { "", "" },
	};
	struct buf b;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		ROW("%s", rows[i].want);
		buf_init(&b, 200);
		term_text(&b, str_of(rows[i].in));
		CHECK_STR(buf_cstr(&b), rows[i].want);
		buf_fini(&b);
	}
}

/* four messages: ages 10 s, 1 h, 1 day; on hold, active, deferred */
static const char queue[] =
	"message\tAAAAAAAAA1\tdeferred\t13600000000\t100300000000\t5000\t0\tann@example.com\n"
	"recipient\tbob@one.example\t\thost a[1] said: 450 4.2.0 Mailbox busy\n"
	"recipient\tcid@two.example\torig@x\tConnection timed out\n"
	"message\tAAAAAAAAA2\thold\t96400000000\t0\t300\t0\tMAILER-DAEMON\n"
	"recipient\tdan@sub.two.example\t\t\n"
	"message\tAAAAAAAAA3\tactive\t99990000000\t0\t2000000\t0\tJoann@Example.com\n"
	"recipient\teve@one.example\t\t\n"
	"message\tAAAAAAAAA4\tdeferred\t99980000000\t100100000000\t40\t1\tzoe@other.example\n"
	"recipient\tfay@one.example\t\tConnection timed out\n";

static const char *show(const struct queue_view *v, const char *rows)
{
	static char text[8000];
	FILE *f = fmemopen(text, sizeof(text), "w");

	memset(text, 0, sizeof(text));
	if (queue_view_print(v, str_of(rows), NOW, f) < 0)
		fputs("refused", f);
	fclose(f);
	return text;
}

/* the last digits of the ids, in order */
static const char *ids(struct queue_view v)
{
	static char out[40];
	const char *text;
	size_t n = 0;

	v.form = QUEUE_IDS;
	text = show(&v, queue);
	for (; *text && n < sizeof(out) - 1; text += strcspn(text, "\n") + 1)
		out[n++] = text[9];
	out[n] = '\0';
	return out;
}

T(queue_view_filters_and_sorts)
{
	static const struct { const char *name; struct queue_view v; const char *want; } rows[] = {
		{ "all, oldest first", { 0 }, "1243" },
		{ "reverse", { .reverse = true }, "3421" },
		{ "count", { .count = 2 }, "12" },
		{ "count after reverse", { .reverse = true, .count = 1 }, "3" },
		{ "a whole sender", { .from = "ANN@example.com" }, "1" },
		{ "a domain", { .from = "@example.com" }, "13" },
		{ "a name", { .to = "fay@" }, "4" },
		{ "a part", { .from = "ann" }, "13" },
		{ "the null sender", { .from = "mailer-daemon" }, "2" },
		{ "a recipient", { .to = "cid@two.example" }, "1" },
		{ "a site", { .site = "one.example" }, "143" },
		{ "sites below", { .site = ".two.example" }, "2" },
		{ "a site is not a part", { .site = "two" }, "" },
		{ "a reason", { .reason = "TIMED OUT" }, "14" },
		{ "reason and recipient belong together", { .reason = "timed out", .to = "bob@" }, "" },
		{ "and do", { .reason = "busy", .site = "one.example" }, "1" },
		{ "a state", { .state = "deferred" }, "14" },
		{ "older", { .older = 3600 * USEC_PER_SEC }, "12" },
		{ "newer", { .newer = 20 * USEC_PER_SEC }, "43" },
		{ "between", { .older = 20 * USEC_PER_SEC, .newer = 3600 * USEC_PER_SEC }, "24" },
	};
	static const struct { const char *key, *want; } orders[] = {
		{ "age", "1243" }, { "next", "3412" }, { "size", "3124" }, { "from", "1324" }, { "to", "1234" }, { "site", "1432" },
		{ "reason", "2341" },
	};
	struct queue_view v = { 0 };

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		ROW("%s", rows[i].name);
		CHECK_STR(ids(rows[i].v), rows[i].want);
	}
	for (size_t i = 0; i < sizeof(orders) / sizeof(orders[0]); i++) {
		ROW("--sort %s", orders[i].key);
		CHECK(queue_sort_find(orders[i].key, &v.sort));
		CHECK_STR(ids(v), orders[i].want);
	}
	ROW("no such order");
	CHECK(!queue_sort_find("colour", &v.sort));
	CHECK(!queue_sort_find("", &v.sort));
}

T(queue_view_table)
{
	struct queue_view v = { .site = "one.example" };

	CHECK_STR(show(&v, queue),
		"ID           AGE  NEXT  SIZE  FROM               TO                  WHY\n"
		"AAAAAAAAA1   24h    5m  4.8K  ann@example.com    bob@one.example +1  host a[1] said: 450 4.2.0 Mailbox busy\n"
		"AAAAAAAAA4#  20s    1m    40  zoe@other.example  fay@one.example     Connection timed out\n"
		"AAAAAAAAA3*  10s   now  1.9M  Joann@Example.com  eve@one.example\n"
		"-- 3 of 4 messages, 1.9M bytes\n");
	v.site = "nowhere.example";
	CHECK_STR(show(&v, queue), "-- 0 of 4 messages, 0 bytes\n");
	CHECK_STR(show(&v, ""), "Mail queue is empty\n");
	ROW("JSON holds all recipients of a message");
	v = (struct queue_view){ .form = QUEUE_JSON, .to = "cid" };
	CHECK_STR(show(&v, queue), "{\"queue_name\": \"deferred\", \"queue_id\": \"AAAAAAAAA1\", \"arrival_time\": 13600, \"message_size\": 5000, "
		"\"forced_expire\": false, \"sender\": \"ann@example.com\", \"recipients\": [{\"address\": \"bob@one.example\", "
		"\"delay_reason\": \"host a[1] said: 450 4.2.0 Mailbox busy\"}, {\"address\": \"cid@two.example\", \"orig_address\": \"orig@x\", "
		"\"delay_reason\": \"Connection timed out\"}]}\n");
}

T(queue_view_fits_the_terminal)
{
	struct queue_view v = { 0 };

	setenv("LC_ALL", "C.UTF-8", 1);
	for (v.width = 70; v.width < 200; v.width += 7) {
		struct str text = str_of(show(&v, queue)), line;

		while (str_cut(&text, '\n', &line)) {
			ROW("%zu columns: %.*s", v.width, STR_ARG(line));
			CHECK(term_columns(line) <= v.width);
		}
	}
	v.width = 80;
	CHECK(strstr(show(&v, queue), "\xe2\x80\xa6") != NULL);
	v.colour = true;
	CHECK(strstr(show(&v, queue), "\033[33mAAAAAAAAA2!\033[m") != NULL);
}

T(queue_view_refuses_what_are_no_rows)
{
	static const char *const rows[] = { "x", "r\ta\tb\tc\n", "m\tA\tdeferred\n", "m\tA\tdeferred\tx\t0\t0\t0\ts\n", "+m\n", "\n" };
	struct queue_view v = { 0 };

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		ROW("%s", rows[i]);
		CHECK_STR(show(&v, rows[i]), "refused");
	}
}

/* --- figures ---------------------------------------------------------------------------------------------------------- */

static const char *figures(const struct stats_view *v, const char *rows, const char *before)
{
	static char text[8000];
	FILE *f = fmemopen(text, sizeof(text), "w");

	memset(text, 0, sizeof(text));
	stats_view_print(v, str_of(rows), str_of(before), 2 * USEC_PER_SEC, f);
	fclose(f);
	return text;
}

T(stats_view_text_and_json)
{
	static const char rows[] = "f\tsessions\tsessions now\t3\nf\tsent_total\tdelivered\t40\nd\tsmtp\t[h]:25\t7\t1\t20\t1\trefused \"x\"\n"
		"p\t0\t0\t0\t0\np\t80\t1\t0\t0\ne\t1000000\tABCDEF1234\t1\ta@b\th[1]:25\t550 no\n";
	static const char before[] = "f\tsessions\tsessions now\t9\nf\tsent_total\tdelivered\t30\n";
	struct stats_view v = { 0 };
	const char *text;

	setenv("LC_ALL", "C.UTF-8", 1);
	setenv("TZ", "UTC0", 1);
	text = figures(&v, rows, before);
	CHECK(strstr(text, "sessions now                              3\n") != NULL);
	CHECK(strstr(text, "delivered                                40        5.0/s\n") != NULL);
	CHECK(strstr(text, "accepted        80       80       80   \xe2\x96\x88\n") != NULL);
	CHECK(strstr(text, "sent             1        1        1   \xe2\x96\x81\n") != NULL || strstr(text, "sent             1        1        1   \xe2\x96\x88\n") != NULL);
	CHECK(strstr(text, "smtp:[h]:25                                     7        1       20  refused \"x\"\n") != NULL);
	CHECK(strstr(text, "Jan  1 00:00:01  ABCDEF1234  bounced   a@b                       550 no\n") != NULL);
	v.json = true;
	CHECK_STR(figures(&v, rows, before), "{\"sessions\":3,\"sent_total\":40,\"rates\":{\"sent\":5.000},\"destinations\":[{\"transport\":\"smtp\","
		"\"nexthop\":\"[h]:25\",\"waiting\":7,\"in_flight\":1,\"window\":20,\"dead\":true,\"why\":\"refused \\\"x\\\"\"}],\"errors\":[{\"time\":1,"
		"\"queue_id\":\"ABCDEF1234\",\"final\":true,\"recipient\":\"a@b\",\"relay\":\"h[1]:25\",\"text\":\"550 no\"}],\"minutes\":["
		"{\"accepted\":0,\"sent\":0,\"deferred\":0,\"bounced\":0},{\"accepted\":80,\"sent\":1,\"deferred\":0,\"bounced\":0}]}\n");
	ROW("a relayd that was started anew has no negative rate");
	CHECK(strstr(figures(&v, before, rows), "\"rates\":{\"sent\":0.000}") != NULL);
}

T(stats_view_fits_into_a_narrow_terminal)
{
	static const char destination[] = "d\tsmtp\t[a-long-name-of-a-next-hop.example.test]:2525\t7\t1\t20\t1\trefused by somebody\n"
		"e\t1000000\tABCDEF1234\t1\ta-long-recipient@example.test\th[1]:25\t550 no, and a long why of it\n";
	static const size_t widths[] = { 50, 60, 80, 200 };
	struct buf rows;

	buf_init(&rows, 10000);
	buf_z(&rows, "f\tsessions\tsessions now\t3\n");
	for (int i = 0; i < 60; i++)
		buf_printf(&rows, "p\t%d\t0\t0\t0\n", i == 59 ? 8 : 1);
	buf_z(&rows, destination);
	setenv("LC_ALL", "C", 1);
	for (size_t i = 0; i < sizeof(widths) / sizeof(widths[0]); i++) {
		struct stats_view v = { .width = widths[i], .colour = i % 2 };
		struct str text = str_of(figures(&v, buf_cstr(&rows), "")), line;
		bool newest = false;

		ROW("%zu", widths[i]);
		CHECK(str_find(text, STR("  7        1       20  ")) >= 0 && str_find(text, STR("waiting  sending    limit  state\n")) >= 0);
		CHECK(str_find(text, STR("refused")) >= 0);
		while (str_cut(&text, '\n', &line)) {
			size_t columns = term_columns(line);

			/* each colour is made of five, its end of three */
			newest = newest || (str_starts(line, STR("accepted")) && str_chr(line, '@') >= 0);
			CHECK(columns - (str_chr(line, '\033') >= 0 ? 3 * (size_t)(str_find(line, STR("\033[3")) >= 0) + 5 : 0) <= widths[i]);
		}
		CHECK(newest);
	}
	buf_fini(&rows);
}

T(status_page_masks_and_quotes)
{
	static const struct { const char *in, *masked, *shown; } rows[] = {
		{ "alice@b.test", "a***@b.test", "alice@b.test" },
		{ "<alice@b.test>: no <c@d>", "&lt;a***@b.test&gt;: no &lt;c***@d&gt;", "&lt;alice@b.test&gt;: no &lt;c@d&gt;" },
		{ "\"a b\"@c.test", "&quot;a b&quot;***@c.test", "&quot;a b&quot;@c.test" },
		{ "to=al@b", "to=a***@b", "to=al@b" },
		{ "@b.test", "***@b.test", "@b.test" },
		{ "a@", "a***@", "a@" },
		{ "x@@y", "x***@y", "x@@y" },
		{ "ab@cd@ef gh@ij", "a***@ef g***@ij", "ab@cd@ef gh@ij" },
		{ "no address & <b>", "no address &amp; &lt;b&gt;", "no address &amp; &lt;b&gt;" },
		{ "", "", "" },
	};

	for (size_t i = 0; i < 2 * sizeof(rows) / sizeof(rows[0]); i++) {
		struct status_page p = { .host = "h", .version = "1", .nonce = "n", .masked = i % 2 };
		const char *want = i % 2 ? rows[i / 2].masked : rows[i / 2].shown;
		struct buf in, out, cell;

		ROW("%s", rows[i / 2].in);
		buf_init(&in, 1000);
		buf_init(&out, 100000);
		buf_init(&cell, 1000);
		buf_printf(&in, "error\t1000000\tABC\t1\t%s\tnone\twhy\n", rows[i / 2].in);
		buf_printf(&cell, "<code>ABC</code><td class=no><i>bounced</i><td>%s<td class=o>none<td>why", want);
		status_page_write(&p, buf_view(&in), &out);
		if (str_find(buf_view(&out), buf_view(&cell)) < 0)
			CHECK_STR(buf_cstr(&out), buf_cstr(&cell));
		buf_fini(&in);
		buf_fini(&out);
		buf_fini(&cell);
	}
}

T(history_keeps_an_hour)
{
	struct history h = { 0 };
	uint64_t counts[HISTORY_COLUMNS] = { 5, 0, 0, 0 };

	history_tick(&h, USEC_PER_SEC, counts);
	CHECK_INT(h.n, 0);
	for (unsigned minute = 1; minute <= 70; minute++) {
		counts[0] += minute;
		history_tick(&h, USEC_PER_SEC + minute * 60 * USEC_PER_SEC - 1, counts);
		CHECK_INT(h.n, minute - 1);
		history_tick(&h, USEC_PER_SEC + minute * 60 * USEC_PER_SEC, counts);
		CHECK_INT(h.n, minute);
	}
	/* what came before the first tick is in the first minute, which is forgotten by now */
	CHECK_INT(h.minutes[0][0], 61);
	CHECK_INT(h.minutes[9][0], 70);
	CHECK_INT(h.minutes[10][0], 11);
}

/* --- the story of a message ----------------------------------------------------------------------------------------------- */

static const char *story(struct trace *t, const char *log)
{
	static char text[8000];
	char copy[4000];
	FILE *f = fmemopen(text, sizeof(text), "w"), *in;

	memset(text, 0, sizeof(text));
	snprintf(copy, sizeof(copy), "%s", log);
	in = fmemopen(copy, strlen(copy), "r");
	*t = (struct trace){ .qid = STR("8DE012082C"), .to = f };
	trace_logs(t, &in, 1);
	fclose(in);
	fclose(f);
	return text;
}

T(trace_tells_the_story)
{
	static const char text[] =
		"Nov 22 10:00:00 h postfix/smtpd[1]: 8DE012082C: client=c.example[192.0.2.1]\n"
		"Nov 22 10:00:00 h postfix/smtpd[1]: 8DE012082D: client=other[192.0.2.2]\n"
		"Nov 22 10:00:01 h postfix/cleanup[1]: 8DE012082C: message-id=<m@c>\n"
		"Nov 22 10:00:01 h postfix/qmgr[1]: 8DE012082C: from=<a@c>, size=309, nrcpt=1 (queue active)\n"
		"Nov 22 10:00:02 h postfix/smtp[1]: 8DE012082C: to=<b@d>, orig_to=<x>, relay=h[192.0.2.3]:25, delay=0.07, delays=0/0/0/0, dsn=4.2.0, "
		"status=deferred (host h said: 450 (busy))\n"
		"Nov 22 10:05:02 h postfix/qmgr[1]: 8DE012082C: from=<a@c>, size=309, nrcpt=1 (queue active)\n"
		"Nov 22 10:05:03 h postfix/smtp[1]: 8DE012082C: to=<b@d>, relay=none, delay=300, delays=0/0/0/0, dsn=2.0.0, status=sent (250 Ok)\n"
		"Nov 22 10:05:03 h postfix/bounce[1]: 8DE012082C: sender delay notification: 8DE0120830\n"
		"Nov 22 10:05:03 h postfix/qmgr[1]: 8DE012082C: removed\n"
		"Nov 22 10:05:04 h other[1]: about 8DE012082C: nothing\n";
	static const char want[] = "what happened:\n"
		"  Nov 22 10:00:00  arrived from c.example[192.0.2.1]\n"
		"  Nov 22 10:00:01  message-id <m@c>\n"
		"  Nov 22 10:00:01  from=<a@c>, size=309, nrcpt=1 (queue active)\n"
		"  Nov 22 10:00:02  deferred  b@d  h[192.0.2.3]:25 after 0.07s: host h said: 450 (busy)\n"
		"  Nov 22 10:05:03  sent      b@d  250 Ok\n"
		"  Nov 22 10:05:03  sender delay notification: 8DE0120830\n"
		"  Nov 22 10:05:03  done: removed from the queue\n";
	struct trace t;

	CHECK_STR(story(&t, text), want);
	CHECK(t.arrived);
	CHECK_STR(t.removed, "Nov 22 10:05:03");
	CHECK_INT(t.sent, 1);
	CHECK_INT(t.deferred, 1);
	CHECK_INT(t.bounced, 0);
	ROW("JSON");
	CHECK_STR(story(&t, "{\"time\":\"2026-11-22T10:00:00.000Z\",\"host\":\"h\",\"service\":\"postsuper\",\"pid\":1,\"severity\":\"info\","
		"\"queue_id\":\"8DE012082C\",\"message\":\"8DE012082C: removed\"}\n"
		"{\"time\":\"t\",\"service\":\"smtp\",\"queue_id\":\"8DE012082D\",\"message\":\"8DE012082D: about \\\"queue_id\\\":\\\"8DE012082C\\\"\"}\n"),
		"what happened:\n  2026-11-22T10:00:00.000Z  deleted by an administrator\n");
	ROW("dates of a system logger, and a local submission");
	CHECK_STR(story(&t, "2026-11-22T10:00:00.123+01:00 h postfix/pickup[1]: 8DE012082C: uid=0 from=<root>\n"),
		"what happened:\n  2026-11-22T10:00:00.123+01:00  submitted by uid 0 from=<root>\n");
	ROW("damaged lines");
	CHECK_STR(story(&t, "{\"queue_id\":\"8DE012082C\"\n{\"queue_id\":\"8DE012082C\",\"time\":\"x\",\"message\":\"y\n]: 8DE012082C: \n"
		"{\"queue_id\":\"8DE012082C\",\"time\":\"x\",\"message\":\"\\\\\\\n"), "what happened:\n");
}
