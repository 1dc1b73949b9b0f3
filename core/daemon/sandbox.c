/* sandbox - see sandbox.h. */
#include "core/daemon/sandbox.h"

#include <errno.h>
#include <limits.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "core/base/fs.h"
#include "core/base/landlock.h"
#include "core/base/log.h"
#include "core/base/sanitized.h"
#include "core/conf/conf_log.h"
#include "core/deliver/local/mailbox.h"

/* what libc and the configuration read of every host, whose files come and go: account files, resolver, services, time; certificates */
static const struct { const char *path; unsigned rights; } places[] = {
	{ "/etc", LANDLOCK_READING }, { "/usr/local/etc", LANDLOCK_READING }, { "/run/secrets", LANDLOCK_READING },
	{ "/usr/share/zoneinfo", LANDLOCK_READING }, { "/usr/share/ca-certificates", LANDLOCK_READING },
	{ "/usr/local/share/ca-certificates", LANDLOCK_READING }, { "/run/systemd/resolve", LANDLOCK_READING },
	{ "/run/resolvconf", LANDLOCK_READING }, { "/run/NetworkManager", LANDLOCK_READING },
	{ "/proc/sys/net", LANDLOCK_READING }, { "/dev/null", LANDLOCK_READ | LANDLOCK_WRITE }, { "/dev/urandom", LANDLOCK_READ },
};

/* allow_mailbox - itself where it is there; else it is made, an mbox beside its lock, in the nearest folder above that is there */
static void allow_mailbox(struct landlock *l, struct mailbox_order *o)
{
	bool maildir = o->kind == MAILBOX_MAILDIR;
	char *slash;

	if (access(o->path, F_OK) == 0) {
		landlock_allow(l, o->path, maildir ? LANDLOCK_OWNING : LANDLOCK_READ | LANDLOCK_WRITE | LANDLOCK_TRUNCATE);
		return;
	}
	while ((slash = strrchr(o->path, '/')) && slash != o->path) {
		*slash = '\0';
		if (access(o->path, F_OK) != 0)
			continue;
		landlock_allow(l, o->path, maildir ? LANDLOCK_OWNING : LANDLOCK_WRITING);
		return;
	}
}

/* allow_alias_file - where even mail_owner may not come to, the delivery tells */
static void allow_alias_file(void *ctx, struct str file)
{
	struct mailbox_order o = { .now = 0 };

	if (file.n >= sizeof(o.path) || str_eq(file, STR("/dev/null")))
		return;
	memcpy(o.path, file.p, file.n);
	mailbox_set_path(&o);
	allow_mailbox(ctx, &o);
}

static void allow_home(struct landlock *l, const char *home, const char *home_mailbox)
{
	struct mailbox_order o = { .now = 0 };

	if (home[0] == '/' && home[1] && access(home, F_OK) == 0 && mailbox_locate(&o, home, home_mailbox, ""))
		allow_mailbox(l, &o);
}

/* make_folder - what a delivery would make has to be there before the sandbox closes, and durable before there is mail in it */
static void make_folder(const char *path)
{
	char parent[PATH_MAX];
	char *slash;

	if (snprintf(parent, sizeof(parent), "%s", path) >= (int)sizeof(parent) || access(path, F_OK) == 0)
		return;
	for (size_t n = strlen(parent); n > 1 && parent[n - 1] == '/'; n--)
		parent[n - 1] = '\0';
	slash = strrchr(parent, '/');
	if (!slash || slash == parent || fs_mkdir(parent, 0755) != 0)
		return;
	*slash = '\0';
	fs_sync_dir(parent);
}

/* allow_mailboxes - where no helper writes them: the folder of all, or those in the homes of users that we may write for */
static void allow_mailboxes(struct landlock *l, const struct conf *c)
{
	const struct passwd *pw;

	if (!*c->home_mailbox) {
		make_folder(c->mail_spool_directory);
		landlock_allow(l, c->mail_spool_directory, LANDLOCK_OWNING);
		return;
	}
	setpwent();
	while ((pw = getpwent()))
		if (geteuid() == 0 || pw->pw_uid == geteuid())
			allow_home(l, pw->pw_dir, c->home_mailbox);
	endpwent();
}

static void allow_ports(struct landlock *l, const struct sandbox *x)
{
	for (size_t i = 0; i < x->bound.n && x->bound.n <= LIMIT_SANDBOX_PORTS; i++)
		landlock_allow_port(l, LANDLOCK_TCP_BIND, x->bound.v[i]);
	for (size_t i = 0; i < x->called.n && x->called.n <= LIMIT_SANDBOX_PORTS; i++)
		landlock_allow_port(l, LANDLOCK_TCP_CONNECT, x->called.v[i]);
}

static void allow_log(void *ctx, const struct log_place *p)
{
	if (p->sink == LOG_TO_FILE && strncmp(p->path, "/dev/", 5) != 0)
		landlock_allow_folder(ctx, p->path, LANDLOCK_APPENDING);
}

static int close_files(const struct settings *s, const char *directory, bool has_helper, const struct sandbox *x)
{
	const struct conf *c = s->conf;
	struct landlock l;

	if (landlock_begin(&l, x->tcp) != 0)
		return -1;
	landlock_allow(&l, ".", LANDLOCK_OWNING);
	conf_log_each(c, allow_log, &l);
	if (strchr(c->address_verify_map, '/'))
		landlock_allow_folder(&l, strchr(c->address_verify_map, '/'), LANDLOCK_WRITING);
	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++)
		landlock_allow(&l, places[i].path, places[i].rights);
	landlock_allow(&l, directory, LANDLOCK_READING);
	for (size_t i = 0; i < s->reads.n; i++)
		landlock_allow_folder(&l, s->reads.v[i], LANDLOCK_READING);
	router_each_alias_file(s->router, allow_alias_file, &l);
	if (!has_helper)
		allow_mailboxes(&l, c);
	if (SANITIZED)
		landlock_allow(&l, "/tmp", LANDLOCK_OWNING);
	allow_ports(&l, x);
	return landlock_close(&l);
}

/* lacks - half of the sandbox cannot be had: the end where it is required, else a line that says so */
static int lacks(const struct conf *c, const char *what)
{
	bool fatal = c->sandbox == CONF_SANDBOX_REQUIRED;

	log_text(fatal ? LOG_SEV_ERROR : LOG_SEV_INFO, "master", 0, NULL, "sandbox: %s: %s: %s", what, strerror(errno),
		fatal ? "sandbox = required: not started" : "going on without");
	return fatal ? -1 : 0;
}

static void tell_parts(bool tcp)
{
	struct buf parts;

	buf_init(&parts, 200);
	landlock_lacks(&parts, tcp);
	if (parts.n)
		log_info("master", "sandbox: Landlock of this kernel does not cover: %s", buf_cstr(&parts));
	buf_fini(&parts);
}

/* tcp_of - which rights to TCP ports are ruled over: none but where the sandbox is required, for a reload may bring new ones; and no calls
 * where a table chooses the next hop */
static unsigned tcp_of(const struct conf *c, const struct sandbox *x)
{
	if (c->sandbox != CONF_SANDBOX_REQUIRED)
		return 0;
	return x->called.n > LIMIT_SANDBOX_PORTS ? LANDLOCK_TCP_BIND : LANDLOCK_TCP_BIND | LANDLOCK_TCP_CONNECT;
}

int sandbox_close(const struct settings *s, const char *directory, bool has_helper, struct sandbox *x)
{
	const struct conf *c = s->conf;

	*x = (struct sandbox){ .tcp = 0 };
	if (c->sandbox == CONF_SANDBOX_NO)
		return 0;
	sandbox_ports_bound(s, &x->bound);
	sandbox_ports_called(s, &x->called);
	x->tcp = tcp_of(c, x);
	if (close_files(s, directory, has_helper, x) == 0)
		tell_parts(x->tcp != 0);
	else if (lacks(c, "Landlock") != 0)
		return -1;
	if (sandbox_close_calls() != 0 && lacks(c, "seccomp") != 0)
		return -1;
	return 0;
}
