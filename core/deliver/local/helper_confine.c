/* helper_confine - see helper_confine.h. */
#include "core/deliver/local/helper_confine.h"

#include <errno.h>
#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

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

/* files, one socket, children that become users, what libc and the allocator ask for. No program is run, nothing is mounted,
 * traced, signalled or given another owner. */
static const int allowed[] = {
	SYS_read, SYS_write, SYS_pread64, SYS_pwrite64, SYS_readv, SYS_writev, SYS_preadv, SYS_pwritev, SYS_close, SYS_lseek,
	SYS_fstat, SYS_newfstatat, SYS_statx, SYS_openat, SYS_fsync, SYS_fdatasync, SYS_ftruncate, SYS_renameat, SYS_renameat2,
	SYS_unlinkat, SYS_mkdirat, SYS_fcntl, SYS_flock, SYS_getdents64, SYS_readlinkat, SYS_faccessat, SYS_getcwd,
	SYS_ppoll, SYS_recvmsg, SYS_sendmsg,
	/* getpwnam asks a name service cache first, where one runs */
	SYS_socket, SYS_connect, SYS_clone, SYS_wait4, SYS_exit, SYS_exit_group,
	SYS_getpid, SYS_getppid, SYS_gettid, SYS_getuid, SYS_geteuid, SYS_getgid, SYS_getegid, SYS_setuid, SYS_setgid, SYS_setgroups,
	SYS_setresuid, SYS_setresgid, SYS_umask, SYS_rt_sigaction, SYS_rt_sigprocmask, SYS_rt_sigreturn, SYS_sigaltstack,
	SYS_mmap, SYS_munmap, SYS_mprotect, SYS_mremap, SYS_madvise, SYS_brk, SYS_futex, SYS_set_tid_address, SYS_set_robust_list,
	SYS_getrandom, SYS_clock_gettime, SYS_clock_nanosleep, SYS_nanosleep, SYS_gettimeofday, SYS_restart_syscall,
	SYS_sched_yield, SYS_sched_getaffinity, SYS_prlimit64, SYS_prctl, SYS_capset, SYS_tgkill, SYS_uname,
#ifdef SYS_open
	SYS_open, SYS_stat, SYS_lstat, SYS_rename, SYS_unlink, SYS_mkdir, SYS_readlink, SYS_access, SYS_poll, SYS_fork, SYS_time,
#endif
#ifdef SYS_rseq
	SYS_rseq,
#endif
};

int helper_confine(const char **what)
{
	*what = "capabilities";
	if (drop_capabilities() != 0)
		return -1;
	*what = "seccomp";
	return seccomp_allow(allowed, sizeof(allowed) / sizeof(allowed[0]));
}
