/* relayd as a whole, in a process of its own, on loopback: mail by every way in, what relayctl and browsers are told of it, a reload,
 * the end, and the next start. What sessions say is in test_daemon_session.c, where nothing is real. */
#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <sysexits.h>

#include "core/daemon/relay.h"
#include "core/daemon/settings.h"
#include "core/net/local_socket.h"
#include "core/store/maildrop.h"
#include "core/view/control.h"
#include "core/view/give.h"
#include "tests/unit/deliver_world.h"

struct life {
	char dir[300], queue[330];
	uint16_t port, http;
	pid_t pid;
	struct fake next;              /* where all mail goes */
};

/* --- a relayd ----------------------------------------------------------------------------------------------------------- */

static uint16_t free_port(void)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t n = sizeof(a);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (bind(fd, (struct sockaddr *)&a, sizeof(a)) == 0)
		getsockname(fd, (struct sockaddr *)&a, &n);
	close(fd);
	return ntohs(a.sin_port);
}

static void configure(const struct life *l, const char *more)
{
	char path[400];
	struct buf b;

	buf_init(&b, 8192);
	buf_printf(&b, "myhostname = relay.example.test\nmydomain = example.test\nmydestination = relay.example.test\nqueue_directory = %s\n"
		"maillog_file = %s/log\ninet_interfaces = 127.0.0.1\ninet_protocols = ipv4\nalias_maps =\nsmtpd_peername_lookup = no\nsandbox = no\n"
		"compatibility_level = 3.6\nrelayhost = [127.0.0.1]:%u\nminimal_backoff_time = 1000s\nlocal_recipient_maps =\n"
		"smtp_tls_security_level = none\nsmtpd_relay_restrictions = permit_mynetworks, reject\nhttp_listen = 127.0.0.1:%u\n%s%s", l->queue, l->dir,
		l->next.port, l->http, getuid() ? "" : "mail_owner = root\n", more);
	snprintf(path, sizeof(path), "%s/main.cf", l->dir);
	fs_replace(path, 0644, buf_view(&b));
	buf_clear(&b);
	buf_printf(&b, "%u inet n - n - - smtpd\n", l->port);
	snprintf(path, sizeof(path), "%s/master.cf", l->dir);
	fs_replace(path, 0644, buf_view(&b));
	buf_fini(&b);
}

static int serve(const struct life *l)
{
	struct conf_diag diag;
	struct settings *s;
	char path[400];

	snprintf(path, sizeof(path), "%s/stderr", l->dir);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	dup2(open(path, O_WRONLY | O_CREAT | O_APPEND, 0600), 2);
	conf_diag_init(&diag);
	s = settings_load(l->dir, NULL, &diag);
	return s ? relay_run(s, &(struct relay_options){ .directory = l->dir }) : EX_CONFIG;
}

static const char *read_file(const struct life *l, const char *name)
{
	static struct buf b;
	char path[400];

	snprintf(path, sizeof(path), "%s/%s", l->dir, name);
	buf_fini(&b);
	buf_init(&b, 1 << 22);
	fs_read_file(path, &b);
	return buf_cstr(&b);
}

/* ask - the answer of a request, in one text; *r: its result */
static const char *ask(const struct life *l, const char *request, int *r)
{
	static struct buf all;
	char *text = NULL;
	size_t n = 0;
	FILE *to = open_memstream(&text, &n);
	struct buf why;

	buf_init(&why, 1000);
	*r = control_request(l->queue, request, to, &why);
	fclose(to);
	buf_fini(&all);
	buf_init(&all, 1 << 22);
	buf_add(&all, text, n);
	if (why.n)
		buf_printf(&all, "!%s", buf_cstr(&why));
	free(text);
	buf_fini(&why);
	return buf_cstr(&all);
}

/* until when it is waited for what should come; once something has not come, the rest of the case waits no longer */
static bool in_vain;

static usec patience(void)
{
	return clock_mono() + (in_vain ? USEC_PER_SEC / 5 : 20 * USEC_PER_SEC);
}

static bool came(bool is)
{
	in_vain |= !is;
	return is;
}

static void nap(void)
{
	poll(NULL, 0, 5);
}

static bool start(struct life *l)
{
	usec end = clock_mono() + 60 * USEC_PER_SEC;
	int r;

	fflush(stdout);
	l->pid = fork();
	if (l->pid == 0)
		t_leave(serve(l));
	while (ask(l, "ping", &r), r != 0 && clock_mono() < end && waitpid(l->pid, NULL, WNOHANG) == 0)
		nap();
	if (r != 0)
		printf("# %s%s\n", read_file(l, "stderr"), read_file(l, "log"));
	return r == 0;
}

/* its exit status; a signal is 1000 and its number */
static int ended(struct life *l)
{
	int status = 0;

	waitpid(l->pid, &status, 0);
	l->pid = 0;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}

static int stop(struct life *l)
{
	kill(l->pid, SIGTERM);
	return ended(l);
}

static bool live(struct life *l, const char *more)
{
	static int n;

	in_vain = false;
	memset(l, 0, sizeof(*l));
	snprintf(l->dir, sizeof(l->dir), "%s/life%d", t_tmpdir(), n++);
	snprintf(l->queue, sizeof(l->queue), "%s/queue", l->dir);
	mkdir(l->dir, 0755);
	l->next.ip = "127.0.0.1";
	if (!fake_start(&l->next))
		return false;
	l->port = free_port();
	l->http = free_port();
	configure(l, more);
	return start(l);
}

static void die_with(struct life *l)
{
	if (l->pid)
		CHECK_INT(stop(l), EX_OK);
	fake_stop(&l->next);
}

/* --- what it is told ------------------------------------------------------------------------------------------------------ */

/* comes - does the answer to a request have this text, or come to have it? */
static bool comes(const struct life *l, const char *request, const char *text)
{
	usec end = patience();
	int r;

	while (!strstr(ask(l, request, &r), text) && clock_mono() < end)
		nap();
	if (came(strstr(ask(l, request, &r), text) != NULL))
		return true;
	printf("# %s: %s\n", request, ask(l, request, &r));
	return false;
}

static bool logs(const struct life *l, const char *text)
{
	usec end = patience();

	while (!strstr(read_file(l, "log"), text) && clock_mono() < end)
		nap();
	return came(strstr(read_file(l, "log"), text) != NULL);
}

static bool is_delivered(const struct life *l, unsigned n)
{
	usec end = patience();

	while (l->next.messages < n && clock_mono() < end)
		nap();
	return came(l->next.messages == n);
}

static int call(uint16_t port)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK), .sin_port = htons(port) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (connect(fd, (struct sockaddr *)&a, sizeof(a)) == 0)
		return fd;
	close(fd);
	return -1;
}

/* dialogue - each line of `says` is said, and the reply that it gets begins with the line of `hears`; fd is closed. The last reply is kept */
static char last_reply[2000];

static bool dialogue(int fd, const char *says, const char *hears)
{
	struct str said = str_of(says), heard = str_of(hears), line, want;
	FILE *in = fdopen(fd, "r");
	bool good = true;

	while (good && str_cut(&heard, '\n', &want)) {
		do
			good = fgets(last_reply, sizeof(last_reply), in) != NULL;
		while (good && last_reply[3] == '-');
		good = good && str_starts(str_of(last_reply), want);
		if (!good)
			printf("# \"%.*s\" was wanted, not \"%s\"\n", STR_ARG(want), last_reply);
		while (good && str_cut(&said, '\n', &line)) {
			char text[1000];
			int n = snprintf(text, sizeof(text), "%.*s\r\n", STR_ARG(line));

			good = send(fd, text, (size_t)n, MSG_NOSIGNAL) == n;
			/* the content has one reply, at its end */
			if (!str_starts(line, STR("|")) && !str_eq(line, STR("")))
				break;
		}
	}
	fclose(in);
	return good;
}

/* submit - one message by SMTP; its queue id */
static const char *submit(const struct life *l, int fd, const char *rcpt)
{
	static char qid[40];
	char says[400];
	const char *at;

	(void)l;
	snprintf(says, sizeof(says), "EHLO me\nMAIL FROM:<s@b.test>\nRCPT TO:<%s>\nDATA\n\n|hi\n.\nQUIT\n", rcpt);
	snprintf(qid, sizeof(qid), "none");
	if (CHECK(fd >= 0 && dialogue(fd, says, "220 relay.example.test ESMTP\n250 \n250 2.1.0 Ok\n250 2.1.5 Ok\n354 \n250 2.0.0 Ok: queued as \n"))) {
		at = strstr(last_reply, "queued as ") + 10;
		snprintf(qid, sizeof(qid), "%.*s", (int)strcspn(at, "\r\n"), at);
	}
	return qid;
}

T(mail_comes_in_by_every_way_and_goes_out)
{
	struct life l;
	struct rcpt rcpt = { .addr = STR("d@x.test") };
	struct envelope e = { .sender = STR("s@b.test"), .rcpts = &rcpt, .n_rcpts = 1, .uid = getuid(), .arrival = clock_wall() };
	char name[MAILDROP_NAME], path[700];
	struct stat st;
	int r;

	REQUIRE(live(&l, ""));
	CHECK(logs(&l, "daemon started -- version"));
	/* from a client */
	submit(&l, call(l.port), "a@x.test");
	CHECK(is_delivered(&l, 1));
	CHECK(strstr(l.next.last, "Received: from me (") && strstr(l.next.last, "by relay.example.test") && strstr(l.next.last, "|hi\r\n"));
	/* over the submit socket */
	submit(&l, local_connect(l.queue, "submit"), "b@x.test");
	CHECK(is_delivered(&l, 2));
	CHECK(comes(&l, "stats", "submissions_total\tof these submitted locally\t1\n"));
	/* by a drop */
	CHECK_INT(maildrop_write_named(l.queue, &e, STR("Subject: drop\n\nhi\n"), name), 0);
	CHECK(is_delivered(&l, 3));
	CHECK(strstr(l.next.last, "Subject: drop\r\n") != NULL);
	CHECK(comes(&l, "stats", "submissions_total\tof these submitted locally\t2\n"));
	snprintf(path, sizeof(path), "%s/maildrop/%s", l.queue, name);
	CHECK_INT(access(path, F_OK), -1);
	CHECK(logs(&l, "uid=") && logs(&l, "from=<s@b.test>"));
	/* what is no drop stays, and is named */
	snprintf(path, sizeof(path), "%s/maildrop/%s", l.queue, name);
	fs_replace(path, 0600, STR("rubbish"));
	CHECK(logs(&l, "not a message: left alone"));
	CHECK_INT(access(path, F_OK), 0);
	CHECK(comes(&l, "stats", "messages_total\tmessages accepted\t3\n"));
	CHECK(comes(&l, "stats", "sent_total\trecipients delivered\t3\n"));
	CHECK(comes(&l, "stats", "finished_total\tmessages finished\t3\n"));
	/* the submit socket is not counted */
	CHECK(comes(&l, "stats", "connects_total\tconnections taken\t1\n"));
	CHECK(comes(&l, "stats", "queued_messages\tmessages in the queue\t0\n"));
	CHECK(comes(&l, "stats", "sessions\tSMTP sessions now\t0\n"));
	CHECK(comes(&l, "stats", "minute\t3\t3\t0\t0\n"));
	CHECK(comes(&l, "queue", "Mail queue is empty"));
	/* folders, and what may be done there */
	snprintf(path, sizeof(path), "%s/maildrop", l.queue);
	CHECK(stat(path, &st) == 0 && (st.st_mode & 07777) == MAILDROP_MODE);
	snprintf(path, sizeof(path), "%s/control", l.queue);
	CHECK(stat(path, &st) == 0 && (st.st_mode & 0666) == 0666);
	snprintf(path, sizeof(path), "%s/submit", l.queue);
	CHECK(stat(path, &st) == 0 && (st.st_mode & 0666) == 0666);
	/* the end: nothing is left there that says somebody serves */
	ask(&l, "stop", &r);
	CHECK_INT(r, 0);
	CHECK_INT(ended(&l), EX_OK);
	CHECK_INT(access(path, F_OK), -1);
	snprintf(path, sizeof(path), "%s/control", l.queue);
	CHECK_INT(access(path, F_OK), -1);
	CHECK(logs(&l, "terminating on request"));
	die_with(&l);
}

T(queue_is_shown_and_changed)
{
	/* "~": it may take a moment */
	static const struct { const char *request, *answer; int want; } rows[] = {
		{ "queue", "b@x.test", 0 }, { "queue json", "\"queue_name\"", 0 }, { "queue rows", "message\t%Q\tdeferred\t", 0 }, { "queue nothing", "!no such form of the queue", 1 },
		{ "show %Q", "|hi", 0 }, { "trace %Q", "b@x.test", 0 }, { "show 0123456789", "!no such message in the queue", 1 }, { "show", "!no such message in the queue", 1 },
		{ "hold %Q active", "!no such message in the queue", 1 }, { "hold %Q hold active", "!no such message in the queue", 1 },
		{ "release ALL", "0\n", 0 }, { "hold %Q deferred", "1\n", 0 }, { "queue rows", "message\t%Q\thold\t", 0 }, { "hold ALL deferred", "0\n", 0 },
		{ "release ALL deferred", "0\n", 0 }, { "release ALL hold", "1\n", 0 }, { "~queue rows", "\tdeferred\t", 0 },
		{ "hold ALL", "1\n", 0 }, { "release %Q", "1\n", 0 }, { "~queue rows", "\tdeferred\t", 0 },
		{ "flush site:y.test", "0\n", 0 }, { "expire %Q hold", "!no such message in the queue", 1 },
		{ "unknown", "!unknown request", 1 }, { "", "!unknown request", 1 }, { "ping", "", 0 }, { "health", "", 0 }, { "started", "directory\t", 0 }, { "started", "pid\t%P\n", 0 },
		{ "stats", "destination\tsmtp\t[127.0.0.1]:", 0 }, { "stats", "deferred_total\ttries deferred\t3\n", 0 }, { "stats", "error\t", 0 },
		{ "delete %Q", "1\n", 0 }, { "queue", "Mail queue is empty", 0 }, { "delete %Q", "!no such message in the queue", 1 },
	};
	struct life l;
	char qid[40], request[200], want[200];
	int r;

	REQUIRE(live(&l, ""));
	l.next.rcpt = "450 4.2.0 busy";
	l.next.data = "554 5.5.1 no recipients";
	snprintf(qid, sizeof(qid), "%s", submit(&l, call(l.port), "b@x.test"));
	CHECK(comes(&l, "queue rows", "450 4.2.0 busy"));
	CHECK(comes(&l, "queue rows", "\tdeferred\t"));
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const char *at = strstr(rows[i].request, "%Q"), *in = strstr(rows[i].answer, "%Q"), *got, *put = qid;
		char pid[20];

		snprintf(pid, sizeof(pid), "%d", (int)l.pid);
		if (strstr(rows[i].answer, "%P")) {
			in = strstr(rows[i].answer, "%P");
			put = pid;
		}
		snprintf(request, sizeof(request), "%.*s%s%s", at ? (int)(at - rows[i].request) : 100, rows[i].request, at ? qid : "", at ? at + 2 : "");
		snprintf(want, sizeof(want), "%.*s%s%s", in ? (int)(in - rows[i].answer) : 100, rows[i].answer, in ? put : "", in ? in + 2 : "");
		ROW("%s", rows[i].request);
		if (request[0] == '~') {
			CHECK(comes(&l, request + 1, want));
			continue;
		}
		got = ask(&l, request, &r);
		CHECK_INT(r, rows[i].want);
		if (rows[i].answer[0] == '0' || rows[i].answer[0] == '1' || rows[i].answer[0] == '!' || !*rows[i].answer)
			CHECK_STR(got, want);
		else if (!CHECK(strstr(got, want) != NULL))
			printf("# %s: %s\n", request, got);
	}
	ROW("log");
	CHECK(logs(&l, ": placed on hold") && logs(&l, ": released from hold") && logs(&l, ": removed"));
	die_with(&l);
}

T(what_waits_goes_when_it_is_told_to_also_after_a_start)
{
	static const char *const by[] = { "flush", "flush %Q", "flush site:x.test", "requeue %Q", "flush ALL", "requeue ALL deferred" };
	struct life l;
	char qid[40], request[200];
	int r;

	REQUIRE(live(&l, ""));
	for (size_t i = 0; i < sizeof(by) / sizeof(by[0]); i++) {
		const char *at = strstr(by[i], "%Q");

		ROW("%s", by[i]);
		l.next.rcpt = "450 4.2.0 busy";
		l.next.data = "554 5.5.1 no recipients";
		snprintf(qid, sizeof(qid), "%s", submit(&l, call(l.port), "b@x.test"));
		CHECK(comes(&l, "queue rows", "\tdeferred\t"));
		if (i % 2) {
			CHECK_INT(stop(&l), EX_OK);
			REQUIRE(start(&l));
			CHECK(comes(&l, "queue rows", qid));
		}
		l.next.rcpt = l.next.data = NULL;
		snprintf(request, sizeof(request), "%.*s%s%s", at ? (int)(at - by[i]) : 100, by[i], at ? qid : "", at ? at + 2 : "");
		CHECK_STR(ask(&l, request, &r), "1\n");
		CHECK_INT(r, 0);
		CHECK(is_delivered(&l, (unsigned)i + 1));
		CHECK(comes(&l, "queue", "Mail queue is empty"));
	}
	ROW("expire");
	l.next.rcpt = "450 4.2.0 busy";
	l.next.data = "554 5.5.1 no recipients";
	snprintf(qid, sizeof(qid), "%s", submit(&l, call(l.port), "b@x.test"));
	CHECK(comes(&l, "queue rows", "\tdeferred\t"));
	snprintf(request, sizeof(request), "expire %s", qid);
	CHECK_STR(ask(&l, request, &r), "1\n");
	if (!CHECK(logs(&l, "status=force-expired")))
		printf("# %s\n", read_file(&l, "log"));
	/* its notice waits, too, and goes by a signal */
	CHECK(logs(&l, "to=<s@b.test>"));
	CHECK(comes(&l, "queue rows", "\tdeferred\t"));
	l.next.rcpt = l.next.data = NULL;
	kill(l.pid, SIGUSR1);
	CHECK(logs(&l, "flush: "));
	CHECK(comes(&l, "queue", "Mail queue is empty"));
	die_with(&l);
}

/* --- HTTP ---------------------------------------------------------------------------------------------------------------- */

static const char *get(const struct life *l, const char *request)
{
	static struct buf b;
	char piece[4096];
	ssize_t n;
	int fd = call(l->http);

	buf_fini(&b);
	buf_init(&b, 1 << 22);
	if (send(fd, request, strlen(request), MSG_NOSIGNAL) >= 0)
		while ((n = recv(fd, piece, sizeof(piece), 0)) > 0)
			buf_add(&b, piece, (size_t)n);
	close(fd);
	return buf_cstr(&b);
}

T(pages_tell_whether_all_is_well)
{
	static const struct { const char *request, *begins, *has; } rows[] = {
		{ "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 200", "\r\n\r\nok\n" }, { "GET /readyz HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 200", "\r\n\r\nok\n" },
		{ "HEAD /healthz HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 200", "Content-Length: 3\r\n" },
		{ "GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n", "HTTP/1.1 200", "# TYPE " },
		{ "GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n", "HTTP/1.1 200", "Content-Type: text/plain; version=0.0.4" },
		{ "GET /metrics HTTP/1.1\r\nHost: localhost\r\nAccept: application/openmetrics-text\r\n\r\n", "HTTP/1.1 200", "# EOF\n" },
		{ "GET /metrics HTTP/1.1\r\nHost: localhost\r\nAccept: application/openmetrics-text\r\n\r\n", "HTTP/1.1 200", "Content-Type: application/openmetrics-text" },
		{ "GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", "HTTP/1.1 200", "relay.example.test" }, { "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", "HTTP/1.1 200", "Content-Security-Policy" },
		{ "GET / HTTP/1.1\r\nHost: mon.test\r\n\r\n", "HTTP/1.1 200", "X-Content-Type-Options: nosniff\r\n" }, { "GET / HTTP/1.1\r\nHost: a.dom.test\r\n\r\n", "HTTP/1.1 200", "<html" },
		{ "GET / HTTP/1.1\r\nHost: evil.test\r\n\r\n", "HTTP/1.1 421", "not a name of this relay" }, { "GET /metrics HTTP/1.1\r\nHost: evil.test\r\n\r\n", "HTTP/1.1 421", "" },
		{ "GET / HTTP/1.1\r\nHost: xmon.test\r\n\r\n", "HTTP/1.1 421", "" }, { "GET /nothing HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 404", "no such page\n" },
		{ "GET /healthz HTTP/1.1\r\nHost: evil.test\r\n\r\n", "HTTP/1.1 200", "ok\n" }, { "POST / HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 405", "not a request that is understood here\n" },
		{ "rubbish\r\n\r\n", "HTTP/1.1 400", "not a request that is understood here\n" },
	};
	struct life l;

	REQUIRE(live(&l, "http_hosts = mon.test, .dom.test\nhttp_ready_queue_limit = 1\nsoft_bounce = no\n"));
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const char *got = get(&l, rows[i].request);
		const char *body = strstr(got, "\r\n\r\n"), *length = strstr(got, "Content-Length: ");

		ROW("%s", rows[i].request);
		if (!CHECK(!strncmp(got, rows[i].begins, strlen(rows[i].begins)) && strstr(got, rows[i].has)))
			printf("# %.300s\n", got);
		if (body && length)
			CHECK_INT(strlen(body + 4), rows[i].request[0] == 'H' ? 0 : strtol(length + 16, NULL, 10));
	}
	/* more than may wait: no more mail is wanted, but it lives */
	l.next.rcpt = "450 4.2.0 busy";
	l.next.data = "554 5.5.1 no recipients";
	submit(&l, call(l.port), "b@x.test");
	CHECK(comes(&l, "stats", "queued_messages\tmessages in the queue\t1\n"));
	CHECK(!strncmp(get(&l, "GET /readyz HTTP/1.1\r\nHost: x\r\n\r\n"), "HTTP/1.1 200", 12));
	submit(&l, call(l.port), "b@x.test");
	CHECK(comes(&l, "stats", "queued_messages\tmessages in the queue\t2\n"));
	CHECK(!strncmp(get(&l, "GET /readyz HTTP/1.1\r\nHost: x\r\n\r\n"), "HTTP/1.1 503", 12));
	CHECK(strstr(get(&l, "GET /readyz HTTP/1.1\r\nHost: x\r\n\r\n"), "more than http_ready_queue_limit messages in the queue\n") != NULL);
	CHECK(!strncmp(get(&l, "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"), "HTTP/1.1 200", 12));
	/* an answer is given to all who ask within a moment */
	for (usec end = patience(); clock_mono() < end && strncmp(get(&l, "GET / HTTP/1.1\r\nHost: x\r\n\r\n"), "HTTP/1.1 503", 12);)
		nap();
	CHECK(!strncmp(get(&l, "GET / HTTP/1.1\r\nHost: x\r\n\r\n"), "HTTP/1.1 503", 12));
	die_with(&l);
}

/* --- a reload -------------------------------------------------------------------------------------------------------------- */

T(reload_takes_a_good_configuration_and_no_other)
{
	struct life l;
	char other[500];
	uint16_t port, before;
	int r, fd;

	REQUIRE(live(&l, ""));
	configure(&l, "smtpd_banner = $myhostname ESMTP second\n");
	CHECK_STR(ask(&l, "reload", &r), "");
	CHECK_INT(r, 0);
	fd = call(l.port);
	CHECK(dialogue(fd, "QUIT\n", "220 relay.example.test ESMTP second\n221 \n"));
	/* by a signal */
	configure(&l, "smtpd_banner = $myhostname ESMTP third\n");
	kill(l.pid, SIGHUP);
	for (usec end = patience(); clock_mono() < end && !strstr(last_reply, "third");) {
		CHECK(dialogue(call(l.port), "QUIT\n", "220 relay.example.test ESMTP\n221 \n") || clock_mono() < end);
		CHECK((fd = call(l.port)) >= 0);
		dialogue(fd, "", "220 relay.example.test ESMTP\n");
		nap();
	}
	CHECK(strstr(last_reply, "third") != NULL);
	/* a mistake, another queue, a port that somebody has: the old one stays */
	configure(&l, "smtpd_banner = $myhostname ESMTP fourth\nsmtpd_client_restrictions = nonsense\n");
	ask(&l, "reload", &r);
	CHECK_INT(r, 1);
	snprintf(other, sizeof(other), "smtpd_banner = $myhostname ESMTP fourth\nqueue_directory = %s/other\n", l.dir);
	configure(&l, other);
	ask(&l, "reload", &r);
	CHECK_INT(r, 1);
	CHECK(logs(&l, "another queue_directory needs a restart"));
	before = l.port;
	l.port = l.next.port;
	configure(&l, "smtpd_banner = $myhostname ESMTP fourth\n");
	l.port = before;
	ask(&l, "reload", &r);
	CHECK_INT(r, 1);
	CHECK(logs(&l, "not every port can be had"));
	CHECK(dialogue(call(l.port), "QUIT\n", "220 relay.example.test ESMTP third\n221 \n"));
	/* another port: the old one is closed */
	port = free_port();
	l.port = port;
	configure(&l, "");
	ask(&l, "reload", &r);
	CHECK_INT(r, 0);
	CHECK(dialogue(call(port), "QUIT\n", "220 relay.example.test ESMTP\n221 \n"));
	CHECK_INT(call(before), -1);
	submit(&l, call(port), "a@x.test");
	CHECK(is_delivered(&l, 1));
	die_with(&l);
}

/* --- explain --------------------------------------------------------------------------------------------------------------- */

T(what_would_happen_is_explained)
{
	static const struct { const char *request; const char *has[5], *no; } rows[] = {
		{ "explain a@x.test", { "class\tx.test\t", "route\tsmtp\t[127.0.0.1]:", "hop\t" }, "client\t" },
		{ "explain a@x.test client=127.0.0.1", { "route\tsmtp\t", "a client unknown[127.0.0.1] of port ", "client\t127.0.0.1\taccepted\n" }, NULL },
		{ "explain a@x.test client=192.0.2.1", { "client\t192.0.2.1\t554 5.7.1 ", "rule\t" }, "accepted" },
		{ "explain a@x.test client=192.0.2.1 from=bad@b.test", { "client\t192.0.2.1\t554 5.7.1 <bad@b.test>: Sender address rejected: no\n" }, "accepted" },
		{ "explain v@x.test", { "note\tbecomes w@y.test\n", "route\tsmtp\t" }, NULL },
		{ "explain a@x.test from=c@b.test", { "note\tthe sender becomes d@b.test\n" }, NULL },
		{ "explain user", { "note\trewritten to user@relay.example.test\n", "class\trelay.example.test\tlocal", "route\tlocal\t" }, NULL },
		{ "explain <a@x.test>", { "route\tsmtp\t[127.0.0.1]:" }, "rewritten" }, { "explain a@no.test", { "lookup\ttransport_maps\t", "route\terror\t5.1.1 nobody\n" }, "smtp\t[127" },
		{ "explain a@x.test client=nonsense", { "!client= wants an address" }, NULL }, { "explain a@x.test port=1", { "!no such port takes mail here" }, NULL },
		{ "explain a@x.test port=0", { "!port= wants a number" }, NULL }, { "explain a@x.test port=65536", { "!port= wants a number" }, NULL },
		{ "explain a@x.test port=x", { "!port= wants a number" }, NULL },
		{ "explain a@x.test helo=there", { "a client unknown[unknown] of port ", "client\tunknown\t554 5.7.1 " }, "accepted" },
		{ "explain a@x.test sasl=me client=192.0.2.1", { "client\t192.0.2.1\taccepted\n" }, NULL },
		{ "explain -a@x.test client=127.0.0.1", { "client\t127.0.0.1\t501 5.1.3 Bad recipient address syntax\n" }, "accepted" },
	};
	struct life l;
	int r;

	REQUIRE(live(&l, "virtual_alias_maps = inline:{v@x.test=w@y.test}\nsender_canonical_maps = inline:{c@b.test=d@b.test}\n"
		"smtpd_sender_restrictions = check_sender_access inline:{{bad@b.test=REJECT no}}\nsmtpd_delay_reject = no\n"
		"transport_maps = inline:{{no.test=error:5.1.1 nobody}}\n"
		"smtpd_relay_restrictions = permit_mynetworks, permit_sasl_authenticated, reject\nsmtpd_etrn_restrictions =\n"));
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const char *got = ask(&l, rows[i].request, &r);

		for (size_t k = 0; k < 5 && rows[i].has[k]; k++) {
			ROW("%s: %s", rows[i].request, rows[i].has[k]);
			if (!CHECK(strstr(got, rows[i].has[k]) != NULL))
				printf("# %s\n", got);
		}
		ROW("%s", rows[i].request);
		CHECK_INT(r, rows[i].has[0][0] == '!');
		CHECK(!rows[i].no || !strstr(got, rows[i].no));
	}
	die_with(&l);
}

/* --- mail of another queue -------------------------------------------------------------------------------------------------- */

static int add_body(void *ctx, int (*put)(void *to, struct str piece), void *to)
{
	struct str *rest = ctx;

	for (struct str left = *rest; left.n; left = str_from(left, left.n < 1000 ? left.n : 1000))
		if (put(to, str_head(left, 1000)) != 0)
			return -1;
	return 0;
}

T(mail_of_another_queue_is_taken_as_it_is)
{
	static const struct { const char *header; size_t body, said; unsigned flags; bool good; } rows[] = {
		{ "A: b\r\n\r\n", 12, 12, 0, true }, { "A: b\r\n\r\n", 0, 0, 0, true }, { "", 24, 24, 0, true }, { "A: b\r\n\r\n", 150000, 150000, 0, true },
		{ "A: b\r\n\r\n", 12, 12, 1, true },
		/* what ends too early is not taken */
		{ "A: b\r\n\r\n", 12, 13, 0, false },
	};
	struct life l;
	char text[20];
	unsigned sent = 0;
	int r;

	REQUIRE(live(&l, ""));
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct rcpt rcpts[2] = { { .addr = STR("a@x.test"), .orig = STR("o@x.test") }, { .addr = STR("b@x.test") } };
		struct envelope e = { .sender = STR("s@b.test"), .rcpts = rcpts, .n_rcpts = 2, .uid = -1, .arrival = clock_wall() };
		struct buf body, why;
		struct str view;
		struct given g = { .envelope = &e, .header = str_of(rows[i].header), .body = rows[i].said, .add = add_body, .ctx = &view, .flags = rows[i].flags,
			.origin = "ABC of elsewhere" };
		char qid[QID_MAX] = "";

		ROW("%zu", i);
		buf_init(&body, 1 << 20);
		buf_init(&why, 1000);
		while (body.n < rows[i].body)
			buf_z(&body, "0123456789\r\n");
		buf_truncate(&body, rows[i].body);
		view = buf_view(&body);
		if (!rows[i].good) {
			/* the other end goes away before all was said */
			int fd = local_connect(l.queue, "control");
			struct buf envelope;

			buf_init(&envelope, 1 << 16);
			envelope_format(&envelope, &e);
			snprintf(text, sizeof(text), "%u", l.next.messages);
			buf_printf(&why, "adopt %zu 8 13 0 ABC\n", envelope.n);
			CHECK_INT(local_send(fd, why.p, why.n, USEC_NEVER), 0);
			CHECK_INT(local_send(fd, envelope.p, envelope.n, USEC_NEVER), 0);
			CHECK_INT(local_send(fd, "A: b\r\n\r\n0123456789\r\n", 20, USEC_NEVER), 0);
			close(fd);
			buf_fini(&envelope);
			CHECK(comes(&l, "queue rows", "hold"));
			CHECK(!strstr(ask(&l, "queue rows", &r), "ABC"));
			CHECK_INT(l.next.messages, sent);
		} else {
			CHECK_INT(give(l.queue, &g, qid, &why), 0);
			CHECK_STR(buf_cstr(&why), "");
			CHECK(strlen(qid) >= 10);
			CHECK(logs(&l, "adopted: was ABC of elsewhere"));
			if (rows[i].flags) {
				CHECK(comes(&l, "queue rows", "\thold\t"));
			} else {
				CHECK(is_delivered(&l, ++sent));
				if (rows[i].body < 100) {
					struct buf want;

					buf_init(&want, 1000);
					buf_printf(&want, "%s%.*s", rows[i].header, STR_ARG(view));
					/* what is added on the way out stands in front */
					if (!CHECK(str_ends(str_of(l.next.last), buf_view(&want))))
						printf("# %s\n", l.next.last);
					buf_fini(&want);
				}
			}
		}
		buf_fini(&body);
		buf_fini(&why);
	}
	/* what is not understood is refused */
	{
		static const struct { const char *request, *want; } wrong[] = {
			{ "adopt", "!" }, { "adopt 1", "!" }, { "adopt x 1 1 0 a", "!" }, { "adopt 0 0 0 0 a", "!" }, { "adopt 999999999 1 1 0 a", "!" },
			{ "adopt 10 999999999 1 0 a", "!" },
		};

		for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
			ROW("%s", wrong[i].request);
			CHECK(strstr(ask(&l, wrong[i].request, &r), wrong[i].want) != NULL);
			CHECK_INT(r, 1);
		}
	}
	die_with(&l);
}

/* --- places ------------------------------------------------------------------------------------------------------------------ */

T(a_listener_has_so_many_places)
{
	struct life l;
	int fds[4], r;
	char path[400], text[100];

	REQUIRE(live(&l, "mynetworks = 192.0.2.0/24\n"));
	snprintf(path, sizeof(path), "%s/master.cf", l.dir);
	snprintf(text, sizeof(text), "%u inet n - n - 2 smtpd\n", l.port);
	fs_replace(path, 0644, str_of(text));
	ask(&l, "reload", &r);
	CHECK_INT(r, 0);
	for (int i = 0; i < 2; i++) {
		fds[i] = call(l.port);
		CHECK(fds[i] >= 0);
	}
	CHECK(comes(&l, "stats", "sessions\tSMTP sessions now\t2\n"));
	/* the third waits until one of them has gone */
	fds[2] = call(l.port);
	CHECK(logs(&l, "stress mode on"));
	CHECK(logs(&l, "has reached its process limit \"2\""));
	CHECK(comes(&l, "stats", "sessions\tSMTP sessions now\t2\n"));
	close(fds[0]);
	CHECK(dialogue(fds[2], "QUIT\n", "220 relay.example.test\n221 \n"));
	close(fds[1]);
	CHECK(comes(&l, "stats", "sessions\tSMTP sessions now\t0\n"));
	die_with(&l);
}

/* --- the end ------------------------------------------------------------------------------------------------------------------ */

/* in_content - a client in the middle of a message */
static FILE *in_content(const struct life *l, int fd)
{
	static const char *const says[] = { "", "HELO me\r\n", "MAIL FROM:<s@b.test>\r\n", "RCPT TO:<a@x.test>\r\n", "DATA\r\n" };
	FILE *in = fdopen(fd, "r");
	char line[1000];

	(void)l;
	for (size_t i = 0; i < sizeof(says) / sizeof(says[0]); i++)
		CHECK(local_send(fd, says[i], strlen(says[i]), USEC_NEVER) == 0 && fgets(line, sizeof(line), in) && (line[0] == '2' || line[0] == '3'));
	return in;
}

T(end_waits_for_who_is_in_the_middle_of_a_message)
{
	struct life l;
	int busy, idle;
	FILE *in;
	char line[1000];

	REQUIRE(live(&l, "shutdown_timeout = 30s\n"));
	busy = call(l.port);
	idle = call(l.port);
	in = in_content(&l, busy);
	kill(l.pid, SIGTERM);
	CHECK(logs(&l, "terminating on signal 15"));
	CHECK(dialogue(idle, "", "220 \n421 4.3.2\n"));
	CHECK_INT(call(l.port), -1);
	CHECK_INT(local_send(busy, "\r\nhi\r\n.\r\n", 9, USEC_NEVER), 0);
	CHECK(fgets(line, sizeof(line), in) && !strncmp(line, "250 2.0.0 Ok: queued as ", 24));
	CHECK(fgets(line, sizeof(line), in) && !strncmp(line, "421 4.3.2", 9));
	fclose(in);
	CHECK_INT(ended(&l), EX_OK);
	/* it is in the queue, and goes at the next start */
	REQUIRE(start(&l));
	CHECK(is_delivered(&l, 1));
	die_with(&l);
}

T(end_has_its_time)
{
	struct life l;
	int busy;
	FILE *in;

	REQUIRE(live(&l, "shutdown_timeout = 1s\n"));
	busy = call(l.port);
	in = in_content(&l, busy);
	CHECK_INT(stop(&l), EX_OK);
	CHECK(logs(&l, "shutdown_timeout is over: 1 sessions and 0 deliveries are cut off"));
	fclose(in);
	die_with(&l);
}

T(leave_is_told_before_the_end)
{
	struct life l;

	REQUIRE(live(&l, "shutdown_delay = 1s\n"));
	kill(l.pid, SIGTERM);
	CHECK(logs(&l, "terminating on signal 15: mail is taken for 1 more seconds"));
	CHECK(!strncmp(get(&l, "GET /readyz HTTP/1.1\r\nHost: x\r\n\r\n"), "HTTP/1.1 503", 12));
	CHECK_INT(ended(&l), EX_OK);
	CHECK(!strstr(read_file(&l, "log"), "cut off"));
	die_with(&l);
}

/* a host of two families, and a relay of one */
T(only_addresses_of_inet_protocols_are_listened_at)
{
	static const struct { const char *more; bool v4, v6; } rows[] = {
		{ "inet_interfaces = localhost\ninet_protocols = ipv4\n", true, false },
		{ "inet_interfaces = [127.0.0.1]\ninet_protocols = all\n", true, false },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct sockaddr_in6 a = { .sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT };
		struct life l;
		int fd;

		ROW("%s", rows[i].more);
		REQUIRE(live(&l, rows[i].more));
		fd = call(l.port);
		CHECK_INT(fd >= 0, rows[i].v4);
		CHECK(dialogue(fd, "QUIT\n", "220 \n221 \n"));
		fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
		a.sin6_port = htons(l.port);
		if (fd >= 0)
			CHECK_INT(connect(fd, (struct sockaddr *)&a, sizeof(a)) == 0, rows[i].v6);
		close(fd);
		die_with(&l);
	}
}

T(who_may_not_submit_is_told_at_rcpt)
{
	struct life l;
	struct rcpt rcpt = { .addr = STR("d@x.test") };
	struct envelope e = { .sender = STR("s@b.test"), .rcpts = &rcpt, .n_rcpts = 1, .uid = getuid(), .arrival = clock_wall() };
	char name[MAILDROP_NAME], path[700];

	REQUIRE(live(&l, "authorized_submit_users = nobody-of-this-name\n"));
	CHECK(dialogue(local_connect(l.queue, "submit"), "EHLO me\nMAIL FROM:<s@b.test>\nRCPT TO:<a@x.test>\nQUIT\n", "220 \n250 \n250 \n550 5.7.0 \n221 \n"));
	/* a drop is dropped */
	CHECK_INT(maildrop_write_named(l.queue, &e, STR("Subject: drop\n\nhi\n"), name), 0);
	CHECK(logs(&l, "is not in authorized_submit_users: dropped"));
	snprintf(path, sizeof(path), "%s/maildrop/%s", l.queue, name);
	for (usec end = patience(); access(path, F_OK) == 0 && clock_mono() < end;)
		nap();
	CHECK_INT(access(path, F_OK), -1);
	/* clients of the network are others */
	submit(&l, call(l.port), "a@x.test");
	CHECK(is_delivered(&l, 1));
	die_with(&l);
}

/* figures are told in seconds, whatever they are counted in */
T(metrics_have_their_names_and_help)
{
	static const char *const want[] = {
		"# HELP relaybox_loop_worst_slice_seconds Longest step of the loop in seconds.\n# TYPE relaybox_loop_worst_slice_seconds gauge\n",
		"# HELP relaybox_last_flush_seconds Last flush took seconds.\n", "# HELP relaybox_messages_total Messages accepted.\n# TYPE relaybox_messages_total counter\nrelaybox_messages_total 1\n",
		"# HELP relaybox_uptime_seconds Up for seconds.\n# TYPE relaybox_uptime_seconds gauge\n", "\nrelaybox_healthy 1\n", "\nrelaybox_ready 1\n",
		"postfix_smtpd_connects", "postfix_up{path=\"", "relaybox_build_info{version=\"" RELAYBOX_VERSION "\"} 1\n", "\nrelaybox_sessions 0\n",
	};
	struct life l;
	const char *got;

	REQUIRE(live(&l, ""));
	submit(&l, call(l.port), "a@x.test");
	CHECK(is_delivered(&l, 1));
	CHECK(comes(&l, "stats", "sessions\tSMTP sessions now\t0\n"));
	got = get(&l, "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n");
	for (size_t i = 0; i < sizeof(want) / sizeof(want[0]); i++) {
		ROW("%s", want[i]);
		if (!CHECK(strstr(got, want[i]) != NULL) && !i)
			printf("# %s\n", got);
	}
	die_with(&l);
}

T(recipients_of_one_place_go_together_up_to_the_limit)
{
	static const struct { const char *more; unsigned messages; } rows[] = {
		{ "smtp_destination_recipient_limit = 0\n", 1 }, { "smtp_destination_recipient_limit = 1\n", 3 }, { "smtp_destination_recipient_limit = 2\n", 2 },
		{ "smtp_destination_recipient_limit = 3\n", 1 },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct life l;

		ROW("%s", rows[i].more);
		REQUIRE(live(&l, rows[i].more));
		CHECK(dialogue(call(l.port), "EHLO me\nMAIL FROM:<s@b.test>\nRCPT TO:<a@x.test>\nRCPT TO:<b@x.test>\nRCPT TO:<c@x.test>\nDATA\n\n|hi\n.\nQUIT\n",
			"220 \n250 \n250 \n250 \n250 \n250 \n354 \n250 2.0.0 Ok: queued as \n"));
		CHECK(is_delivered(&l, rows[i].messages));
		CHECK(comes(&l, "stats", "sent_total\trecipients delivered\t3\n"));
		CHECK_INT(l.next.rcpts, 3);
		CHECK_INT(l.next.messages, rows[i].messages);
		die_with(&l);
	}
}

T(second_relayd_on_a_queue_is_refused)
{
	struct life l;
	pid_t first;
	uint16_t port, http;

	REQUIRE(live(&l, ""));
	first = l.pid;
	port = l.port;
	http = l.http;
	l.port = free_port();
	l.http = free_port();
	configure(&l, "");
	fflush(stdout);
	l.pid = fork();
	if (!l.pid)
		_exit(serve(&l));
	CHECK(ended(&l) != EX_OK);
	CHECK(logs(&l, "queue_directory "));
	l.pid = first;
	l.port = port;
	l.http = http;
	submit(&l, call(l.port), "a@x.test");
	CHECK(is_delivered(&l, 1));
	die_with(&l);
}
