/* privilege - see privilege.h. */
#include "core/daemon/privilege.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "core/base/fs.h"
#include "core/base/log.h"
#include "core/base/mem.h"
#include "core/deliver/local/helper.h"

/* serving_user - mail_owner, or what usually stands in for it; NULL when the host has none of them */
static const struct passwd *serving_user(const struct conf *c)
{
	const char *const names[] = {c->mail_owner, "relaybox", "postfix", "nobody" };

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
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

	snprintf(path, sizeof(path), "%s/%s", o->dir, name);
	return own(path, o) == 0 ? 0 : -1;
}

/* A folder of the spool. Files in it that an earlier run left to another user are taken over; maildrop/ is other people's. */
static int make_folder(const char *path, mode_t mode, struct owner *o, bool take_over)
{
	int result;

	mode_t mask = umask(0);
	result = fs_mkdir(path, mode);

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
	struct owner o = { .uid = (uid_t)-1, .gid = (gid_t)-1 };
	const struct passwd *pw = geteuid() == 0 ? serving_user(c) : NULL;
	const char *dir = c->queue_directory;

	if (pw)
		o.uid = pw->pw_uid, o.gid = pw->pw_gid;
	if (make_folder(dir, 0755, &o, false) != 0 || chdir(dir) != 0) {
		log_error("master", "queue_directory %s: %s: make it, or set queue_directory to a folder that may be written", dir, strerror(errno));
		return -1;
	}
	static const struct { const char *name; mode_t mode; bool take_over; } folders[] = {
		{ "log", 0700, true }, { "big", 0700, true }, { "corrupt", 0700, true }, { "maildrop", 03733, false },
	};
	for (size_t i = 0; i < sizeof(folders) / sizeof(*folders); i++)
		if (make_folder(folders[i].name, folders[i].mode, &o, folders[i].take_over) != 0) {
			log_error("master", "queue_directory %s/%s: %s", dir, folders[i].name, strerror(errno));
			return -1;
		}
	if (pw && access("lock", F_OK) == 0)
		own("lock", &o);
	return 0;
}

/* --- what the helper may open ------------------------------------------------------------------------------------- */

/* parameters whose values name files that may be readable by root only */
static const char *const file_parameters[] = {
	"transport_maps", "alias_maps", "mydestination", "mynetworks", "relay_domains", "smtp_sasl_password_maps", "smtp_tls_policy_maps",
	"sender_dependent_relayhost_maps", "sender_dependent_default_transport_maps", "smtp_tls_CAfile", "smtp_tls_cert_file",
	"smtp_tls_key_file", "smtp_tls_chain_files", "smtpd_tls_CAfile", "smtpd_tls_cert_file", "smtpd_tls_key_file",
	"smtpd_tls_chain_files", "smtpd_upstream_proxy_networks", "smtpd_client_event_limit_exceptions",
};

struct paths {
	const char **v;
	size_t n;
};

static void add_path(struct paths *p, struct str path, const char *suffix)
{
	char text[4096];

	if (snprintf(text, sizeof(text), "%.*s%s", STR_ARG(path), suffix) >= (int)sizeof(text))
		return;
	for (size_t i = 0; i < p->n; i++)
		if (strcmp(p->v[i], text) == 0)
			return;
	p->v = mem_array(p->v, p->n + 2, sizeof(*p->v));
	p->v[p->n++] = mem_dupz(text);
	p->v[p->n] = NULL;
}

static void add_paths(struct paths *p, const struct conf *c)
{
	for (size_t i = 0; i < sizeof(file_parameters) / sizeof(*file_parameters); i++) {
		struct str rest = str_of(conf_get(c, file_parameters[i])), word;

		while (str_word(&rest, ", \t\r\n{}!", &word)) {
			ptrdiff_t at = str_find(word, STR(":/"));
			struct str path = at >= 0 ? str_from(word, (size_t)at + 1) : word;

			if (!str_starts(path, STR("/")))
				continue;
			add_path(p, path, "");
			add_path(p, path, ".cdb");
		}
	}
}

int privilege_fork_helper(const struct settings *s, pid_t *pid)
{
	const struct passwd *pw = geteuid() == 0 ? serving_user(s->conf) : NULL;
	struct paths paths = {NULL, 0 };
	int fds[2];

	if (!pw || pw->pw_uid == 0)
		return -1;
	add_paths(&paths, s->conf);
	for (size_t i = 0; i < s->master.n_transports; i++)
		add_paths(&paths, s->master.transports[i].conf);
	for (size_t i = 0; i < s->master.n_listeners; i++)
		add_paths(&paths, s->master.listeners[i].conf);
	if (helper_socketpair(fds) != 0 || (*pid = fork()) < 0) {
		log_error("master", "privileged helper: %s: local delivery to other users is deferred", strerror(errno));
		return -1;
	}
	if (*pid == 0) {
		close(fds[0]);
		static const char *const none[] = {NULL };
		_exit(helper_main(fds[1], &(struct helper_rules){ .spool = s->conf->mail_spool_directory, .tables = paths.n ? paths.v : none }));
	}
	close(fds[1]);
	for (size_t i = 0; i < paths.n; i++)
		mem_free((void *)(uintptr_t)paths.v[i]);
	mem_free(paths.v);
	return fds[0];
}

int privilege_drop(const struct conf *c)
{
	const struct passwd *pw;

	if (geteuid() != 0)
		return 0;
	pw = serving_user(c);
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
