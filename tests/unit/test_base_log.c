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
#include "core/base/log.h"
#include "core/base/log_sink.h"
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
	static const struct { int error, sends, connects; bool said; } rows[] = {
		{ ECONNREFUSED, 2, 1, true }, { ENOTCONN, 2, 1, true }, { ECONNRESET, 2, 1, true },
		/* it is there and full: nothing to find, and nobody waits */
		{ EAGAIN, 1, 0, false }, { ENOBUFS, 1, 0, false },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		ROW("%zu", i);
		begin();
		REQUIRE(log_open(&(struct log_config){ .sink = LOG_TO_SYSLOG, .syslog_name = "postfix", .host = "mx" }) == 0);
		CHECK_INT(calls.connects, 1);
		calls.send_error[0] = rows[i].error;
		log_text(LOG_SEV_INFO, "smtp", 7, NULL, "first");
		CHECK_INT(calls.sends, rows[i].sends);
		CHECK_INT(calls.connects, 1 + rows[i].connects);
		CHECK_INT(strstr(calls.said, "first") != NULL, rows[i].said);
		/* what was lost is counted once */
		CHECK_INT(log_sink_take_lost(), !rows[i].said);
		CHECK_INT(log_sink_take_lost(), 0);
		end();
	}
	ROW("gone for good");
	begin();
	REQUIRE(log_open(&(struct log_config){ .sink = LOG_TO_SYSLOG, .syslog_name = "postfix", .host = "mx" }) == 0);
	calls.send_error[0] = calls.send_error[1] = ECONNREFUSED;
	calls.connect_error = ENOENT;
	log_text(LOG_SEV_INFO, "smtp", 7, NULL, "first");
	CHECK_INT(calls.sends, 2);
	log_text(LOG_SEV_INFO, "smtp", 7, NULL, "second");
	CHECK(strstr(calls.said, "second") != NULL);
	CHECK_INT(log_sink_take_lost(), 1);
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
static void fields(struct log_line *l) { log_str(l, "a", STR("b\"")); log_field(l, "n", "%d", 4); log_addr(l, "to", STR("x@y")); }
static void spaced(struct log_line *l) { l->spaced = true; fields(l); }
static void only_note(struct log_line *l) { log_note(l, "why %s", "so"); }
static void keys(struct log_line *l) { log_words(l, "told"); log_key(l, "k", STR("v\\")); log_key_number(l, "m", -5); }

static void too_long(struct log_line *l)
{
	for (int i = 0; i < 100; i++)
		log_field(l, "field", "%0500d", i);
	log_note(l, "%0500d", 1);
}

T(log_records_read_the_same_in_both_forms)
{
	static const struct { void (*fill)(struct log_line *l); const char *text, *json; } rows[] = {
		{ words, "4F: 3? recipients?", "\"queue_id\":\"4F\",\"message\":\"4F: 3? recipients?\"}" },
		{ fields, "4F: a=b\", n=4, to=<x@y>", "\"queue_id\":\"4F\",\"a\":\"b\\\"\",\"n\":\"4\",\"to\":\"x@y\",\"message\":\"4F: a=b\\\", n=4, to=<x@y>\"}" },
		{ spaced, "4F: a=b\" n=4 to=<x@y>", "\"queue_id\":\"4F\",\"a\":\"b\\\"\",\"n\":\"4\",\"to\":\"x@y\",\"message\":\"4F: a=b\\\" n=4 to=<x@y>\"}" },
		{ only_note, "4F: (why so)", "\"queue_id\":\"4F\",\"text\":\"why so\",\"message\":\"4F: (why so)\"}" },
		{ keys, "4F: told", "\"queue_id\":\"4F\",\"k\":\"v\\\\\",\"m\":-5,\"message\":\"4F: told\"}" },
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
