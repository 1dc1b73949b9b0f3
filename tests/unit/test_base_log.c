/* log: the parts of a record in both forms, and a sink whose calls fail: connect, sendmsg and write are ours here */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include "core/base/fs.h"
#include "core/base/limits.h"
#include "core/base/log_mask.h"
#include "core/base/log_open.h"
#include "core/base/log_repeat.h"
#include "tests/unit/t.h"

/* --- calls that do as told ------------------------------------------------------------------------------------------------ */

static struct {
	bool on;
	int connects, connect_error;
	int sends, send_error[4];      /* of the next ones; 0: taken */
	int flags;
	char said[2000];
	int watch, writes, write_error[4];
} calls;

int connect(int fd, const struct sockaddr *a, socklen_t n)
{
	if (!calls.on)
		return (int)syscall(SYS_connect, fd, a, n);
	calls.connects++;
	CHECK_STR(((const struct sockaddr_un *)(const void *)a)->sun_path, "/dev/log");
	errno = calls.connect_error;
	return calls.connect_error ? -1 : 0;
}

ssize_t sendmsg(int fd, const struct msghdr *m, int flags)
{
	size_t n = 0;
	int error;

	if (!calls.on)
		return syscall(SYS_sendmsg, fd, m, flags);
	error = calls.sends < 4 ? calls.send_error[calls.sends] : 0;
	calls.sends++;
	calls.flags = flags;
	errno = error;
	if (error)
		return -1;
	for (size_t i = 0; i < (size_t)m->msg_iovlen; i++) {
		snprintf(calls.said + n, sizeof(calls.said) - n, "%.*s", (int)m->msg_iov[i].iov_len, (const char *)m->msg_iov[i].iov_base);
		n = strlen(calls.said);
	}
	return (ssize_t)n;
}

ssize_t write(int fd, const void *p, size_t n)
{
	int error = calls.on && fd > 2 && calls.writes < 4 ? calls.write_error[calls.writes++] : 0;

	if (error) {
		errno = error;
		return -1;
	}
	return syscall(SYS_write, fd, p, n);
}

static void begin(void)
{
	memset(&calls, 0, sizeof(calls));
	calls.on = true;
}

static void end(void)
{
	calls.on = false;
	log_open(&(struct log_config){ .sink = LOG_TO_STDERR, .syslog_name = "postfix", .host = "mx" });
}

/* --- syslog ----------------------------------------------------------------------------------------------------------------- */

T(syslog_takes_a_line_with_its_priority)
{
	static const struct { enum log_severity severity; const char *head, *word; } rows[] = {
		{ LOG_SEV_INFO, "<22>", "]: " }, { LOG_SEV_WARNING, "<20>", "]: warning: " }, { LOG_SEV_ERROR, "<19>", "]: error: " },
		{ LOG_SEV_FATAL, "<18>", "]: fatal: " }, { LOG_SEV_PANIC, "<18>", "]: panic: " },
	};

	begin();
	REQUIRE(log_open(&(struct log_config){ .sink = LOG_TO_SYSLOG, .syslog_name = "postfix", .host = "mx" }) == 0);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char want[100];

		ROW("%zu", i);
		log_text(rows[i].severity, "smtp", 7, NULL, "hello");
		CHECK(strncmp(calls.said, rows[i].head, 4) == 0);
		snprintf(want, sizeof(want), " postfix/smtp[7%shello", rows[i].word);
		CHECK(strstr(calls.said, want) != NULL);
		/* the daemon neither waits for its syslog, nor dies of it; and syslog knows the host */
		CHECK_INT(calls.flags, MSG_DONTWAIT | MSG_NOSIGNAL);
		CHECK(strstr(calls.said, " mx ") == NULL);
	}
	end();
}

T(syslog_that_was_restarted_is_found_again)
{
	struct log_out o = { .fd = -1 };
	static const struct { int error, sends, connects; bool said; } rows[] = {
		{ ECONNREFUSED, 2, 1, true }, { ENOTCONN, 2, 1, true }, { ECONNRESET, 2, 1, true },
		/* it is there and full: nothing to find, and nobody waits */
		{ EAGAIN, 1, 0, false }, { ENOBUFS, 1, 0, false },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		ROW("%zu", i);
		begin();
		REQUIRE(log_out_open(&o, LOG_TO_SYSLOG, NULL) == 0);
		CHECK_INT(calls.connects, 1);
		calls.send_error[0] = rows[i].error;
		log_out_line(&o, STR("<22>first"));
		CHECK_INT(calls.sends, rows[i].sends);
		CHECK_INT(calls.connects, 1 + rows[i].connects);
		CHECK_INT(strstr(calls.said, "first") != NULL, rows[i].said);
		/* what was lost is counted once */
		CHECK_INT(log_out_take_lost(&o), !rows[i].said);
		CHECK_INT(log_out_take_lost(&o), 0);
		end();
	}
	ROW("gone for good");
	begin();
	REQUIRE(log_out_open(&o, LOG_TO_SYSLOG, "syslog:unix:/dev/log") == 0);
	calls.send_error[0] = calls.send_error[1] = ECONNREFUSED;
	calls.connect_error = ENOENT;
	log_out_line(&o, STR("<22>first"));
	CHECK_INT(calls.sends, 2);
	log_out_line(&o, STR("<22>second"));
	CHECK(strstr(calls.said, "second") != NULL);
	CHECK_INT(log_out_take_lost(&o), 1);
	log_out_close(&o);
	/* opening it is refused, and the old sink stays */
	CHECK_INT(log_open(&(struct log_config){ .sink = LOG_TO_SYSLOG, .syslog_name = "postfix", .host = "mx" }), -1);
	end();
}

/* --- a file ------------------------------------------------------------------------------------------------------------------- */

T(log_file_goes_on_after_a_signal_and_counts_what_a_full_disk_drops)
{
	static const struct { int error; bool later, lost; } rows[] = { { EINTR, false, false }, { EAGAIN, true, false }, { ENOSPC, false, true } };
	char path[300];

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct buf b;

		ROW("%zu", i);
		snprintf(path, sizeof(path), "%s/log%zu", t_tmpdir(), i);
		begin();
		REQUIRE(log_open(&(struct log_config){ .sink = LOG_TO_FILE, .path = path, .syslog_name = "postfix", .host = "mx" }) == 0);
		calls.write_error[0] = rows[i].error;
		log_info("smtp", "one");
		log_info("smtp", "two");
		log_flush();
		buf_init(&b, 10000);
		CHECK_INT(fs_read_file(path, &b), 0);
		CHECK_INT(str_find(buf_view(&b), STR("two")) > 0, !rows[i].later && !rows[i].lost);
		log_flush();
		buf_clear(&b);
		CHECK_INT(fs_read_file(path, &b), 0);
		CHECK_INT(str_find(buf_view(&b), STR("one")) > 0, !rows[i].lost);
		/* the next record says how many there were */
		log_info("smtp", "three");
		log_flush();
		log_flush();
		buf_clear(&b);
		CHECK_INT(fs_read_file(path, &b), 0);
		CHECK_INT(str_find(buf_view(&b), STR("2 log records lost")) > 0, rows[i].lost);
		CHECK(str_find(buf_view(&b), STR("three")) > 0);
		buf_fini(&b);
		end();
	}
}

/* --- records -------------------------------------------------------------------------------------------------------------------- */

/* record - what one call of fill makes, without its stamp */
static const char *record(bool json, void (*fill)(struct log_line *l))
{
	static char text[3 * LIMIT_LOG_LINE];
	static int n;
	char path[300];
	struct log_line l;
	struct buf b;

	snprintf(path, sizeof(path), "%s/record%d", t_tmpdir(), n++);
	if (!CHECK(log_open(&(struct log_config){ .sink = LOG_TO_FILE, .path = path, .json = json, .syslog_name = "postfix", .host = "mx" }) == 0))
		return "";
	log_begin(&l, "qmgr", 5, "4F");
	fill(&l);
	log_end(&l);
	log_flush();
	buf_init(&b, sizeof(text));
	CHECK_INT(fs_read_file(path, &b), 0);
	snprintf(text, sizeof(text), "%s", buf_cstr(&b));
	buf_fini(&b);
	end();
	return json ? strstr(text, "\"queue_id\"") : text + 16;
}

static void words(struct log_line *l) { log_words(l, "%d\n recipients\x1b", 3); }
static void fields(struct log_line *l) { log_str(l, "a", STR("b\"")); log_number(l, "n", 4); log_addr(l, "to", STR("x@y")); }
static void spaced(struct log_line *l) { l->spaced = true; fields(l); }
static void only_note(struct log_line *l) { log_note(l, "why %s", "so"); }
static void keys(struct log_line *l) { log_words(l, "told"); log_key(l, "k", STR("v\\")); log_key_number(l, "m", -5); }

static void numbers(struct log_line *l)
{
	log_number(l, "size", 9007199254740993);
	log_literal(l, "delays", STR("0/1.5"), STR("[0,1.5]"));
	log_event(l, LOG_SEV_WARNING, "limit", " %s", "x@y");
	log_key_json(l, "list", STR("{}"));
}
static void delays(struct log_line *l) { log_delays(l, 12400000, (const int64_t[LOG_DELAYS]){ 50000, 0, 2340000, 61000000 }); }

static void too_long(struct log_line *l)
{
	for (int i = 0; i < 100; i++)
		log_words(l, "%0500d", i);
	log_note(l, "%0500d", 1);
}

T(log_records_read_the_same_in_both_forms)
{
	static const struct { void (*fill)(struct log_line *l); const char *text, *json; } rows[] = {
		{ words, "4F: 3? recipients?", "\"queue_id\":\"4F\",\"message\":\"4F: 3? recipients?\"}" },
		{ fields, "4F: a=b\", n=4, to=<x@y>", "\"queue_id\":\"4F\",\"a\":\"b\\\"\",\"n\":4,\"to\":\"x@y\",\"message\":\"4F: a=b\\\", n=4, to=<x@y>\"}" },
		{ spaced, "4F: a=b\" n=4 to=<x@y>", "\"queue_id\":\"4F\",\"a\":\"b\\\"\",\"n\":4,\"to\":\"x@y\",\"message\":\"4F: a=b\\\" n=4 to=<x@y>\"}" },
		{ only_note, "4F: (why so)", "\"queue_id\":\"4F\",\"text\":\"why so\",\"message\":\"4F: (why so)\"}" },
		{ keys, "4F: told", "\"queue_id\":\"4F\",\"k\":\"v\\\\\",\"m\":-5,\"message\":\"4F: told\"}" },
		{ numbers, "4F: size=9007199254740993, delays=0/1.5warning:  x@y", "\"queue_id\":\"4F\",\"size\":9007199254740993,\"delays\":[0,1.5],"
			"\"event\":\"limit\",\"list\":{},\"message\":\"4F: size=9007199254740993, delays=0/1.5warning:  x@y\"}" },
		{ delays, "4F: delay=12, delays=0.05/0/2.3/61", "\"queue_id\":\"4F\",\"delay\":12,\"delays\":[0.05,0,2.3,61],"
			"\"message\":\"4F: delay=12, delays=0.05/0/2.3/61\"}" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char want[400];

		ROW("%zu", i);
		snprintf(want, sizeof(want), "mx postfix/qmgr[5]: %s\n", rows[i].text);
		CHECK_STR(record(false, rows[i].fill), want);
		snprintf(want, sizeof(want), "%s\n", rows[i].json);
		CHECK_STR(record(true, rows[i].fill), want);
	}
	CHECK(strlen(record(false, too_long)) < LIMIT_LOG_LINE + 300);
	CHECK(strchr(record(false, too_long), '\n')[1] == '\0');
}

/* --- places ----------------------------------------------------------------------------------------------------------------------- */

T(log_places_have_names)
{
	static const struct { const char *name; bool good; enum log_sink sink; const char *path; uint16_t port; } rows[] = {
		{ "/var/log/mail.log", true, LOG_TO_FILE, "/var/log/mail.log", 0 }, { "/dev/stdout", true, LOG_TO_STDOUT, NULL, 0 },
		{ "/dev/stderr", true, LOG_TO_STDERR, NULL, 0 }, { "syslog", true, LOG_TO_SYSLOG, "/dev/log", 0 },
		{ "syslog:unix:/run/log", true, LOG_TO_SYSLOG, "/run/log", 0 }, { "syslog:tcp:192.0.2.1:601", true, LOG_TO_SYSLOG, NULL, 601 },
		{ "syslog:udp:[2001:db8::1]:514", true, LOG_TO_SYSLOG, NULL, 514 }, { "syslog:tcp:[192.0.2.1]:65535", true, LOG_TO_SYSLOG, NULL, 65535 },
		{ "", false, 0, NULL, 0 }, { "mail.log", false, 0, NULL, 0 }, { "stdout", false, 0, NULL, 0 }, { "syslog:", false, 0, NULL, 0 },
		{ "syslog:unix:run/log", false, 0, NULL, 0 }, { "syslog:tcp:logs.example:514", false, 0, NULL, 0 }, { "syslog:tcp:192.0.2.1", false, 0, NULL, 0 },
		{ "syslog:tcp:192.0.2.1:0", false, 0, NULL, 0 }, { "syslog:tcp:192.0.2.1:65536", false, 0, NULL, 0 }, { "syslog:udp:2001:db8::1:514", false, 0, NULL, 0 },
		{ "syslog:tls:192.0.2.1:514", false, 0, NULL, 0 }, { "syslog:tcp::514", false, 0, NULL, 0 },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct log_place p;

		ROW("%s", rows[i].name);
		CHECK_INT(log_place_parse(rows[i].name, &p), rows[i].good);
		if (!rows[i].good)
			continue;
		CHECK_INT(p.sink, rows[i].sink);
		CHECK_INT(p.port, rows[i].port);
		CHECK_INT(p.tcp, rows[i].port && strstr(rows[i].name, ":tcp:"));
		if (rows[i].path)
			CHECK_STR(p.path, rows[i].path);
	}
}

T(log_goes_to_two_places_each_in_its_form)
{
	char text[300], json[300], masked[300];
	struct log_config also = { .sink = LOG_TO_FILE, .path = json, .json = true };
	struct buf b;

	snprintf(text, sizeof(text), "%s/text", t_tmpdir());
	snprintf(json, sizeof(json), "%s/json", t_tmpdir());
	snprintf(masked, sizeof(masked), "%s/masked", t_tmpdir());
	buf_init(&b, 10000);
	REQUIRE(log_open(&(struct log_config){ .sink = LOG_TO_FILE, .path = text, .also = &also, .syslog_name = "postfix", .host = "mx" }) == 0);
	log_text(LOG_SEV_INFO, "smtp", 7, "4F", "to=<demo@example.org>");
	log_set_form(true, false, LOG_MASK_PARANOID);
	log_text(LOG_SEV_INFO, "smtp", 7, "4F", "from=<demo@example.org>");
	log_flush();
	CHECK_INT(fs_read_file(text, &b), 0);
	CHECK(str_find(buf_view(&b), STR(" mx postfix/smtp[7]: 4F: to=<demo@example.org>\n{\"time\":\"")) == 15);
	CHECK(str_ends(buf_view(&b), STR("\"message\":\"4F: from=<*@*.org>\"}\n")));
	buf_clear(&b);
	CHECK_INT(fs_read_file(json, &b), 0);
	CHECK(str_starts(buf_view(&b), STR("{\"time\":\"")));
	CHECK(str_ends(buf_view(&b), STR(" mx postfix/smtp[7]: 4F: from=<*@*.org>\n")));
	buf_fini(&b);
	end();
}

/* --- addresses -------------------------------------------------------------------------------------------------------------------- */

T(log_masks_addresses_and_nothing_else)
{
	static const struct { bool whole; const char *text, *smart, *paranoid; } rows[] = {
		{ true, "demo@example.org", "d*o@*******.org", "*@*.org" }, { true, "john.doe@example.solutions", "j*e@*******.solutions", "*@*.solutions" },
		{ true, "sa@localhost", "s*a@*********", "*@*" }, { true, "s@[192.168.8.10]", "s*s@[*.*.*.*]", "*@[*]" },
		{ true, "\"multi....dot\"@[IPv6:2001:db8::1]", "\"m*t\"@[IPv6:*]", "*@[IPv6:*]" }, { true, "a b@c.d", "a*b@*.d", "*@*.d" },
		{ true, "a@b@c.d", "a*b@*.d", "*@*.d" }, { true, "\xc3\xa4pf\xc3\xbc@d\xc3\xb6.de", "\xc3\xa4*\xc3\xbc@**.de", "*@*.de" },
		{ true, "mail.example.org", "mail.example.org", "mail.example.org" }, { true, "", "", "" },
		{ false, "host h[1.2.3.4] said: 550 <a.b@c.de>: no, ask x@y.org.", "host h[1.2.3.4] said: 550 <a*b@*.de>: no, ask x*x@*.org.",
			"host h[1.2.3.4] said: 550 <*@*.de>: no, ask *@*.org." },
		{ false, "<\"a b\"@c.de> mailto:q@r.s;t@u.v", "<\"a*b\"@*.de> mailto:q*q@*.s;t*t@*.v", "<*@*.de> mailto:*@*.s;*@*.v" },
		{ false, "b+u=x.org@list.org", "b*g@****.org", "*@*.org" }, { false, "a@b@c.d e", "a*b@*.d e", "*@*.d e" },
		{ false, "@ x@ @y 12@", "@ x@ @y 12@", "@ x@ @y 12@" }, { false, "to \"@x.y", "to \"*\"@*.y", "to *@*.y" },
	};
	struct buf b;

	buf_init(&b, 1000);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		ROW("%s", rows[i].text);
		buf_clear(&b);
		log_mask(&b, str_of(rows[i].text), LOG_MASK_SMART, rows[i].whole);
		CHECK_STR(buf_cstr(&b), rows[i].smart);
		buf_clear(&b);
		log_mask(&b, str_of(rows[i].text), LOG_MASK_PARANOID, rows[i].whole);
		CHECK_STR(buf_cstr(&b), rows[i].paranoid);
	}
	/* the same address is the same word wherever it stands */
	buf_clear(&b);
	log_mask(&b, STR("a@b.c"), LOG_MASK_HASH, true);
	CHECK_INT(b.n, 16);
	log_mask(&b, STR("<a@b.c>"), LOG_MASK_HASH, false);
	CHECK_INT(b.n, 34);
	CHECK(!memcmp(b.p, b.p + 17, 16));
	buf_clear(&b);
	log_mask(&b, STR("a@b.d"), LOG_MASK_HASH, true);
	CHECK(b.n == 16 && str_chr(buf_view(&b), '@') < 0);
	buf_fini(&b);
}

static void all_masked(struct log_line *l)
{
	log_addr(l, "to", STR("joe@x.org"));
	log_str(l, "user", STR("joe@x.org"));
	log_id(l, "message-id", STR("<1@x.org>"));
	log_addr(l, "helo", STR("x.org"));
	log_key(l, "k", STR("joe@x.org"));
	log_words(l, " %s", "joe@x.org");
	log_note(l, "said: <%s>", "joe@x.org");
}

T(log_masks_every_part_of_a_record_but_message_ids)
{
	log_set_form(false, false, LOG_MASK_NONE);
	for (int json = 0; json < 2; json++) {
		static char text[3 * LIMIT_LOG_LINE];
		struct log_line l;
		char path[300];
		struct buf b;

		snprintf(path, sizeof(path), "%s/mask%d", t_tmpdir(), json);
		REQUIRE(log_open(&(struct log_config){ .sink = LOG_TO_FILE, .path = path, .json = json, .mask = LOG_MASK_SMART, .syslog_name = "postfix",
			.host = "mx" }) == 0);
		log_begin(&l, "qmgr", 5, "4F");
		all_masked(&l);
		log_end(&l);
		log_flush();
		buf_init(&b, sizeof(text));
		CHECK_INT(fs_read_file(path, &b), 0);
		CHECK(strstr(buf_cstr(&b), "joe@") == NULL);
		CHECK(strstr(buf_cstr(&b), "to=<j*e@*.org>, user=j*e@*.org, message-id=<1@x.org>, helo=<x.org> j*e@*.org (said: <j*e@*.org>)") != NULL);
		buf_fini(&b);
		end();
	}
}

/* --- the same again and again ------------------------------------------------------------------------------------------------------ */

T(log_repeats_are_counted_and_told)
{
	struct log_said s;
	usec now = 1000000;

	for (int i = 0; i < LIMIT_LOG_REPEATS + 5; i++)
		CHECK_INT(log_repeat_is_enough(LOG_SEV_WARNING, "map", STR("broken"), now), i >= LIMIT_LOG_REPEATS);
	/* others are not held back by it */
	CHECK(!log_repeat_is_enough(LOG_SEV_WARNING, "map", STR("broken, too"), now));
	CHECK(log_repeat_waiting());
	CHECK(!log_repeat_take(now + LIMIT_LOG_WINDOW - 1, &s));
	CHECK(log_repeat_take(now + LIMIT_LOG_WINDOW, &s));
	CHECK_INT(s.more, 5);
	CHECK_STR(s.text, "broken");
	CHECK_STR(s.service, "map");
	CHECK_INT(s.severity, LOG_SEV_WARNING);
	CHECK(!log_repeat_waiting());
	/* and it may be said again */
	CHECK(!log_repeat_is_enough(LOG_SEV_WARNING, "map", STR("broken"), now + LIMIT_LOG_WINDOW));
	/* more texts than are watched: none is lost, the latest are watched */
	for (int round = 0; round < 3; round++)
		for (int i = 0; i < LIMIT_LOG_TEXTS * 3; i++) {
			char text[20];

			snprintf(text, sizeof(text), "text %d", i);
			CHECK(!log_repeat_is_enough(LOG_SEV_INFO, "smtp", str_of(text), now + (usec)i));
		}
	CHECK(!log_repeat_take(INT64_MAX, &s));
}

T(log_of_the_daemon_repeats_but_that_of_a_session_does_not)
{
	char path[300];
	struct buf b;
	struct str rest, line;
	int own = 0, session = 0, message = 0;

	snprintf(path, sizeof(path), "%s/repeats", t_tmpdir());
	REQUIRE(log_open(&(struct log_config){ .sink = LOG_TO_FILE, .path = path, .syslog_name = "postfix", .host = "mx" }) == 0);
	for (int i = 0; i < 30; i++) {
		log_warn("smtp", "next hop configuration problem");
		log_text(LOG_SEV_WARNING, "smtpd", 9, NULL, "SASL authentication failed");
		log_text(LOG_SEV_INFO, "qmgr", 0, "4F", "placed on hold");
	}
	log_finish();
	buf_init(&b, 100000);
	CHECK_INT(fs_read_file(path, &b), 0);
	rest = buf_view(&b);
	while (str_cut(&rest, '\n', &line)) {
		own += str_find(line, STR("configuration problem")) > 0;
		session += str_find(line, STR("SASL")) > 0;
		message += str_find(line, STR("on hold")) > 0;
	}
	CHECK_INT(own, LIMIT_LOG_REPEATS + 1);
	CHECK_INT(session, 30);
	CHECK_INT(message, 30);
	CHECK(str_find(buf_view(&b), STR("warning: next hop configuration problem (20 times more within a minute)\n")) > 0);
	buf_fini(&b);
	end();
}
