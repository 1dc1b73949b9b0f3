/* conf_build - from the source to the conf: every row of params.def into its field, then the steps that need several fields. */
#include <unistd.h>

#include "core/base/fs.h"
#include "core/base/limits.h"
#include "core/base/mem.h"
#include "core/conf/conf_private.h"

static bool is_plain(const char *text)
{
	return text && !strchr(text, '$');
}

/* build_field - false: its value cannot be used, and that was said. text and why are for its use: one pair for all fields */
static bool build_field(struct conf *c, const struct param *p, struct buf *text, struct buf *why, struct conf_diag *diag)
{
	const struct conf_entry *e = source_ask(c->source, param_name(p));
	const char *value = NULL;

	buf_clear(text);
	buf_clear(why);
	if (p->kind == PARAM_RAW)
		value = e ? e->raw : p->dflt;
	else if (!e && is_plain(p->dflt))
		value = p->dflt;
	else if (expand_value(c, param_name(p), text, why) == 0)
		value = source_keep(c->source, buf_view(text));
	else
		buf_printf(why, " in the value of %s", p->name);
	if (value && param_store(p, c, value, why))
		return true;
	if (value && p->kind == PARAM_HINTS) {
		conf_add_error(diag, e, CONF_WARNING, "%s", buf_cstr(why));
		return true;
	}
	/* words of a default are those of another parameter, which says what is wrong */
	if (e || p->kind < PARAM_WORDS)
		conf_add_error(diag, e, CONF_ERROR, "%s", buf_cstr(why));
	if (param_is_text(p))
		*(const char **)(void *)((char *)c + p->at) = "";
	/* so that a wrong value is not told again as what follows from it */
	buf_clear(why);
	if (e && is_plain(p->dflt))
		(void)param_store(p, c, p->dflt, why);
	return false;
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
	struct buf text, why;
	size_t at = 0;

	buf_init(&text, LIMIT_CONF_VALUE);
	buf_init(&why, 1024);
	s->asked.open = !s->base;
	for (size_t i = 0; i < n_params; i++) {
		if (s->base && !source_concerns(s, &at))
			continue;
		if (!build_field(c, &params[i], &text, &why, diag) || is_finished(&params[i]))
			source_asked(s, ASKED_ANY);
		source_asked(s, ASKED_END);
	}
	s->asked.open = false;
	buf_fini(&text);
	buf_fini(&why);
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

	if (!c->myhostname[0] || strpbrk(c->myhostname, " \t\r\n,<>@\"'"))
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

struct conf *conf_build_over(const struct conf *base, struct conf_source *s, struct conf_diag *diag)
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
