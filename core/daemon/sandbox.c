/* sandbox - see sandbox.h. The list names what must not be had rather than what is needed: what libc and the allocator call
 * differs between builds, and a relay that dies of a harmless call loses its promise. */
#include "core/daemon/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/landlock.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "core/base/fs.h"
#include "core/base/log.h"

static const int refused[] = {
	SYS_execve, SYS_execveat, SYS_ptrace, SYS_process_vm_readv, SYS_process_vm_writev, SYS_mount, SYS_umount2, SYS_pivot_root,
	SYS_chroot, SYS_unshare, SYS_setns, SYS_bpf, SYS_perf_event_open, SYS_userfaultfd, SYS_io_uring_setup, SYS_io_uring_enter,
	SYS_io_uring_register, SYS_keyctl, SYS_add_key, SYS_request_key, SYS_init_module, SYS_finit_module, SYS_delete_module,
	SYS_kexec_load, SYS_reboot, SYS_swapon, SYS_swapoff, SYS_sethostname, SYS_setdomainname, SYS_settimeofday, SYS_clock_settime,
	SYS_acct, SYS_quotactl, SYS_syslog, SYS_personality, SYS_open_by_handle_at, SYS_mknodat,
};
#define N_REFUSED (sizeof(refused) / sizeof(*refused))

#if defined(__x86_64__)
#define NATIVE_ARCH AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define NATIVE_ARCH AUDIT_ARCH_AARCH64
#else
#define NATIVE_ARCH 0
#endif

static int close_calls(void)
{
	struct sock_filter f[N_REFUSED + 6];
	struct sock_fprog program = { .filter = f };
	size_t n = 0;

	if (!NATIVE_ARCH) {
		errno = ENOSYS;
		return -1;
	}
	/* a call by another architecture's numbers is not ours */
	f[n++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch));
	f[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, NATIVE_ARCH, 1, 0);
	f[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS);
	f[n++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr));
	for (size_t i = 0; i < N_REFUSED; i++)
		f[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)refused[i], (uint8_t)(N_REFUSED - i), 0);
	f[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
	f[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM);
	program.len = (unsigned short)n;
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
		return -1;
	return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program);
}

static int allow_below(int ruleset, const char *path, uint64_t access)
{
	struct landlock_path_beneath_attr rule = { .allowed_access = access };
	int fd = open(path, O_PATH | O_CLOEXEC), result;

	if (fd < 0)
		return errno == ENOENT ? 0 : -1;
	rule.parent_fd = fd;
	result = (int)syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &rule, 0);
	close(fd);
	return result;
}

#define WRITING (LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_REMOVE_FILE | LANDLOCK_ACCESS_FS_REMOVE_DIR | \
	LANDLOCK_ACCESS_FS_MAKE_REG | LANDLOCK_ACCESS_FS_MAKE_DIR | LANDLOCK_ACCESS_FS_MAKE_SYM | LANDLOCK_ACCESS_FS_MAKE_SOCK | \
	LANDLOCK_ACCESS_FS_MAKE_FIFO)
#define NEVER (LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_MAKE_CHAR | LANDLOCK_ACCESS_FS_MAKE_BLOCK)

/* allow_file - a file that an alias delivers to; one that is not there is made in its folder, beside a lock. Where even mail_owner may not come
 * to, the delivery tells */
static void allow_file(void *ctx, struct str file)
{
	const int *ruleset = ctx;
	ptrdiff_t slash = str_rchr(file, '/');
	char path[4096];

	if (file.n >= sizeof(path) || slash < 0)
		return;
	memcpy(path, file.p, file.n);
	path[file.n] = '\0';
	if (access(path, F_OK) == 0) {
		(void)allow_below(*ruleset, path, LANDLOCK_ACCESS_FS_WRITE_FILE);
		return;
	}
	path[slash ? slash : 1] = '\0';
	(void)allow_below(*ruleset, path, LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_MAKE_REG |
		LANDLOCK_ACCESS_FS_REMOVE_FILE);
}

static int close_files(const struct conf *c, const struct router *aliases)
{
	struct landlock_ruleset_attr attr = { .handled_access_fs = WRITING | NEVER };
	char log_folder[4096] = "";
	int ruleset = (int)syscall(SYS_landlock_create_ruleset, &attr, sizeof(attr.handled_access_fs), 0);
	int result;
	struct str log;
	ptrdiff_t slash;
	int error;

	if (ruleset < 0)
		return -1;
	result = allow_below(ruleset, ".", WRITING);
	log = str_of(c->maillog_file);
	slash = str_rchr(log, '/');
	if (slash > 0 && (size_t)slash < sizeof(log_folder)) {
		memcpy(log_folder, log.p, (size_t)slash);
		log_folder[slash] = '\0';
		result |= allow_below(ruleset, log_folder, LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_MAKE_REG);
	}
	result |= allow_below(ruleset, "/dev", LANDLOCK_ACCESS_FS_WRITE_FILE);
	router_each_alias_file(aliases, allow_file, &ruleset);
	if (result == 0 && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0)
		result = (int)syscall(SYS_landlock_restrict_self, ruleset, 0);
	error = errno;
	close(ruleset);
	errno = error;
	return result;
}

static int lacking(const struct conf *c, const char *what)
{
	bool fatal = c->sandbox == CONF_SANDBOX_REQUIRED;

	log_text(fatal ? LOG_SEV_ERROR : LOG_SEV_INFO, "master", 0, NULL, "sandbox: %s: %s%s", what, strerror(errno),
		fatal ? "" : ": going on without");
	return fatal ? -1 : 0;
}

int sandbox_close(const struct conf *c, const struct router *aliases, bool write_only_queue)
{
	if (c->sandbox == CONF_SANDBOX_NO)
		return 0;
	if (write_only_queue && close_files(c, aliases) != 0 && lacking(c, "Landlock") != 0)
		return -1;
	if (close_calls() != 0 && lacking(c, "seccomp") != 0)
		return -1;
	return 0;
}
