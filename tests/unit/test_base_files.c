/* What the files of base do at their edges: what is flushed, what a child would inherit, calls that a signal breaks off. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/time.h>
#include <unistd.h>

#include "core/base/fs.h"
#include "core/base/ipaddr.h"
#include "core/base/log.h"
#include "tests/unit/t.h"

static char seen[200];

static int note_call(const char *call, const char *path)
{
	(void)path;
	if (strcmp(call, "write") != 0 && strcmp(call, "close") != 0)
		snprintf(seen + strlen(seen), sizeof(seen) - strlen(seen), "%s ", call);
	return 0;
}

T(fs_replace_flushes_the_file_then_the_folder)
{
	char path[300];

	snprintf(path, sizeof(path), "%s/x", t_tmpdir());
	fs_hook = note_call;
	CHECK_INT(fs_replace(path, 0600, STR("new")), 0);
	fs_hook = NULL;
	CHECK_STR(seen, "open fsync rename open fsync ");
}

T(fs_replace_flushes_the_folder_it_is_in)
{
	char old[300];

	REQUIRE(getcwd(old, sizeof(old)) && chdir(t_tmpdir()) == 0);
	seen[0] = 0;
	fs_hook = note_call;
	CHECK_INT(fs_replace("here", 0600, STR("new")), 0);
	fs_hook = NULL;
	CHECK_STR(seen, "open fsync rename open fsync ");
	CHECK_INT(access("here", F_OK), 0);
	REQUIRE(chdir(old) == 0);
}

static int pipe_in[2];

static void fill(int sig)
{
	(void)sig;
	(void)!write(pipe_in[1], "late", 4);
	close(pipe_in[1]);
}

T(fs_read_goes_on_after_a_signal)
{
	struct sigaction old, catch = { .sa_handler = fill };
	struct itimerval soon = { .it_value = { 0, 50000 } }, was;
	struct buf b;

	REQUIRE(pipe(pipe_in) == 0);
	buf_init(&b, 100);
	/* the harness has the alarm: it gets it back */
	sigaction(SIGALRM, &catch, &old);
	setitimer(ITIMER_REAL, &soon, &was);
	CHECK_INT(fs_read_fd(pipe_in[0], &b), 0);
	sigaction(SIGALRM, &old, NULL);
	setitimer(ITIMER_REAL, &was, NULL);
	CHECK_STR(buf_cstr(&b), "late");
	buf_fini(&b);
	close(pipe_in[0]);
}

/* how many descriptors a program that was started now would have, besides the standard ones */
static int inherited(void)
{
	int n = 0;

	for (int fd = 3; fd < 200; fd++) {
		int flags = fcntl(fd, F_GETFD);

		n += flags >= 0 && !(flags & FD_CLOEXEC);
	}
	return n;
}

T(log_leaves_nothing_to_children)
{
	int before = inherited(), old = dup(STDERR_FILENO), ends[2];
	char path[300];

	REQUIRE(pipe2(ends, O_CLOEXEC) == 0);
	fcntl(old, F_SETFD, FD_CLOEXEC);
	dup2(ends[1], STDERR_FILENO);
	CHECK_INT(log_open(&(struct log_config){ .sink = LOG_TO_STDERR, .syslog_name = "x" }), 0);
	CHECK_INT(inherited(), before);
	snprintf(path, sizeof(path), "%s/log", t_tmpdir());
	CHECK_INT(log_open(&(struct log_config){ .sink = LOG_TO_FILE, .path = path, .syslog_name = "x" }), 0);
	CHECK_INT(inherited(), before);
	dup2(old, STDERR_FILENO);
	close(old);
	close(ends[0]);
	close(ends[1]);
}

T(ipaddr_to_sockaddr_takes_the_address_only)
{
	/* what stands behind the address in memory must not come along */
	struct ipaddr two[2];
	struct sockaddr_storage out;
	const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)(const void *)&out;
	const struct sockaddr_in *v4 = (const struct sockaddr_in *)(const void *)&out;

	memset(two, 0xff, sizeof(two));
	REQUIRE(ipaddr_parse(STR("2001:db8::1"), &two[0]));
	two[1].family = 0x01010101;
	CHECK_INT(ipaddr_to_sockaddr(&two[0], 25, &out), sizeof(*v6));
	CHECK_MEM(&v6->sin6_addr, 16, "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\1", 16);
	CHECK_INT(v6->sin6_scope_id, 0);
	CHECK_INT(v6->sin6_port, 25 << 8);
	REQUIRE(ipaddr_parse(STR("192.0.2.1"), &two[0]));
	memset(two[0].b + 4, 0xff, 12);
	CHECK_INT(ipaddr_to_sockaddr(&two[0], 25, &out), sizeof(*v4));
	CHECK_MEM(&v4->sin_addr, 4, "\xc0\0\2\1", 4);
	CHECK_MEM(v4->sin_zero, 8, "\0\0\0\0\0\0\0\0", 8);
}

T(arena_and_buf_stop_at_their_very_bound)
{
	struct buf b;

	buf_init(&b, 4);
	CHECK(buf_add(&b, "abcd", 4));
	CHECK(!b.overflow);
	CHECK(!buf_add(&b, "e", 1));
	CHECK(b.overflow);
	CHECK_INT(b.n, 4);
	buf_fini(&b);
}
