/* fs (with its seam), log, env. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "core/base/env.h"
#include "core/base/fs.h"
#include "core/base/limits.h"
#include "core/base/log.h"
#include "tests/unit/t.h"

static const char *in_tmp(const char *name)
{
	static char path[4][300];
	static unsigned next;
	char *p = path[next++ % 4];

	snprintf(p, sizeof(path[0]), "%s/%s", t_tmpdir(), name);
	return p;
}

static const char *content(const char *path)
{
	static struct buf b = { .max = 100000 };

	buf_clear(&b);
	return fs_read_file(path, &b) < 0 ? "(unreadable)" : buf_cstr(&b);
}

static const char *hook_call;
static int hook_answer, hook_after;

static int hook(const char *call, const char *path)
{
	(void)path;
	return !strcmp(call, hook_call) && hook_after-- == 0 ? hook_answer : 0;
}

static void inject(const char *call, int after, int answer)
{
	hook_call = call;
	hook_after = after;
	hook_answer = answer;
	fs_hook = hook;
}

T(fs_writes_and_reads_whole)
{
	struct iovec v[3] = { { (char[]){ "ab" }, 2 }, { (char[]){ "" }, 0 }, { (char[]){ "cdef" }, 4 } };
	int fd = fs_open(in_tmp("f"), O_RDWR | O_CREAT, 0600);
	char got[20] = "";

	REQUIRE(fd >= 0);
	CHECK(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	inject("write", 0, FS_HOOK_SHORT);
	CHECK_INT(fs_write_all(fd, "0123456789", 10), 10);
	inject("pwrite", 0, FS_HOOK_SHORT);
	CHECK_INT(fs_pwritev_all(fd, v, 3, 4), 6);
	fs_hook = NULL;
	CHECK_INT(fs_pread_all(fd, got, sizeof(got), 0), 10);
	CHECK_STR(got, "0123abcdef");
	CHECK_INT(fs_allocate(fd, 0, 4096), 0);
	CHECK_INT(fs_truncate(fd, 3), 0);
	CHECK_INT(fs_sync(fd), 0);
	CHECK_INT(fs_close(fd), 0);
	CHECK_STR(content(in_tmp("f")), "012");
}

T(fs_injects_errors)
{
	int fd = fs_open(in_tmp("g"), O_RDWR | O_CREAT, 0600);

	inject("write", 0, ENOSPC);
	CHECK_INT(fs_write_all(fd, "x", 1), -1);
	CHECK_INT(errno, ENOSPC);
	inject("fsync", 0, EIO);
	CHECK_INT(fs_sync(fd), -1);
	CHECK_INT(errno, EIO);
	fs_hook = NULL;
	fs_close(fd);
}

static int count(void *ctx, const char *name)
{
	(void)name;
	++*(int *)ctx;
	return 0;
}

T(fs_replace_leaves_old_or_new)
{
	static const char *const calls[] = { "open", "write", "fsync", "close", "rename" };
	int n = 0;

	CHECK_INT(fs_mkdir(in_tmp("d"), 0700), 0);
	CHECK_INT(fs_mkdir(in_tmp("d"), 0700), 0);
	CHECK_INT(fs_replace(in_tmp("d/x"), 0600, STR("old")), 0);
	for (size_t i = 0; i < 5; i++) {
		ROW("%s", calls[i]);
		inject(calls[i], 0, EIO);
		CHECK_INT(fs_replace(in_tmp("d/x"), 0600, STR("new")), -1);
		fs_hook = NULL;
		CHECK_STR(content(in_tmp("d/x")), "old");
	}
	CHECK_INT(fs_each_name(in_tmp("d"), count, &n), 0);
	CHECK_INT(n, 1);
	CHECK_INT(fs_replace(in_tmp("d/x"), 0600, STR("new")), 0);
	CHECK_STR(content(in_tmp("d/x")), "new");
	CHECK_INT(fs_mkdir(in_tmp("d/x"), 0700), -1);
	CHECK_INT(fs_each_name(in_tmp("nowhere"), count, &n), -1);
}

T(fs_read_file_is_bounded)
{
	struct buf b;

	CHECK_INT(fs_replace(in_tmp("big"), 0600, STR("123456")), 0);
	buf_init(&b, 5);
	CHECK_INT(fs_read_file(in_tmp("big"), &b), -1);
	CHECK_INT(errno, EFBIG);
	buf_fini(&b);
}

T(env_walks_by_prefix)
{
	const char *name, *value;
	unsigned cursor = 0, len, n = 0;

	setenv("RBX_A", "1", 1);
	setenv("RBX_B", "x=y", 1);
	while (env_each("RBX_", &cursor, &name, &value, &len)) {
		n++;
		if (len == 5 && !strncmp(name, "RBX_B", 5))
			CHECK_STR(value, "x=y");
	}
	CHECK_INT(n, 2);
	CHECK_STR(env_get("RBX_A"), "1");
	CHECK(!env_get("RBX_NONE"));
}

/* after_stamp - the last line of the log file without its time */
static const char *last_line(const char *path)
{
	const char *all = content(path), *line = all;

	for (const char *p = all; *p; p++)
		if (p[0] == '\n' && p[1])
			line = p + 1;
	return strlen(line) > 16 && line[0] != '{' ? line + 16 : line;
}

T(log_writes_postfix_lines)
{
	char path[300];
	struct log_config c = { .sink = LOG_TO_FILE, .path = path, .syslog_name = "postfix", .host = "mx" };
	struct log_line l;

	snprintf(path, sizeof(path), "%s", in_tmp("log"));
	REQUIRE(log_open(&c) == 0);
	log_begin(&l, "smtp", 12, "8DE012082C");
	log_addr(&l, "to", STR("a@b"));
	log_str(&l, "relay", STR("none"));
	log_str(&l, "status", STR("deferred"));
	log_note(&l, "connect to %s", "x");
	log_end(&l);
	CHECK_STR(content(path), "");
	log_flush();
	CHECK_STR(last_line(path), "mx postfix/smtp[12]: 8DE012082C: to=<a@b>, relay=none, status=deferred (connect to x)\n");
	log_text(LOG_SEV_WARNING, "smtpd", 3, NULL, "bad\r\nline \x1b[1m <\xc3\xa4> \xff \xc2\x85 \xc3\xa4");
	CHECK_STR(last_line(path), "mx postfix/smtpd[3]: warning: bad??line ?[1m <\xc3\xa4> ? ? ?\n");
	CHECK_INT(rename(path, in_tmp("log.1")), 0);
	log_reopen();
	log_info("qmgr", "hello");
	log_flush();
	CHECK(strstr(last_line(path), "]: hello\n") != NULL);
	log_text(LOG_SEV_INFO, "x", 1, NULL, "%05000d", 7);
	log_flush();
	CHECK(strlen(last_line(path)) < LIMIT_LOG_LINE + 100);
}

T(log_writes_json)
{
	char path[300];
	struct log_config c = { .sink = LOG_TO_FILE, .path = path, .json = true, .syslog_name = "postfix", .host = "mx" };
	struct log_line l;
	const char *line;

	snprintf(path, sizeof(path), "%s", in_tmp("log.json"));
	REQUIRE(log_open(&c) == 0);
	log_begin(&l, "smtp", 12, "8D");
	log_addr(&l, "to", STR("\"a\\\"@b\n"));
	log_note(&l, "why \xff");
	log_end(&l);
	log_flush();
	line = last_line(path);
	CHECK(!strncmp(line, "{\"time\":\"", 9));
	CHECK_STR(strstr(line, ",\"host\""),
		",\"host\":\"mx\",\"service\":\"smtp\",\"pid\":12,\"severity\":\"info\",\"queue_id\":\"8D\","
		"\"to\":\"\\\"a\\\\\\\"@b\\ufffd\",\"text\":\"why \\ufffd\","
		"\"message\":\"8D: to=<\\\"a\\\\\\\"@b?> (why ?)\"}\n");
}

T(log_is_ascii_but_for_what_is_seen_in_addresses)
{
	static const struct { const char *what, *in; bool kept; } rows[] = {
		{ "umlaut", "\xc3\xbc", true }, { "kana", "\xe3\x81\x82", true }, { "smile", "\xf0\x9f\x99\x82", true },
		{ "newline", "\n", false }, { "escape", "\x1b", false }, { "delete", "\x7f", false }, { "control of C1", "\xc2\x9b", false },
		{ "space that does not break", "\xc2\xa0", false }, { "soft hyphen", "\xc2\xad", false }, { "zero width space", "\xe2\x80\x8b", false },
		{ "joiner", "\xe2\x80\x8d", false }, { "right to left override", "\xe2\x80\xae", false }, { "isolate", "\xe2\x81\xa7", false },
		{ "word joiner", "\xe2\x81\xa0", false }, { "mark of byte order", "\xef\xbb\xbf", false }, { "line separator", "\xe2\x80\xa8", false },
		{ "Arabic mark", "\xd8\x9c", false }, { "tag", "\xf3\xa0\x80\xa0", false }, { "selector", "\xef\xb8\x8f", false },
		{ "private", "\xee\x80\x80", false }, { "filler", "\xe3\x85\xa4", false }, { "overlong", "\xc0\xaf", false },
		{ "surrogate", "\xed\xa0\x80", false }, { "cut short", "\xe2\x80", false },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		for (int json = 0; json < 2; json++) {
			char path[300], addr[40];
			struct log_config c = { .sink = LOG_TO_FILE, .path = path, .json = json, .syslog_name = "postfix", .host = "mx" };
			struct log_line l;
			char helo[300];
			const char *line, *to;

			ROW("%s, %s", rows[i].what, json ? "JSON" : "text");
			snprintf(path, sizeof(path), "%s", in_tmp("log.ascii"));
			snprintf(addr, sizeof(addr), "a%sb@x.test", rows[i].in);
			REQUIRE(log_open(&c) == 0);
			log_begin(&l, "smtpd", 12, "8D");
			log_addr(&l, "to", str_of(addr));
			snprintf(helo, sizeof(helo), "h%sh", rows[i].in);
			log_str(&l, "helo", str_of(helo));
			log_note(&l, "said %s to <%s>", rows[i].in, addr);
			log_end(&l);
			log_flush();
			line = last_line(path);
			to = strstr(line, json ? "\"to\":\"a" : "to=<a");
			REQUIRE(to != NULL);
			to += json ? 7 : 5;
			CHECK_INT(!strncmp(to, rows[i].in, strlen(rows[i].in)), rows[i].kept);
			/* elsewhere there is none of it */
			CHECK(strstr(line, json ? "\"helo\":\"h\\ufffd" : "helo=h?"));
			CHECK(strstr(line, json ? "said \\ufffd" : "said ?"));
			for (const char *q = line; *q && *q != '\n'; q++)
				CHECK(rows[i].kept || ascii_is_print(*q));
		}
}

T(log_never_blocks_on_a_full_pipe)
{
	struct log_config c = { .sink = LOG_TO_STDOUT, .syslog_name = "postfix", .host = "mx" };
	int p[2], saved = dup(STDOUT_FILENO), again;
	static char piece[65536];
	struct buf all;
	ssize_t n;

	fflush(stdout);
	REQUIRE(pipe(p) == 0);
	dup2(p[1], STDOUT_FILENO);
	again = log_open(&c);
	for (int i = 0; i < 12000; i++) {
		log_info("smtp", "record %d with some text to fill the pipe and the buffer behind it", i);
		if (i % 100 == 0)
			log_flush();
	}
	fcntl(p[0], F_SETFL, O_NONBLOCK);
	buf_init(&all, 4 * 1024 * 1024);
	for (int i = 0; i < 20; i++) {
		while ((n = read(p[0], piece, sizeof(piece))) > 0)
			buf_add(&all, piece, (size_t)n);
		log_flush();
	}
	c.sink = LOG_TO_STDERR;
	log_open(&c);
	dup2(saved, STDOUT_FILENO);
	CHECK_INT(again, 0);
	CHECK(strstr(buf_cstr(&all), "record 0 ") != NULL);
	CHECK(strstr(buf_cstr(&all), "log records lost") != NULL);
	buf_fini(&all);
	close(p[0]);
	close(p[1]);
	close(saved);
}

T(log_seconds_has_two_significant_digits)
{
	static const struct { int64_t us; const char *want; } rows[] = {
		{ 0, "0" }, { 4999, "0" }, { 5000, "0.01" }, { 50000, "0.05" }, { 123000, "0.12" }, { 100000, "0.1" },
		{ 994999, "0.99" }, { 996000, "1" }, { 1240000, "1.2" }, { 2300000, "2.3" }, { 9940000, "9.9" },
		{ 9960000, "10" }, { 30000000, "30" }, { 123456789, "123" }, { -5, "0" },
	};
	struct buf b;

	buf_init(&b, 40);
	for (size_t k = 0; k < sizeof(rows) / sizeof(rows[0]); k++) {
		ROW("%d", (int)rows[k].us);
		buf_clear(&b);
		log_seconds(&b, rows[k].us);
		CHECK_STR(buf_cstr(&b), rows[k].want);
	}
	buf_fini(&b);
}

T(fs_guard_follows_no_stranger)
{
	static const struct { const char *name; int error; } rows[] = {
		{ "ours/file", 0 }, { "ours/link", 0 }, { "ours/dir/file", 0 },
		{ "theirs/file", 0 }, { "theirs/link", ELOOP }, { "theirs/hard", EPERM }, { "theirs/fifo", EPERM },
		{ "theirs/sub", ELOOP }, { "theirs/sub/file", ENOTDIR }, { "theirs/in/file", 0 }, { "theirs/in/../../ours/file", ELOOP },
		{ "ours/far/link", ELOOP }, { "shared/ourlink", 0 }, { "shared/theirlink", ELOOP }, { "ours/nothing", ENOENT },
	};
	const char *root = t_tmpdir();
	char path[400];

	if (geteuid() != 0)
		SKIP("needs root to have something to guard");
	REQUIRE(chdir(root) == 0 && chmod(root, 0755) == 0);
	REQUIRE(!mkdir("ours", 0755) && !mkdir("theirs", 0755) && !mkdir("shared", 0755) && !mkdir("theirs/in", 0755) && !mkdir("secret", 0700));
	REQUIRE(!fs_replace("ours/file", 0600, STR("x")) && !fs_replace("theirs/file", 0600, STR("x")) &&
		!fs_replace("theirs/in/file", 0600, STR("x")) && !fs_replace("secret/file", 0600, STR("x")));
	REQUIRE(!symlink("file", "ours/link") && !symlink("../secret", "ours/dir") && !symlink("../secret/file", "theirs/link") &&
		!symlink("../secret", "theirs/sub") && !link("secret/file", "theirs/hard") && !mkfifo("theirs/fifo", 0600) &&
		!symlink("../theirs", "ours/far") && !symlink("../ours/file", "shared/ourlink") && !symlink("../secret/file", "shared/theirlink"));
	REQUIRE(!chmod("shared", 01777) && !lchown("shared/theirlink", 65534, 65534) && !chown("theirs", 65534, 65534));
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		int fd;

		ROW("%s", rows[i].name);
		snprintf(path, sizeof(path), "%s/%s", root, rows[i].name);
		errno = 0;
		fd = fs_open_guarded(path, O_RDONLY, 0);
		CHECK_INT(fd < 0 ? errno : 0, rows[i].error);
		if (fd >= 0)
			fs_close(fd);
	}
	CHECK_INT(fs_open_table("theirs/fifo"), -1);
	CHECK_INT(fs_open_table("shared"), -1);
}
