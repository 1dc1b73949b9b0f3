/* helper_confine - see helper_confine.h. */
#include "core/deliver/local/helper_confine.h"

#include <errno.h>
#include <linux/capability.h>
#include <linux/sched.h>
#include <pwd.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "core/base/landlock.h"
#include "core/base/sanitized.h"
#include "core/base/seccomp.h"

/* become a user; read a table that only its owner may read */
#define KEPT ((1u << CAP_SETUID) | (1u << CAP_SETGID) | (1u << CAP_DAC_READ_SEARCH))

static int keep(unsigned capabilities)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2] = { { .effective = capabilities, .permitted = capabilities } };

	return (int)syscall(SYS_capset, &head, data);
}

int helper_give_up_all(void)
{
	return keep(0);
}

static int drop_capabilities(void)
{
	for (int cap = 0; cap <= 63; cap++)
		if ((cap > 31 || !(KEPT >> cap & 1)) && prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) != 0 && errno != EINVAL)
			return -1;
	return keep(KEPT);
}

/* --- files ------------------------------------------------------------------------------------------------------------ */

#define FIRST_USER 1000                /* of people's accounts, who get homes beside each other */
#define LAST_USER 60000

/* allow_homes - those of all accounts, and the folders in which later ones get theirs */
static void allow_homes(struct landlock *l)
{
	const struct passwd *pw;

	setpwent();
	while ((pw = getpwent())) {
		if (pw->pw_dir[0] != '/' || !pw->pw_dir[1])
			continue;
		landlock_allow(l, pw->pw_dir, LANDLOCK_OWNING);
		if (pw->pw_uid >= FIRST_USER && pw->pw_uid < LAST_USER && strrchr(pw->pw_dir, '/') != pw->pw_dir)
			landlock_allow_folder(l, pw->pw_dir, LANDLOCK_OWNING);
	}
	endpwent();
}

static int close_files(const struct helper_rules *rules)
{
	struct landlock l;

	if (landlock_begin(&l, LANDLOCK_TCP_BIND | LANDLOCK_TCP_CONNECT) != 0)
		return -1;
	landlock_allow(&l, "/etc", LANDLOCK_READING);
	for (const char *const *t = rules->tables; t && *t; t++)
		landlock_allow_folder(&l, *t, LANDLOCK_READING);
	if (rules->log[0] == '/')
		landlock_allow_folder(&l, rules->log, LANDLOCK_APPENDING);
	if (*rules->home_mailbox)
		allow_homes(&l);
	else if (*rules->spool)
		landlock_allow(&l, rules->spool, LANDLOCK_OWNING);
	if (SANITIZED)
		landlock_allow(&l, "/tmp", LANDLOCK_OWNING);
	return landlock_close(&l);
}

/* --- system calls ----------------------------------------------------------------------------------------------------- */

#define NAMESPACES (CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET)
#define GIVES_AWAY 06000               /* set-user-ID, set-group-ID */

/* files, one socket, children that become users, what libc and the allocator ask for. No program is run, nothing is mounted,
 * traced, signalled or given another owner. */
static const struct seccomp_rule calls[] = {
	SECCOMP(read), SECCOMP(write), SECCOMP(pread64), SECCOMP(pwrite64), SECCOMP(readv), SECCOMP(writev), SECCOMP(preadv),
	SECCOMP(pwritev), SECCOMP(close),
	SECCOMP(lseek), SECCOMP(fstat), SECCOMP(newfstatat), SECCOMP(statx), SECCOMP_IF(openat, SECCOMP_WITHOUT(3, GIVES_AWAY)),
	SECCOMP(fsync), SECCOMP(fdatasync),
	SECCOMP(ftruncate), SECCOMP(renameat), SECCOMP(renameat2), SECCOMP(unlinkat), SECCOMP_IF(mkdirat, SECCOMP_WITHOUT(2, GIVES_AWAY)),
	SECCOMP(fcntl),
	SECCOMP(flock), SECCOMP(getdents64), SECCOMP(readlinkat), SECCOMP(faccessat), SECCOMP(getcwd), SECCOMP(ppoll), SECCOMP(recvmsg),
	SECCOMP(sendmsg),
	/* getpwnam asks a name service cache first, where one runs */
	SECCOMP_IF(socket, SECCOMP_IS(0, AF_UNIX)), SECCOMP(connect),
	SECCOMP_IF(clone, SECCOMP_WITHOUT(0, NAMESPACES)), SECCOMP(wait4), SECCOMP(exit), SECCOMP(exit_group),
	SECCOMP(getpid), SECCOMP(getppid), SECCOMP(gettid), SECCOMP(getuid), SECCOMP(geteuid), SECCOMP(getgid), SECCOMP(getegid),
	SECCOMP(setuid),
	SECCOMP(setgid), SECCOMP(setgroups), SECCOMP(setresuid), SECCOMP(setresgid), SECCOMP(umask), SECCOMP(capset),
	SECCOMP(rt_sigaction), SECCOMP(rt_sigprocmask), SECCOMP(rt_sigreturn), SECCOMP(sigaltstack),
	SECCOMP_IF(mmap, SECCOMP_WITHOUT(2, PROT_EXEC)), SECCOMP(munmap), SECCOMP_IF(mprotect, SECCOMP_WITHOUT(2, PROT_EXEC)),
	SECCOMP(mremap), SECCOMP(madvise), SECCOMP(brk),
	SECCOMP(futex), SECCOMP(set_tid_address), SECCOMP(set_robust_list), SECCOMP(getrandom), SECCOMP(clock_gettime),
	SECCOMP(clock_nanosleep),
	SECCOMP(nanosleep), SECCOMP(gettimeofday), SECCOMP(restart_syscall), SECCOMP(sched_yield), SECCOMP(sched_getaffinity), SECCOMP(uname),
	SECCOMP_IF(prlimit64, SECCOMP_IS(2, 0), SECCOMP_IS(SECCOMP_HIGH(2), 0)),
#ifdef SYS_open
	SECCOMP_IF(open, SECCOMP_WITHOUT(2, GIVES_AWAY)), SECCOMP(stat), SECCOMP(lstat), SECCOMP(rename), SECCOMP(unlink),
	SECCOMP_IF(mkdir, SECCOMP_WITHOUT(1, GIVES_AWAY)),
	SECCOMP(readlink), SECCOMP(access), SECCOMP(poll), SECCOMP(fork), SECCOMP(time),
#endif
#if SANITIZED
	SECCOMP(prctl), SECCOMP(tgkill), SECCOMP(rseq),
#endif
};

int helper_confine(const struct helper_rules *rules, const char **what)
{
	int error = 0;

	/* each by itself: where the first cannot be had the others still count */
	if (close_files(rules) != 0) {
		*what = "Landlock";
		error = errno;
	}
	if (drop_capabilities() != 0) {
		*what = "capabilities";
		error = errno;
	}
	if (seccomp_allow(calls, sizeof(calls) / sizeof(calls[0])) != 0) {
		*what = "seccomp";
		error = errno;
	}
	errno = error;
	return error ? -1 : 0;
}
