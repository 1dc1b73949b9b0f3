/* conf - loading: main.cf into a source, the environment and overrides over it; conf_build makes the conf of that. An error anywhere
 * gives no conf at all. */
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

/* --- overlays ------------------------------------------------------------------------------------------------------ */

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
	c = conf_build_over(base, s, diag);
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
		c = conf_build_over(smtp, s, diag);
		conf_free(smtp);
	}
	if (diag->errors == errors)
		return c;
	conf_free(c);
	return NULL;
}
