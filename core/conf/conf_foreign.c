/* conf_foreign - environment variables that other mail images know: what has a counterpart here is done, and for each that
 * has none one line says so. Programs have variables of such names, too, so they count only where there is no main.cf, and
 * less than RELAYHOST and POSTFIX_x. */
#include "core/base/env.h"
#include "core/base/fs.h"
#include "core/base/limits.h"
#include "core/conf/conf_private.h"

/* a variable whose value is that of a parameter */
static const struct { const char *variable, *name; } same[] = {
	{ "SERVER_HOSTNAME", "myhostname" }, { "MESSAGE_SIZE_LIMIT", "message_size_limit" },
	{ "ALWAYS_ADD_MISSING_HEADERS", "always_add_missing_headers" }, { "RELAYHOST_TLS_LEVEL", "smtp_tls_security_level" },
	{ "MASQUERADED_DOMAINS", "masquerade_domains" }, { "SMTPUTF8_ENABLE", "smtputf8_enable" },
	{ "DKIM_SELECTOR", "dkim_selector" }, { "POSTMASTER_ADDRESS", "error_notice_recipient" },
	{ "POSTMASTER_ADDRESS", "bounce_notice_recipient" }, { "POSTMASTER_ADDRESS", "2bounce_notice_recipient" },
	{ "POSTMASTER_ADDRESS", "delay_notice_recipient" },
};

/* what is asked for and not done: mail goes out, but not as it was meant to. A * stands for the rest of the name */
static const struct { const char *variable, *lost; } not_done[] = {
	{ "DKIM_AUTOGENERATE", "mail is not signed" },
	{ "OPENDKIM_*", "mail is signed by keys in dkim_key_directory alone" },
	{ "RSPAMD_*", "mail is signed by keys in dkim_key_directory alone" },
	{ "POSTSRSD_*", "senders are not rewritten" },
	{ "RSYSLOG_*", "the log goes to standard error: see maillog_file, log_also and log_format" },
	{ "SASL_Passwds", "nobody logs in by it: see smtpd_sasl_password_maps" },
	{ "AUTOSET_HOSTNAME", "set POSTFIX_myhostname" },
	{ "DESTINATION", "no mail is kept here: POSTFIX_mydestination names what is" },
	{ "SASL_RELAYHOST", "the login is for each host of RELAYHOST" },
	{ "XOAUTH2_SYSLOG_ON_FAILURE", "failures are logged always" },
	{ "XOAUTH2_FULL_TRACE", "what is said to the token endpoint is not logged" },
	{ "INBOUND_DEBUGGING", "relayd -v logs more" },
	{ "SMTP_HEADER_TAG", "no header field is added" },
	{ "LOG_SUBJECT", "subjects are not logged" },
};

#define OVERWRITE "OVERWRITE_FROM"     /* the one sender of all mail, as a From field has it: Name <user@example.com> */

/* whoever set these relies on them: beside a main.cf, where they do not count, mail would pass that should not, or unchanged */
#define SENDERS "ALLOWED_SENDER_DOMAINS"
#define CHECKS "SMTP_HEADER_CHECKS"
static const struct { const char *variable, *name; } relied_on[] = {
	{ SENDERS, "smtpd_sender_restrictions" }, { "MASQUERADED_DOMAINS", "masquerade_domains" }, { CHECKS, "smtp_header_checks" },
};
#define ALLOWED "check_sender_access inline:{"

static bool says_no(const char *value)
{
	static const char *const words[] = { "", "0", "no", "false", "off" };

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (str_ieq(str_of(value), str_of(words[i])))
			return true;
	return false;
}

/* is_asked - the variable, or one that begins with it, is set to something; *name is what it is called */
static bool is_asked(const char *variable, struct str *name)
{
	struct str wanted = str_of(variable);
	const char *value, *found;
	unsigned cursor = 0, n;

	if (wanted.p[wanted.n - 1] != '*') {
		value = env_get(variable);
		*name = wanted;
		return value && !says_no(value);
	}
	for (char prefix[40]; snprintf(prefix, sizeof(prefix), "%.*s", (int)wanted.n - 1, wanted.p) > 0 &&
	     env_each(prefix, &cursor, &found, &value, &n);) {
		*name = str_make(found, n);
		if (!says_no(value))
			return true;
	}
	return false;
}

void conf_foreign_check(const struct conf_source *s, bool alone, struct conf_diag *diag)
{
	struct str name;

	for (size_t i = 0; i < sizeof(relied_on) / sizeof(relied_on[0]) && !alone; i++)
		if (is_asked(relied_on[i].variable, &name))
			conf_diag_add(diag, CONF_ERROR, "environment", 0, "%s is not done beside a main.cf: set %s there, and unset it", relied_on[i].variable,
				relied_on[i].name);
	if (alone && is_asked(SENDERS, &name)) {
		const struct conf_entry *e = source_find(s, STR("smtpd_sender_restrictions"));

		if (!e || !str_starts(str_of(e->raw), STR(ALLOWED)))
			conf_diag_add(diag, CONF_ERROR, "environment", 0, SENDERS " and POSTFIX_smtpd_sender_restrictions are both set: say all in the latter, and "
				"unset the former");
	}
	if (!alone && is_asked(OVERWRITE, &name))
		conf_diag_add(diag, CONF_WARNING, "environment", 0, OVERWRITE " has no effect beside a main.cf: set sender_canonical_maps there");
	for (size_t i = 0; i < sizeof(not_done) / sizeof(not_done[0]); i++)
		if (is_asked(not_done[i].variable, &name))
			conf_diag_add(diag, CONF_WARNING, "environment", 0, "%.*s has no effect: %s", STR_ARG(name), not_done[i].lost);
}

static void set_weak(struct conf_source *s, const char *name, const char *value, enum conf_text text)
{
	struct conf_entry *e;

	if (source_find(s, str_of(name)))
		return;
	e = source_set(s, str_of(name), str_of(value), NULL, 0);
	e->text = text;
	e->origin = "environment";
}

void conf_foreign_networks(struct conf_source *s)
{
	const struct conf_entry *e = source_find(s, STR("mynetworks"));
	const char *list = env_get("SMTP_NETWORKS");
	struct conf_entry *more;
	struct buf text;

	if (!list || !*list)
		return;
	buf_init(&text, LIMIT_CONF_VALUE);
	buf_printf(&text, "%s, %s", e ? e->raw : "$own_networks", list);
	more = source_set(s, STR("mynetworks"), buf_view(&text), NULL, 0);
	more->text = CONF_TEXT_KNOWN_NAMES;
	more->origin = "environment";
	buf_fini(&text);
}

/* address_of - in angle brackets, or all of the text; empty: none that could stand in a rule */
static struct str address_of(const char *text)
{
	struct str s = str_of(text);
	ptrdiff_t open = str_rchr(s, '<'), close = str_rchr(s, '>');

	/* quotes all around are those of a shell, which Compose leaves in */
	if (strpbrk(text, "${}\\\r\n") || text[0] == '\'')
		return STR_EMPTY;
	if (open >= 0)
		s = close > open ? str_make(s.p + open + 1, (size_t)(close - open) - 1) : STR_EMPTY;
	for (size_t i = 0; i < s.n; i++)
		if (!ascii_is_print(s.p[i]) || ascii_is_one_of(s.p[i], " \t,;\"<>()"))
			return STR_EMPTY;
	return str_chr(s, '@') > 0 && str_chr(s, '@') + 1 < (ptrdiff_t)s.n ? s : STR_EMPTY;
}

/* overwrite_from - the sender of each envelope but that of notices, and the From field of each message */
static void overwrite_from(struct conf_source *s, const char *from, const char *checks, struct conf_diag *diag)
{
	struct str address = address_of(from);
	struct buf text;

	if (!address.n) {
		conf_diag_add(diag, CONF_ERROR, "environment", 0, OVERWRITE " needs an address, as in Name <user@example.com>, without $, {, } and \\");
		return;
	}
	buf_init(&text, LIMIT_CONF_VALUE);
	buf_printf(&text, "static:%.*s", STR_ARG(address));
	set_weak(s, "sender_canonical_maps", buf_cstr(&text), CONF_TEXT_LITERAL);
	set_weak(s, "sender_canonical_classes", "envelope_sender", CONF_TEXT_LITERAL);
	buf_clear(&text);
	buf_printf(&text, "regexp:{{/^From:.*/ REPLACE From: %s}}", from);
	if (checks && !says_no(checks))
		buf_printf(&text, ", %s", checks);
	set_weak(s, "smtp_header_checks", buf_cstr(&text), CONF_TEXT_LITERAL);
	buf_fini(&text);
}

/* allow_senders - a client may send for these domains, and what is below them, alone */
static void allow_senders(struct conf_source *s, const char *list, struct conf_diag *diag)
{
	struct str rest = str_of(list), word;
	struct buf text;

	buf_init(&text, LIMIT_CONF_VALUE);
	buf_z(&text, ALLOWED);
	while (str_word(&rest, ", \t\r\n", &word)) {
		for (size_t i = 0; i < word.n; i++)
			if (!ascii_is_alnum(word.p[i]) && !ascii_is_one_of(word.p[i], ".-_")) {
				conf_diag_add(diag, CONF_ERROR, "environment", 0, SENDERS ": %.*s is no domain", STR_ARG(str_head(word, 80)));
				break;
			}
		buf_printf(&text, "%s{%.*s = OK}", text.n < sizeof(ALLOWED) ? "" : ", ", STR_ARG(word));
	}
	buf_z(&text, "}, reject");
	set_weak(s, "smtpd_sender_restrictions", buf_cstr(&text), CONF_TEXT_LITERAL);
	buf_fini(&text);
}

/* anonymize - yes, or a filter's name and what it is told behind a ?, which has no counterpart */
static void anonymize(struct conf_source *s, const char *value, struct conf_diag *diag)
{
	static const char *const words[][2] = {
		{ "smart", "smart" }, { "paranoid", "paranoid" }, { "hash", "hash" }, { "true", "smart" }, { "yes", "smart" }, { "y", "smart" },
		{ "1", "smart" }, { "on", "smart" }, { "default", "smart" }, { "noop", "none" },
	};
	struct str rest = str_of(value), word = rest;

	str_cut(&rest, '?', &word);
	if (rest.n)
		conf_diag_add(diag, CONF_WARNING, "environment", 0, "what ANONYMIZE_EMAILS has behind ? has no effect");
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (str_ieq(word, str_of(words[i][0]))) {
			set_weak(s, "log_address_mask", words[i][1], CONF_TEXT_LITERAL);
			return;
		}
	conf_diag_add(diag, CONF_ERROR, "environment", 0, "ANONYMIZE_EMAILS is true, smart, paranoid, hash or false");
}

#define OPENDKIM_KEYS "/etc/opendkim/keys"     /* DOMAIN.private: where the image with Postfix and OpenDKIM has them */

static int is_key(void *ctx, const char *name)
{
	(void)ctx;
	return str_ends(str_of(name), STR(".private"));
}

void conf_foreign_apply(struct conf_source *s, struct conf_diag *diag)
{
	const char *format = env_get("LOG_FORMAT"), *from = env_get(OVERWRITE), *checks = env_get(CHECKS), *senders = env_get(SENDERS);
	const char *masked = env_get("MASQUERADED_DOMAINS"), *anonymous = env_get("ANONYMIZE_EMAILS");

	for (size_t i = 0; i < sizeof(same) / sizeof(same[0]); i++) {
		const char *value = env_get(same[i].variable);

		if (value && *value)
			set_weak(s, same[i].name, value, CONF_TEXT_LITERAL);
	}
	if (fs_each_name(OPENDKIM_KEYS, is_key, NULL) > 0)
		set_weak(s, "dkim_key_directory", OPENDKIM_KEYS, CONF_TEXT_LITERAL);
	if (from && !says_no(from))
		overwrite_from(s, from, checks, diag);
	if (senders && !says_no(senders))
		allow_senders(s, senders, diag);
	if (anonymous && !says_no(anonymous))
		anonymize(s, anonymous, diag);
	if (masked && *masked)
		set_weak(s, "local_header_rewrite_clients", "static:all", CONF_TEXT_LITERAL);
	if (checks && !says_no(checks)) {
		if (!strchr(checks, ':'))
			conf_diag_add(diag, CONF_ERROR, "environment", 0, CHECKS " must name a table, as in regexp:/etc/relaybox/smtp_header_checks");
		set_weak(s, "smtp_header_checks", checks, CONF_TEXT_LITERAL);
	}
	if (format && *format && strcmp(format, "json") && strcmp(format, "plain") && strcmp(format, "text"))
		conf_diag_add(diag, CONF_WARNING, "environment", 0, "LOG_FORMAT=%.40s has no effect: use json or plain", format);
	else if (format && *format)
		set_weak(s, "log_format", strcmp(format, "json") ? "text" : "json", CONF_TEXT_LITERAL);
}

bool conf_foreign_relayhost(struct buf *out, const struct conf_login **login, struct conf_diag *diag)
{
	static const struct { const char *host, *port, *usual; struct conf_login login; } rows[] = {
		{ "SMTP_SERVER", "SMTP_PORT", "587", { { "SMTP_USERNAME", NULL }, "SMTP_PASSWORD" } },
		{ "RELAY_HOST", "RELAY_PORT", "25", { { "RELAY_USERNAME", "RELAY_USER" }, "RELAY_PASSWORD" } },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const char *host = env_get(rows[i].host), *port = env_get(rows[i].port), *colon;

		if (!host || !*host)
			continue;
		*login = &rows[i].login;
		colon = strchr(strchr(host, ']') ? strchr(host, ']') : host, ':');
		if (colon && colon == strrchr(host, ':'))
			conf_diag_add(diag, CONF_ERROR, "environment", 0, "%s is a host alone: say the port in %s", rows[i].host, rows[i].port);
		buf_printf(out, strchr(host, '[') ? "%s:%s" : "[%s]:%s", host, port && *port ? port : rows[i].usual);
		return true;
	}
	return false;
}
