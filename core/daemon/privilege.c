/* privilege - see privilege.h. */
#include "core/daemon/privilege.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "core/base/fs.h"
#include "core/base/log.h"
#include "core/base/mem.h"
#include "core/daemon/inherit.h"
#include "core/deliver/local/helper.h"

/* collect - what the settings were made of, and the indexed form of each table, which may come later */
static void collect(struct reads *p, const struct settings *s)
{
	char text[PATH_MAX];

	for (size_t i = 0; i < s->reads.n; i++) {
		reads_add(p, s->reads.v[i]);
		if (snprintf(text, sizeof(text), "%s.cdb", s->reads.v[i]) < (int)sizeof(text))
			reads_add(p, text);
	}
}

static void leave_terminal(void)
{
	int null = fs_open("/dev/null", O_RDWR, 0);

	log_echo(false);
	if (null >= 0)
		dup2(null, STDERR_FILENO);
}

int privilege_fork_helper(const struct settings *s, const struct identity *owner, size_t announced, bool apart, pid_t *pid)
{
	static const char *const none[] = { NULL };
	struct reads tables = { NULL, 0 };
	int fds[2];

	if (!owner->drop)
		return -1;
	collect(&tables, s);
	if (helper_socketpair(fds) != 0 || (*pid = fork()) < 0) {
		log_error("master", "privileged helper: %s: local delivery to other users is deferred", strerror(errno));
		return -1;
	}
	if (*pid == 0) {
		close(fds[0]);
		inherit_forget(announced);
		if (apart)
			leave_terminal();
		_exit(helper_main(fds[1], &(struct helper_rules){
			.spool = s->conf->mail_spool_directory, .home_mailbox = s->conf->home_mailbox,
			.log = s->conf->maillog_file, .log_also = s->conf->log_also, .tables = tables.n ? tables.v : none, .owner = owner->uid,
			.confine = s->conf->sandbox != CONF_SANDBOX_NO, .must = s->conf->sandbox == CONF_SANDBOX_REQUIRED,
		}));
	}
	close(fds[1]);
	reads_fini(&tables);
	return fds[0];
}

int privilege_drop(const struct identity *owner)
{
	if (!owner->drop)
		return 0;
	if (setgroups(0, NULL) != 0 || setgid(owner->gid) != 0 || setuid(owner->uid) != 0) {
		log_error("master", "become %s: %s: allow SETUID and SETGID, start as that user, or set mail_owner = root", owner->name,
			strerror(errno));
		return -1;
	}
	if (setuid(0) == 0 || geteuid() != owner->uid || getegid() != owner->gid) {
		log_error("master", "become %s: root could be had again", owner->name);
		return -1;
	}
	return 0;
}

size_t privilege_harden(void)
{
	struct rlimit none = { 0, 0 }, files;

	setrlimit(RLIMIT_CORE, &none);
	prctl(PR_SET_DUMPABLE, 0);
	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	if (getrlimit(RLIMIT_NOFILE, &files) != 0)
		return 1024;
	files.rlim_cur = files.rlim_max;
	setrlimit(RLIMIT_NOFILE, &files);
	getrlimit(RLIMIT_NOFILE, &files);
	return files.rlim_cur;
}
