/* privilege - see privilege.h. */
#include "core/relay/privilege.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "core/base/fs.h"
#include "core/base/log.h"

/* serving_user - mail_owner, or what usually stands in for it; NULL when the host has none of them */
static const struct passwd *serving_user(const struct conf *c)
{
	const char *const names[] = {c->mail_owner, "relaybox", "postfix", "nobody"};
	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		const struct passwd *pw = *names[i] ? getpwnam(names[i]) : NULL;
		if (!pw)
			continue;
		return pw;
	}
	return NULL;
}

struct owner {
	uid_t uid;
	gid_t gid;
	const char *dir;
};

static int own(const char *path, const struct owner *o)
{
	struct stat st;
	if (lstat(path, &st) != 0 || (st.st_uid == o->uid && st.st_gid == o->gid))
		return 0;
	return lchown(path, o->uid, o->gid);
}

static int own_entry(void *ctx, const char *name)
{
	const struct owner *o = ctx;
	char path[512];
	snprintf(path, sizeof path, "%s/%s", o->dir, name);
	return own(path, o) == 0 ? 0 : -1;
}

/* A folder of the spool. Files in it that an earlier run left to another user are taken over; maildrop/ is other people's. */
static int make_folder(const char *path, mode_t mode, struct owner *o, bool take_over)
{
	mode_t mask = umask(0);
	int result = fs_mkdir(path, mode);
	umask(mask);
	if (result != 0)
		return -1;
	if (o->uid == (uid_t)-1)
		return 0;
	o->dir = path;
	if (own(path, o) != 0)
		return -1;
	return take_over && fs_each_name(path, own_entry, o) != 0 ? -1 : 0;
}

int privilege_prepare_spool(const struct conf *c)
{
	struct owner o = {.uid = (uid_t)-1, .gid = (gid_t)-1};
	const struct passwd *pw = geteuid() == 0 ? serving_user(c) : NULL;
	const char *dir = c->queue_directory;
	if (pw)
		o.uid = pw->pw_uid, o.gid = pw->pw_gid;
	if (make_folder(dir, 0755, &o, false) != 0 || chdir(dir) != 0) {
		log_error("master", "queue_directory %s: %s: make it, or set queue_directory to a folder that may be written", dir, strerror(errno));
		return -1;
	}
	static const struct { const char *name; mode_t mode; bool take_over; } folders[] = {
		{"log", 0700, true}, {"big", 0700, true}, {"corrupt", 0700, true}, {"maildrop", 01733, false},
	};
	for (size_t i = 0; i < sizeof folders / sizeof *folders; i++)
		if (make_folder(folders[i].name, folders[i].mode, &o, folders[i].take_over) != 0) {
			log_error("master", "queue_directory %s/%s: %s", dir, folders[i].name, strerror(errno));
			return -1;
		}
	if (pw && access("lock", F_OK) == 0)
		own("lock", &o);
	return 0;
}

int privilege_drop(const struct conf *c)
{
	if (geteuid() != 0)
		return 0;
	const struct passwd *pw = serving_user(c);
	if (!pw) {
		log_warn("master", "no user %s on this host: staying root", c->mail_owner);
		return 0;
	}
	if (strcmp(pw->pw_name, c->mail_owner) != 0)
		log_warn("master", "mail_owner %s: no such user: serving as %s", c->mail_owner, pw->pw_name);
	if (setgroups(0, NULL) != 0 || setgid(pw->pw_gid) != 0 || setuid(pw->pw_uid) != 0) {
		log_error("master", "become %s: %s", pw->pw_name, strerror(errno));
		return -1;
	}
	if (pw->pw_uid != 0 && setuid(0) == 0) {
		log_error("master", "become %s: root could be had again", pw->pw_name);
		return -1;
	}
	return 0;
}

size_t privilege_harden(void)
{
	struct rlimit none = {0, 0}, files;
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
