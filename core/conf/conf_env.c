/* conf_env - settings from the environment, as containers give them:
 *
 *   RELAYHOST, RELAYHOST_USERNAME[_FILE], RELAYHOST_PASSWORD[_FILE], XOAUTH2_…[_FILE], SMTPD_SASL_USERS[_FILE],
 *   then POSTFIX_<parameter> and POSTFIX_<parameter>_FILE.
 *
 * They come after main.cf and win over it. An empty POSTFIX_<parameter> takes main.cf's setting away. Contents of files
 * and the RELAYHOST values are taken as they are; in a POSTFIX_<parameter> only $names that exist are replaced. */
#include <errno.h>

#include "core/base/env.h"
#include "core/base/fs.h"
#include "core/base/limits.h"
#include "core/base/mem.h"
#include "core/conf/conf_private.h"

#define PREFIX "POSTFIX_"
#define FILE_SUFFIX STR("_FILE")

static void set(struct conf_source *s, struct str name, struct str value, enum conf_text text)
{
	struct conf_entry *e = source_set(s, name, value, NULL, 0);

	e->text = text;
	e->origin = "environment";
}

/* watch - what a file was when it was read */
static void watch(struct conf_source *s, const char *path)
{
	s->secrets = mem_array(s->secrets, s->n_secrets + 1, sizeof(s->secrets[0]));
	s->secrets[s->n_secrets].path = mem_dupz(path);
	stamp_take(&s->secrets[s->n_secrets++].stamp, path);
}

bool conf_secrets_changed(struct conf *c)
{
	bool any = false;

	for (size_t i = 0; i < c->source->n_secrets; i++) {
		struct conf_secret *x = &c->source->secrets[i];
		struct stamp now;

		stamp_take(&now, x->path);
		if (now.hidden || stamp_eq(&now, &x->stamp))
			continue;
		x->stamp = now;
		any = true;
	}
	return any;
}

/* read_value - a file's content without its last newline; false with a finding */
static bool read_value(struct conf_source *s, const char *path, const char *variable, struct buf *out, struct conf_diag *diag)
{
	bool ok = fs_read_file(path, out) == 0;
	int saved = errno;

	watch(s, path);
	if (!ok) {
		conf_diag_add(diag, CONF_ERROR, "environment", 0, "%s: cannot read %s: %s%s", variable, path, strerror(saved),
			saved == EACCES ? ": the user that relayd runs as must be able to read it" : "");
		return false;
	}
	if (out->n && out->p[out->n - 1] == '\n')
		buf_truncate(out, out->n - 1);
	if (out->n && out->p[out->n - 1] == '\r')
		buf_truncate(out, out->n - 1);
	if (!memchr(buf_cstr(out), 0, out->n))
		return true;
	conf_diag_add(diag, CONF_ERROR, "environment", 0, "%s: %s has a NUL byte: use a text file", variable, path);
	return false;
}

/* take_secret - the variable, or the file that its _FILE names; NULL if neither is set, or with a finding. How it was written down shall not
 * matter (echo or printf, or by an editor that ends lines in CR LF), so line ends behind it are not part of it */
static char *take_secret(struct conf_source *s, const char *variable, bool lines, struct conf_diag *diag)
{
	char file[64];
	const char *value = env_get(variable), *path;
	struct buf text;
	char *copy = NULL;
	bool ok = true;

	snprintf(file, sizeof(file), "%s_FILE", variable);
	path = env_get(file);
	buf_init(&text, LIMIT_CONF_VALUE);
	if (path && *path)
		ok = read_value(s, path, file, &text, diag);
	else
		buf_z(&text, value ? value : "");
	while (text.n && strchr("\r\n", text.p[text.n - 1]))
		buf_truncate(&text, text.n - 1);
	if (ok && text.n && !lines && strpbrk(buf_cstr(&text), "\r\n"))
		conf_diag_add(diag, CONF_ERROR, "environment", 0, "%s has more than one line: give it the value alone", path && *path ? file : variable);
	else if (ok && text.n)
		copy = mem_dupz(buf_cstr(&text));
	else if (ok && path && *path)
		conf_diag_add(diag, CONF_ERROR, "environment", 0, "%s: %s is empty: write the value into it", file, path);
	else if (ok && value && *value)
		conf_diag_add(diag, CONF_ERROR, "environment", 0, "%s has nothing but ends of lines", variable);
	buf_wipe(&text);
	return copy;
}

static char *take_password(struct conf_source *s, const char *variable, struct conf_diag *diag)
{
	return take_secret(s, variable, false, diag);
}

static bool has_password(const char *variable)
{
	char file[64];
	const char *value = env_get(variable), *path;

	snprintf(file, sizeof(file), "%s_FILE", variable);
	path = env_get(file);
	return (value && *value) || (path && *path);
}

/* set_weak - for what a login needs but nobody has set */
static void set_weak(struct conf_source *s, const char *name, const char *value)
{
	if (source_find(s, str_of(name)))
		return;
	set(s, str_of(name), str_of(value), CONF_TEXT_FULL);
	source_find(s, str_of(name))->origin = CONF_FROM_LOGIN;
}

/* trust_system - where nobody writes a main.cf, "verify" and "secure" mean the authorities that the system trusts. For any other level
 * they would only cost memory */
static void trust_system(struct conf_source *s)
{
	const struct conf_entry *level = source_find(s, STR("smtp_tls_security_level"));
	bool wanted = level && (!strcmp(level->raw, "verify") || !strcmp(level->raw, "secure"));
	const char *bundle = fs_authorities();

	if (*bundle && (wanted || source_find(s, STR("smtp_tls_policy_maps"))) && !source_find(s, STR("smtp_tls_CAfile")) && !source_find(s, STR("smtp_tls_CApath")))
		set_weak(s, "smtp_tls_CAfile", bundle);
}

/* set_relayhost - RELAYHOST, or what stands for it in other images; true: one is set. *login: where its user and password are */
static bool set_relayhost(struct conf_source *s, bool alone, const struct conf_login **login, struct conf_diag *diag)
{
	static const struct conf_login own = { { "RELAYHOST_USERNAME", NULL }, "RELAYHOST_PASSWORD" };
	const char *host = env_get("RELAYHOST");
	struct buf other;
	bool any;

	*login = &own;
	buf_init(&other, LIMIT_CONF_VALUE);
	if (host && *host)
		set(s, STR("relayhost"), str_of(host), CONF_TEXT_LITERAL);
	else if (alone && conf_foreign_relayhost(&other, login, diag))
		set(s, STR("relayhost"), buf_view(&other), CONF_TEXT_LITERAL);
	any = (host && *host) || other.n;
	buf_fini(&other);
	return any;
}

/* put_member - a variable, or the file that its _FILE names, as a member of a JSON object */
static void put_member(struct conf_source *s, struct buf *out, const char *name, const char *variable, struct conf_diag *diag)
{
	char *value = take_password(s, variable, diag);

	if (!value)
		return;
	buf_printf(out, "%s\"%s\":", out->n > 1 ? "," : "", name);
	buf_json(out, str_of(value));
	mem_free_secret(value);
}

#define TOKENS "XOAUTH2_CLIENT_ID"     /* without it none of the others counts */

static const struct { const char *name, *variable; } credential[] = {
	{ "client_id", TOKENS }, { "client_secret", "XOAUTH2_SECRET" }, { "scope", "XOAUTH2_SCOPE" },
	{ "token_endpoint", "XOAUTH2_TOKEN_ENDPOINT" }, { "access_token", "XOAUTH2_INITIAL_ACCESS_TOKEN" },
	{ "refresh_token", "XOAUTH2_INITIAL_REFRESH_TOKEN" },
};

/* take_credential - what stands for a password where tokens are to be had (core/oauth/credential.h); NULL: that is not asked for */
static char *take_credential(struct conf_source *s, struct conf_diag *diag)
{
	struct buf text;
	char *copy;

	if (!has_password(TOKENS))
		return NULL;
	buf_init(&text, LIMIT_CONF_VALUE);
	buf_byte(&text, '{');
	for (size_t i = 0; i < sizeof(credential) / sizeof(credential[0]); i++)
		put_member(s, &text, credential[i].name, credential[i].variable, diag);
	/* as images that know these variables have it */
	if (!env_get("XOAUTH2_TOKEN_ENDPOINT") && !env_get("XOAUTH2_TOKEN_ENDPOINT_FILE"))
		buf_z(&text, ",\"token_endpoint\":\"https://accounts.google.com/o/oauth2/token\"");
	buf_byte(&text, '}');
	copy = mem_dupz(buf_cstr(&text));
	buf_wipe(&text);
	return copy;
}

/* take_user - the first of these that is set; what is written for RELAYHOST counts for any */
static char *take_user(struct conf_source *s, const struct conf_login *login, struct conf_diag *diag)
{
	char *user = take_password(s, "RELAYHOST_USERNAME", diag);

	for (size_t i = 0; i < sizeof(login->user) / sizeof(login->user[0]) && !user && login->user[i]; i++)
		user = take_password(s, login->user[i], diag);
	return user;
}

/* tell_useless - what is set for tokens and cannot count: for want of a user name, or of the client's */
static void tell_useless(bool user, struct conf_diag *diag)
{
	const char *missing = !user ? "RELAYHOST_USERNAME" : !has_password(TOKENS) ? TOKENS : NULL;

	for (size_t i = 0; i < sizeof(credential) / sizeof(credential[0]) && missing; i++)
		if (has_password(credential[i].variable))
			conf_diag_add(diag, CONF_WARNING, "environment", 0, "%s has no effect: set %s", credential[i].variable, missing);
}

static bool apply_relayhost(struct conf_source *s, bool alone, struct conf_diag *diag)
{
	const struct conf_login *login;
	const char *password;
	bool any = set_relayhost(s, alone, &login, diag);

	s->relay_user = take_user(s, login, diag);
	tell_useless(s->relay_user, diag);
	if (!s->relay_user) {
		if (has_password("RELAYHOST_PASSWORD") || has_password(login->password))
			conf_diag_add(diag, CONF_WARNING, "environment", 0, "a password for the relayhost is set without a user name, and not used: set %s",
				has_password("RELAYHOST_PASSWORD") ? "RELAYHOST_USERNAME" : login->user[0]);
		return any;
	}
	password = env_get("RELAYHOST_USERNAME") || env_get("RELAYHOST_USERNAME_FILE") ? "RELAYHOST_PASSWORD" : login->password;
	s->relay_password = take_credential(s, diag);
	if (s->relay_password)
		set_weak(s, "smtp_sasl_mechanism_filter", "xoauth2");
	else
		s->relay_password = take_password(s, password, diag);
	if (!s->relay_password) {
		/* a file that cannot be read was told */
		if (!has_password(password))
			conf_diag_add(diag, CONF_WARNING, "environment", 0,
				"a user name for the relayhost is set without a password: set %s or %s_FILE", password, password);
		s->relay_password = mem_dupz("");
	}
	set(s, STR("smtp_sasl_auth_enable"), STR("yes"), CONF_TEXT_FULL);
	set_weak(s, "smtp_sasl_security_options", "noanonymous");
	/* for what goes elsewhere; to relayhost, where the password goes, it is encrypt (core/policy/tls_demand.c) */
	if (!source_find(s, STR("smtp_use_tls")) && !source_find(s, STR("smtp_enforce_tls")))
		set_weak(s, "smtp_tls_security_level", "may");
	return true;
}

/* apply_users - clients that may log in */
static bool apply_users(struct conf_source *s, struct conf_diag *diag)
{
	s->smtpd_users = take_secret(s, "SMTPD_SASL_USERS", true, diag);
	if (s->smtpd_users)
		set(s, STR("smtpd_sasl_auth_enable"), STR("yes"), CONF_TEXT_FULL);
	return s->smtpd_users != NULL;
}

/* known_name - as it is written, or, since other images take any case, in small letters where that is a parameter's */
static struct str known_name(struct str name, char small[80])
{
	struct str low = str_make(small, name.n);

	if (name.n >= 80 || param_find(name))
		return name;
	for (size_t i = 0; i < name.n; i++)
		small[i] = ascii_lower(name.p[i]);
	return param_find(low) ? low : name;
}

static void apply_value(struct conf_source *s, struct str name, const char *value)
{
	if (*value)
		set(s, name, str_of(value), CONF_TEXT_KNOWN_NAMES);
	else
		source_unset(s, name);
}

static void apply_file(struct conf_source *s, struct str name, const char *variable, const char *path, struct conf_diag *diag)
{
	struct buf text;

	buf_init(&text, LIMIT_CONF_VALUE);
	if (read_value(s, path, variable, &text, diag))
		set(s, name, buf_view(&text), CONF_TEXT_LITERAL);
	mem_wipe(text.p, text.n);
	buf_fini(&text);
}

static bool is_parameter_name(struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		if (!ascii_is_alnum(s.p[i]) && s.p[i] != '_' && s.p[i] != '-')
			return false;
	return s.n > 0;
}

/* apply_pass - the plain values, or the _FILE ones, which win */
static bool apply_pass(struct conf_source *s, bool files, struct conf_diag *diag)
{
	const char *variable, *value;
	unsigned cursor = 0, len;
	bool any = false;

	while (env_each(PREFIX, &cursor, &variable, &value, &len)) {
		char small[80];
		struct str whole = str_make(variable, len), name = str_from(whole, sizeof(PREFIX) - 1);
		bool is_file = str_ends(name, FILE_SUFFIX) && name.n > FILE_SUFFIX.n;
		char *text;

		if (is_file != files || !is_parameter_name(name))
			continue;
		any = true;
		text = str_dup(whole);
		if (!is_file)
			apply_value(s, known_name(name, small), value);
		else if (*value)
			apply_file(s, known_name(str_head(name, name.n - FILE_SUFFIX.n), small), text, value, diag);
		mem_free(text);
	}
	return any;
}

bool conf_env_apply(struct conf_source *s, bool alone, struct conf_diag *diag)
{
	bool relay, users, values, files;

	if (alone)
		conf_foreign_apply(s, diag);
	relay = apply_relayhost(s, alone, diag);
	users = apply_users(s, diag);
	values = apply_pass(s, false, diag);
	files = apply_pass(s, true, diag);
	if (alone) {
		conf_foreign_networks(s);
		trust_system(s);
	}
	conf_env_tables(s, diag);
	conf_foreign_check(s, alone, diag);
	return relay || users || values || files;
}
