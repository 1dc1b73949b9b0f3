/* lints - what a configuration may do and nobody should want: told by relayd -t and at every start, with what to do instead. */
#include <string.h>
#include <sys/stat.h>

#include "core/daemon/settings.h"

/* a table, list or secret that others than its owner can change decides where mail goes, and who may send it */
static void check_modes(const struct settings *s, struct conf_diag *diag)
{
	for (size_t i = 0; i < s->reads.n; i++) {
		const char *path = s->reads.v[i], *slash = strrchr(path, '/');
		struct stat st;

		/* of main.cf its reader tells */
		if (stat(path, &st) < 0 || !S_ISREG(st.st_mode) || !strncmp(path, "/proc/", 6) || !strcmp(slash, "/main.cf"))
			continue;
		if (st.st_mode & S_IWOTH)
			conf_diag_add(diag, CONF_WARNING, path, 0, "the file is writable by everyone: chmod o-w it");
		/* root's group, and a group of one's own, are nobody else */
		else if (st.st_mode & S_IWGRP && st.st_gid != 0 && st.st_gid != st.st_uid)
			conf_diag_add(diag, CONF_WARNING, path, 0, "the file is writable by its group, %u: chmod g-w it", (unsigned)st.st_gid);
	}
}

/* mail for domains of others is taken without knowing who is there: what the next server refuses goes back to senders who never sent it */
static void check_backscatter(const struct settings *s, struct conf_diag *diag)
{
	if (!conf_is_set(s->conf, "relay_domains") || !*s->conf->relay_domains)
		return;
	for (size_t i = 0; i < s->n_services; i++) {
		if (!s->services[i].rules || access_rules_know_recipients(s->services[i].rules))
			continue;
		conf_diag_add(diag, CONF_WARNING, NULL, 0, "relay_domains: on port %u recipients that do not exist there are taken, and what comes back "
			"later bothers people who sent nothing: add reject_unverified_recipient to smtpd_recipient_restrictions, or "
			"check_recipient_access with a table of those that do", s->services[i].port);
		return;
	}
}

void settings_lint(const struct settings *s, struct conf_diag *diag)
{
	check_modes(s, diag);
	check_backscatter(s, diag);
}
