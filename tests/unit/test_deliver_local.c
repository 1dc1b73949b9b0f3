/* mail that stays here: mailboxes, maildirs, aliases, the helper, simple transports, notices */
#include <fcntl.h>
#include <poll.h>
#include <pwd.h>
#include <sys/wait.h>

#include "core/deliver/local/helper.h"
#include "core/net/fdpass.h"
#include "core/deliver/local/mailbox.h"
#include "core/msg/dsn.h"
#include "tests/unit/deliver_world.h"

static const char *read_text(const char *path)
{
	static struct buf b;

	buf_fini(&b);
	buf_init(&b, 1 << 20);
	fs_read_file(path, &b);
	return buf_cstr(&b);
}

static int content_file(const char *content)
{
	char path[400];

	snprintf(path, sizeof(path), "%s/content", t_tmpdir());
	CHECK_INT(fs_replace(path, 0600, str_of(content)), 0);
	return open(path, O_RDONLY | O_CLOEXEC);
}

static struct mailbox_order order_for(enum mailbox_kind kind, const char *name, const char *content)
{
	struct mailbox_order o = { .kind = kind, .length = strlen(content), .now = clock_wall() };

	snprintf(o.path, sizeof(o.path), "%s/%s", t_tmpdir(), name);
	snprintf(o.prefix, sizeof(o.prefix), "Return-Path: <a@b>\n");
	snprintf(o.from_line, sizeof(o.from_line), "From a@b Sun Nov 22 10:00:00 2026\n");
	mailbox_unique(o.unique, "host/name", o.now, "0123456789");
	return o;
}

T(mbox_appends_and_quotes)
{
	const char *content = "Subject: x\r\n\r\nFrom here\r\n>From there\r\nFro\r\nlast";
	struct mailbox_order o = order_for(MAILBOX_MBOX, "mbox", content);
	int fd = content_file(content);
	struct reply r;

	for (int i = 0; i < 2; i++) {
		mailbox_deliver(&o, fd, &r);
		CHECK_INT(r.code, 250);
		CHECK_STR(r.text, "delivered to mailbox");
	}
	CHECK_STR(read_text(o.path), "From a@b Sun Nov 22 10:00:00 2026\nReturn-Path: <a@b>\nSubject: x\n\n>From here\n>From there\nFro\nlast\n\n"
		"From a@b Sun Nov 22 10:00:00 2026\nReturn-Path: <a@b>\nSubject: x\n\n>From here\n>From there\nFro\nlast\n\n");
	close(fd);
}

T(mbox_over_its_limit_is_cut_back)
{
	struct mailbox_order o = order_for(MAILBOX_MBOX, "limited", "Subject: x\r\n\r\nbody\r\n");
	int fd = content_file("Subject: x\r\n\r\nbody\r\n");
	struct reply r;
	struct stat before, after;

	mailbox_deliver(&o, fd, &r);
	CHECK_INT(stat(o.path, &before), 0);
	o.limit = (uint64_t)before.st_size + 10;
	mailbox_deliver(&o, fd, &r);
	CHECK_INT(r.code, 552);
	CHECK_STR(r.enhanced, "5.2.2");
	CHECK_INT(stat(o.path, &after), 0);
	CHECK_INT(after.st_size, before.st_size);
	close(fd);
}

T(mbox_follows_no_links)
{
	struct mailbox_order o = order_for(MAILBOX_MBOX, "planted", "x\r\n");
	char target[400], lock[1100];
	int fd = content_file("x\r\n");
	struct reply r;

	snprintf(target, sizeof(target), "%s/victim", t_tmpdir());
	CHECK_INT(fs_replace(target, 0600, STR("precious\n")), 0);
	CHECK_INT(symlink(target, o.path), 0);
	mailbox_deliver(&o, fd, &r);
	CHECK_INT(r.code, 451);
	unlink(o.path);
	CHECK_INT(link(target, o.path), 0);
	mailbox_deliver(&o, fd, &r);
	CHECK_INT(r.code, 451);
	unlink(o.path);
	CHECK_INT(mkfifo(o.path, 0600), 0);
	mailbox_deliver(&o, fd, &r);
	CHECK_INT(r.code, 451);
	CHECK_STR(read_text(target), "precious\n");
	snprintf(lock, sizeof(lock), "%s.lock", o.path);
	CHECK(access(lock, F_OK) < 0);
	close(fd);
}

static int count_name(void *ctx, const char *name)
{
	snprintf(ctx, 300, "%s", name);
	return 0;
}

T(maildir_is_made_and_filled)
{
	struct mailbox_order o = order_for(MAILBOX_MAILDIR, "deep/er/Maildir", "Subject: x\r\n\r\nFrom me\r\n");
	int fd = content_file("Subject: x\r\n\r\nFrom me\r\n");
	char folder[1100], name[300] = "", file[1500];
	struct stat st;
	struct reply r;

	mailbox_deliver(&o, fd, &r);
	CHECK_STR(r.text, "delivered to maildir");
	CHECK_INT(stat(o.path, &st), 0);
	CHECK_INT(st.st_mode & 0777, 0700);
	snprintf(folder, sizeof(folder), "%s/new", o.path);
	CHECK_INT(fs_each_name(folder, count_name, name), 0);
	CHECK(name[0] && !strchr(name, '/') && strstr(name, "host_name"));
	snprintf(file, sizeof(file), "%s/%s", folder, name);
	CHECK_STR(read_text(file), "Return-Path: <a@b>\nSubject: x\n\nFrom me\n");
	name[0] = 0;
	snprintf(folder, sizeof(folder), "%s/tmp", o.path);
	CHECK_INT(fs_each_name(folder, count_name, name), 0);
	CHECK_STR(name, "");
	/* a folder that is a link is not entered */
	CHECK_INT(rmdir(folder), 0);
	CHECK_INT(symlink("/tmp", folder), 0);
	mailbox_unique(o.unique, "h", o.now, "0123456789");
	mailbox_deliver(&o, fd, &r);
	CHECK_INT(r.code, 451);
	close(fd);
}

T(local_delivers_forwards_and_refuses)
{
	static const struct { const char *rcpt; int code; const char *dsn, *text; } rows[] = {
		{ "ME", 250, "2.0.0", "delivered to mailbox" },
		{ "ME+ext", 250, "2.0.0", "delivered to mailbox" },
		{ "no-such-user", 550, "5.1.1", "unknown user: \"no-such-user\"" },
		{ "no-such-user+ext", 550, "5.1.1", "unknown user: \"no-such-user\"" },
		{ "cmd", 451, "4.3.5", "alias delivers to the command \"|/bin/x y\": relaybox runs no commands" },
		{ "file", 250, "2.0.0", "delivered to file: " },
		{ "fwd", 250, "2.0.0", "forwarded as " },
		{ "loop", 554, "5.4.6", "mail forwarding loop for loop@localhost" },
	};
	struct passwd *pw = getpwuid(getuid());
	char spool[400], aliases[600], list[700], rcpt[200], path[500];
	const char *extra[] = { BASE, spool, aliases, "recipient_delimiter=+", NULL };
	struct world w;
	struct parcel p;
	struct dest dest;

	REQUIRE(pw != NULL);
	snprintf(spool, sizeof(spool), "mail_spool_directory=%s", t_tmpdir());
	snprintf(path, sizeof(path), "%s/aliases", t_tmpdir());
	snprintf(aliases, sizeof(aliases), "alias_maps=hash:%s", path);
	snprintf(list, sizeof(list), "cmd: \"|/bin/x y\"\nfile: %s/alias-file\nfwd: far@x.test, near@x.test\nowner-fwd: boss@x.test\n"
		"loop: x@x.test\n", t_tmpdir());
	CHECK_INT(fs_replace(path, 0600, str_of(list)), 0);
	REQUIRE(world_open(&w, extra, NULL, -1));
	dest = dest_of(&w, "local", "");
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		bool me = !strncmp(rows[i].rcpt, "ME", 2);

		ROW("%s", rows[i].rcpt);
		snprintf(rcpt, sizeof(rcpt), "%s%s@localhost", me ? pw->pw_name : "", rows[i].rcpt + (me ? 2 : 0));
		parcel_put(&w, &p, "s@b.test", rcpt, "Delivered-To: loop@localhost\r\nSubject: x\r\n\r\nbody\r\n");
		parcel_send(&w, &p, &dest);
		CHECK_INT(p.results[0].reply.code, rows[i].code);
		CHECK_STR(p.results[0].reply.enhanced, rows[i].dsn);
		CHECK(!strncmp(p.results[0].reply.text, rows[i].text, strlen(rows[i].text)));
	}
	CHECK(strstr(world_log(&w), "relay=local, delay=") != NULL);
	CHECK(strstr(world_log(&w), "status=sent (delivered to mailbox)\n") != NULL);
	snprintf(path, sizeof(path), "%s/%s", t_tmpdir(), pw->pw_name);
	CHECK(strstr(read_text(path), "Return-Path: <s@b.test>\nX-Original-To: ") != NULL);
	if (CHECK_INT(w.n_queued, 1)) {
		struct arena a;
		struct envelope e;
		struct store_reader *r = store_read_open(w.store, w.queued[0]);
		struct str head = store_read_header(r);

		arena_init(&a, 1 << 20);
		CHECK_INT(store_envelope(w.store, w.queued[0], &a, &e), 0);
		CHECK_VIEW(e.sender, "owner-fwd@mx.example.jp");
		CHECK_INT(e.n_rcpts, 2);
		CHECK_VIEW(e.rcpts[0].addr, "far@x.test");
		/* a list: its owner hears of failures, and nothing is left of the old recipient */
		CHECK_VIEW(e.rcpts[0].orig, "");
		CHECK_INT(e.header_size, head.n);
		CHECK_INT(e.size, head.n + 6);
		CHECK(str_starts(head, STR("Received: by mx.example.jp (")));
		CHECK(str_ends(head, STR("\r\nDelivered-To: fwd@localhost\r\nDelivered-To: loop@localhost\r\nSubject: x\r\n\r\n")));
		store_read_close(r);
		arena_fini(&a);
	}
	world_close(&w);
}

T(local_writes_to_no_file_that_is_not_allowed)
{
	static const struct { const char *allowed, *rcpt; int code; const char *dsn, *text; } rows[] = {
		{ "allow_mail_to_files=forward include", "file", 554, "5.7.1", "mail to file is restricted" },
		{ "allow_mail_to_files=", "both", 554, "5.7.1", "mail to file is restricted" },
		{ "allow_mail_to_files=", "fwd", 250, "2.0.0", "forwarded as " },
		{ "allow_mail_to_files=ALIAS", "both", 250, "2.0.0", "forwarded as " },
	};
	char aliases[600], list[600], path[500], rcpt[100];
	struct world w;
	struct parcel p;
	struct dest dest;

	snprintf(path, sizeof(path), "%s/aliases", t_tmpdir());
	snprintf(aliases, sizeof(aliases), "alias_maps=hash:%s", path);
	snprintf(list, sizeof(list), "file: /dev/null\nboth: far@x.test, /dev/null\nfwd: far@x.test\n");
	CHECK_INT(fs_replace(path, 0600, str_of(list)), 0);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const char *extra[] = { BASE, aliases, rows[i].allowed, NULL };

		ROW("%s %s", rows[i].allowed, rows[i].rcpt);
		REQUIRE(world_open(&w, extra, NULL, -1));
		dest = dest_of(&w, "local", "");
		snprintf(rcpt, sizeof(rcpt), "%s@localhost", rows[i].rcpt);
		parcel_put(&w, &p, "s@b.test", rcpt, CONTENT);
		parcel_send(&w, &p, &dest);
		CHECK_INT(p.results[0].reply.code, rows[i].code);
		CHECK_STR(p.results[0].reply.enhanced, rows[i].dsn);
		CHECK(!strncmp(p.results[0].reply.text, rows[i].text, strlen(rows[i].text)));
		CHECK_INT(w.n_queued, rows[i].code == 250);
		world_close(&w);
	}
}

T(simple_transports_answer)
{
	static const struct { const char *transport, *nexthop; int code; const char *dsn, *text, *status; } rows[] = {
		{ "error", "5.1.1 no such one", 550, "5.1.1", "no such one", "bounced" },
		{ "error", "plain words", 550, "5.0.0", "plain words", "bounced" },
		{ "error", "", 550, "5.0.0", "Address is undeliverable", "bounced" },
		{ "retry", "4.2.1 not now", 450, "4.2.1", "not now", "deferred" },
		{ "discard", "", 250, "2.0.0", "discarded", "sent" },
		{ "virtual", "x", 451, "4.3.5", "transport virtual needs the program \"virtual\", which relaybox does not have: "
			"use lmtp, smtp or local", "deferred" },
	};
	static const char *const extra[] = { BASE, NULL };
	struct world w;
	struct parcel p;
	char line[300];

	REQUIRE(world_open(&w, extra, NULL, -1));
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct dest dest = dest_of(&w, rows[i].transport, rows[i].nexthop);

		ROW("%s %s", rows[i].transport, rows[i].nexthop);
		parcel_put(&w, &p, "s@b.test", "u@x.test", CONTENT);
		parcel_send(&w, &p, &dest);
		CHECK_INT(p.results[0].reply.code, rows[i].code);
		CHECK_STR(p.results[0].reply.enhanced, rows[i].dsn);
		CHECK_STR(p.results[0].reply.text, rows[i].text);
		snprintf(line, sizeof(line), "dsn=%s, status=%s (%s)\n", rows[i].dsn, rows[i].status, rows[i].text);
		CHECK(strstr(world_log(&w), line) != NULL);
	}
	world_close(&w);
}

/* start_helper - in a process of its own, behind fds[1]; its id, or -1 */
static pid_t start_helper(const struct helper_rules *rules, int fds[2])
{
	pid_t pid;

	if (helper_socketpair(fds) != 0)
		return -1;
	pid = fork();
	if (pid == 0) {
		close(fds[0]);
		_exit(helper_main(fds[1], rules));
	}
	close(fds[1]);
	return pid;
}

T(helper_delivers_as_the_user_and_opens_tables)
{
	struct passwd *pw = getpwnam("nobody");
	char spool[400], spool_option[450], secret[400];
	const char *extra[] = { BASE, spool_option, NULL };
	const char *tables[] = { secret, NULL };
	struct helper_rules rules = { .spool = spool, .home_mailbox = "", .log = "", .tables = tables, .confine = true, .must = true };
	struct world w;
	struct parcel p;
	struct dest dest;
	struct stat st;
	int fds[2], fd, status;
	static char big[100000];
	char path[500];
	pid_t pid;

	if (getuid() != 0 || !pw)
		SKIP("needs root and a user nobody");
	snprintf(spool, sizeof(spool), "%s/spool", t_tmpdir());
	snprintf(spool_option, sizeof(spool_option), "mail_spool_directory=%s", spool);
	snprintf(secret, sizeof(secret), "%s/secret", t_tmpdir());
	CHECK_INT(chmod(t_tmpdir(), 0755), 0);
	CHECK_INT(mkdir(spool, 0777), 0);
	CHECK_INT(chmod(spool, 01777), 0);
	CHECK_INT(fs_replace(secret, 0600, STR("x\n")), 0);
	REQUIRE((pid = start_helper(&rules, fds)) > 0);
	REQUIRE(world_open(&w, extra, NULL, fds[0]));
	dest = dest_of(&w, "local", "");
	parcel_put(&w, &p, "s@b.test", "nobody@localhost", CONTENT);
	parcel_send(&w, &p, &dest);
	CHECK_STR(p.results[0].reply.text, "delivered to mailbox");
	snprintf(path, sizeof(path), "%s/nobody", spool);
	CHECK_INT(stat(path, &st), 0);
	CHECK_INT(st.st_uid, pw->pw_uid);
	CHECK_INT(st.st_mode & 0777, 0600);
	CHECK(strstr(read_text(path), "hello\n.dot\n\n") != NULL);
	/* a body in a file of its own: the header section comes from another; and the next one is without */
	memcpy(big, "Subject: big\r\n\r\n", 16);
	for (size_t i = 16; i < sizeof(big) - 8; i += 8)
		memcpy(big + i, "line..\r\n", 8);
	for (int i = 0; i < 3; i++) {
		parcel_put(&w, &p, "s@b.test", "nobody@localhost", i == 2 ? CONTENT : big);
		parcel_send(&w, &p, &dest);
		CHECK_STR(p.results[0].reply.text, "delivered to mailbox");
		CHECK(i == 2 || p.m->flags & QMSG_BIG);
	}
	CHECK_INT(stat(path, &st), 0);
	CHECK(st.st_size > 2 * 7 * (off_t)(sizeof(big) / 8 - 10) && st.st_size < 2 * (off_t)sizeof(big));
	CHECK(strstr(read_text(path), "\nSubject: big\n\nline..\nline..\n") != NULL);
	CHECK_INT(unlink(path), 0);
	/* a table that relayd cannot open itself is asked of the helper: here the path is simply not there for us */
	CHECK_INT(rename(secret, path), 0);
	fd = fs_open_table(secret);
	CHECK(fd < 0 && errno == ENOENT);
	world_close(&w);
	close(fds[0]);
	CHECK(waitpid(pid, &status, 0) == pid && WIFEXITED(status));
}

/* one request as a taken-over relayd would send it; the answer's text */
static const char *ask_helper(int fd, const struct helper_request *r, size_t size, int content)
{
	static struct helper_answer a;
	int pass = -1;

	if (fdpass_send(fd, content, r, size) < 0)
		return "(not sent)";
	for (int i = 0; i < 200; i++) {
		struct pollfd p = { .fd = fd, .events = POLLIN };

		if (poll(&p, 1, 50) == 1 && fdpass_recv(fd, &pass, &a, sizeof(a)) == (ptrdiff_t)sizeof(a))
			break;
	}
	if (pass >= 0)
		close(pass);
	return a.id == r->id ? a.reply.text : "(no answer)";
}

/* a user's deliveries run as he, so he can stop them for good: they have places of their own, and the others theirs */
T(helper_keeps_places_from_one_user)
{
	struct helper_rules rules = { .home_mailbox = "", .log = "", .confine = true, .must = true };
	struct helper_request r = { .verb = HELPER_DELIVER };
	struct mailbox_order *o = &r.order;
	char spool[300], file[320], lock[340];
	int fds[2], content, status;
	pid_t pid;

	if (getuid() != 0 || !getpwnam("nobody") || !getpwnam("games"))
		SKIP("needs root and users nobody and games");
	snprintf(spool, sizeof(spool), "%s/places", t_tmpdir());
	snprintf(file, sizeof(file), "%s/placed", t_tmpdir());
	snprintf(lock, sizeof(lock), "%s/nobody.lock", spool);
	REQUIRE(chmod(t_tmpdir(), 0755) == 0 && mkdir(spool, 0777) == 0 && chmod(spool, 0777) == 0);
	REQUIRE(fs_replace(file, 0600, STR("Subject: x\r\n\r\ny\r\n")) == 0 && fs_replace(lock, 0600, STR_EMPTY) == 0);
	content = fs_open(file, O_RDONLY, 0);
	rules.spool = spool;
	rules.owner = 12525;
	REQUIRE((pid = start_helper(&rules, fds)) > 0);
	snprintf(o->unique, sizeof(o->unique), "1.x");
	snprintf(o->from_line, sizeof(o->from_line), "From a b\n");
	o->length = 15;
	o->now = clock_wall();
	snprintf(o->user, sizeof(o->user), "nobody");
	snprintf(o->path, sizeof(o->path), "%s/nobody", spool);
	/* these wait for the lock */
	for (r.id = 1; r.id <= LIMIT_HELPER_USER; r.id++)
		REQUIRE(fdpass_send(fds[0], content, &r, sizeof(r)) >= 0);
	CHECK_STR(ask_helper(fds[0], &r, sizeof(r), content), "local delivery is busy");
	snprintf(o->user, sizeof(o->user), "games");
	snprintf(o->path, sizeof(o->path), "%s/games", spool);
	r.id++;
	CHECK_STR(ask_helper(fds[0], &r, sizeof(r), content), "delivered to mailbox");
	CHECK_INT(unlink(lock), 0);
	close(fds[0]);
	close(content);
	CHECK(waitpid(pid, &status, 0) == pid && WIFEXITED(status));
}

T(helper_believes_nothing)
{
	enum { PATH = 1, UNIQUE, FROM, PREFIX, USER, CONTENT_PIPE, CONTENT_SHORT, VERB };
	static const struct { int what; const char *text, *answer; } rows[] = {
		{ PATH, "/root/.ssh/authorized_keys", "mailboxes are elsewhere since relayd was started: restart it" },
		{ PATH, "SPOOL/../x", "mailboxes are elsewhere since relayd was started: restart it" },
		{ UNIQUE, "../x", "local delivery was asked for wrongly" },
		{ UNIQUE, ".x", "local delivery was asked for wrongly" },
		{ UNIQUE, "", "local delivery was asked for wrongly" },
		{ USER, "../root", "local delivery was asked for wrongly" },
		{ USER, "", "local delivery was asked for wrongly" },
		{ USER, "no-such-user-here", "unknown user: \"no-such-user-here\"" },
		{ USER, "mail", "no mailbox is written for mail: give mail an alias" },
		{ FROM, "root:x:0:0\n", "local delivery was asked for wrongly" },
		{ FROM, "From a b\nroot::\n", "local delivery was asked for wrongly" },
		{ PREFIX, "X: y\nFrom z\n", "local delivery was asked for wrongly" },
		{ PREFIX, "X: y\n\n", "local delivery was asked for wrongly" },
		{ PREFIX, "X: \033[2J\n", "local delivery was asked for wrongly" },
		{ CONTENT_PIPE, "", "local delivery was asked for wrongly" },
		{ CONTENT_SHORT, "", "local delivery was asked for wrongly" },
		{ VERB, "", "local delivery was asked for wrongly" },
	};
	struct passwd *owner = getpwnam("mail");
	struct helper_rules rules = { .home_mailbox = "", .log = "", .confine = true, .must = true };
	char spool[300], file[320];
	int fds[2], pipes[2], content, status;
	pid_t pid;

	if (getuid() != 0 || !owner)
		SKIP("needs root and a user mail");
	snprintf(spool, sizeof(spool), "%s/mailboxes", t_tmpdir());
	snprintf(file, sizeof(file), "%s/content", t_tmpdir());
	REQUIRE(mkdir(spool, 0700) == 0 && fs_replace(file, 0600, STR("Subject: x\r\n\r\ny\r\n")) == 0 && pipe(pipes) == 0);
	content = fs_open(file, O_RDONLY, 0);
	rules.spool = spool;
	rules.owner = owner->pw_uid;
	REQUIRE((pid = start_helper(&rules, fds)) > 0);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct helper_request r = { .id = i + 1, .verb = rows[i].what == VERB ? 77 : HELPER_DELIVER };
		struct mailbox_order *o = &r.order;
		char *field = rows[i].what == PATH ? o->path : rows[i].what == UNIQUE ? o->unique : rows[i].what == FROM ? o->from_line :
			rows[i].what == PREFIX ? o->prefix : o->user;

		ROW("%zu %s", i, rows[i].text);
		snprintf(o->user, sizeof(o->user), "root");
		snprintf(o->unique, sizeof(o->unique), "1.x");
		snprintf(o->from_line, sizeof(o->from_line), "From a b\n");
		snprintf(o->path, sizeof(o->path), "%s/root", spool);
		o->length = rows[i].what == CONTENT_SHORT ? 1000 : 15;
		if (rows[i].what < CONTENT_PIPE)
			snprintf(field, 100, "%s", rows[i].text);
		CHECK_STR(ask_helper(fds[0], &r, sizeof(r), rows[i].what == CONTENT_PIPE ? pipes[0] : content), rows[i].answer);
	}
	CHECK_INT(rmdir(spool), 0);
	close(fds[0]);
	close(content);
	CHECK(waitpid(pid, &status, 0) == pid && WIFEXITED(status));
}

struct noticed {
	bool told;
	int error;
};

static void noticed(void *ctx, int error)
{
	*(struct noticed *)ctx = (struct noticed){ true, error };
}

T(bounce_tells_the_sender_and_nobody_about_notices)
{
	static const struct { const char *sender; int kind; const char *classes; size_t queued; const char *to, *from, *log; } rows[] = {
		{ "s@b.test", DSN_FAILED, "", 1, "s@b.test", "", "sender non-delivery notification: " },
		{ "s@b.test", DSN_FAILED, "bounce", 2, "postmaster@mx.example.jp", "double-bounce@mx.example.jp", "postmaster non-delivery notification: " },
		{ "s@b.test", DSN_DELAYED, "delay", 2, "late@mx.example.jp", "double-bounce@mx.example.jp", "postmaster delay notification: " },
		{ "s@b.test", DSN_DELAYED, "bounce, policy", 1, "s@b.test", "", "sender delay notification: " },
		{ "", DSN_FAILED, "bounce", 1, "postmaster@mx.example.jp", "double-bounce@mx.example.jp", "postmaster non-delivery notification: " },
		{ "", DSN_DELAYED, "2bounce, delay, bounce", 0, "", "", "" },
		{ "s@b.test", DSN_DELAYED, "", 1, "s@b.test", "", "sender delay notification: " },
		{ "s@b.test", DSN_DELIVERED, "", 1, "s@b.test", "", "sender delivery status notification: " },
		{ "", DSN_FAILED, "", 0, "", "", "undeliverable notification of the null sender discarded" },
		{ "", DSN_FAILED, "2bounce", 1, "postmaster@mx.example.jp", "double-bounce@mx.example.jp", "postmaster non-delivery notification: " },
		{ "double-bounce@mx.example.jp", DSN_FAILED, "2bounce", 0, "", "", "undeliverable postmaster notification discarded" },
		{ "Double-Bounce@MX.example.jp", DSN_FAILED, "bounce, 2bounce", 0, "", "", "undeliverable postmaster notification discarded" },
		{ "double-bounce@b.test", DSN_FAILED, "", 1, "double-bounce@b.test", "", "sender non-delivery notification: " },
	};
	size_t which[] = { 0 };

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char classes[100];
		const char *extra[] = { BASE, classes, "delay_notice_recipient=late", NULL };
		struct delivery_result *result = MEM_NEW(struct delivery_result);
		struct parcel *p = MEM_NEW(struct parcel);
		struct world w;
		struct noticed end = { .error = -1 };

		ROW("%zu", i);
		snprintf(classes, sizeof(classes), "notify_classes=%s", rows[i].classes);
		REQUIRE(world_open(&w, extra, NULL, -1));
		parcel_put(&w, p, rows[i].sender, "u@x.test", i ? CONTENT : "Subject: x\r\n\r\n8 bits \xe9\r\n");
		reply_set(&result->reply, 550, "5.1.1", "host h[1.2.3.4] said: 550 5.1.1 no (in reply to RCPT TO command)");
		snprintf(result->remote_mta, sizeof(result->remote_mta), "h");
		bounce_notice(w.deliver, rows[i].kind, p->m, &p->e, which, result, 1, noticed, &end);
		CHECK(!end.told);
		world_run(&w, &end.told, 15000);
		CHECK(end.told && !end.error);
		CHECK(strstr(world_log(&w), rows[i].log) != NULL);
		if (CHECK_INT(w.n_queued, rows[i].queued) && w.n_queued) {
			struct arena a;
			struct envelope e;

			arena_init(&a, 1 << 20);
			CHECK_INT(store_envelope(w.store, w.queued[0], &a, &e), 0);
			CHECK_VIEW(e.sender, rows[i].from);
			CHECK_VIEW(e.rcpts[0].addr, rows[i].to);
			CHECK(e.flags & ENVELOPE_BOUNCE);
			/* a notice that brings 8-bit mail back says so to the next hop */
			CHECK_INT(!!(e.flags & ENVELOPE_8BIT), i == 0);
			arena_fini(&a);
		}
		world_close(&w);
		mem_free(result);
		mem_free(p);
	}
}

static void probed(void *ctx, const struct reply *r)
{
	*(struct reply *)ctx = *r;
}

T(probe_asks_and_does_not_deliver)
{
	struct fake f = { .ip = "127.0.0.1", .rcpt_bad = "550 5.1.1 who" };
	char transport[200];
	const char *extra[] = { BASE, transport, NULL };
	static const struct { const char *rcpt; int code; const char *log; } rows[] = {
		{ "good@x.test", 250, "status=deliverable (250 2.1.5 ok)\n" },
		{ "bad@x.test", 550, "status=undeliverable (host 127.0.0.1[127.0.0.1] said: 550 5.1.1 who (in reply to RCPT TO command))\n" },
		{ "no-such-user@localhost", 550, "status=undeliverable (unknown user: \"no-such-user\")\n" },
	};
	struct world w;

	REQUIRE(fake_start(&f));
	snprintf(transport, sizeof(transport), "transport_maps=inline:{x.test=smtp:[127.0.0.1]:%u}", f.port);
	REQUIRE(world_open(&w, extra, NULL, -1));
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct reply r = { .code = 0 };
		bool no = false;

		ROW("%s", rows[i].rcpt);
		deliver_probe(w.deliver, str_of(rows[i].rcpt), probed, &r);
		CHECK_INT(r.code, 0);
		for (int k = 0; k < 500 && !r.code; k++)
			world_run(&w, &no, 20);
		CHECK_INT(r.code, rows[i].code);
		CHECK(strstr(world_log(&w), rows[i].log) != NULL);
	}
	CHECK_INT(f.messages, 0);
	CHECK(strstr(f.mail_line, "MAIL FROM:<double-bounce@mx.example.jp>") != NULL);
	world_close(&w);
	fake_stop(&f);
}
