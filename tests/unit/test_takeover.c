/* A network process that was taken over: it runs what its attacker likes, as the user that serves, in the sandbox that relayd closes.
 * Each row below is a way out of it; all must fail, started as root with the helper and without it, and as an ordinary user. A control
 * with sandbox = no shows that they are real: most of them succeed there. */
#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <linux/sched.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/base/fs.h"
#include "core/base/landlock.h"
#include "core/base/log.h"
#include "core/base/sanitized.h"
#include "core/daemon/privilege.h"
#include "core/daemon/sandbox.h"
#include "core/daemon/spool.h"
#include "core/deliver/local/helper_client.h"
#include "core/net/fdpass.h"
#include "tests/unit/t.h"

#define OWNER 12525
#define NOBODY 65534

/* what stands outside: a folder that everybody may write, files of the serving user's in it, a process of his, and servers */
static struct outside {
	char top[400];
	pid_t victim;
	uint16_t port;                 /* somebody listens there, and no configuration names it */
	char abstract[40];
	int helper;                    /* descriptor of the privileged helper, or -1 */
} out;

static char *in(const char *name)
{
	static char path[4][500];
	static unsigned i;
	char *p = path[i++ % 4];

	snprintf(p, sizeof(path[0]), "%s/o/%s", out.top, name);
	return p;
}

/* opened - did a descriptor come of it? */
static bool opened(long fd)
{
	if (fd >= 0)
		close((int)fd);
	return fd >= 0;
}

/* got_through - a call with senseless arguments: the filter says EPERM or ENOSYS, the kernel something else */
static bool got_through(long result)
{
	return result >= 0 || (errno != EPERM && errno != ENOSYS && errno != EACCES);
}

static bool of_victim(const char *what, int flags)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/%s", (int)out.victim, what);
	return opened(open(path, flags));
}

/* --- files ----------------------------------------------------------------------------------------------------------- */

static bool read_outside(void) { return opened(open(in("readable"), O_RDONLY)); }
static bool list_outside(void) { return opened(open(in(""), O_RDONLY | O_DIRECTORY)); }
static bool write_outside(void) { return opened(open(in("own"), O_WRONLY)); }
static bool append_outside(void) { return opened(open(in("own"), O_WRONLY | O_APPEND)); }
static bool create_outside(void) { return opened(open(in("new"), O_WRONLY | O_CREAT, 0600)); }
static bool tmpfile_outside(void) { return opened(open(in(""), O_TMPFILE | O_RDWR, 0600)); }
static bool truncate_outside(void) { return truncate(in("own"), 0) == 0; }
static bool remove_outside(void) { return unlink(in("removable")) == 0; }
static bool folder_outside(void) { return mkdir(in("folder"), 0700) == 0; }
static bool remove_folder_outside(void) { return rmdir(in("empty")) == 0; }
static bool symlink_outside(void) { return symlink("/", in("link")) == 0; }
static bool symlink_in_queue(void) { return symlink("/", "log/link") == 0; }
static bool link_out(void) { return link("mine", in("linked")) == 0; }
static bool link_in(void) { return link(in("own"), "linked") == 0; }
static bool move_out(void) { return rename("mine", in("moved")) == 0; }
static bool move_in(void) { return rename(in("own"), "moved") == 0; }
static bool fifo_outside(void) { return mkfifo(in("fifo"), 0600) == 0; }
static bool fifo_in_queue(void) { return mkfifo("fifo", 0600) == 0; }
static bool device_in_queue(void) { return mknod("device", S_IFCHR | 0600, 259) == 0; }
static bool set_user_id(void) { return chmod("mine", 04755) == 0; }
static bool set_user_id_fd(void)
{
	int fd = open("mine", O_RDWR);
	bool done = fchmod(fd, 04755) == 0;

	close(fd);
	return done;
}
static bool set_user_id_new(void) { return opened(open("suid", O_RDWR | O_CREAT, 04755)); }
static bool set_user_id_at(void) { return fchmodat(AT_FDCWD, "mine", 04755, 0) == 0; }
static bool mode_outside(void) { return chmod(in("own"), 0644) == 0; }
static bool owner_outside(void) { return chown(in("own"), (uid_t)-1, getegid()) == 0; }
static bool times_outside(void) { return utimensat(AT_FDCWD, in("own"), NULL, 0) == 0; }
static bool xattr_outside(void) { return got_through(syscall(SYS_setxattr, in("own"), "user.x", "1", 1, 0)); }
static bool shadow(void) { return opened(open("/etc/shadow", O_RDONLY)); }
static bool memory_of_another(void) { return of_victim("mem", O_RDWR); }
static bool environment_of_another(void) { return of_victim("environ", O_RDONLY); }
static bool descriptors_of_another(void) { return of_victim("fd", O_RDONLY | O_DIRECTORY); }
static bool own_memory(void) { return opened(open("/proc/self/mem", O_RDWR)); }
static bool processes(void) { return opened(open("/proc", O_RDONLY | O_DIRECTORY)); }
static bool devices(void) { return opened(open("/dev/zero", O_RDWR)) || opened(open("/dev/tty", O_RDWR)); }
static bool change_folder(void) { return chdir("/tmp") == 0; }
static bool change_root(void) { return got_through(syscall(SYS_chroot, "/nowhere")); }
static bool by_handle(void) { return got_through(syscall(SYS_open_by_handle_at, -1, NULL, 0)); }
static bool name_to_handle(void) { return got_through(syscall(SYS_name_to_handle_at, -1, "x", NULL, NULL, 0)); }
static bool openat2_outside(void) { return got_through(syscall(437, -1, "x", NULL, 0)); }

/* --- mounts ----------------------------------------------------------------------------------------------------------- */

static bool mount_old(void) { return got_through(syscall(SYS_mount, "none", "/nowhere", "tmpfs", 0, NULL)); }
static bool unmount(void) { return got_through(syscall(SYS_umount2, "/nowhere", 0)); }
static bool pivot(void) { return got_through(syscall(SYS_pivot_root, "/nowhere", "/nowhere")); }
static bool mount_new(void) { return got_through(syscall(430, "tmpfs", 0)); }
static bool open_tree(void) { return got_through(syscall(428, -1, "/nowhere", 0)); }
static bool move_mount(void) { return got_through(syscall(429, -1, "", -1, "", 0)); }
static bool mount_attributes(void) { return got_through(syscall(442, -1, "", 0, NULL, 0)); }

/* --- processes -------------------------------------------------------------------------------------------------------- */

static bool reap(long pid)
{
	if (pid == 0)
		_exit(0);
	if (pid > 0)
		waitpid((pid_t)pid, NULL, 0);
	return pid > 0;
}
static bool run_program(void) { return got_through(syscall(SYS_execve, "/nowhere", NULL, NULL)); }
static bool run_program_at(void) { return got_through(syscall(SYS_execveat, -1, "nowhere", NULL, NULL, 0)); }
static bool new_process(void) { return reap(syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0)); }
#ifdef SYS_fork
static bool new_process_old(void) { return reap(syscall(SYS_fork)); }
#else
static bool new_process_old(void) { return false; }
#endif
static bool new_process_new(void)
{
	struct clone_args a = { .exit_signal = SIGCHLD };

	return reap(syscall(SYS_clone3, &a, sizeof(a)));
}
static bool user_namespace(void) { return reap(syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, 0, 0, 0, 0)); }
static bool thread_in_namespace(void)
{
	return got_through(syscall(SYS_clone, CLONE_VM | CLONE_SIGHAND | CLONE_THREAD | CLONE_NEWNS | CLONE_NEWUSER, 0, 0, 0, 0));
}
static bool namespace_new(void)
{
	struct clone_args a = { .flags = CLONE_NEWUSER, .exit_signal = SIGCHLD };

	return reap(syscall(SYS_clone3, &a, sizeof(a)));
}
static bool leave_namespace(void) { return got_through(syscall(SYS_unshare, 0)); }
static bool enter_namespace(void) { return got_through(syscall(SYS_setns, -1, 0)); }
static bool kill_another(void) { return kill(out.victim, 0) == 0; }
static bool kill_all(void) { return kill(-out.victim, 0) == 0; }
static bool kill_thread(void) { return syscall(SYS_tkill, out.victim, 0) == 0; }
static bool kill_thread_of(void) { return syscall(SYS_tgkill, out.victim, out.victim, 0) == 0; }
static bool queue_signal(void) { return got_through(syscall(SYS_rt_sigqueueinfo, out.victim, 0, NULL)); }
static bool hold_another(void) { return opened(syscall(434, out.victim, 0)); }
static bool signal_by_descriptor(void) { return got_through(syscall(424, -1, 0, NULL, 0)); }
static bool trace_another(void)
{
	bool done = syscall(SYS_ptrace, 0x4206 /* SEIZE */, out.victim, 0, 0) == 0;

	if (done)
		syscall(SYS_ptrace, 17 /* DETACH */, out.victim, 0, 0);
	return done;
}
static bool read_another(void)
{
	char a[8];
	struct iovec mine = { a, 8 }, his = { &out, 8 };

	return syscall(SYS_process_vm_readv, out.victim, &mine, 1, &his, 1, 0) == 8;
}
static bool write_another(void)
{
	char a[8] = "";
	struct iovec mine = { a, 8 }, his = { out.abstract, 8 };

	return syscall(SYS_process_vm_writev, out.victim, &mine, 1, &his, 1, 0) == 8;
}
static bool limits_of_another(void)
{
	struct rlimit l = { 64, 64 };

	return syscall(SYS_prlimit64, out.victim, RLIMIT_NOFILE, &l, NULL) == 0;
}
static bool own_limits(void)
{
	struct rlimit l = { 0, 0 };

	return setrlimit(RLIMIT_CORE, &l) == 0;
}
static bool signals_of_descriptors(void)
{
	int fd[2];
	bool done = pipe(fd) == 0 && fcntl(fd[0], F_SETOWN, out.victim) == 0;

	return done;
}
static bool signals_of_sockets(void)
{
	int fd = socket(AF_UNIX, SOCK_STREAM, 0), pid = out.victim;
	bool done = ioctl(fd, 0x8901 /* FIOSETOWN */, &pid) == 0;

	close(fd);
	return done;
}
static bool niceness_of_another(void) { return setpriority(PRIO_PROCESS, (id_t)out.victim, 19) == 0; }
static bool affinity_of_another(void) { return got_through(syscall(SYS_sched_setaffinity, out.victim, 0, NULL)); }
static bool compare_another(void) { return got_through(syscall(SYS_kcmp, out.victim, getpid(), 9, 0, 0)); }

/* --- who we are ------------------------------------------------------------------------------------------------------- */

static bool be_root(void) { return got_through(syscall(SYS_setuid, geteuid())); }
static bool be_root_again(void) { return got_through(syscall(SYS_setresuid, -1, -1, -1)); }
static bool be_of_groups(void) { return got_through(syscall(SYS_setgid, getegid())); }
static bool capabilities(void) { return got_through(syscall(SYS_capset, NULL, NULL)); }
static bool be_dumped(void) { return prctl(PR_SET_DUMPABLE, 1, 0, 0, 0) == 0; }
static bool another_filter(void) { return got_through(syscall(SYS_seccomp, 99, 0, NULL)); }
static bool another_ruleset(void) { return got_through(syscall(444, NULL, 0, 1)); }
static bool another_number(void) { return got_through(syscall(0x40000000 | SYS_getpid)); }

/* --- the kernel's wider corners -------------------------------------------------------------------------------------- */

static bool bpf(void) { return got_through(syscall(SYS_bpf, 0, NULL, 0)); }
static bool perf(void) { return got_through(syscall(SYS_perf_event_open, NULL, 0, 0, -1, 0)); }
static bool userfaultfd(void) { return got_through(syscall(SYS_userfaultfd, 0xffff)); }
static bool io_uring(void) { return got_through(syscall(SYS_io_uring_setup, 0, NULL)); }
static bool io_uring_enter(void) { return got_through(syscall(SYS_io_uring_enter, -1, 0, 0, 0, NULL, 0)); }
static bool keys(void) { return got_through(syscall(SYS_keyctl, 0, -3, 0, 0, 0)); }
static bool new_key(void) { return got_through(syscall(SYS_add_key, NULL, NULL, NULL, 0, 0)); }
static bool module(void) { return got_through(syscall(SYS_finit_module, -1, "", 0)); }
static bool kernel_log(void) { return got_through(syscall(SYS_syslog, 10, NULL, 0)); }
static bool host_name(void) { return got_through(syscall(SYS_sethostname, "x", 65)); }
static bool personality(void) { return got_through(syscall(SYS_personality, 0xffffffff)); }
static bool fanotify(void) { return got_through(syscall(SYS_fanotify_init, 0, 0)); }
static bool splice_pages(void) { return got_through(syscall(SYS_vmsplice, -1, NULL, 0, 0)); }
static bool shared_memory(void) { return got_through(syscall(SYS_shmget, 0, 4096, 01600)); }
static bool message_queue(void) { return got_through(syscall(SYS_mq_open, "x", O_RDONLY, 0, NULL)); }

/* --- memory and sockets ----------------------------------------------------------------------------------------------- */

static bool executable_memory(void)
{
	void *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return p != MAP_FAILED;
}
static bool memory_made_executable(void)
{
	void *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return p != MAP_FAILED && mprotect(p, 4096, PROT_READ | PROT_EXEC) == 0;
}
static bool memory_made_executable_with_key(void)
{
	void *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return p != MAP_FAILED && syscall(SYS_pkey_mprotect, p, 4096, PROT_READ | PROT_EXEC, -1) == 0;
}
static bool file_executed_from_memory(void)
{
	int fd = (int)syscall(SYS_memfd_create, "x", 0);
	bool done = ftruncate(fd, 4096) == 0 && mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE, fd, 0) != MAP_FAILED;

	close(fd);
	return done;
}
static bool netlink(void) { return opened(socket(AF_NETLINK, SOCK_RAW, 4 /* of sockets */)); }
static bool kernel_crypto(void) { return got_through(socket(38 /* ALG */, SOCK_SEQPACKET, 0)); }
static bool virtual_sockets(void) { return got_through(socket(40 /* VSOCK */, SOCK_STREAM, 0)); }
static bool packets(void) { return got_through(socket(AF_PACKET, SOCK_RAW, 0)); }
static bool abstract_socket(void)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);
	bool done;

	memcpy(sa.sun_path + 1, out.abstract, strlen(out.abstract));
	done = connect(fd, (struct sockaddr *)&sa, (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + strlen(out.abstract))) == 0;
	close(fd);
	return done;
}
static bool socket_outside(void)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);
	bool done;

	snprintf(sa.sun_path, sizeof(sa.sun_path), "%.90s", in("s"));
	done = bind(fd, (struct sockaddr *)&sa, sizeof(sa)) == 0;
	close(fd);
	return done;
}
static bool tcp(bool to)
{
	struct sockaddr_in sa = { .sin_family = AF_INET, .sin_port = htons(out.port), .sin_addr.s_addr = htonl(to ? INADDR_LOOPBACK : 0x7f000002) };
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	bool done = (to ? connect(fd, (struct sockaddr *)&sa, sizeof(sa)) : bind(fd, (struct sockaddr *)&sa, sizeof(sa))) == 0;

	close(fd);
	return done;
}
static bool call_another_server(void) { return tcp(true); }
static bool take_another_port(void) { return tcp(false); }

/* --- by way of the helper --------------------------------------------------------------------------------------------- */

static bool ask_for(const char *path)
{
	static struct helper_request r;
	static struct helper_answer a;
	int fd = -1;

	if (out.helper < 0)
		return false;
	memset(&r, 0, sizeof(r));
	r = (struct helper_request){ .id = 7, .verb = HELPER_OPEN };
	snprintf(r.order.path, sizeof(r.order.path), "%s", path);
	if (fdpass_send(out.helper, -1, &r, sizeof(r)) != 0)
		return false;
	for (int i = 0; i < 100 && fdpass_recv(out.helper, &fd, &a, sizeof(a)) < 0; i++)
		usleep(20000);
	return opened(fd);
}
static bool ask_for_shadow(void) { return ask_for("/etc/shadow"); }
static bool ask_for_another_name(void) { return ask_for("/etc/../etc/shadow"); }
static bool ask_for_what_is_outside(void) { return ask_for(in("roots")); }

#define WAY(name) { #name, name }
static const struct way { const char *name; bool (*go)(void); } ways[] = {
	WAY(read_outside), WAY(list_outside), WAY(write_outside), WAY(append_outside), WAY(create_outside), WAY(tmpfile_outside), WAY(truncate_outside),
	WAY(remove_outside), WAY(folder_outside), WAY(remove_folder_outside), WAY(symlink_outside), WAY(symlink_in_queue), WAY(link_out), WAY(link_in),
	WAY(move_out), WAY(fifo_outside), WAY(fifo_in_queue), WAY(device_in_queue), WAY(set_user_id), WAY(set_user_id_fd),
	WAY(set_user_id_new), WAY(set_user_id_at), WAY(mode_outside), WAY(owner_outside), WAY(times_outside), WAY(xattr_outside), WAY(shadow),
	WAY(memory_of_another), WAY(environment_of_another), WAY(descriptors_of_another), WAY(own_memory), WAY(processes), WAY(devices),
	WAY(change_folder), WAY(change_root), WAY(by_handle), WAY(name_to_handle), WAY(openat2_outside),
	WAY(mount_old), WAY(unmount), WAY(pivot), WAY(mount_new), WAY(open_tree), WAY(move_mount), WAY(mount_attributes),
	WAY(run_program), WAY(run_program_at), WAY(new_process), WAY(new_process_old), WAY(new_process_new), WAY(user_namespace),
	WAY(thread_in_namespace), WAY(namespace_new), WAY(leave_namespace), WAY(enter_namespace), WAY(kill_another), WAY(kill_all), WAY(kill_thread),
	WAY(kill_thread_of), WAY(queue_signal), WAY(hold_another), WAY(signal_by_descriptor), WAY(trace_another), WAY(read_another), WAY(write_another),
	WAY(limits_of_another), WAY(own_limits), WAY(signals_of_descriptors), WAY(signals_of_sockets), WAY(niceness_of_another),
	WAY(affinity_of_another), WAY(compare_another), WAY(be_root), WAY(be_root_again), WAY(be_of_groups), WAY(capabilities), WAY(be_dumped),
	WAY(another_filter), WAY(another_ruleset), WAY(another_number), WAY(bpf), WAY(perf), WAY(userfaultfd), WAY(io_uring), WAY(io_uring_enter),
	WAY(keys), WAY(new_key), WAY(module), WAY(kernel_log), WAY(host_name), WAY(personality), WAY(fanotify), WAY(splice_pages), WAY(shared_memory),
	WAY(message_queue), WAY(executable_memory), WAY(memory_made_executable), WAY(memory_made_executable_with_key), WAY(file_executed_from_memory),
	WAY(netlink), WAY(kernel_crypto), WAY(virtual_sockets), WAY(packets), WAY(abstract_socket), WAY(socket_outside), WAY(call_another_server),
	WAY(take_another_port), WAY(ask_for_shadow), WAY(ask_for_another_name), WAY(ask_for_what_is_outside), WAY(move_in),
};
#define N_WAYS (sizeof(ways) / sizeof(ways[0]))

/* --- the prison ------------------------------------------------------------------------------------------------------- */

static void put(const char *name, const char *text, mode_t mode, uid_t owner)
{
	char path[600];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", out.top, name);
	unlink(path);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, mode);
	CHECK(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text) && fchmod(fd, mode) == 0);
	CHECK(getuid() != 0 || fchown(fd, owner, owner) == 0);
	close(fd);
}

static void make_folder(const char *name, mode_t mode, uid_t owner)
{
	char path[600];

	snprintf(path, sizeof(path), "%s/%s", out.top, name);
	CHECK(mkdir(path, 0700) == 0 || errno == EEXIST);
	CHECK(chmod(path, mode) == 0);
	CHECK(getuid() != 0 || chown(path, owner, owner) == 0);
}

struct prison {
	const char *name, *sandbox;
	uid_t uid;                     /* who serves */
	bool root;                     /* started as root, which is given up */
	bool helper;
};

static pid_t start_victim(uid_t uid)
{
	pid_t pid = fork();

	if (pid != 0)
		return pid;
	if (getuid() == 0 && (setgid(uid) != 0 || setuid(uid) != 0))
		_exit(1);
	prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
	prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
	setpgid(0, 0);
	for (;;)
		pause();
}

static int open_servers(int *abstract)
{
	struct sockaddr_in sa = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	socklen_t n = sizeof(sa);
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	CHECK(bind(fd, (struct sockaddr *)&sa, n) == 0 && listen(fd, 10) == 0 && getsockname(fd, (struct sockaddr *)&sa, &n) == 0);
	out.port = ntohs(sa.sin_port);
	*abstract = socket(AF_UNIX, SOCK_STREAM, 0);
	snprintf(out.abstract, sizeof(out.abstract), "relaybox-takeover-%d", (int)getpid());
	memcpy(un.sun_path + 1, out.abstract, strlen(out.abstract));
	CHECK(bind(*abstract, (struct sockaddr *)&un, (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + strlen(out.abstract))) == 0);
	CHECK(listen(*abstract, 10) == 0);
	return fd;
}

/* lock_up - the steps of relayd's own start (core/daemon/start.c); 0, or the number of the one that failed */
static int lock_up(const struct prison *p)
{
	char directory[500];
	struct conf_diag diag;
	struct settings *s;
	struct identity owner;
	struct sandbox closed;
	struct buf why;
	pid_t helper_pid;

	snprintf(directory, sizeof(directory), "%s/c", out.top);
	if (!p->root && getuid() == 0 && (setgid(p->uid) != 0 || setuid(p->uid) != 0))
		return 1;
	conf_diag_init(&diag);
	s = settings_load(directory, NULL, &diag);
	if (!s) {
		conf_diag_print(&diag, stderr, "takeover");
		return 2;
	}
	buf_init(&why, 600);
	if (!identity_find(s->conf, &owner, &why))
		return 3;
	privilege_harden();
	out.helper = p->helper ? privilege_fork_helper(s, &owner, 0, false, &helper_pid) : -1;
	if (p->helper != (out.helper >= 0))
		return 4;
	if (spool_prepare(s->conf->queue_directory, &owner) != 0)
		return 5;
	if (privilege_drop(&owner) != 0 || geteuid() != p->uid)
		return 6;
	return sandbox_close(s, directory, out.helper >= 0, &closed) == 0 ? 0 : 7;
}

/* try_all - how many ways led out; each is told in `told` */
static int try_all(const struct prison *p, int told)
{
	int failed = lock_up(p), escaped = 0, fd;

	if (failed) {
		dprintf(told, "(locked up: step %d: %s)", failed, strerror(errno));
		return 1;
	}
	fd = open("mine", O_WRONLY | O_CREAT, 0600);
	if (fd < 0)
		dprintf(told, "(the queue cannot be written)");
	close(fd);
	for (size_t i = 0; i < N_WAYS; i++) {
		if (!ways[i].go())
			continue;
		escaped++;
		dprintf(told, "%s ", ways[i].name);
	}
	return escaped;
}

static void prepare(const struct prison *p)
{
	char text[1200];

	snprintf(out.top, sizeof(out.top), "%s/%s", t_tmpdir(), p->name);
	CHECK_INT(chmod(t_tmpdir(), 0755), 0);
	make_folder("", 0755, 0);
	make_folder("c", 0755, 0);
	make_folder("q", 0755, p->uid);
	make_folder("o", 0777, 0);
	make_folder("o/empty", 0777, p->uid);
	put("o/readable", "x", 0644, 0);
	put("o/roots", "x", 0600, 0);
	put("o/own", "x", 0644, p->uid);
	put("o/removable", "x", 0644, p->uid);
	snprintf(text, sizeof(text), "queue_directory = %s/q\nmyhostname = a.test\ninet_interfaces = 127.0.0.1\nalias_maps =\nmail_owner = %u\n"
		"mail_spool_directory = %s/spool\nmaillog_file = /dev/stderr\nsandbox = %s\nrelayhost = [127.0.0.1]:2525\n", out.top, (unsigned)p->uid,
		out.top, p->sandbox);
	put("c/main.cf", text, 0644, 0);
	put("c/master.cf", "10025 inet n - n - - smtpd\n", 0644, 0);
}

/* play - one prison: what led out of it, in words; how many */
static int play(const struct prison *p, char *told, size_t size)
{
	int fds[2], abstract, server, status = 0;
	size_t n = 0;
	ssize_t got;
	pid_t pid;

	prepare(p);
	server = open_servers(&abstract);
	out.victim = start_victim(p->uid);
	CHECK(pipe(fds) == 0);
	fflush(NULL);
	pid = fork();
	if (pid == 0) {
		struct log_config quiet = { .sink = LOG_TO_NOTHING };

		log_open(&quiet);
		_exit(try_all(p, fds[1]) > 250 ? 250 : 0);
	}
	close(fds[1]);
	while (n + 1 < size && (got = read(fds[0], told + n, size - n - 1)) > 0)
		n += (size_t)got;
	told[n] = '\0';
	close(fds[0]);
	CHECK(waitpid(pid, &status, 0) == pid && WIFEXITED(status));
	kill(out.victim, SIGKILL);
	waitpid(out.victim, NULL, 0);
	close(server);
	close(abstract);
	n = 0;
	for (const char *c = told; *c; c++)
		n += *c == ' ';
	return (int)n;
}

static bool can_be_closed(void)
{
	struct landlock l;

	if (landlock_begin(&l, 0) != 0)
		return false;
	close(l.fd);
	return !SANITIZED;
}

T(taken_over_process_stays_in)
{
	static const struct prison rows[] = {
		{ "with_helper", "required", OWNER, true, true },
		{ "without_helper", "required", OWNER, true, false },
		{ "ordinary_user", "required", NOBODY, false, false },
	};
	char told[8192];
	struct buf lacking;

	if (!can_be_closed())
		SKIP("needs Landlock, and a build without sanitizers");
	buf_init(&lacking, 200);
	landlock_lacks(&lacking, true);
	if (lacking.n) {
		t_skip("this kernel's Landlock does not cover: %s", buf_cstr(&lacking));
		buf_fini(&lacking);
		return;
	}
	buf_fini(&lacking);
	CHECK(N_WAYS >= 50);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct prison p = rows[i];

		ROW("%s", p.name);
		if (getuid() != 0 && p.root)
			continue;
		p.uid = getuid() != 0 ? getuid() : p.uid;
		play(&p, told, sizeof(told));
		CHECK_STR(told, "");
	}
}

T(ways_out_are_real)
{
	struct prison p = { "open", "no", NOBODY, false, false };
	char told[8192];

	if (!can_be_closed())
		SKIP("needs Landlock, and a build without sanitizers");
	p.uid = getuid() != 0 ? getuid() : p.uid;
	CHECK(play(&p, told, sizeof(told)) >= 50);
}

#if defined(__x86_64__)
/* numbers of another architecture end the process: nobody has asked for them but an attacker */
T(calls_of_another_architecture_are_the_end)
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		long result = 20; /* getpid of the 32-bit table */

		if (sandbox_close_calls() != 0)
			_exit(2);
		__asm__ volatile("int $0x80" : "+a"(result) : : "memory");
		_exit(result > 0 ? 1 : 0);
	}
	CHECK_INT(waitpid(pid, &status, 0), pid);
	/* a kernel without those calls ends it by itself */
	CHECK(WIFSIGNALED(status) && (WTERMSIG(status) == SIGSYS || WTERMSIG(status) == SIGSEGV));
}
#endif
