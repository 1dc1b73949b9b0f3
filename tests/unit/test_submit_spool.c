/* The spool of a user without a relayd: what is said to be kept is there, and what is not is nowhere. The tries themselves
 * are in tests/e2e/test_spool.py. */
#include "tests/unit/t.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/base/fs.h"
#include "core/store/maildrop.h"
#include "core/submit/submit_spool.h"

static int calls, fail_at;

/* only the folder under test may be written: the others of the list are the machine's */
static int fail_nth(const char *call, const char *path)
{
	(void)call;
	if (path && !strncmp(path, "/var/tmp", 8))
		return EROFS;
	return ++calls == fail_at ? ENOSPC : 0;
}

static void count_kept(void *ctx, const char *id, const struct envelope *e, uint64_t size, struct str reason)
{
	size_t *n = ctx;

	CHECK_INT(strlen(id), 16);
	CHECK_INT(e->n_rcpts, 1);
	CHECK_INT(size, 4);
	++*n;
}

static int remove_drop(void *ctx, const char *name)
{
	return maildrop_remove(ctx, name);
}

T(spool_keeps_all_or_nothing_whatever_call_fails)
{
	struct conf c = { .sendmail_spool = t_tmpdir() };
	struct rcpt rcpt = { .addr = STR("b@x") };
	struct envelope e = { .sender = STR("a@x"), .rcpts = &rcpt, .n_rcpts = 1, .uid = 4711 };
	bool more = true;

	setenv("HOME", "", 1);
	for (fail_at = 1; more && fail_at < 200; fail_at++) {
		char where[256] = "";
		struct buf why;
		size_t kept = 0;
		int r;

		ROW("call %d", fail_at);
		buf_init(&why, 1000);
		calls = 0;
		fs_hook = fail_nth;
		r = submit_spool_keep(&c, &e, STR("text"), "because", where, sizeof(where), &why);
		more = calls >= fail_at;
		fs_hook = NULL;
		submit_spool_each(&c, count_kept, &kept);
		CHECK_INT(kept, r == 0);
		CHECK(r == 0 ? !strncmp(where, t_tmpdir(), strlen(t_tmpdir())) : strstr(buf_cstr(&why), "No space left") != NULL);
		if (!more)
			CHECK_INT(r, 0);
		if (r == 0)
			CHECK_INT(maildrop_each(where, remove_drop, where), 0);
		buf_fini(&why);
	}
	CHECK(fail_at > 8);
}
