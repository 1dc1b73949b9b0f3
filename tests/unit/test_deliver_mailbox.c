/* mailboxes when a call fails, whichever: 250 means all of it is there and flushed, anything else that nothing of it is. And folders that
 * are not what they should be */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/fs.h"
#include "core/deliver/local/mailbox.h"
#include "tests/unit/t.h"

#define OLD "From x\nbefore\n\n"
#define CONTENT "Subject: x\r\n\r\nbody\r\n"
#define WRITTEN "Return-Path: <a@b>\nSubject: x\n\nbody\n"

static int fail_at, n_calls;
static char seen[2000];                /* the calls, in order */

static int fail_nth(const char *call, const char *path)
{
	(void)path;
	snprintf(seen + strlen(seen), sizeof(seen) - strlen(seen), "%s ", call);
	return ++n_calls == fail_at ? EIO : 0;
}

static int fail_syncs(const char *call, const char *path)
{
	(void)path;
	return strcmp(call, "fsync") == 0 && ++n_calls == fail_at ? EIO : 0;
}

static const char *in_tmp(const char *name)
{
	static char paths[4][400];
	static int n;

	n = (n + 1) % 4;
	snprintf(paths[n], sizeof(paths[n]), "%s/%s", t_tmpdir(), name);
	return paths[n];
}

static struct mailbox_order order_for(enum mailbox_kind kind, const char *name)
{
	struct mailbox_order o = { .kind = kind, .length = strlen(CONTENT), .now = clock_wall() };

	snprintf(o.path, sizeof(o.path), "%s", in_tmp(name));
	snprintf(o.prefix, sizeof(o.prefix), "Return-Path: <a@b>\n");
	snprintf(o.from_line, sizeof(o.from_line), "From a@b Sun Nov 22 10:00:00 2026\n");
	snprintf(o.unique, sizeof(o.unique), "1.unique");
	return o;
}

static int content_file(void)
{
	CHECK_INT(fs_replace(in_tmp("content"), 0600, STR(CONTENT)), 0);
	return open(in_tmp("content"), O_RDONLY | O_CLOEXEC);
}

static const char *text_of(const char *path)
{
	static struct buf b;

	buf_fini(&b);
	buf_init(&b, 10000);
	return fs_read_file(path, &b) == 0 ? buf_cstr(&b) : "(none)";
}

static int count_name(void *ctx, const char *name)
{
	(void)name;
	++*(int *)ctx;
	return 0;
}

static int names_in(const char *folder, const char *sub)
{
	char path[1100];
	int n = 0;

	snprintf(path, sizeof(path), "%s/%s", folder, sub);
	return fs_each_name(path, count_name, &n) == 0 ? n : -1;
}

static void make_maildir(const char *path)
{
	static const char *const subs[] = { "", "/tmp", "/new", "/cur" };
	char sub[1100];

	for (size_t i = 0; i < 4; i++) {
		snprintf(sub, sizeof(sub), "%s%s", path, subs[i]);
		CHECK_INT(fs_mkdir(sub, 0700), 0);
	}
}

/* deliver_failing - with the hook; how many calls there were */
static int deliver_failing(const struct mailbox_order *o, int (*hook)(const char *, const char *), int n, int fd, struct reply *r)
{
	fail_at = n;
	n_calls = 0;
	seen[0] = '\0';
	fs_hook = hook;
	mailbox_deliver(o, fd, r);
	fs_hook = NULL;
	return n_calls;
}

T(maildir_has_all_or_nothing_whichever_call_fails)
{
	int fd = content_file(), n = 1, refused = 0;
	struct reply r;

	for (;; n++) {
		struct mailbox_order o;
		char name[40], file[1200];
		int made;

		ROW("call %d", n);
		snprintf(name, sizeof(name), "md%d", n);
		o = order_for(MAILBOX_MAILDIR, name);
		make_maildir(o.path);
		made = deliver_failing(&o, fail_nth, n, fd, &r);
		snprintf(file, sizeof(file), "%s/new/%s", o.path, o.unique);
		CHECK_STR(text_of(file), r.code == 250 ? WRITTEN : "(none)");
		CHECK_INT(names_in(o.path, "new"), r.code == 250);
		CHECK_INT(names_in(o.path, "tmp"), 0);
		CHECK(r.code == 250 || r.code / 100 == 4);
		refused += r.code != 250;
		if (made < n)
			break;
	}
	CHECK_INT(r.code, 250);
	/* opening three folders and the file, writing, flushing, renaming, flushing the folder */
	CHECK(refused >= 7);
	close(fd);
}

/* the file before its name, and the name before the answer */
T(maildir_flushes_the_file_then_moves_it_then_flushes_the_folder)
{
	struct mailbox_order o = order_for(MAILBOX_MAILDIR, "ordered");
	const char *sync, *move;
	int fd = content_file();
	struct reply r;

	make_maildir(o.path);
	deliver_failing(&o, fail_nth, -1, fd, &r);
	CHECK_INT(r.code, 250);
	sync = strstr(seen, "fsync ");
	move = strstr(seen, "rename");
	CHECK(sync && move && sync < move && strstr(move, "fsync ") != NULL);
	for (int i = 1; i <= 2; i++) {
		ROW("flush %d", i);
		snprintf(o.unique, sizeof(o.unique), "2.unique%d", i);
		CHECK(deliver_failing(&o, fail_syncs, i, fd, &r) >= i);
		CHECK_INT(r.code, 451);
		CHECK_INT(names_in(o.path, "new"), 1);
		CHECK_INT(names_in(o.path, "tmp"), 0);
	}
	close(fd);
}

T(maildir_is_completed_and_its_parts_must_be_folders_of_the_user)
{
	static const struct { const char *part; bool link, file, fifo; int code; } rows[] = {
		{ "tmp", false, false, false, 250 }, { "new", false, false, false, 451 }, { "cur", false, false, false, 250 },
		/* nobody reads from it: whoever opened it would wait for ever */
		{ "tmp", false, false, true, 451 }, { "new", false, false, true, 451 }, { "", false, false, true, 451 },
		{ "tmp", true, false, false, 451 }, { "new", true, false, false, 451 }, { "", true, false, false, 451 },
		{ "tmp", false, true, false, 451 }, { "new", false, true, false, 451 }, { "", false, true, false, 451 },
	};
	int fd = content_file();
	char elsewhere[400];

	snprintf(elsewhere, sizeof(elsewhere), "%s", in_tmp("elsewhere"));
	make_maildir(elsewhere);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct mailbox_order o;
		struct reply r;
		char name[40], part[1200], command[2600];

		ROW("%zu %s", i, rows[i].part);
		snprintf(name, sizeof(name), "parts%zu", i);
		o = order_for(MAILBOX_MAILDIR, name);
		make_maildir(o.path);
		snprintf(part, sizeof(part), "%s%s%s", o.path, *rows[i].part ? "/" : "", rows[i].part);
		snprintf(command, sizeof(command), "rm -rf %s", part);
		CHECK_INT(system(command), 0);
		if (rows[i].link)
			CHECK_INT(symlink(elsewhere, part), 0);
		if (rows[i].file)
			CHECK_INT(fs_replace(part, 0600, STR("x")), 0);
		if (rows[i].fifo)
			CHECK_INT(mkfifo(part, 0600), 0);
		mailbox_deliver(&o, fd, &r);
		CHECK_INT(r.code, rows[i].code);
		CHECK_INT(names_in(elsewhere, "new") + names_in(elsewhere, "tmp"), 0);
		if (r.code == 250)
			CHECK_INT(names_in(o.path, "new"), 1);
	}
	close(fd);
}

/* a name that is taken is not written over: the one who has it keeps his mail */
T(maildir_never_writes_over_a_file)
{
	struct mailbox_order o = order_for(MAILBOX_MAILDIR, "taken");
	int fd = content_file();
	char file[1200];
	struct reply r;

	make_maildir(o.path);
	snprintf(file, sizeof(file), "%s/tmp/%s", o.path, o.unique);
	CHECK_INT(fs_replace(file, 0600, STR("another's")), 0);
	mailbox_deliver(&o, fd, &r);
	CHECK_INT(r.code, 451);
	CHECK_STR(text_of(file), "another's");
	CHECK_INT(names_in(o.path, "new"), 0);
	close(fd);
}

/* missing folders above are made, as many as there are; one that cannot be made is a failure for now */
T(maildir_makes_what_is_missing_above)
{
	static const char *const names[] = { "one", "a/b", "c/d/e/f" };
	int fd = content_file();

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		struct mailbox_order o = order_for(MAILBOX_MAILDIR, names[i]);
		struct reply r;

		ROW("%s", names[i]);
		mailbox_deliver(&o, fd, &r);
		CHECK_INT(r.code, 250);
		CHECK_INT(names_in(o.path, "new"), 1);
		CHECK_INT(names_in(o.path, "cur"), 0);
		for (int n = 1; n < 8; n++) {
			struct mailbox_order again;
			char name[40];

			snprintf(name, sizeof(name), "%s.%d", names[i], n);
			again = order_for(MAILBOX_MAILDIR, name);
			deliver_failing(&again, fail_nth, n, fd, &r);
			CHECK(r.code == 250 ? names_in(again.path, "new") == 1 : names_in(again.path, "new") <= 0);
		}
	}
	close(fd);
}

T(mbox_has_all_or_nothing_whichever_call_fails)
{
	int fd = content_file(), refused = 0;
	struct reply r;

	for (int n = 1;; n++) {
		struct mailbox_order o;
		char name[40], lock[1200];
		int made;

		ROW("call %d", n);
		snprintf(name, sizeof(name), "mbox%d", n);
		o = order_for(MAILBOX_MBOX, name);
		CHECK_INT(fs_replace(o.path, 0600, STR(OLD)), 0);
		made = deliver_failing(&o, fail_nth, n, fd, &r);
		CHECK_STR(text_of(o.path), r.code == 250 ? OLD "From a@b Sun Nov 22 10:00:00 2026\n" WRITTEN "\n" : OLD);
		/* a lock that could not be removed is the failed call itself */
		snprintf(lock, sizeof(lock), "%s.lock", o.path);
		CHECK(access(lock, F_OK) < 0 || (n_calls >= n && r.code == 250));
		refused += r.code != 250;
		if (made < n)
			break;
	}
	CHECK_INT(r.code, 250);
	CHECK(refused >= 3);
	close(fd);
}
