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

/* first of all: log_open, further down, changes where it goes */
T(log_before_it_is_open_names_the_program)
{
	int old = dup(STDERR_FILENO), ends[2];
	char got[100] = "";

	REQUIRE(pipe(ends) == 0);
	dup2(ends[1], STDERR_FILENO);
	log_set_program("prog");
	log_warn("x", "said %d", 1);
	log_flush();
	dup2(old, STDERR_FILENO);
	close(ends[1]);
	CHECK(read(ends[0], got, sizeof(got) - 1) > 0);
	CHECK_INT(strncmp(got, "prog: ", 6), 0);
	CHECK(strstr(got, "said 1\n") != NULL);
	close(ends[0]);
	close(old);
}

T(fs_calls_that_fail_say_so)
{
	char path[300], other[300], room[4] = "abc";
	struct iovec v = { room, 3 };
	struct buf b;
	int fd;

	snprintf(path, sizeof(path), "%s/nowhere/x", t_tmpdir());
	snprintf(other, sizeof(other), "%s/nowhere/y", t_tmpdir());
	buf_init(&b, 100);
	/* a descriptor that cannot be written to */
	fd = fs_open("/dev/null", O_RDONLY, 0);
	REQUIRE(fd >= 0);
	CHECK_INT(fs_write_all(fd, room, 3), -1);
	CHECK_INT(errno, EBADF);
	CHECK_INT(fs_pwrite_all(fd, room, 3, 0), -1);
	CHECK_INT(fs_pwritev_all(fd, &v, 1, 0), -1);
	CHECK_INT(fs_truncate(fd, 0), -1);
	CHECK_INT(fs_allocate(fd, 0, 10), -1);
	CHECK_INT(fs_close(fd), 0);
	/* none at all */
	CHECK_INT(fs_pread_all(-1, room, 3, 0), -1);
	CHECK_INT(fs_read_fd(-1, &b), -1);
	CHECK_INT(fs_sync(-1), -1);
	CHECK_INT(fs_datasync(-1), -1);
	CHECK_INT(fs_close(-1), -1);
	/* no such place */
	errno = 0;
	CHECK_INT(fs_open(path, O_RDONLY, 0), -1);
	CHECK_INT(errno, ENOENT);
	CHECK_INT(fs_read_file(path, &b), -1);
	CHECK_INT(fs_replace(path, 0600, STR("x")), -1);
	CHECK_INT(fs_rename(path, other), -1);
	CHECK_INT(fs_link(path, other), -1);
	CHECK_INT(fs_unlink(path), -1);
	CHECK_INT(fs_mkdir(path, 0700), -1);
	CHECK_INT(fs_chmod(path, 0600), -1);
	CHECK_INT(fs_sync_dir(path), FS_NOT_OPENED);
	CHECK_INT(errno, ENOENT);
	buf_fini(&b);
}

T(fs_reads_and_writes_to_the_end)
{
	char path[300], got[10] = "";
	struct buf b;
	int fd;

	snprintf(path, sizeof(path), "%s/short", t_tmpdir());
	fd = fs_open(path, O_RDWR | O_CREAT, 0600);
	REQUIRE(fd >= 0);
	CHECK_INT(fs_write_all(fd, "", 0), 0);
	CHECK_INT(fs_pwrite_all(fd, "abc", 3, 2), 3);
	CHECK_INT(fs_pread_all(fd, got, sizeof(got), 0), 5);
	CHECK_MEM(got, 5, "\0\0abc", 5);
	CHECK_INT(fs_pread_all(fd, got, 2, 3), 2);
	CHECK_MEM(got, 2, "bc", 2);
	CHECK_INT(fs_pread_all(fd, got, 2, 5), 0);
	buf_init(&b, 5);
	CHECK_INT(fs_read_file(path, &b), 0);
	CHECK_INT(b.n, 5);
	buf_fini(&b);
	CHECK_INT(fs_close(fd), 0);
	CHECK_INT(fs_unlink(path), 0);
	CHECK_INT(fs_unlink(path), -1);
}

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
