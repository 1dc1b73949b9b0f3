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
#include <time.h>
#include <unistd.h>

#include "core/base/fs.h"
#include "core/base/limits.h"
#include "core/base/log.h"
#include "core/base/mem.h"
#include "core/base/memory.h"
#include "core/deliver/local/helper_confine.h"
#include "core/deliver/local/helper_order.h"
#include "core/net/fdpass.h"


struct helper {
	int fd;
	const struct helper_rules *rules;
	struct { pid_t pid; uint64_t id; char user[MAILBOX_USER]; } child[LIMIT_HELPER_CHILDREN];
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
	int fd = -1;

	if (may_open(h, r->order.path)) {
		fd = fs_open_table(r->order.path);
		a.error = fd < 0 ? errno : 0;
	}
	send_answer(h->fd, &a, fd);
	if (fd >= 0)
		fs_close(fd);
}

static bool is_log(const char *name, const char *path)
{
	return name && name[0] == '/' && !strcmp(name, path);
}

/* open_log - a file that relayd writes its log into, made anew where it was renamed */
static void open_log(struct helper *h, const struct helper_request *r)
{
	struct helper_answer a = { .id = r->id, .error = EACCES };
	int fd = -1;

	if (is_log(h->rules->log, r->order.path) || is_log(h->rules->log_also, r->order.path)) {
		fd = fs_open_guarded(r->order.path, O_WRONLY | O_APPEND | O_CREAT, 0640);
		a.error = fd < 0 ? errno : 0;
	}
	send_answer(h->fd, &a, fd);
	if (fd >= 0)
		fs_close(fd);
}

/* --- deliveries ------------------------------------------------------------------------------------------------------- */

/* a spool that its group may write (mail) is entered with that group, as a mail reader would */
static int become(const struct passwd *pw, const char *spool)
{
	gid_t groups[1];
	size_t n = 0;
	struct stat st;

	if (spool && *spool && stat(spool, &st) == 0 && (st.st_mode & S_IWGRP) && st.st_gid != 0)
		groups[n++] = st.st_gid;
	if (setgroups(n, groups) < 0 || setgid(pw->pw_gid) < 0)
		return -1;
	/* what is left of root then is the owner of files, without a right beyond that */
	if (pw->pw_uid == 0)
		return helper_give_up_all();
	if (setuid(pw->pw_uid) < 0)
		return -1;
	if (setuid(0) == 0 || geteuid() != pw->pw_uid) {
		errno = EPERM;
		return -1;
	}
	return 0;
}

/* may_serve - whose mailbox is written: not relayd's own user's, who could then be asked to write for himself, nor one of a uid
 * that means "none" or of root's group. Root's is, at its one place */
static bool may_serve(const struct helper *h, const struct passwd *pw)
{
	return pw->pw_uid != h->rules->owner && pw->pw_uid != (uid_t)-1 && pw->pw_uid != 65535 && (pw->pw_gid != 0 || pw->pw_uid == 0);
}

/* is_below - the path names something in the folder and does not lead out of it again */
static bool is_below(const char *path, const char *folder)
{
	size_t n = strlen(folder);

	while (n > 1 && folder[n - 1] == '/')
		n--;
	return n > 1 && !strncmp(path, folder, n) && path[n] == '/' && path[n + 1] && !strstr(path, "/../") &&
		!str_ends(str_of(path), STR("/.."));
}

static void deliver_as_user(const struct helper *h, const struct helper_request *r, int content)
{
	const struct helper_rules *rules = h->rules;
	struct helper_answer a = { .id = r->id };
	struct mailbox_order order = r->order;
	struct passwd pw, *found = NULL;
	char text[LIMIT_USER_ENTRY];
	int error = getpwnam_r(order.user, &pw, text, sizeof(text), &found);
	bool located = found && mailbox_locate(&order, pw.pw_dir, rules->home_mailbox, rules->spool);

	if (error)
		reply_set(&a.reply, 451, "4.3.0", "user lookup of %s: %s", order.user, strerror(error));
	else if (!found)
		reply_set(&a.reply, 550, "5.1.1", "unknown user: \"%s\"", order.user);
	else if (!may_serve(h, &pw))
		reply_set(&a.reply, 451, "4.3.5", "no mailbox is written for %s: give %s an alias", order.user, order.user);
	else if (!located || !is_below(order.path, *rules->home_mailbox ? pw.pw_dir : rules->spool))
		reply_set(&a.reply, 451, "4.3.5", "the mailbox of %s has no usable path: home_mailbox, mail_spool_directory", order.user);
	else if (strcmp(order.path, r->order.path) != 0)
		reply_set(&a.reply, 451, "4.3.5", "mailboxes are elsewhere since relayd was started: restart it");
	else if (become(&pw, *rules->home_mailbox ? NULL : rules->spool) < 0)
		reply_set(&a.reply, 451, "4.3.0", "cannot become user %s: %s", order.user, strerror(errno));
	else
		mailbox_deliver(&order, content, &a.reply);
	send_answer(h->fd, &a, -1);
}

/* has_room - for one more, and for one of this user: his processes are his to stop, or to keep waiting in a file system of his own */
static bool has_room(const struct helper *h, const char *user)
{
	unsigned same = 0;

	for (unsigned i = 0; i < h->n; i++)
		same += !strcmp(h->child[i].user, user);
	return h->n < LIMIT_HELPER_CHILDREN && same < LIMIT_HELPER_USER;
}

static void deliver(struct helper *h, const struct helper_request *r, int content)
{
	bool headless = r->order.header_length && (h->header < 0 || h->header_id != r->id);
	pid_t pid;

	if (content < 0 || headless || !has_room(h, r->order.user) || (pid = fork()) < 0) {
		answer_text(h->fd, r->id, "local delivery is busy");
		return;
	}
	if (pid == 0) {
		deliver_as_user(h, r, content);
		_exit(0);
	}
	h->child[h->n].pid = pid;
	memcpy(h->child[h->n].user, r->order.user, MAILBOX_USER);
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

static void take_request(struct helper *h, struct helper_request *r, int content)
{
	bool named = memchr(r->order.path, 0, sizeof(r->order.path)) != NULL;

	r->order.header_fd = h->header_id == r->id ? h->header : -1;
	if (r->verb == HELPER_OPEN && named)
		open_table(h, r);
	else if (r->verb == HELPER_LOG && named)
		open_log(h, r);
	else if (r->verb == HELPER_DELIVER && helper_order_is_good(&r->order, content))
		deliver(h, r, content);
	else
		answer_text(h->fd, r->id, "local delivery was asked for wrongly");
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
	if (n == (ptrdiff_t)sizeof(*r) && r->verb == HELPER_HEADER) {
		keep_header(h, r->id, pass);
		return true;
	}
	if (n == (ptrdiff_t)sizeof(*r)) {
		take_request(h, r, pass);
		keep_header(h, 0, -1);
	}
	if (pass >= 0)
		fs_close(pass);
	return true;
}

int helper_main(int fd, const struct helper_rules *rules)
{
	struct helper *h = MEM_NEW(struct helper);
	struct pollfd p = { .fd = fd, .events = POLLIN };
	const char *what = "";
	bool open = true;

	h->fd = fd;
	h->header = -1;
	h->rules = rules;
	/* the terminal's signals are relayd's; we end with it */
	umask(077);
	signal(SIGINT, SIG_IGN);
	signal(SIGTERM, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	signal(SIGPIPE, SIG_IGN);
	signal(SIGCHLD, SIG_DFL);
	if (rules->confine && helper_confine(rules, &what) < 0 && rules->must) {
		log_error("master", "privileged helper: %s: %s", what, strerror(errno));
		open = false;
	}
	/* what relayd's start had mapped before the fork; relayd lets go of it, too, and whose last it is pays for it */
	memory_forget_start();
	while (open) {
		int ready = poll(&p, 1, h->n ? 200 : -1);

		if (ready > 0)
			open = serve(h);
		else if (ready < 0 && errno != EINTR)
			open = false;
		reap(h);
	}
	/* whoever is stopped by then is left alone: his answer is wanted by nobody */
	for (int i = 0; h->n && i < LIMIT_HELPER_END * 10; i++) {
		nanosleep(&(struct timespec){ 0, 100 * 1000 * 1000 }, NULL);
		reap(h);
	}
	keep_header(h, 0, -1);
	mem_free(h);
	return 0;
}
