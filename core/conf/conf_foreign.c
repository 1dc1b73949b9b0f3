/* conf_foreign - environment variables that other mail images know: what has a counterpart here is done, and for each that
 * has none one line says so. Programs have variables of such names, too, so they count only where there is no main.cf, and
 * less than RELAYHOST and POSTFIX_x. */
#include "core/base/env.h"
#include "core/base/limits.h"
#include "core/conf/conf_private.h"

/* a variable whose value is that of a parameter */
static const struct { const char *variable, *name; } same[] = {
	{ "SERVER_HOSTNAME", "myhostname" }, { "MESSAGE_SIZE_LIMIT", "message_size_limit" },
	{ "ALWAYS_ADD_MISSING_HEADERS", "always_add_missing_headers" }, { "RELAYHOST_TLS_LEVEL", "smtp_tls_security_level" },
};

/* what is asked for and not done: mail goes out, but not as it was meant to. A * stands for the rest of the name */
static const struct { const char *variable, *lost; } not_done[] = {
	{ "ANONYMIZE_EMAILS", "addresses are logged as they are" },
	{ "DKIM_AUTOGENERATE", "mail is not signed" },
	{ "XOAUTH2_*", "no tokens are fetched for it; RELAYHOST_PASSWORD may name the file of a credential (relaybox-table.5)" },
	{ "POSTMAP_*", "no table is written; mount it, or write it into a parameter, as in POSTFIX_transport_maps=inline:{...}" },
	{ "SMTP_HEADER_TAG", "no header field is added" },
	{ "LOG_SUBJECT", "subjects are not logged" },
};

#define OVERWRITE "OVERWRITE_FROM"     /* the one sender of all mail, as a From field has it: Name <user@example.com> */

/* whoever set these relies on them: starting without would let mail through that should not pass, or send it unchanged */
static const char *const refused[] = { "ALLOWED_SENDER_DOMAINS", "MASQUERADED_DOMAINS", "SMTP_HEADER_CHECKS" };

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

void conf_foreign_check(bool alone, struct conf_diag *diag)
{
	struct str name;

	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++)
		if (is_asked(refused[i], &name))
			conf_diag_add(diag, CONF_ERROR, "environment", 0, "%s is not supported: unset it to start without what it asks for", refused[i]);
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

	if (strpbrk(text, "${}\\\r\n"))
		return STR_EMPTY;
	if (open >= 0)
		s = close > open ? str_make(s.p + open + 1, (size_t)(close - open) - 1) : STR_EMPTY;
	for (size_t i = 0; i < s.n; i++)
		if (!ascii_is_print(s.p[i]) || ascii_is_one_of(s.p[i], " \t,;\"<>()"))
			return STR_EMPTY;
	return str_chr(s, '@') > 0 && str_chr(s, '@') + 1 < (ptrdiff_t)s.n ? s : STR_EMPTY;
}

/* overwrite_from - the sender of each envelope but that of notices, and the From field of each message */
static void overwrite_from(struct conf_source *s, const char *from, struct conf_diag *diag)
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
	set_weak(s, "smtp_header_checks", buf_cstr(&text), CONF_TEXT_LITERAL);
	buf_fini(&text);
}

void conf_foreign_apply(struct conf_source *s, struct conf_diag *diag)
{
	const char *format = env_get("LOG_FORMAT"), *from = env_get(OVERWRITE);

	for (size_t i = 0; i < sizeof(same) / sizeof(same[0]); i++) {
		const char *value = env_get(same[i].variable);

		if (value && *value)
			set_weak(s, same[i].name, value, CONF_TEXT_LITERAL);
	}
	if (from && !says_no(from))
		overwrite_from(s, from, diag);
	if (format && (!strcmp(format, "json") || !strcmp(format, "plain") || !strcmp(format, "text")))
		set_weak(s, "log_format", strcmp(format, "json") ? "text" : "json", CONF_TEXT_LITERAL);
}

bool conf_foreign_relayhost(struct buf *out)
{
	const char *host = env_get("SMTP_SERVER"), *port = env_get("SMTP_PORT");

	if (!host || !*host)
		return false;
	buf_printf(out, strchr(host, '[') ? "%s:%s" : "[%s]:%s", host, port && *port ? port : "587");
	return true;
}
