/* What relayctl asks a relayd, and what other queues give to it: a relayd of this test's own answers on the control socket. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "core/base/limits.h"
#include "core/conf/conf.h"
#include "core/store/maildrop.h"
#include "core/view/adopt.h"
#include "core/view/control.h"
#include "core/view/explain_view.h"
#include "core/view/give.h"
#include "core/view/import_postfix.h"
#include "tests/unit/t.h"

#include "tests/unit/store_help.h"

/* --- a relayd ----------------------------------------------------------------------------------------------------------- */

static struct {
	const char *answer;            /* to each request; NULL: the connection is closed unread */
	char request[LIMIT_CONTROL_LINE + 1];
	struct buf envelope, content;  /* of the last adopt */
	unsigned adopted, header;
	char flags[20], origin[200], dir[300];
	int fd;
	pthread_t thread;
} relayd;

static bool take_bytes(FILE *in, struct buf *to, size_t n)
{
	int c = 0;

	buf_clear(to);
	while (n-- && (c = getc(in)) != EOF)
		buf_byte(to, (char)c);
	return c != EOF;
}

static void serve(int fd)
{
	FILE *in = fdopen(fd, "r");
	size_t envelope, header, body;

	if (relayd.answer && fgets(relayd.request, sizeof(relayd.request), in)) {
		char text[100];
		const char *say = relayd.answer;

		if (sscanf(relayd.request, "adopt %zu %zu %zu %19s %199[^\n]", &envelope, &header, &body, relayd.flags, relayd.origin) == 5) {
			if (take_bytes(in, &relayd.envelope, envelope) && take_bytes(in, &relayd.content, header + body)) {
				relayd.header = (unsigned)header;
				snprintf(text, sizeof(text), "#relaybox-control 2\n+%010X\n.\n", 0xA0u + relayd.adopted++);
				say = *relayd.answer ? relayd.answer : text;
			}
		}
		for (size_t at = 0, n = strlen(say); at < n;) {
			ssize_t done = send(fd, say + at, n - at, MSG_NOSIGNAL);

			if (done < 0)
				break;
			at += (size_t)done;
		}
	}
	fclose(in);
}

static void *relayd_main(void *ctx)
{
	int fd;

	(void)ctx;
	while ((fd = accept(relayd.fd, NULL, NULL)) >= 0)
		serve(fd);
	return NULL;
}

static bool relayd_start(void)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	static int n;
	char drops[400];

	snprintf(relayd.dir, sizeof(relayd.dir), "%s/r%d", t_tmpdir(), n++);
	snprintf(drops, sizeof(drops), "%s/maildrop", relayd.dir);
	fs_mkdir(relayd.dir, 0700);
	fs_mkdir(drops, 0700);
	snprintf(a.sun_path, sizeof(a.sun_path), "%.90s/control", relayd.dir);
	relayd.answer = "";
	relayd.adopted = 0;
	buf_init(&relayd.envelope, 1 << 20);
	buf_init(&relayd.content, 1 << 24);
	relayd.fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	return bind(relayd.fd, (struct sockaddr *)&a, sizeof(a)) == 0 && listen(relayd.fd, 50) == 0 &&
		pthread_create(&relayd.thread, NULL, relayd_main, NULL) == 0;
}

static void relayd_stop(void)
{
	shutdown(relayd.fd, SHUT_RDWR);
	pthread_join(relayd.thread, NULL);
	close(relayd.fd);
	buf_fini(&relayd.envelope);
	buf_fini(&relayd.content);
}

/* --- requests ------------------------------------------------------------------------------------------------------------ */

static const char *ask(const char *request, int *r, int *error, struct buf *why)
{
	static char text[4096];
	FILE *to = fmemopen(text, sizeof(text), "w");

	memset(text, 0, sizeof(text));
	buf_clear(why);
	errno = 0;
	*r = control_request(relayd.dir, request, to, why);
	*error = *r < 0 ? errno : 0;
	fclose(to);
	return text;
}

T(answers_are_lines_and_an_end)
{
	static const struct { const char *answer; int want, error; const char *text, *why; } rows[] = {
		{ "#relaybox-control 2\n+one\n+two\n.\n", 0, 0, "one\ntwo\n", "" }, { "+one\n.\n", 0, 0, "one\n", "" }, { ".\n", 0, 0, "", "" },
		{ "#relaybox-control 1\n+\n.\n", 0, 0, "\n", "" }, { "+one\n.\n+two\n", 0, 0, "one\n", "" },
		{ "#relaybox-control 3\n.\n", -1, EPROTONOSUPPORT, "", "" }, { "#relaybox-control 0\n.\n", -1, EPROTONOSUPPORT, "", "" },
		{ "#relaybox-control x\n.\n", -1, EPROTONOSUPPORT, "", "" }, { "#relaybox-contro 2\n.\n", -1, EPROTO, "", "" },
		{ "+one\n!no such message\n", 1, 0, "one\n", "no such message" }, { "!not permitted for your user\n", 2, 0, "", "not permitted for your user" },
		{ "!\n", 1, 0, "", "" }, { "\n", -1, EPROTO, "", "" }, { "one\n.\n", -1, EPROTO, "", "" }, { "..\n", -1, EPROTO, "", "" },
		{ "+one\n", -1, ECONNRESET, "one\n", "" }, { "+one\n+tw", -1, ECONNRESET, "one\n", "" }, { "", -1, ECONNRESET, "", "" },
		/* what a stranger said in it steers no terminal */
		{ "+a\033[1m\n.\n", 0, 0, "a\\033[1m\n", "" },
	};
	struct buf why;

	REQUIRE(relayd_start());
	buf_init(&why, 1000);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const char *text;
		int r, error;

		ROW("%s", rows[i].answer);
		relayd.answer = rows[i].answer;
		text = ask("ping", &r, &error, &why);
		CHECK_INT(r, rows[i].want);
		CHECK_INT(error, rows[i].error);
		CHECK_STR(text, rows[i].text);
		CHECK_STR(buf_cstr(&why), rows[i].why);
		CHECK_STR(relayd.request, "ping\n");
	}
	buf_fini(&why);
	relayd_stop();
}

T(request_is_one_line_that_fits)
{
	static char line[LIMIT_CONTROL_LINE + 10];
	static const struct { size_t n; int want, error; } rows[] = { { LIMIT_CONTROL_LINE - 1, 0, 0 }, { LIMIT_CONTROL_LINE, -1, EINVAL } };
	struct buf why;
	int r, error;

	REQUIRE(relayd_start());
	buf_init(&why, 1000);
	relayd.answer = ".\n";
	for (size_t i = 0; i < 2; i++) {
		ROW("%zu", rows[i].n);
		memset(line, 'x', rows[i].n);
		line[rows[i].n] = 0;
		ask(line, &r, &error, &why);
		CHECK_INT(r, rows[i].want);
		CHECK_INT(error, rows[i].error);
	}
	ask("ping\nstop", &r, &error, &why);
	CHECK_INT(r, -1);
	CHECK_INT(error, EINVAL);
	relayd_stop();
	ask("ping", &r, &error, &why);
	CHECK_INT(error, ECONNREFUSED);
	snprintf(relayd.dir, sizeof(relayd.dir), "%s/nowhere", t_tmpdir());
	ask("ping", &r, &error, &why);
	CHECK_INT(error, ENOENT);
	buf_fini(&why);
}

/* a JSON line of a message with thousands of recipients: that much, and no more */
T(line_of_an_answer_has_its_bound)
{
	static const struct { size_t n; int want, error; } rows[] = { { 1024 * 1024 - 3, 0, 0 }, { 1024 * 1024, -1, EPROTO } };

	REQUIRE(relayd_start());
	for (size_t i = 0; i < 2; i++) {
		struct buf answer, why;
		char *text = NULL;
		size_t n = 0;
		FILE *to = open_memstream(&text, &n);
		int r;

		ROW("%zu", rows[i].n);
		buf_init(&answer, 1 << 22);
		buf_init(&why, 100);
		buf_byte(&answer, '+');
		while (answer.n < rows[i].n)
			buf_byte(&answer, 'x');
		buf_z(&answer, "\n.\n");
		relayd.answer = buf_cstr(&answer);
		r = control_request(relayd.dir, "queue", to, &why);
		CHECK_INT(r < 0 ? errno : 0, rows[i].error);
		CHECK_INT(r, rows[i].want);
		fclose(to);
		if (!r)
			CHECK_INT(n, rows[i].n);
		free(text);
		relayd.answer = "";
		buf_fini(&answer);
		buf_fini(&why);
	}
	relayd_stop();
}

T(rows_are_known_by_their_word_of_any_version)
{
	static const struct { const char *line, *kind; const char *rest; } rows[] = {
		{ "message\tA\tb", "message", "A\tb" }, { "m\tA", "message", "A" }, { "minute\t1", "minute", "1" }, { "p\t1", "minute", "1" },
		{ "m\t1", "minute", NULL }, { "message", "message", NULL }, { "messages\tA", "message", NULL }, { "mess\tA", "message", NULL },
		{ "\tA", "message", NULL }, { "message\t", "message", "" }, { "r\tA", "message", NULL },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct str line = str_of(rows[i].line);

		ROW("%s, %s", rows[i].line, rows[i].kind);
		CHECK_INT(row_is(&line, rows[i].kind), rows[i].rest != NULL);
		CHECK_VIEW(line, rows[i].rest ? rows[i].rest : rows[i].line);
	}
}

/* --- explain -------------------------------------------------------------------------------------------------------------- */

T(explanations_for_people_and_programs)
{
	static const struct { const char *row, *text, *json; } rows[] = {
		{ "lookup\talias_maps\thash:x\troot\tv\tfound\tmain.cf:3", "alias_maps: hash:x: root: vfound (main.cf:3)",
		  "{\"step\":\"lookup\",\"parameter\":\"alias_maps\",\"table\":\"hash:x\",\"key\":\"root\",\"value\":\"v\",\"answer\":\"found\",\"at\":\"main.cf:3\"}" },
		{ "lookup\t\thash:x\troot\t\tnot found", "        hash:x: root: not found",
		  "{\"step\":\"lookup\",\"table\":\"hash:x\",\"key\":\"root\",\"answer\":\"not found\"}" },
		{ "setting\ta\tb\tmain.cf:1", "a = b (main.cf:1)", "{\"step\":\"setting\",\"parameter\":\"a\",\"value\":\"b\",\"at\":\"main.cf:1\"}" },
		{ "setting\ta\t\t", "a = ", "{\"step\":\"setting\",\"parameter\":\"a\"}" },
		{ "class\tx.test\tlocal", "class: x.test is in the local class", "{\"step\":\"class\",\"domain\":\"x.test\",\"class\":\"local\"}" },
		{ "route\tsmtp\t[x]", "=> transport smtp, nexthop [x]", "{\"step\":\"route\",\"transport\":\"smtp\",\"nexthop\":\"[x]\"}" },
		{ "hop\tx\ty", "=> x: y", "{\"step\":\"hop\",\"nexthop\":\"x\",\"text\":\"y\"}" }, { "result\tx", "=> x", "{\"step\":\"result\",\"text\":\"x\"}" },
		{ "list\ta\tb\tc", "a (b): c", "{\"step\":\"list\",\"list\":\"a\",\"at\":\"b\",\"text\":\"c\"}" },
		{ "list\ta\tb\t", "a (b):", "{\"step\":\"list\",\"list\":\"a\",\"at\":\"b\"}" },
		{ "rule\t1\tpermit\tOK\t", "    permit: OK", "{\"step\":\"rule\",\"level\":\"1\",\"rule\":\"permit\",\"verdict\":\"OK\"}" },
		{ "rule\t2\treject\tno\t554 x", "        reject: no: 554 x", "{\"step\":\"rule\",\"level\":\"2\",\"rule\":\"reject\",\"verdict\":\"no\",\"reply\":\"554 x\"}" },
		{ "rule\t10\tr\tv", "                                        r: v", "{\"step\":\"rule\",\"level\":\"10\",\"rule\":\"r\",\"verdict\":\"v\"}" },
		{ "rule\t11\tr\tv", "r: v", "{\"step\":\"rule\",\"level\":\"11\",\"rule\":\"r\",\"verdict\":\"v\"}" },
		{ "rule\tx\tr\tv", "r: v", "{\"step\":\"rule\",\"level\":\"x\",\"rule\":\"r\",\"verdict\":\"v\"}" },
		{ "client\t1.2.3.4\tOK", "client 1.2.3.4: OK", "{\"step\":\"client\",\"client\":\"1.2.3.4\",\"reply\":\"OK\"}" },
		{ "etrn\tc\tOK", "client c, for ETRN: OK", "{\"step\":\"etrn\",\"client\":\"c\",\"reply\":\"OK\"}" },
		{ "note\ta\001b\177c d~\"", "a.b.c d~\"", NULL }, { "strange\tx", "strange.x", NULL }, { "note\tx\ty\tz", "x", "{\"step\":\"note\",\"text\":\"x\"}" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		for (int json = 0; json < 2; json++) {
			char text[600] = "", want[600];
			FILE *to = fmemopen(text, sizeof(text), "w");

			ROW("%s, %d", rows[i].row, json);
			explain_view_print(str_of(rows[i].row), json, to);
			fclose(to);
			snprintf(want, sizeof(want), "%s\n", json ? rows[i].json : rows[i].text);
			if (!json || rows[i].json)
				CHECK_STR(text, want);
		}
	}
}

/* fill - form with what in place of each %s */
static void fill(char *out, size_t size, const char *form, const char *what)
{
	struct buf b;

	buf_init(&b, size);
	for (; *form; form++)
		if (form[0] == '%' && form[1] == 's') {
			buf_z(&b, what);
			form++;
		} else {
			buf_byte(&b, *form);
		}
	memcpy(out, buf_cstr(&b), b.n + 1);
	buf_fini(&b);
}

T(explanations_say_where_an_entry_of_a_text_stands)
{
	static const struct { const char *answer; const char *at; } rows[] = {
		{ "lookup\tp\ttexthash:%s\tb\tv\t", " (%s:3)" }, { "lookup\tp\ttexthash:%s\tb\t\tfound", " (%s:3)" }, { "lookup\tp\ttexthash:%s\tb\t\tnot found", "" },
		{ "lookup\tp\ttexthash:%s\tz\tv\t", "" }, { "lookup\tp\ttexthash:%s\tb\tv\t\tthere", " (there)" }, { "\nlookup\tp\ttexthash:%s\tb\tv\t\n", " (%s:3)" },
	};
	char path[300];

	snprintf(path, sizeof(path), "%s/table", t_tmpdir());
	fs_replace(path, 0600, STR("a x\n\nb v\n"));
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char text[600] = "", row[600], want[1200], end[400];
		FILE *to = fmemopen(text, sizeof(text), "w");
		bool value = strstr(rows[i].answer, "v\t") != NULL;

		ROW("%s", rows[i].answer);
		fill(row, sizeof(row), rows[i].answer, path);
		fill(end, sizeof(end), rows[i].at, path);
		explain_view_print(str_of(row), false, to);
		fclose(to);
		snprintf(want, sizeof(want), "p: texthash:%s: %s: %s%s%s\n", path, strstr(row, "\tz\t") ? "z" : "b", value ? "v" : "",
			strstr(row, "not found") ? "not found" : strstr(row, "found") ? "found" : "", end);
		CHECK_STR(text, want);
	}
}

/* --- the queue of a Postfix ---------------------------------------------------------------------------------------------- */

static char away[300];                 /* the other queue */

static void put_file(const char *name, const char *lines, mode_t mode)
{
	struct str rest = str_of(lines), line;
	struct buf b;
	char path[600];

	buf_init(&b, 1 << 16);
	while (str_cut(&rest, '\n', &line)) {
		if (!line.n)
			continue;
		buf_byte(&b, line.p[0]);
		buf_byte(&b, (char)(line.n - 1));
		buf_str(&b, str_from(line, 1));
	}
	snprintf(path, sizeof(path), "%s/%s", away, name);
	fs_replace(path, 0600, buf_view(&b));
	chmod(path, mode);
	buf_fini(&b);
}

static void make_folder(const char *name)
{
	char path[600];

	snprintf(path, sizeof(path), "%s/%s", away, name);
	CHECK_INT(mkdir(path, 0700), 0);
}

static void make_postfix(void)
{
	static const char *const names[] = { "incoming", "active", "deferred", "hold", "maildrop", "bounce", "pid", "deferred/A", "deferred/A/B" };
	static int n;

	snprintf(away, sizeof(away), "%s/pf%d", t_tmpdir(), n++);
	CHECK_INT(mkdir(away, 0700), 0);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		make_folder(names[i]);
}

static const char *imported(struct moving *m, int (*how)(struct moving *m, struct buf *why), struct buf *why)
{
	static char text[4096];
	FILE *say = fmemopen(text, sizeof(text), "w");
	struct conf c = { .queue_directory = relayd.dir, .queue_segment_size = 1 << 20, .queue_big_threshold = 64 * 1024 };
	int r;

	memset(text, 0, sizeof(text));
	m->conf = &c;
	m->directory = away;
	m->say = say;
	m->messages = m->left = 0;
	buf_clear(why);
	r = how(m, why);
	CHECK_INT(r, why->n ? -1 : 0);
	fclose(say);
	return text;
}

#define ENVELOPE "C1 2 3 4 5 0\nT1700000000\nSs@b.test\n"
#define CONTENT "M\nNA: b\nN\nNhi\nX\nE\n"
#define GOOD ENVELOPE "Ra@x.test\n" CONTENT

T(queue_of_a_postfix_comes_in)
{
	static const struct { const char *name, *lines; mode_t mode; const char *said; unsigned adopted; const char *flags; } rows[] = {
		{ "incoming/ABC1", GOOD, 0700, "incoming/ABC1: now 00000000A0\n", 1, "0" }, { "active/ABC2", GOOD, 0700, "active/ABC2: now 00000000A0\n", 1, "0" },
		{ "deferred/ABC3", GOOD, 0700, "deferred/ABC3: now 00000000A0\n", 1, "0" }, { "deferred/A/B/ABC4", GOOD, 0700, "deferred/ABC4: now 00000000A0\n", 1, "0" },
		{ "hold/ABC5", GOOD, 0700, "hold/ABC5: now 00000000A0\n", 1, "1" }, { "hold/zZ09", GOOD, 0700, "hold/zZ09: now 00000000A0\n", 1, "1" },
		{ "active/ABC6", GOOD, 0600, "active/ABC6: left: Postfix has not finished it\n", 0, "" },
		{ "active/A-B", GOOD, 0700, "active/A-B: left: its name is no queue id of Postfix\n", 0, "" },
		{ "active/A.tmp", GOOD, 0700, "active/A.tmp: left: its name is no queue id of Postfix\n", 0, "" },
		{ "active/ABC7", ENVELOPE "Da@x.test\n" CONTENT, 0700, "active/ABC7: left: nobody waits for it any more\n", 0, "" },
		{ "active/ABC8", "T1\n", 0700, "active/ABC8: left: it is no queue file of Postfix\n", 0, "" },
		{ "active/ABC9", ENVELOPE "Ra b@x.test\n" CONTENT, 0700, "active/ABC9: left: its address \"a b@x.test\" is none that mail can be sent with\n", 0, "" },
		{ "active/ABCA", "C1\nT1\nSs s@x\nRa@x.test\n" CONTENT, 0700, "active/ABCA: left: its address \"s s@x\" is none that mail can be sent with\n", 0, "" },
		{ "active/ABCB", "C1\nT1700000000\nS\nRa@x.test\nRb@x.test\n" CONTENT, 0700, "active/ABCB: now 00000000A0\n", 1, "0" },
		{ "active/ABCC", "C1\nT1700000000\nSs@x\nRa@x.test\nRb b\n" CONTENT, 0700, "active/ABCC: left: its address \"b b\" is none that mail can be sent with\n", 0, "" },
	};
	struct buf why;

	REQUIRE(relayd_start());
	buf_init(&why, 1000);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		for (int remove = 0; remove < 2; remove++) {
			struct moving m = { .remove = remove };
			char path[600], origin[200];
			const char *text;

			ROW("%s, %d", rows[i].name, remove);
			make_postfix();
			put_file(rows[i].name, rows[i].lines, rows[i].mode);
			relayd.adopted = 0;
			text = imported(&m, import_postfix, &why);
			CHECK_STR(text, rows[i].said);
			CHECK_STR(buf_cstr(&why), "");
			CHECK_INT(relayd.adopted, rows[i].adopted);
			CHECK_INT(m.messages, rows[i].adopted);
			CHECK_INT(m.left, !rows[i].adopted);
			snprintf(path, sizeof(path), "%s/%s", away, rows[i].name);
			CHECK_INT(access(path, F_OK), remove && rows[i].adopted ? -1 : 0);
			if (!rows[i].adopted)
				continue;
			snprintf(origin, sizeof(origin), "%s of Postfix", strrchr(rows[i].name, '/') + 1);
			CHECK_STR(relayd.origin, origin);
			CHECK_STR(relayd.flags, rows[i].flags);
			CHECK_STR(buf_cstr(&relayd.content), "A: b\r\n\r\nhi\r\n");
			CHECK_INT(relayd.header, 8);
			CHECK(str_find(buf_view(&relayd.envelope), STR("a@x.test")) > 0);
		}
	}
	buf_fini(&why);
	relayd_stop();
}

T(mail_of_a_postfix_with_a_notice_still_to_send_stays)
{
	static const struct { const char *folder, *notice; bool stays; } rows[] = {
		{ NULL, "bounce/ABC1", true }, { "bounce/A", "bounce/A/ABC1", true }, { "bounce/A/B", "bounce/A/B/ABC1", true }, { NULL, "bounce/ABC2", false },
		{ "bounce/B", "bounce/B/ABC1", false }, { "bounce/A/B/C", "bounce/A/B/C/ABC1", true },
	};
	struct buf why;

	REQUIRE(relayd_start());
	buf_init(&why, 1000);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct moving m = { .remove = false };
		const char *text;
		char part[100];

		ROW("%s", rows[i].notice);
		make_postfix();
		for (const char *at = rows[i].folder ? strchr(rows[i].folder, '/') : NULL; at; at = at[1] ? strchr(at + 1, '/') : NULL) {
			size_t n = strchr(at + 1, '/') ? (size_t)(strchr(at + 1, '/') - rows[i].folder) : strlen(rows[i].folder);

			snprintf(part, sizeof(part), "%.*s", (int)n, rows[i].folder);
			make_folder(part);
		}
		put_file("deferred/ABC1", GOOD, 0700);
		put_file(rows[i].notice, "x\n", 0600);
		text = imported(&m, import_postfix, &why);
		CHECK_INT(m.left, rows[i].stays);
		CHECK_INT(strstr(text, "a notice that some of it could not be delivered is not sent yet (bounce/)") != NULL, rows[i].stays);
	}
	buf_fini(&why);
	relayd_stop();
}

T(maildrop_of_a_postfix_is_cleaned_up_here)
{
	static const struct { const char *lines, *said; int drops; } rows[] = {
		{ "T1700000000\nSs@b.test\nRa@x.test\n" CONTENT, "maildrop/ABC1: now ", 1 }, { GOOD, "maildrop/ABC1: left: it is no queue file of Postfix\n", 0 },
		{ "T1700000000\nSs@b.test\n" CONTENT, "maildrop/ABC1: left: nobody waits for it any more\n", 0 },
		{ "T1700000000\nSs@b.test\nRa b@x\n" CONTENT, "maildrop/ABC1: left: its addresses are none that mail can be sent with\n", 0 },
	};
	struct buf why;

	REQUIRE(relayd_start());
	buf_init(&why, 1000);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct moving m = { .remove = true };
		const char *text;

		ROW("%s", rows[i].lines);
		make_postfix();
		put_file("maildrop/ABC1", rows[i].lines, 0700);
		text = imported(&m, import_postfix, &why);
		CHECK_INT(strncmp(text, rows[i].said, strlen(rows[i].said)), 0);
		CHECK_INT(q_count_names(relayd.dir, "maildrop"), rows[i].drops);
		CHECK_INT(relayd.adopted, 0);
		if (rows[i].drops) {
			struct maildrop d;
			struct arena a;
			struct buf content;
			char name[100];
			const char *at = strstr(text, "now ") + 4;

			snprintf(name, sizeof(name), "%.*s", (int)strcspn(at, "\n"), at);
			arena_init(&a, 1 << 20);
			buf_init(&content, 1 << 16);
			CHECK_INT(maildrop_open(relayd.dir, name, &a, &d), 0);
			CHECK_INT(d.envelope.uid, getuid());
			CHECK_VIEW(d.envelope.rcpts[0].addr, "a@x.test");
			CHECK_INT(maildrop_content(&d, &content), 0);
			CHECK_STR(buf_cstr(&content), "A: b\r\n\r\nhi\r\n");
			maildrop_close(&d);
			maildrop_remove(relayd.dir, name);
			buf_fini(&content);
			arena_fini(&a);
		}
	}
	buf_fini(&why);
	relayd_stop();
}

T(folder_that_is_no_queue_of_a_stopped_postfix_is_refused)
{
	struct moving m = { .remove = false };
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	struct buf why;
	char path[400];
	pid_t pid;
	int fd, ready[2], end[2];
	char c;

	REQUIRE(relayd_start());
	buf_init(&why, 1000);
	snprintf(away, sizeof(away), "%s/none", t_tmpdir());
	CHECK_STR(imported(&m, import_postfix, &why), "");
	CHECK_STR(buf_cstr(&why), "No such file or directory");
	for (int i = 0; i < 3; i++) {
		ROW("%d", i);
		snprintf(away, sizeof(away), "%s/half%d", t_tmpdir(), i);
		mkdir(away, 0700);
		if (i)
			make_folder(i == 1 ? "deferred" : "active");
		imported(&m, import_postfix, &why);
		CHECK_STR(buf_cstr(&why), "no queue_directory of Postfix");
	}
	make_postfix();
	put_file("active/ABC1", GOOD, 0700);
	put_file("pid/master.pid", "1\n", 0600);
	snprintf(path, sizeof(path), "%s/pid/master.pid", away);
	fd = open(path, O_RDWR | O_CLOEXEC);
	CHECK_INT(flock(fd, LOCK_EX), 0);
	imported(&m, import_postfix, &why);
	CHECK_STR(buf_cstr(&why), "Postfix runs there: stop it first (postfix stop)");
	close(fd);
	/* the other way to hold it, which is no matter of our own process */
	REQUIRE(pipe(ready) == 0 && pipe(end) == 0);
	pid = fork();
	if (!pid) {
		fd = open(path, O_RDWR | O_CLOEXEC);
		close(end[1]);
		fcntl(fd, F_SETLK, &lock);
		(void)!write(ready[1], "x", 1);
		(void)!read(end[0], &c, 1);
		_exit(0);
	}
	REQUIRE(read(ready[0], &c, 1) == 1);
	imported(&m, import_postfix, &why);
	CHECK_STR(buf_cstr(&why), "Postfix runs there: stop it first (postfix stop)");
	close(end[1]);
	waitpid(pid, NULL, 0);
	close(end[0]);
	close(ready[0]);
	close(ready[1]);
	CHECK_STR(imported(&m, import_postfix, &why), "active/ABC1: now 00000000A0\n");
	CHECK_STR(buf_cstr(&why), "");
	buf_fini(&why);
	relayd_stop();
}

T(what_relayd_does_not_take_stays_with_a_postfix)
{
	static const struct { const char *answer, *said; } rows[] = {
		{ "!too large\n", "active/ABC1: left: too large\n" }, { "+rubbish\n.\n", "active/ABC1: left: Protocol error\n" }, { ".\n", "active/ABC1: left: Protocol error\n" },
		{ "+00000000A7\n.\n", "active/ABC1: now 00000000A7\n" },
	};
	struct buf why;

	REQUIRE(relayd_start());
	buf_init(&why, 1000);
	make_postfix();
	put_file("active/ABC1", GOOD, 0700);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct moving m = { .remove = true };

		ROW("%s", rows[i].answer);
		relayd.answer = rows[i].answer;
		CHECK_STR(imported(&m, import_postfix, &why), rows[i].said);
		CHECK_INT(m.messages, i == 3);
		CHECK_INT(m.left, i < 3);
	}
	buf_fini(&why);
	relayd_stop();
}

/* --- the queue of a relaybox that is gone ---------------------------------------------------------------------------------- */

/* make_queue - with messages of these sizes; their ids */
static void make_queue(const size_t *sizes, size_t n, uint64_t *ids)
{
	struct store_options o;
	struct store *s;
	struct told t;
	int none;

	snprintf(away, sizeof(away), "%s", q_dir());
	o = q_options(away);
	s = q_open(&o, &none);
	for (size_t i = 0; s && i < n; i++) {
		ids[i] = q_put(s, sizes[i], 2, &t);
		store_tick(s, clock_mono() + USEC_PER_SEC);
		CHECK(t.m != NULL);
	}
	store_close(s);
}

static int left_there(void)
{
	struct store_options o = q_options(away);
	int found = 0;
	struct store *s = q_open(&o, &found);

	store_close(s);
	return found;
}

T(queue_of_a_relaybox_that_is_gone_comes_in)
{
	static const size_t sizes[] = { Q_HEADER, 500, 100000, 3 };
	struct moving m = { .remove = false };
	uint64_t ids[4];
	char want[600] = "", id[QID_MAX], origin[400];
	struct buf why, content;

	REQUIRE(relayd_start());
	buf_init(&why, 1000);
	make_queue(sizes, 4, ids);
	for (size_t i = 0; i < 4; i++) {
		qid_format(id, ids[i]);
		snprintf(want + strlen(want), sizeof(want) - strlen(want), "%s: now %010X\n", id, 0xA0 + (unsigned)i);
	}
	CHECK_STR(imported(&m, adopt, &why), want);
	CHECK_STR(buf_cstr(&why), "");
	CHECK_INT(m.messages, 4);
	CHECK_INT(m.left, 0);
	CHECK_INT(left_there(), 0);
	/* the last one, byte for byte */
	q_content(&content, ids[3], 3);
	CHECK_INT(relayd.header, 3);
	CHECK_MEM(relayd.content.p, relayd.content.n, content.p, content.n);
	buf_fini(&content);
	snprintf(origin, sizeof(origin), "%s of %s", id, away);
	CHECK_STR(relayd.origin, origin);
	CHECK_STR(relayd.flags, "0");
	buf_fini(&why);
	relayd_stop();
}

T(big_message_comes_in_whole)
{
	static const size_t sizes[] = { Q_HEADER + 16384 * 3 + 5, 200000 };
	struct buf why;

	REQUIRE(relayd_start());
	buf_init(&why, 1000);
	for (size_t i = 0; i < 2; i++) {
		struct moving m = { .remove = false };
		struct buf content;
		uint64_t id;

		ROW("%zu", sizes[i]);
		make_queue(&sizes[i], 1, &id);
		imported(&m, adopt, &why);
		CHECK_INT(m.messages, 1);
		q_content(&content, id, sizes[i]);
		CHECK_MEM(relayd.content.p, relayd.content.n, content.p, content.n);
		CHECK_INT(relayd.header, Q_HEADER);
		buf_fini(&content);
	}
	buf_fini(&why);
	relayd_stop();
}

T(what_relayd_does_not_take_stays_with_a_relaybox)
{
	static const struct { const char *answer; size_t left; int there; const char *said; } rows[] = {
		{ "!too large\n", 2, 2, ": left: too large\n" },
		/* nobody to talk to: the others are not tried */
		{ "!not permitted for your user\n", 2, 2, ": left: not permitted for your user\n" },
	};
	static const size_t sizes[] = { 200, 300 };
	struct buf why;

	REQUIRE(relayd_start());
	buf_init(&why, 1000);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct moving m = { .remove = false };
		uint64_t ids[2];
		const char *text;
		int lines = 0;

		ROW("%s", rows[i].answer);
		relayd.answer = rows[i].answer;
		make_queue(sizes, 2, ids);
		text = imported(&m, adopt, &why);
		CHECK(strstr(text, rows[i].said) != NULL);
		for (; *text; text++)
			lines += *text == '\n';
		CHECK_INT(lines, i ? 1 : 2);
		CHECK_INT(m.left, rows[i].left);
		CHECK_INT(m.messages, 0);
		CHECK_INT(left_there(), rows[i].there);
	}
	relayd_stop();
	{
		struct moving m = { .remove = false };
		uint64_t ids[2];

		make_queue(sizes, 2, ids);
		CHECK(strstr(imported(&m, adopt, &why), ": left: Connection refused\n") != NULL);
		CHECK_INT(m.left, 2);
		CHECK_INT(left_there(), 2);
	}
	buf_fini(&why);
}

T(drops_of_a_relaybox_that_is_gone_come_in)
{
	struct moving m = { .remove = false };
	struct rcpt rcpt = { .addr = STR("a@x.test") };
	struct envelope e = { .sender = STR("s@x.test"), .rcpts = &rcpt, .n_rcpts = 1, .uid = getuid(), .arrival = 1700000000000000 };
	char path[400], name[MAILDROP_NAME];
	const char *text;
	uint64_t id;
	struct buf why;

	REQUIRE(relayd_start());
	buf_init(&why, 1000);
	make_queue(NULL, 0, &id);
	snprintf(path, sizeof(path), "%s/maildrop", away);
	fs_mkdir(path, 0700);
	CHECK_INT(maildrop_write_named(away, &e, STR("A: b\n\nhi\n"), name), 0);
	text = imported(&m, adopt, &why);
	CHECK(strstr(text, name) != NULL && strstr(text, ": now ") != NULL);
	CHECK_INT(m.messages, 1);
	CHECK_INT(q_count_names(away, "maildrop"), 0);
	CHECK_INT(q_count_names(relayd.dir, "maildrop"), 1);
	/* one that is damaged stays */
	CHECK_INT(maildrop_write_named(away, &e, STR("A: b\n\nhi\n"), name), 0);
	snprintf(path, sizeof(path), "%s/maildrop/%s", away, name);
	CHECK_INT(truncate(path, 10), 0);
	text = imported(&m, adopt, &why);
	CHECK(strstr(text, ": left: ") != NULL);
	CHECK_INT(m.left, 1);
	CHECK_INT(q_count_names(away, "maildrop"), 1);
	CHECK_INT(q_count_names(relayd.dir, "maildrop"), 1);
	buf_fini(&why);
	relayd_stop();
}

T(folder_that_is_no_queue_of_ours_is_refused)
{
	struct moving m = { .remove = false };
	char path[400], want[600];
	struct buf why;

	REQUIRE(relayd_start());
	buf_init(&why, 1000);
	snprintf(away, sizeof(away), "%s/nothing", t_tmpdir());
	imported(&m, adopt, &why);
	snprintf(want, sizeof(want), "%s/log: No such file or directory: no queue folder of relaybox", away);
	CHECK_STR(buf_cstr(&why), want);
	mkdir(away, 0700);
	imported(&m, adopt, &why);
	CHECK_STR(buf_cstr(&why), want);
	snprintf(away, sizeof(away), "%s", relayd.dir);
	snprintf(path, sizeof(path), "%s/log", away);
	mkdir(path, 0700);
	imported(&m, adopt, &why);
	snprintf(want, sizeof(want), "%s is the queue of the relayd that runs", away);
	CHECK_STR(buf_cstr(&why), want);
	if (getuid() == 0) {
		uint64_t id;

		make_queue(NULL, 0, &id);
		snprintf(path, sizeof(path), "%s/log", away);
		CHECK_INT(lchown(path, 4711, 4711), 0);
		imported(&m, adopt, &why);
		snprintf(want, sizeof(want), "%s/log is not its folder's owner's", away);
		CHECK_STR(buf_cstr(&why), want);
	}
	buf_fini(&why);
	relayd_stop();
}
