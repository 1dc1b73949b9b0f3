/* helper - see helper.h. One loop: requests in, a child per delivery, answers straight from the child. A child that dies
 * without a word is answered for. */
#include "core/deliver/local/helper.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/base/fs.h"
#include "core/base/limits.h"
#include "core/base/mem.h"
#include "core/net/fdpass.h"

enum { PASSWD_MAX = 8 * 1024 };

struct helper {
	int fd;
	const struct helper_rules *rules;
	struct { pid_t pid; uint64_t id; } child[LIMIT_HELPER_CHILDREN];
	unsigned n;
	struct helper_request request; /* at work */
	int header;                    /* descriptor of a header section, or -1 */
	uint64_t header_id;            /* … and whose */
};

int helper_socketpair(int fds[2])
{
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) < 0)
		return -1;
	return fcntl(fds[0], F_SETFL, O_NONBLOCK);
}

static void send_answer(int fd, const struct helper_answer *a, int pass)
{
	/* the other end gone is seen at the next receive */
	while (fdpass_send(fd, pass, a, sizeof(*a)) < 0 && errno == EINTR)
		;
}

static void answer_text(int fd, uint64_t id, const char *text)
{
	struct helper_answer a = { .id = id };

	reply_set(&a.reply, 451, "4.3.0", "%s", text);
	send_answer(fd, &a, -1);
}

/* --- tables --------------------------------------------------------------------------------------------------------- */

static bool may_open(const struct helper *h, const char *path)
{
	for (const char *const *t = h->rules->tables; t && *t; t++)
		if (!strcmp(*t, path))
			return true;
	return false;
}

static void open_table(struct helper *h, const struct helper_request *r)
{
	struct helper_answer a = { .id = r->id, .error = EACCES };
	struct stat st;
	int fd = -1;

	if (may_open(h, r->order.path)) {
		fd = fs_open(r->order.path, O_RDONLY | O_NONBLOCK | O_NOCTTY, 0);
		a.error = fd < 0 ? errno : 0;
	}
	if (fd >= 0 && (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))) {
		fs_close(fd);
		fd = -1;
		a.error = EINVAL;
	}
	send_answer(h->fd, &a, fd);
	if (fd >= 0)
		fs_close(fd);
}

/* --- deliveries ------------------------------------------------------------------------------------------------------- */

static bool is_below(const char *path, const char *folder)
{
	size_t n = strlen(folder);

	while (n > 1 && folder[n - 1] == '/')
		n--;
	return n > 1 && !strncmp(path, folder, n) && path[n] == '/' && path[n + 1] && !strstr(path, "/../") &&
		!str_ends(str_of(path), STR("/.."));
}

static bool is_spool_file(const struct helper *h, const struct mailbox_order *o)
{
	char path[MAILBOX_PATH];

	if (!h->rules->spool || !*h->rules->spool)
		return false;
	snprintf(path, sizeof(path), "%s%s%s", h->rules->spool, str_ends(str_of(h->rules->spool), STR("/")) ? "" : "/", o->user);
	return !strcmp(path, o->path);
}

/* a spool that its group may write (mail) is entered with that group, as a mail reader would */
static int become(const struct passwd *pw, const char *spool)
{
	gid_t groups[1];
	size_t n = 0;
	struct stat st;

	if (spool && *spool && stat(spool, &st) == 0 && (st.st_mode & S_IWGRP) && st.st_gid != 0)
		groups[n++] = st.st_gid;
	if (setgroups(n, groups) < 0 || setgid(pw->pw_gid) < 0 || setuid(pw->pw_uid) < 0)
		return -1;
	if (pw->pw_uid != 0 && (setuid(0) == 0 || geteuid() != pw->pw_uid)) {
		errno = EPERM;
		return -1;
	}
	umask(077);
	return 0;
}

static void deliver_as_user(const struct helper *h, const struct helper_request *r, int content)
{
	struct helper_answer a = { .id = r->id };
	struct passwd pw, *found = NULL;
	char text[PASSWD_MAX];
	int error = getpwnam_r(r->order.user, &pw, text, sizeof(text), &found);

	if (error)
		reply_set(&a.reply, 451, "4.3.0", "user lookup of %s: %s", r->order.user, strerror(error));
	else if (!found)
		reply_set(&a.reply, 550, "5.1.1", "unknown user: \"%s\"", r->order.user);
	else if (!is_below(r->order.path, pw.pw_dir) && !is_spool_file(h, &r->order))
		reply_set(&a.reply, 451, "4.3.5", "mailbox %s is neither in the home of %s nor in the mail spool", r->order.path, r->order.user);
	else if (become(&pw, is_spool_file(h, &r->order) ? h->rules->spool : NULL) < 0)
		reply_set(&a.reply, 451, "4.3.0", "cannot become user %s: %s", r->order.user, strerror(errno));
	else
		mailbox_deliver(&r->order, content, &a.reply);
	send_answer(h->fd, &a, -1);
}

static void deliver(struct helper *h, const struct helper_request *r, int content)
{
	bool headless = r->order.header_length && (h->header < 0 || h->header_id != r->id);
	pid_t pid;

	if (content < 0 || headless || h->n == LIMIT_HELPER_CHILDREN || (pid = fork()) < 0) {
		answer_text(h->fd, r->id, "local delivery is busy");
		return;
	}
	if (pid == 0) {
		deliver_as_user(h, r, content);
		_exit(0);
	}
	h->child[h->n].pid = pid;
	h->child[h->n++].id = r->id;
}

static void reap(struct helper *h)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		for (unsigned i = 0; i < h->n; i++) {
			if (h->child[i].pid != pid)
				continue;
			if (!WIFEXITED(status) || WEXITSTATUS(status))
				answer_text(h->fd, h->child[i].id, "local delivery ended unexpectedly");
			h->child[i] = h->child[--h->n];
			break;
		}
	}
}

/* --- the loop ----------------------------------------------------------------------------------------------------------- */

static bool is_terminated(const struct mailbox_order *o)
{
	return memchr(o->user, 0, sizeof(o->user)) && memchr(o->path, 0, sizeof(o->path)) &&
		memchr(o->unique, 0, sizeof(o->unique)) && memchr(o->from_line, 0, sizeof(o->from_line)) &&
		memchr(o->prefix, 0, sizeof(o->prefix)) && !strchr(o->unique, '/') && o->path[0] == '/' && !strchr(o->user, '/');
}

/* keep_header - instead of one whose delivery never came; -1: none */
static void keep_header(struct helper *h, uint64_t id, int fd)
{
	if (h->header >= 0)
		fs_close(h->header);
	h->header = fd;
	h->header_id = id;
}

/* false: the other end is closed */
static bool serve(struct helper *h)
{
	struct helper_request *r = &h->request;
	int pass = -1;
	ptrdiff_t n = fdpass_recv(h->fd, &pass, r, sizeof(*r));

	if (n == 0 || (n < 0 && errno != EINTR && errno != EAGAIN))
		return false;
	if (n == (ptrdiff_t)sizeof(*r) && is_terminated(&r->order)) {
		if (r->verb == HELPER_OPEN)
			open_table(h, r);
		if (r->verb == HELPER_HEADER) {
			keep_header(h, r->id, pass);
			return true;
		}
		if (r->verb == HELPER_DELIVER) {
			r->order.header_fd = h->header;
			deliver(h, r, pass);
			keep_header(h, 0, -1);
		}
	}
	if (pass >= 0)
		fs_close(pass);
	return true;
}

int helper_main(int fd, const struct helper_rules *rules)
{
	struct helper *h = MEM_NEW(struct helper);
	struct pollfd p = { .fd = fd, .events = POLLIN };
	bool open = true;

	h->fd = fd;
	h->header = -1;
	h->rules = rules;
	/* the terminal's signals are relayd's; we end with it */
	signal(SIGINT, SIG_IGN);
	signal(SIGTERM, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	signal(SIGPIPE, SIG_IGN);
	signal(SIGCHLD, SIG_DFL);
	while (open) {
		int ready = poll(&p, 1, h->n ? 200 : -1);

		if (ready > 0)
			open = serve(h);
		else if (ready < 0 && errno != EINTR)
			open = false;
		reap(h);
	}
	while (h->n && waitpid(-1, NULL, 0) > 0)
		h->n--;
	keep_header(h, 0, -1);
	mem_free(h);
	return 0;
}
