/* sandbox_calls - the system calls of relayd once it serves: those of its loop, its queue and its sockets, and what libc and the
 * allocator need (musl's; glibc's where it differs). What is not here answers EPERM.
 *
 * Gone with it: programs, processes and namespaces of our own, signals to others, other users' identities, devices, mounts, tracing,
 * kernel keys, io_uring, bpf, userfaultfd; memory that is made executable; files that give whoever runs them our user. */
#include <fcntl.h>
#include <string.h>
#include <linux/sched.h>
#include <linux/sockios.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <termios.h>
#include <unistd.h>

#include "core/base/sanitized.h"
#include "core/base/seccomp.h"
#include "core/daemon/sandbox.h"

#define THREAD (CLONE_VM | CLONE_SIGHAND | CLONE_THREAD)
#define NAMESPACES (CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET)
#define GIVES_AWAY 06000               /* set-user-ID, set-group-ID */

/* stands for the number of our own process */
#define OWN_ID 0
static const struct seccomp_rule calls[] = {
	/* sockets and the loop */
	SECCOMP(recvfrom), SECCOMP(sendto), SECCOMP(read), SECCOMP(write), SECCOMP(epoll_pwait), SECCOMP(epoll_ctl), SECCOMP(futex),
	SECCOMP(accept4), SECCOMP(close), SECCOMP(getpeername), SECCOMP(getsockname), SECCOMP(recvmsg), SECCOMP(sendmsg), SECCOMP(shutdown),
	SECCOMP(connect), SECCOMP(bind), SECCOMP(listen), SECCOMP(getsockopt),
	SECCOMP_IF(socket, SECCOMP_IS(0, AF_INET)), SECCOMP_IF(socket, SECCOMP_IS(0, AF_INET6)), SECCOMP_IF(socket, SECCOMP_IS(0, AF_UNIX)),
	/* addresses of interfaces, at a reload */
	SECCOMP_IF(socket, SECCOMP_IS(0, AF_NETLINK), SECCOMP_IS(2, 0)),
	SECCOMP_IF(setsockopt, SECCOMP_IS(1, SOL_SOCKET)), SECCOMP_IF(setsockopt, SECCOMP_IS(1, 0 /* IP */)),
	SECCOMP_IF(setsockopt, SECCOMP_IS(1, 6 /* TCP */)), SECCOMP_IF(setsockopt, SECCOMP_IS(1, 41 /* IPv6 */)),
	SECCOMP(ppoll), SECCOMP(eventfd2), SECCOMP(epoll_create1), SECCOMP(signalfd4), SECCOMP(inotify_init1), SECCOMP(inotify_add_watch),
	SECCOMP(inotify_rm_watch),
	/* files */
	SECCOMP(pread64), SECCOMP(pwrite64), SECCOMP(readv), SECCOMP(writev), SECCOMP(preadv), SECCOMP(pwritev), SECCOMP(fdatasync),
	SECCOMP(fsync),
	SECCOMP_IF(openat, SECCOMP_WITHOUT(3, GIVES_AWAY)), SECCOMP(fstat), SECCOMP(newfstatat), SECCOMP(statx), SECCOMP(getdents64),
	SECCOMP(lseek),
	SECCOMP(fallocate), SECCOMP(ftruncate), SECCOMP(statfs), SECCOMP(fstatfs), SECCOMP(flock), SECCOMP(faccessat), SECCOMP(readlinkat),
	SECCOMP(getcwd),
	SECCOMP_IF(mkdirat, SECCOMP_WITHOUT(2, GIVES_AWAY)), SECCOMP(unlinkat), SECCOMP(renameat), SECCOMP(renameat2), SECCOMP(linkat),
	SECCOMP(memfd_create),
	SECCOMP_IF(fcntl, SECCOMP_IS(1, F_GETFL)), SECCOMP_IF(fcntl, SECCOMP_IS(1, F_SETFL)), SECCOMP_IF(fcntl, SECCOMP_IS(1, F_GETFD)),
	SECCOMP_IF(fcntl, SECCOMP_IS(1, F_SETFD)),
	SECCOMP_IF(fcntl, SECCOMP_IS(1, F_DUPFD_CLOEXEC)), SECCOMP_IF(fcntl, SECCOMP_IS(1, F_OFD_SETLK)),
	SECCOMP_IF(fcntl, SECCOMP_IS(1, F_SETLK)),
	SECCOMP_IF(ioctl, SECCOMP_IS(1, SIOCGIFINDEX)), SECCOMP_IF(ioctl, SECCOMP_IS(1, SIOCGIFNAME)),
	SECCOMP_IF(ioctl, SECCOMP_IS(1, TIOCGWINSZ)), SECCOMP_IF(ioctl, SECCOMP_IS(1, TCGETS)), SECCOMP(dup3),
	/* memory: none that is executed */
	SECCOMP_IF(mmap, SECCOMP_WITHOUT(2, PROT_EXEC)), SECCOMP_IF(mprotect, SECCOMP_WITHOUT(2, PROT_EXEC)), SECCOMP(munmap),
	SECCOMP(mremap), SECCOMP(madvise), SECCOMP(brk),
	/* threads, and no process */
	SECCOMP_IF(clone, { .arg = 0, .mask = THREAD | NAMESPACES, .value = THREAD }), SECCOMP(set_tid_address), SECCOMP(set_robust_list),
	SECCOMP(exit), SECCOMP(exit_group),
	SECCOMP(rt_sigprocmask), SECCOMP(rt_sigaction), SECCOMP(rt_sigreturn), SECCOMP(sigaltstack), SECCOMP(sched_yield),
	SECCOMP(sched_getaffinity),
	SECCOMP(membarrier), SECCOMP_IF(tgkill, SECCOMP_IS(0, OWN_ID)), SECCOMP_IF(tkill, SECCOMP_IS(0, OWN_ID)), SECCOMP(wait4),
	SECCOMP(restart_syscall),
	SECCOMP_IF(prlimit64, SECCOMP_IS(2, 0), SECCOMP_IS(SECCOMP_HIGH(2), 0)),
	/* who and when */
	SECCOMP(getpid), SECCOMP(getppid), SECCOMP(gettid), SECCOMP(getuid), SECCOMP(geteuid), SECCOMP(getgid), SECCOMP(getegid),
	SECCOMP(uname), SECCOMP(umask),
	SECCOMP(getrandom), SECCOMP(clock_gettime), SECCOMP(clock_getres), SECCOMP(gettimeofday), SECCOMP(nanosleep), SECCOMP(clock_nanosleep),
	SECCOMP(getrusage), SECCOMP(sysinfo),
#ifdef SYS_open
	SECCOMP_IF(open, SECCOMP_WITHOUT(2, GIVES_AWAY)), SECCOMP(stat), SECCOMP(lstat), SECCOMP(access), SECCOMP(rename), SECCOMP(unlink),
	SECCOMP(link), SECCOMP(rmdir),
	SECCOMP_IF(mkdir, SECCOMP_WITHOUT(1, GIVES_AWAY)), SECCOMP(readlink),
	SECCOMP(poll), SECCOMP(epoll_wait),
	SECCOMP(dup2), SECCOMP(time),
#endif
#ifdef __GLIBC__
	/* each thread registers an area with the kernel, where the first one could; glibc ends the process when that fails */
	SECCOMP(rseq),
#endif
#if SANITIZED
	SECCOMP(prctl), SECCOMP_IF(kill, SECCOMP_IS(0, OWN_ID)), SECCOMP(pipe2), SECCOMP(dup),
#endif
};
#define N_CALLS (sizeof(calls) / sizeof(calls[0]))

int sandbox_close_calls(void)
{
	struct seccomp_rule own[N_CALLS];

	memcpy(own, calls, sizeof(own));
	for (size_t i = 0; i < N_CALLS; i++)
		if (own[i].call == SYS_tgkill || own[i].call == SYS_tkill || own[i].call == SYS_kill)
			own[i].test[0].value = (uint32_t)getpid();
	return seccomp_allow(own, N_CALLS);
}
