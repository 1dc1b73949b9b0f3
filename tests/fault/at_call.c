/* at_call - run a program and do something to it at its Nth file-system call below a directory.
 *
 *   at_call [-n N] [-d ACT] [-e ERRNO] [-a] [-h] [-o CALL,...] [-l CALL,...] DIR REPORT PROGRAM [ARGUMENT...]
 *
 * ACT  kill   SIGKILL
 *      cut    every thread is halted, then the file system of DIR is shut down without flushing its log, then SIGKILL: what
 *             a power cut takes away is taken at an instant at which nothing runs
 *      fail   the call is not made and returns ERRNO (its name)
 *      short  a write gets half of what it asks for, without an error
 * -a   kill and cut: after the call, before the program knows of it; with -h half of it is done, if it is a write
 * -o   only these calls count; the calls for memory count only if they are named here
 * -l   all these calls are answered 0 and not made: a disk, or a build, that lies. "fsyncdir" is fsync of a directory
 *
 * All calls that count are listed in REPORT ("NUMBER CALL PATH"), after the line "pid PID"; the chosen one once more as "hit
 * SECONDS CALL PATH" on the monotonic clock. Exit status: of the program; 99 if it was ended by us. x86-64 only. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define SHUTDOWN _IOR('X', 125, uint32_t)        /* of ext4 and XFS */
enum { NO_LOG_FLUSH = 2, ENDED = 99, THREADS = 64, PATH_SIZE = 512 };

/* where a call says what it works on: a descriptor, its first or its second argument; nowhere */
enum how { FD, PATH, AT, MEMORY };
static const struct call { const char *name; long nr; enum how how; bool writes; } calls[] = {
	{ "open", SYS_open, PATH, false }, { "openat", SYS_openat, AT, false }, { "close", SYS_close, FD, false },
	{ "mkdir", SYS_mkdir, PATH, false }, { "mkdirat", SYS_mkdirat, AT, false },
	{ "rename", SYS_rename, PATH, false }, { "renameat", SYS_renameat, AT, false }, { "renameat2", SYS_renameat2, AT, false },
	{ "unlink", SYS_unlink, PATH, false }, { "unlinkat", SYS_unlinkat, AT, false },
	{ "write", SYS_write, FD, true }, { "writev", SYS_writev, FD, true },
	{ "pwrite64", SYS_pwrite64, FD, true }, { "pwritev", SYS_pwritev, FD, true },
	{ "fsync", SYS_fsync, FD, false }, { "fdatasync", SYS_fdatasync, FD, false },
	{ "ftruncate", SYS_ftruncate, FD, false }, { "fallocate", SYS_fallocate, FD, false },
	{ "read", SYS_read, FD, false }, { "pread64", SYS_pread64, FD, false }, { "getdents64", SYS_getdents64, FD, false },
	{ "stat", SYS_stat, PATH, false }, { "newfstatat", SYS_newfstatat, AT, false }, { "fstat", SYS_fstat, FD, false },
	{ "statfs", SYS_statfs, PATH, false }, { "flock", SYS_flock, FD, false },
	{ "mmap", SYS_mmap, MEMORY, false }, { "brk", SYS_brk, MEMORY, false }, { "mremap", SYS_mremap, MEMORY, false },
};
enum { CALLS = sizeof(calls) / sizeof(calls[0]) };

static const struct { const char *name; int value; } errors[] = {
	{ "EIO", EIO }, { "ENOSPC", ENOSPC }, { "EDQUOT", EDQUOT }, { "EMFILE", EMFILE }, { "ENFILE", ENFILE }, { "ENOMEM", ENOMEM },
	{ "EROFS", EROFS },
};

static struct {
	const char *dir, *act, *only, *lie;
	unsigned long at, seen;
	int error, mount;
	bool after, half;
	FILE *report;
} o = { .act = "kill", .lie = "", .mount = -1 };

static volatile pid_t program;
static pid_t threads[THREADS];
static int n_threads;

/* the write that was cut short: put back when it returns, for the program's own variables are in these places */
static struct { pid_t thread; struct user_regs_struct regs; bool in_memory; struct iovec iov; } cut_short;

static void fail(const char *what)
{
	perror(what);
	exit(98);
}

static bool named(const char *list, const char *name)
{
	size_t n = strlen(name);

	for (const char *p = list; p && *p; p += strcspn(p, ","), p += *p == ',')
		if (strcspn(p, ",") == n && !strncmp(p, name, n))
			return true;
	return false;
}

/* --- the program ---------------------------------------------------------------------------------------------------------- */

static void watch_calls(void)
{
	struct sock_filter f[CALLS + 3];
	struct sock_fprog filter = { .filter = f };
	unsigned short n = 0;

	f[n++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr));
	for (int i = 0; i < CALLS; i++)
		f[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)calls[i].nr, (uint8_t)(CALLS - i), 0);
	f[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
	f[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRACE);
	filter.len = n;
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter))
		fail("seccomp");
}

static void pass_on(int signo)
{
	kill(program, signo);
}

static void start(char **argv)
{
	int go[2];
	char byte = 0;

	if (pipe(go) < 0)
		fail("pipe");
	program = fork();
	if (program < 0)
		fail("fork");
	if (!program) {
		/* not before somebody watches */
		close(go[1]);
		if (read(go[0], &byte, 1) != 1)
			_exit(98);
		close(go[0]);
		watch_calls();
		execv(argv[0], argv);
		fail(argv[0]);
	}
	close(go[0]);
	if (ptrace(PTRACE_SEIZE, program, 0, PTRACE_O_TRACESECCOMP | PTRACE_O_TRACECLONE | PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK |
		PTRACE_O_TRACEEXEC | PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL) < 0)
		fail("ptrace");
	signal(SIGTERM, pass_on);
	signal(SIGHUP, pass_on);
	fprintf(o.report, "pid %d\n", (int)program);
	fflush(o.report);
	if (write(go[1], &byte, 1) != 1)
		fail("pipe");
	close(go[1]);
}

static void know(pid_t thread)
{
	for (int i = 0; i < n_threads; i++)
		if (threads[i] == thread)
			return;
	if (n_threads == THREADS) {
		fprintf(stderr, "at_call: too many threads\n");
		exit(98);
	}
	threads[n_threads++] = thread;
}

static void forget(pid_t thread)
{
	for (int i = 0; i < n_threads; i++)
		if (threads[i] == thread)
			threads[i--] = threads[--n_threads];
}

/* --- one call ------------------------------------------------------------------------------------------------------------- */

/* text_of - the string at `at` in the program, "" if it cannot be read */
static void text_of(pid_t thread, uint64_t at, char out[PATH_SIZE])
{
	size_t n = 0;

	out[0] = 0;
	/* up to the end of a page at a time: the next one may not be there */
	while (n < PATH_SIZE - 1) {
		size_t page = 4096 - at % 4096, some = page < PATH_SIZE - 1 - n ? page : PATH_SIZE - 1 - n;
		struct iovec to = { out + n, some }, from = { (void *)(uintptr_t)at, some };

		if (process_vm_readv(thread, &to, 1, &from, 1, 0) != (ssize_t)some) {
			out[0] = 0;
			return;
		}
		if (memchr(out + n, 0, some))
			return;
		n += some;
		at += some;
	}
	out[n] = 0;
}

static void link_of(pid_t thread, const char *link, char out[PATH_SIZE])
{
	char name[64];
	ssize_t n;

	snprintf(name, sizeof(name), "/proc/%d/%s", (int)thread, link);
	n = readlink(name, out, PATH_SIZE - 1);
	out[n < 0 ? 0 : n] = 0;
}

/* path_of - what the call works on, "" if that cannot be told */
static void path_of(pid_t thread, const struct call *c, const struct user_regs_struct *r, char out[PATH_SIZE])
{
	char name[PATH_SIZE], base[64] = "cwd", dir[PATH_SIZE];
	const char *rest = name;

	out[0] = 0;
	if (c->how != PATH && (int)r->rdi != AT_FDCWD)
		snprintf(base, sizeof(base), "fd/%d", (int)r->rdi);
	if (c->how == FD)
		link_of(thread, base, out);
	if (c->how == FD || c->how == MEMORY)
		return;
	text_of(thread, c->how == AT ? r->rsi : r->rdi, name);
	if (name[0] == '/') {
		memcpy(out, name, PATH_SIZE);
		return;
	}
	if (name[0] == '.' && name[1] == '/')
		rest += 2;
	link_of(thread, base, dir);
	if (snprintf(out, PATH_SIZE, "%.*s/%s", PATH_SIZE / 2, dir, rest) >= PATH_SIZE)
		out[0] = 0;
}

static bool is_dir(pid_t thread, uint64_t fd)
{
	char name[64];
	struct stat st;

	snprintf(name, sizeof(name), "/proc/%d/fd/%d", (int)thread, (int)fd);
	return !stat(name, &st) && S_ISDIR(st.st_mode);
}

static void answer(pid_t thread, struct user_regs_struct *r, int error)
{
	r->orig_rax = (unsigned long long)-1;
	r->rax = (unsigned long long)-error;
	if (ptrace(PTRACE_SETREGS, thread, 0, r) < 0)
		fail("set registers");
}

/* shorten - half of what the write asks for; true: restore must follow its return */
static bool shorten(pid_t thread, const struct call *c, const struct user_regs_struct *r)
{
	struct user_regs_struct half = *r;
	struct iovec here = { &cut_short.iov, sizeof(cut_short.iov) }, there = { (void *)(uintptr_t)r->rsi, sizeof(cut_short.iov) };

	if (!c->writes)
		return false;
	cut_short.thread = thread;
	cut_short.regs = *r;
	cut_short.in_memory = c->nr == SYS_writev || c->nr == SYS_pwritev;
	half.rdx = cut_short.in_memory ? 1 : (r->rdx + 1) / 2;
	if (cut_short.in_memory) {
		struct iovec v;
		struct iovec new = { &v, sizeof(v) };

		if (process_vm_readv(thread, &here, 1, &there, 1, 0) < 0)
			fail("read memory");
		v = cut_short.iov;
		v.iov_len = (v.iov_len + 1) / 2;
		if (process_vm_writev(thread, &new, 1, &there, 1, 0) < 0)
			fail("write memory");
	}
	if (ptrace(PTRACE_SETREGS, thread, 0, &half) < 0)
		fail("set registers");
	return true;
}

static void restore(pid_t thread)
{
	struct iovec here = { &cut_short.iov, sizeof(cut_short.iov) };
	struct iovec there = { (void *)(uintptr_t)cut_short.regs.rsi, sizeof(cut_short.iov) };
	struct user_regs_struct r;

	if (cut_short.in_memory && process_vm_writev(thread, &here, 1, &there, 1, 0) < 0)
		fail("write memory");
	if (ptrace(PTRACE_GETREGS, thread, 0, &r) < 0)
		fail("registers");
	r.rdx = cut_short.regs.rdx;
	if (ptrace(PTRACE_SETREGS, thread, 0, &r) < 0)
		fail("set registers");
	cut_short.thread = 0;
}

/* --- the end of it ---------------------------------------------------------------------------------------------------------- */

static void halt_others(pid_t me)
{
	for (int i = 0; i < n_threads; i++) {
		int status;

		/* one that is flushing halts when the flush is done: what it will be told then is true */
		if (threads[i] != me && !ptrace(PTRACE_INTERRUPT, threads[i], 0, 0))
			waitpid(threads[i], &status, __WALL);
	}
}

static void end(pid_t thread)
{
	uint32_t how = NO_LOG_FLUSH;

	if (!strcmp(o.act, "cut")) {
		halt_others(thread);
		if (ioctl(o.mount, SHUTDOWN, &how) < 0)
			fail("shutdown");
	}
	for (int i = 0; i < n_threads; i++)
		kill(threads[i], SIGKILL);
	while (waitpid(-1, NULL, __WALL) > 0)
		;
	fclose(o.report);
	exit(ENDED);
}

/* act - at the chosen call; true: it is to be seen again when it returns */
static bool act(pid_t thread, const struct call *c, struct user_regs_struct *r, const char *path)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	fprintf(o.report, "hit %ld.%06ld %s %s\n", (long)t.tv_sec, t.tv_nsec / 1000, c->name, path);
	fflush(o.report);
	if (!strcmp(o.act, "fail")) {
		answer(thread, r, o.error);
		return false;
	}
	if (!strcmp(o.act, "short"))
		return shorten(thread, c, r);
	if (!o.after)
		end(thread);
	if (o.half)
		shorten(thread, c, r);
	return true;
}

/* on_call - a thread is about to make one of the calls */
static bool on_call(pid_t thread)
{
	struct user_regs_struct r;
	char path[PATH_SIZE];
	int i = 0;

	if (ptrace(PTRACE_GETREGS, thread, 0, &r) < 0)
		return false;
	while (i < CALLS && calls[i].nr != (long)r.orig_rax)
		i++;
	if (i == CALLS || (o.only ? !named(o.only, calls[i].name) : calls[i].how == MEMORY))
		return false;
	path[0] = 0;
	path_of(thread, &calls[i], &r, path);
	if (calls[i].how != MEMORY && strncmp(path, o.dir, strlen(o.dir)))
		return false;
	if (named(o.lie, calls[i].name) || (calls[i].nr == SYS_fsync && named(o.lie, "fsyncdir") && is_dir(thread, r.rdi)))
		answer(thread, &r, 0);
	fprintf(o.report, "%lu %s %s\n", ++o.seen, calls[i].name, path);
	return o.seen == o.at && act(thread, &calls[i], &r, path);
}

/* --- the loop ----------------------------------------------------------------------------------------------------------------- */

static void on_stop(pid_t thread, int status)
{
	int event = status >> 16, signo = WSTOPSIG(status);
	unsigned long other;

	know(thread);
	if (event == PTRACE_EVENT_SECCOMP) {
		ptrace(on_call(thread) ? PTRACE_SYSCALL : PTRACE_CONT, thread, 0, 0);
		return;
	}
	if (signo == (SIGTRAP | 0x80)) {
		if (strcmp(o.act, "short"))
			end(thread);
		restore(thread);
		ptrace(PTRACE_CONT, thread, 0, 0);
		return;
	}
	if (event == PTRACE_EVENT_CLONE || event == PTRACE_EVENT_FORK || event == PTRACE_EVENT_VFORK)
		if (!ptrace(PTRACE_GETEVENTMSG, thread, 0, &other))
			know((pid_t)other);
	if (event == PTRACE_EVENT_STOP && signo != SIGTRAP)
		ptrace(PTRACE_LISTEN, thread, 0, 0);
	else
		ptrace(PTRACE_CONT, thread, 0, event ? 0 : signo);
}

static int follow(void)
{
	int status, result = 98;
	pid_t thread;

	while ((thread = waitpid(-1, &status, __WALL)) > 0 || errno == EINTR) {
		if (thread > 0 && WIFSTOPPED(status)) {
			on_stop(thread, status);
		} else if (thread > 0) {
			forget(thread);
			if (thread == program)
				result = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
		}
	}
	fclose(o.report);
	return result;
}

int main(int argc, char **argv)
{
	int c;

	while ((c = getopt(argc, argv, "+n:d:e:aho:l:")) != -1)
		switch (c) {
		case 'n': o.at = strtoul(optarg, NULL, 10); break;
		case 'd': o.act = optarg; break;
		case 'e':
			for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++)
				o.error = strcmp(errors[i].name, optarg) ? o.error : errors[i].value;
			break;
		case 'a': o.after = true; break;
		case 'h': o.half = true; break;
		case 'o': o.only = optarg; break;
		case 'l': o.lie = optarg; break;
		default: return 64;
		}
	if (argc - optind < 3 || (!strcmp(o.act, "fail") && o.at && !o.error))
		return 64;
	o.dir = argv[optind];
	o.report = fopen(argv[optind + 1], "we");
	if (!o.report)
		fail(argv[optind + 1]);
	o.mount = open(o.dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	start(argv + optind + 2);
	return follow();
}
