/* privilege - see privilege.h. */
#include "core/daemon/privilege.h"

#include <errno.h>
#include <grp.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "core/base/log.h"
#include "core/base/mem.h"
#include "core/deliver/local/helper.h"

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
		if (!strcmp(p->v[i], text))
			return;
	p->v = mem_array(p->v, p->n + 2, sizeof(*p->v));
	p->v[p->n++] = mem_dupz(text);
	p->v[p->n] = NULL;
}

static void add_paths(struct paths *p, const struct conf *c)
{
	for (size_t i = 0; i < sizeof(file_parameters) / sizeof(file_parameters[0]); i++) {
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

static void collect(struct paths *p, const struct settings *s, const char *directory)
{
	/* read again at a reload */
	add_path(p, str_of(directory), "/main.cf");
	add_path(p, str_of(directory), "/master.cf");
	add_paths(p, s->conf);
	for (size_t i = 0; i < s->master.n_transports; i++)
		add_paths(p, s->master.transports[i].conf);
	for (size_t i = 0; i < s->master.n_listeners; i++)
		add_paths(p, s->master.listeners[i].conf);
}

int privilege_fork_helper(const struct settings *s, const char *directory, const struct identity *owner, pid_t *pid)
{
	static const char *const none[] = { NULL };
	struct paths paths = { .v = NULL };
	int fds[2];

	if (!owner->drop)
		return -1;
	collect(&paths, s, directory);
	if (helper_socketpair(fds) != 0 || (*pid = fork()) < 0) {
		log_error("master", "privileged helper: %s: local delivery to other users is deferred", strerror(errno));
		return -1;
	}
	if (*pid == 0) {
		close(fds[0]);
		_exit(helper_main(fds[1], &(struct helper_rules){
			.spool = s->conf->mail_spool_directory, .home_mailbox = s->conf->home_mailbox,
			.log = s->conf->maillog_file, .tables = paths.n ? paths.v : none, .owner = owner->uid,
			.confine = s->conf->sandbox != CONF_SANDBOX_NO, .must = s->conf->sandbox == CONF_SANDBOX_REQUIRED,
		}));
	}
	close(fds[1]);
	for (size_t i = 0; i < paths.n; i++)
		mem_free((void *)(uintptr_t)paths.v[i]);
	mem_free(paths.v);
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
