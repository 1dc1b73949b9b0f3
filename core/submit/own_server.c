/* own_server - see own_server.h. */
#include "core/submit/own_server.h"

#include "core/base/ipaddr.h"
#include "core/base/limits.h"
#include "core/base/mem.h"
#include "core/msg/addr.h"

#define OVERRIDES 16

struct place { const char *host, *port, *user, *password; bool wrapper; };

void own_server_init(struct own_server *s)
{
	*s = (struct own_server){ .url = NULL };
	arena_init(&s->arena, 4 * LIMIT_CONF_VALUE);
}

void own_server_fini(struct own_server *s)
{
	arena_fini(&s->arena);
}

bool own_server_set(struct own_server *s, struct str name, const char *value)
{
	const struct { const char *name; const char **place; } rows[] = {
		{ "mta", &s->url }, { "smtp", &s->url }, { "smtp-auth-user", &s->user }, { "user", &s->user },
		{ "smtp-auth-password", &s->password }, { "password", &s->password }, { "smtp-auth", &s->auth },
		{ "tls-verify", &s->verify }, { "ssl-verify", &s->verify }, { "tls-ca-file", &s->ca_file }, { "ssl-ca-file", &s->ca_file },
	};

	if (str_eq(name, STR("smtp-use-starttls")) || str_eq(name, STR("nosmtp-use-starttls"))) {
		s->starttls = name.p[0] == 's';
		return true;
	}
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (str_eq(name, str_of(rows[i].name))) {
			*rows[i].place = value ? value : "";
			return true;
		}
	return false;
}

bool own_server_given(const struct own_server *s)
{
	return s->url && s->url[0] != '/' && strncmp(s->url, "file://", 7) != 0;
}

/* --- the URL ---------------------------------------------------------------------------------------------------------- */

/* decode - %40 and the like; NULL: not well formed, or a control character */
static const char *decode(struct arena *a, struct str s)
{
	char *out = arena_alloc(a, s.n + 1);
	size_t n = 0;

	for (size_t i = 0; out && i < s.n; i++) {
		int c = (unsigned char)s.p[i];

		if (c == '%') {
			c = str_hex_byte(s, i + 1);
			i += 2;
		}
		if (c < 32 || c == 127)
			return NULL;
		out[n++] = (char)c;
	}
	if (out)
		out[n] = '\0';
	return out;
}

static bool take_login(struct own_server *s, struct str login, struct place *p)
{
	ptrdiff_t colon = str_chr(login, ':');

	p->user = decode(&s->arena, str_head(login, colon < 0 ? login.n : (size_t)colon));
	if (colon >= 0)
		p->password = decode(&s->arena, str_from(login, (size_t)colon + 1));
	return p->user && *p->user && (colon < 0 || p->password);
}

/* take_host - host, host:port, [v6], [v6]:port */
static bool take_host(struct own_server *s, struct str rest, struct place *p)
{
	ptrdiff_t close = rest.n && rest.p[0] == '[' ? str_chr(rest, ']') : -1;
	struct str host = close < 0 ? rest : str_make(rest.p + 1, (size_t)close - 1), port = str_from(rest, (size_t)(close + 1));
	ptrdiff_t colon = str_chr(port, ':');
	struct ipaddr address;

	if (close < 0 && colon >= 0)
		host = str_head(rest, (size_t)colon);
	if (close >= 0 && port.n && colon != 0)
		return false;
	port = colon < 0 ? STR_EMPTY : str_from(port, (size_t)colon + 1);
	if (colon >= 0 && !port.n)
		return false;
	for (size_t i = 0; i < port.n; i++)
		if (!ascii_is_alnum(port.p[i]) && port.p[i] != '-')
			return false;
	p->host = arena_z(&s->arena, host);
	if (port.n)
		p->port = arena_z(&s->arena, port);
	return p->host && (ipaddr_parse(host, &address) || addr_valid_domain(host));
}

/* parse_url - s-nail's URLs; no scheme is smtp:// */
static bool parse_url(struct own_server *s, struct place *p)
{
	static const struct { const char *scheme, *port; bool wrapper; } schemes[] = {
		{ "smtp://", "25", false }, { "smtps://", "465", true }, { "submission://", "587", false }, { "submissions://", "465", true },
		{ "", "25", false },
	};
	struct str rest = str_of(s->url);
	ptrdiff_t at;
	size_t i = 0;

	*p = (struct place){ .port = NULL };
	while (!str_istarts(rest, str_of(schemes[i].scheme)))
		i++;
	p->port = schemes[i].port;
	p->wrapper = schemes[i].wrapper;
	rest = str_from(rest, strlen(schemes[i].scheme));
	if (str_ends(rest, STR("/")))
		rest.n--;
	if (str_find(rest, STR("://")) >= 0)
		return false;
	at = str_rchr(rest, '@');
	if (at >= 0 && !take_login(s, str_head(rest, (size_t)at), p))
		return false;
	return take_host(s, str_from(rest, (size_t)(at + 1)), p);
}

/* --- the configuration -------------------------------------------------------------------------------------------------- */

struct overrides { struct arena *arena; const char *v[OVERRIDES + 1]; size_t n; };

static void add(struct overrides *o, const char *name, const char *value)
{
	o->v[o->n++] = arena_z(o->arena, arena_printf(o->arena, "%s=%s", name, value));
}

/* add_tls - what main.cf asks of TLS may be more than what is demanded here, never less */
static void add_tls(struct own_server *s, const struct place *p, const struct conf *c, struct overrides *o)
{
	bool strict = s->verify && !strcasecmp(s->verify, "strict");
	int least = strict ? CONF_TLS_VERIFY : CONF_TLS_ENCRYPT;

	add(o, "smtp_tls_wrappermode", p->wrapper ? "yes" : "no");
	if (s->ca_file)
		add(o, "smtp_tls_CAfile", s->ca_file);
	if (!p->wrapper && !s->starttls && !strict)
		return;
	add(o, "smtp_tls_policy_maps", "");
	if (c->smtp_tls_security_level < least)
		add(o, "smtp_tls_security_level", strict ? "verify" : "encrypt");
}

static bool wants_login(const struct own_server *s, const struct place *p)
{
	return s->auth ? strcasecmp(s->auth, "none") != 0 : p->user || s->user;
}

static void add_all(struct own_server *s, const struct place *p, const struct conf *c, struct overrides *o)
{
	o->v[o->n++] = arena_z(&s->arena, arena_printf(&s->arena, "relayhost=[%s]:%s", p->host, p->port));
	add(o, "sendmail_submission", "direct");
	/* nobody else is meant */
	add(o, "smtp_fallback_relay", "");
	add(o, "sender_dependent_relayhost_maps", "");
	add_tls(s, p, c, o);
	add(o, "smtp_sasl_auth_enable", wants_login(s, p) || (!s->auth && c->smtp_sasl_auth_enable) ? "yes" : "no");
	add(o, "smtp_sasl_tls_security_options", "noanonymous");
	if (s->auth && wants_login(s, p))
		add(o, "smtp_sasl_mechanism_filter", s->auth);
}

struct conf *own_server_conf(struct own_server *s, const char *directory, struct buf *why, struct conf_diag *diag)
{
	struct overrides o = { .arena = &s->arena };
	struct conf *c, *main_cf;
	struct place p;

	/* the text holds a password, perhaps: it is not shown */
	if (!parse_url(s, &p)) {
		buf_z(why, "-S mta: not a server (smtp://user:password@host:port; smtps, submission and submissions likewise)");
		return NULL;
	}
	p.user = p.user ? p.user : s->user;
	p.password = p.password ? p.password : s->password;
	if (wants_login(s, &p) && (!p.user || !p.password)) {
		buf_printf(why, "-S mta: a login wants %s", p.user ? "a password (smtp-auth-password)" : "a user (smtp-auth-user)");
		return NULL;
	}
	main_cf = conf_load(directory, NULL, diag);
	if (!main_cf)
		return NULL;
	add_all(s, &p, main_cf, &o);
	conf_free(main_cf);
	c = conf_load(directory, o.v, diag);
	if (!c)
		return NULL;
	/* also where none is given here: that of RELAYHOST is not for this server */
	conf_set_relay_login(c, wants_login(s, &p) ? p.user : NULL, wants_login(s, &p) ? p.password : NULL);
	return c;
}
