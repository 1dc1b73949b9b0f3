/* lints - what a configuration may do and nobody should want: told by relayd -t and at every start, with what to do instead. */
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/env.h"
#include "core/base/fs.h"
#include "core/daemon/settings.h"

/* is_named - is it a file that a parameter for passwords or keys names? In the conf of an lmtp transport smtp's are lmtp's */
static bool is_named(const struct conf *c, struct str path)
{
	const char *const lists[] = { c->smtp_sasl_password_maps, c->smtpd_sasl_password_maps, c->smtp_tls_key_file, c->smtpd_tls_key_file,
		c->smtp_tls_chain_files, c->smtpd_tls_chain_files, c->smtpd_tls_eckey_file };

	for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
		struct str rest = str_of(lists[i]), word;

		while (str_word(&rest, ",{} \t\r\n", &word))
			if (str_ends(word, path) && (word.n == path.n || word.p[word.n - path.n - 1] == ':'))
				return true;
	}
	return false;
}

/* is_secret - is it named so in main.cf or by a line of master.cf, or what mapgen made of such a file? */
static bool is_secret(const struct settings *s, struct str path)
{
	const struct master *m = &s->master;
	bool is;

	if (str_ends(path, STR(".cdb")))
		path = str_head(path, path.n - 4);
	is = is_named(s->conf, path);
	for (size_t i = 0; i < m->n_listeners && !is; i++)
		is = is_named(m->listeners[i].conf, path);
	for (size_t i = 0; i < m->n_transports && !is; i++)
		is = is_named(m->transports[i].conf, path);
	return is;
}

/* a table, list or secret that others than its owner can change decides where mail goes, and who may send it */
static void check_modes(const struct settings *s, struct conf_diag *diag)
{
	for (size_t i = 0; i < s->reads.n; i++) {
		const char *path = s->reads.v[i];
		struct stat st;

		/* of main.cf its reader tells */
		if (stat(path, &st) < 0 || !S_ISREG(st.st_mode) || !strncmp(path, "/proc/", 6) || !strcmp(fs_name(path), "main.cf"))
			continue;
		if (st.st_mode & S_IWOTH)
			conf_diag_add(diag, CONF_WARNING, path, 0, "the file is writable by everyone: chmod o-w it");
		/* root's group, and a group of one's own, are nobody else */
		else if (st.st_mode & S_IWGRP && st.st_gid != 0 && st.st_gid != st.st_uid)
			conf_diag_add(diag, CONF_WARNING, path, 0, "the file is writable by its group, %u: chmod g-w it", (unsigned)st.st_gid);
		if (st.st_mode & S_IROTH && is_secret(s, str_of(path)))
			conf_diag_add(diag, CONF_WARNING, path, 0, "everyone may read the secrets in the file: chmod o-r it");
	}
}

/* mail for domains of others is taken without knowing who is there: what the next server refuses goes back to senders who never sent it */
static void check_backscatter(const struct settings *s, struct conf_diag *diag)
{
	if (!conf_is_set(s->conf, "relay_domains") || !*s->conf->relay_domains || *s->conf->relay_recipient_maps)
		return;
	for (size_t i = 0; i < s->n_services; i++) {
		if (!s->services[i].rules || access_rules_know_recipients(s->services[i].rules))
			continue;
		conf_diag_add(diag, CONF_WARNING, NULL, 0, "relay_domains: on port %u recipients that do not exist there are taken, and what comes back "
			"later bothers people who sent nothing: name those that do in relay_recipient_maps, or add "
			"reject_unverified_recipient to smtpd_recipient_restrictions", s->services[i].port);
		return;
	}
}

/* a zone's name is a file: without it the C library counts in UTC and says nothing. A zone in full (JST-9) needs no file */
static void check_zone(struct conf_diag *diag)
{
	static const char *const folders[] = { "", "/usr/share/zoneinfo/", "/share/zoneinfo/", "/etc/zoneinfo/" };
	const char *zone = env_get("TZ");
	char path[512];

	zone = zone && *zone == ':' ? zone + 1 : zone;
	if (!zone || !*zone || !strcmp(zone, "UTC") || !strcmp(zone, "GMT") || (!strchr(zone, '/') && zone[strcspn(zone, "<0123456789")]))
		return;
	for (size_t i = *zone == '/' ? 0 : 1; i < sizeof(folders) / sizeof(folders[0]); i++) {
		snprintf(path, sizeof(path), "%s%s", folders[i], zone);
		if (access(path, R_OK) == 0)
			return;
	}
	conf_diag_add(diag, CONF_WARNING, "environment", 0, "TZ: no time zone is called %.80s here, so times are UTC: mount /usr/share/zoneinfo, or "
		"say it as in JST-9", zone);
}

void settings_lint(const struct settings *s, struct conf_diag *diag)
{
	check_modes(s, diag);
	check_backscatter(s, diag);
	check_zone(diag);
}
