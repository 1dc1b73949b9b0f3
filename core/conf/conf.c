/* conf - loading: main.cf into a source, the environment and overrides over it, then every row of params.def into its
 * field, then the steps that need several fields. An error anywhere gives no conf at all. */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/base/env.h"
#include "core/base/fs.h"
#include "core/base/limits.h"
#include "core/base/mem.h"
#include "core/conf/conf_private.h"

static bool is_directory(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

const char *conf_default_directory(const char *from_option)
{
	const char *env = env_get("MAIL_CONFIG");

	if (from_option && *from_option)
		return from_option;
	if (env && *env)
		return env;
	return !is_directory("/etc/relaybox") && is_directory("/etc/postfix") ? "/etc/postfix" : "/etc/relaybox";
}

/* --- main.cf ------------------------------------------------------------------------------------------------------ */

/* split_setting - "name = value"; false if it is not of this form */
static bool split_setting(struct str s, struct str *name, struct str *value)
{
	ptrdiff_t eq = str_chr(s, '=');

	if (eq <= 0)
		return false;
	*name = str_trim(str_head(s, (size_t)eq));
	*value = str_trim(str_from(s, (size_t)eq + 1));
	for (size_t i = 0; i < name->n; i++)
		if (ascii_is_space(name->p[i]))
			return false;
	return name->n > 0;
}

static void read_settings(struct conf_source *s, struct str text, const char *path, struct conf_diag *diag)
{
	struct str line, name, value;
	struct lines l;

	if (str_starts(text, lines_mark))
		conf_diag_add(diag, CONF_WARNING, path, 1, "the file begins with a byte order mark, which is skipped here; in Postfix it spoils "
			"the first line: save it as UTF-8 without one");
	lines_init(&l, text);
	while (lines_next(&l, &line)) {
		struct conf_entry *old;

		if (l.stray)
			conf_diag_add(diag, CONF_WARNING, path, l.stray_line,
				"a line that begins with white space continues the one before, but there is none: it is ignored");
		if (!split_setting(line, &name, &value)) {
			conf_diag_add(diag, CONF_ERROR, path, l.line, "missing '=' after \"%.*s\": write name = value",
				STR_ARG(str_head(line, 60)));
			continue;
		}
		old = source_find(s, name);
		if (old && !str_eq(value, str_of(old->raw)))
			conf_diag_add(diag, CONF_WARNING, path, l.line, "overriding earlier entry of %s (line %u)", old->name,
				old->line);
		source_set(s, name, value, path, l.line);
	}
	lines_fini(&l);
}

static void check_mode(int fd, const char *path, struct conf_diag *diag)
{
	struct stat st;

	if (fstat(fd, &st) == 0 && (st.st_mode & S_IWOTH))
		conf_diag_add(diag, CONF_WARNING, path, 0, "the file is writable by everyone: chmod o-w it");
}

/* read_text - 1 read, 0 absent, -1 with a finding */
static int read_text(const char *path, struct buf *text, struct conf_diag *diag)
{
	int fd = fs_open_table(path), r;

	if (fd < 0 && (errno == ENOENT || errno == ENOTDIR))
		return 0;
	r = fd < 0 ? -1 : fs_read_fd(fd, text);
	if (r < 0) {
		conf_diag_add(diag, CONF_ERROR, path, 0, "cannot read: %s", strerror(errno));
	} else if (memchr(buf_cstr(text), 0, text->n)) {
		conf_diag_add(diag, CONF_ERROR, path, 0, "has a NUL byte: this is not a text file");
		r = -1;
	} else {
		check_mode(fd, path, diag);
	}
	if (fd >= 0)
		fs_close(fd);
	return r < 0 ? -1 : 1;
}

static void set_default(struct conf_source *s, const char *name, const char *value)
{
	source_set(s, str_of(name), str_of(value), NULL, 0)->origin = "no main.cf";
}

/* apply_overrides - "name=value" each */
static void apply_overrides(struct conf_source *s, const char *const *list, const char *file, unsigned line,
	struct conf_diag *diag)
{
	struct str name, value;

	for (; list && *list; list++) {
		if (split_setting(str_of(*list), &name, &value))
			source_set(s, name, value, file, line);
		else
			conf_diag_add(diag, CONF_ERROR, file, line, "bad override \"%.80s\": write name=value", *list);
	}
}

/* choose_port - without a main.cf, a user that may not have port 25 serves 2525. What root found at the start holds for a reload, before which
 * root was given up */
static void choose_port(struct conf_source *s, struct conf_diag *diag)
{
	struct sockaddr_in any = { .sin_family = AF_INET, .sin_port = htons(25), .sin_addr = { htonl(INADDR_LOOPBACK) } };
	static bool was_root;
	int fd;
	bool denied;

	was_root |= geteuid() == 0;
	if (was_root || source_find(s, STR("smtpd_listen")))
		return;
	fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	denied = fd >= 0 && bind(fd, (const struct sockaddr *)&any, sizeof(any)) < 0 && errno == EACCES;
	if (fd >= 0)
		close(fd);
	if (!denied)
		return;
	set_default(s, "smtpd_listen", "2525");
	conf_diag_add(diag, CONF_NOTE, NULL, 0, "this user may not have port 25, so mail is taken on port 2525; POSTFIX_smtpd_listen names another");
}

/* check_addresses - those that nobody can bind: a listener would fail, a client would go without */
static void check_addresses(const struct conf *c, struct conf_diag *diag)
{
	const struct { const char *name, *list; } rows[] = {
		{ "inet_interfaces", c->inet_interfaces }, { "smtp_bind_address", c->smtp_bind_address },
		{ "smtp_bind_address6", c->smtp_bind_address6 },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct str rest = str_of(rows[i].list), word;

		while (str_word(&rest, ", \t\r\n", &word))
			if (!conf_host_has(word))
				conf_add_error(diag, source_find(c->source, str_of(rows[i].name)), CONF_WARNING,
					"%s: no interface of this host has the address %.*s", rows[i].name, STR_ARG(str_head(word, 80)));
	}
}

struct conf *conf_load_whole(const char *directory, const char *const *extra, struct conf_diag *diag)
{
	struct conf_source *s = source_new();
	struct buf path, text;
	struct conf *c;
	int found;
	bool env;

	buf_init(&path, LIMIT_CONF_VALUE);
	buf_init(&text, LIMIT_CONF_FILE);
	buf_printf(&path, "%s/main.cf", directory);
	found = read_text(buf_cstr(&path), &text, diag);
	if (found > 0)
		read_settings(s, buf_view(&text), buf_cstr(&path), diag);
	s->own_is_private = !found;
	env = conf_env_apply(s, !found, diag);
	if (!found)
		choose_port(s, diag);
	if (!found && !env) {
		set_default(s, "inet_interfaces", "loopback-only");
		set_default(s, "mynetworks_style", "host");
		set_default(s, "mydestination", "");
	}
	apply_overrides(s, extra, NULL, 0, diag);
	c = conf_build(s, directory, diag);
	c->has_file = found;
	c->configured = found || env;
	check_addresses(c, diag);
	if (env && !found && (!conf_is_set(c, "mynetworks") || env_get("SMTP_NETWORKS")))
		conf_diag_add(diag, CONF_NOTE, NULL, 0, "without a main.cf, mail is relayed for the private networks of this host: %s; "
			"POSTFIX_mynetworks names others", c->mynetworks);
	conf_check_entries(c, 0, true, diag);
	buf_fini(&path);
	buf_fini(&text);
	return c;
}

struct conf *conf_load(const char *directory, const char *const *extra, struct conf_diag *diag)
{
	size_t errors = diag->errors;
	struct conf *c = conf_load_whole(directory, extra, diag);

	if (diag->errors == errors)
		return c;
	conf_free(c);
	return NULL;
}

struct conf *conf_from_text(struct str text, const char *directory, struct conf_diag *diag)
{
	size_t errors = diag->errors;
	struct conf_source *s = source_new();
	struct conf *c;

	read_settings(s, text, "main.cf", diag);
	c = conf_build(s, directory, diag);
	conf_check_entries(c, 0, false, diag);
	if (diag->errors == errors)
		return c;
	conf_free(c);
	return NULL;
}

/* --- from source to fields ------------------------------------------------------------------------------------------ */

static bool is_plain(const char *text)
{
	return text && !strchr(text, '$');
}

/* build_field - false: its value cannot be used, and that was said */
static bool build_field(struct conf *c, const struct param *p, struct conf_diag *diag)
{
	const struct conf_entry *e = source_ask(c->source, str_of(p->name));
	struct buf text, why;
	const char *value = NULL;
	bool good = true;

	buf_init(&text, LIMIT_CONF_VALUE);
	buf_init(&why, 1024);
	if (p->kind == PARAM_RAW)
		value = e ? e->raw : p->dflt;
	else if (!e && is_plain(p->dflt))
		value = p->dflt;
	else if (expand_value(c, str_of(p->name), &text, &why) == 0)
		value = source_keep(c->source, buf_view(&text));
	else
		buf_printf(&why, " in the value of %s", p->name);
	if (value && p->kind == PARAM_HINTS) {
		if (!param_store(p, c, value, &why))
			conf_add_error(diag, e, CONF_WARNING, "%s", buf_cstr(&why));
	} else if (!value || !param_store(p, c, value, &why)) {
		good = false;
		/* words of a default are those of another parameter, which says what is wrong */
		if (e || p->kind < PARAM_WORDS)
			conf_add_error(diag, e, CONF_ERROR, "%s", buf_cstr(&why));
		if (param_is_text(p))
			*(const char **)(void *)((char *)c + p->at) = "";
		/* so that a wrong value is not told again as what follows from it */
		buf_clear(&why);
		if (e && is_plain(p->dflt))
			(void)param_store(p, c, p->dflt, &why);
	}
	buf_fini(&text);
	buf_fini(&why);
	return good;
}

/* is_finished - the steps below change this field by what others say, so that it is not the same where they are not */
static bool is_finished(const struct param *p)
{
	static const size_t fields[] = {
		offsetof(struct conf, smtp_tls_security_level), offsetof(struct conf, smtpd_tls_security_level),
		offsetof(struct conf, smtpd_reject_unlisted_recipient),
	};

	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
		if (p->at == fields[i])
			return true;
	return false;
}

/* build_fields - all; of an overlay, those that what changed may concern: the others are base's already */
static void build_fields(struct conf *c, struct conf_diag *diag)
{
	struct conf_source *s = c->source;
	size_t at = 0;

	s->asked.open = !s->base;
	for (size_t i = 0; i < n_params; i++) {
		if (s->base && !source_concerns(s, &at))
			continue;
		if (!build_field(c, &params[i], diag) || is_finished(&params[i]))
			source_asked(s, ASKED_ANY);
		source_asked(s, ASKED_END);
	}
	s->asked.open = false;
}

static void finish_tls(struct conf *c)
{
	const struct conf_entry *level = source_find(c->source, STR("smtp_tls_security_level"));

	c->smtp_tls_level_is_ours = level && level->origin && !strcmp(level->origin, CONF_FROM_LOGIN);
	if (c->smtp_tls_security_level == CONF_TLS_UNSET) {
		c->smtp_tls_security_level = CONF_TLS_NONE;
		if (c->smtp_enforce_tls)
			c->smtp_tls_security_level = c->smtp_tls_enforce_peername ? CONF_TLS_VERIFY : CONF_TLS_ENCRYPT;
		else if (c->smtp_use_tls)
			c->smtp_tls_security_level = CONF_TLS_MAY;
	}
	if (c->smtpd_tls_security_level == CONF_TLS_UNSET) {
		c->smtpd_tls_security_level = CONF_TLS_NONE;
		if (c->smtpd_enforce_tls)
			c->smtpd_tls_security_level = CONF_TLS_ENCRYPT;
		else if (c->smtpd_use_tls)
			c->smtpd_tls_security_level = CONF_TLS_MAY;
	}
}

/* finish_origin - myorigin = /etc/mailname: the first line of the file */
static void finish_origin(struct conf *c, struct conf_diag *diag)
{
	const struct conf_entry *e = source_find(c->source, STR("myorigin"));
	struct buf text;
	struct str rest, line = STR_EMPTY;

	if (c->myorigin[0] == '/') {
		buf_init(&text, LIMIT_CONF_FILE);
		if (fs_read_file(c->myorigin, &text) == 0) {
			rest = buf_view(&text);
			str_cut(&rest, '\n', &line);
		}
		line = str_trim(line);
		if (!line.n)
			conf_diag_add(diag, CONF_ERROR, e ? e->file : NULL, e ? e->line : 0,
				"myorigin: cannot take a domain from %s: put it into the first line of that file", c->myorigin);
		else
			c->myorigin = source_keep(c->source, line);
		buf_fini(&text);
	} else if (!c->myorigin[0]) {
		conf_diag_add(diag, CONF_ERROR, e ? e->file : NULL, e ? e->line : 0,
			"myorigin is empty: set it to a domain, such as $myhostname");
	}
}

static void finish_host(struct conf *c, struct conf_diag *diag)
{
	const struct conf_entry *e = source_find(c->source, STR("myhostname"));

	if (!c->myhostname[0] || strpbrk(c->myhostname, " \t\r\n,<>@"))
		conf_diag_add(diag, CONF_ERROR, e ? e->file : NULL, e ? e->line : 0,
			"bad host name \"%.80s\" for myhostname: use one full host name", c->myhostname);
}

/* finish_level - a release of Postfix: 2, 3.6, 3.11.1 */
static void finish_level(const struct conf *c, struct conf_diag *diag)
{
	struct str level = str_of(c->compatibility_level);
	unsigned dots = 0;
	bool good = level.n > 0;

	for (size_t i = 0; i < level.n; i++) {
		bool dot = level.p[i] == '.';

		dots += dot;
		good &= dot ? i > 0 && i + 1 < level.n && level.p[i - 1] != '.' : ascii_is_digit(level.p[i]);
	}
	if (!good || dots >= 3)
		conf_add_error(diag, source_find(c->source, STR("compatibility_level")), CONF_ERROR,
			"bad value \"%.80s\" for compatibility_level: use a release of Postfix, such as 3.6", c->compatibility_level);
}

/* finish_overrides - of receive_override_options, what concerns something that is done here */
static void finish_overrides(struct conf *c)
{
	struct str rest = str_of(c->receive_override_options), word;

	while (str_word(&rest, ", \t\r\n", &word))
		if (str_ieq(word, STR("no_unknown_recipient_checks")))
			c->smtpd_reject_unlisted_recipient = false;
}

/* build - c is empty, or as base is */
static struct conf *build(struct conf *c, struct conf_source *s, struct conf_diag *diag)
{
	c->source = s;
	build_fields(c, diag);
	if (c->inet_protocols > CONF_INET_BOTH || c->inet_protocols < 0)
		c->inet_protocols = c->inet_protocols < 0 ? CONF_INET_ALL : CONF_INET_BOTH;
	finish_tls(c);
	finish_origin(c, diag);
	finish_host(c, diag);
	finish_level(c, diag);
	finish_overrides(c);
	c->relay_username = s->relay_user;
	c->relay_password = s->relay_password;
	c->smtpd_users = s->smtpd_users;
	return c;
}

struct conf *conf_build(struct conf_source *s, const char *directory, struct conf_diag *diag)
{
	struct conf *c = MEM_NEW(struct conf);

	c->config_directory = source_keep(s, str_of(directory));
	return build(c, s, diag);
}

/* build_over - as base, with what is another in s */
static struct conf *build_over(const struct conf *base, struct conf_source *s, struct conf_diag *diag)
{
	struct conf *c = MEM_NEW(struct conf);

	*c = *base;
	return build(c, s, diag);
}

void conf_free(struct conf *c)
{
	if (!c)
		return;
	source_free(c->source);
	mem_free(c);
}

static struct conf *overlay(const struct conf *base, struct conf_source *s, const char *const *overrides, const char *file,
	unsigned line, struct conf_diag *diag)
{
	size_t errors = diag->errors, from;
	struct conf *c;

	from = s->n;
	for (const char *const *o = overrides; o && *o; o++) {
		struct str name, value;
		size_t before = s->n;

		/* a name that is set again moves to the end */
		if (split_setting(str_of(*o), &name, &value))
			source_unset(s, name);
		from -= before - s->n;
	}
	apply_overrides(s, overrides, file, line, diag);
	c = build_over(base, s, diag);
	conf_check_entries(c, from, false, diag);
	if (diag->errors == errors)
		return c;
	conf_free(c);
	return NULL;
}

struct conf *conf_overlay(const struct conf *base, const char *const *overrides, const char *file, unsigned line,
	struct conf_diag *diag)
{
	return overlay(base, source_over(base->source), overrides, file, line, diag);
}

/* lmtp_name - the lmtp client's name of an smtp_ parameter */
static void lmtp_name(const char *smtp, char *out, size_t size)
{
	char *p;

	snprintf(out, size, "l%s", smtp + 1);
	p = strstr(out, "helo_");
	p = p ? p : strstr(out, "ehlo_");
	if (p)
		memcpy(p, "lhlo", 4);
}

/* read_lmtp_names - give every smtp_ parameter its lmtp_ value, or its default: an lmtp client has names of its own */
static void read_lmtp_names(struct conf_source *s)
{
	if (!source_find(s, STR("lmtp_tcp_port")))
		source_set(s, STR("lmtp_tcp_port"), STR("24"), NULL, 0)->origin = "default";
	for (size_t i = 0; i < n_params; i++) {
		struct str name = str_of(params[i].name);
		struct conf_entry *e, *copy;
		char other[80];

		if (!str_starts(name, STR("smtp_")))
			continue;
		lmtp_name(name.p, other, sizeof(other));
		e = source_find(s, str_of(other));
		source_unset(s, name);
		if (!e)
			continue;
		copy = source_set(s, name, str_of(e->raw), e->file, e->line);
		copy->text = e->text;
		copy->origin = e->origin;
	}
}

struct conf *conf_transport_overlay(const struct conf *base, const char *service, const char *program,
	const char *const *overrides, const char *file, unsigned line, struct conf_diag *diag)
{
	struct conf_source *s = source_over(base->source);
	size_t errors = diag->errors;
	struct conf *c;

	source_set_service(s, service, program);
	c = overlay(base, s, overrides, file, line, diag);
	if (c && !strcmp(program, "lmtp")) {
		struct conf *smtp = c;

		s = source_over(smtp->source);
		read_lmtp_names(s);
		c = build_over(smtp, s, diag);
		conf_free(smtp);
	}
	if (diag->errors == errors)
		return c;
	conf_free(c);
	return NULL;
}
