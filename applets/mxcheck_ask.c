/* mxcheck_ask - the modes that ask up to RCPT: what the options mean as parameters of a configuration. */
#include <stdio.h>

#include "applets/applet.h"
#include "applets/mxcheck.h"
#include "core/base/log.h"
#include "core/conf/conf.h"

#define OVERRIDES 24

struct overrides { struct arena arena; const char *v[OVERRIDES + 1]; size_t n; };

static void add(struct overrides *o, const char *name, const char *value)
{
	o->v[o->n++] = arena_printf(&o->arena, "%s=%s", name, value).p;
}

static void add_times(struct overrides *o, usec time)
{
	static const char *const names[] = { "connect", "helo", "starttls", "mail", "rcpt", "rset", "quit" };

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		o->v[o->n++] = arena_printf(&o->arena, "smtp_%s_timeout=%lld", names[i], (long long)(time / USEC_PER_SEC ? time / USEC_PER_SEC : 1)).p;
}

/* what a delivery with no configuration at all would do, but for what the options say */
static void add_neutral(struct overrides *o, const struct mxcheck *k)
{
	static const char *const levels[] = { "may", "none", "encrypt", "encrypt" };

	add(o, "smtp_tls_security_level", levels[k->tls]);
	if (k->tls == MXCHECK_TLS_IMPLICIT)
		add(o, "smtp_tls_wrappermode", "yes");
	if (*k->ca_file)
		add(o, "smtp_tls_CAfile", k->ca_file);
	/* a refused recipient says something about the server, a refused name of ours should not */
	add(o, "smtp_helo_name", k->opt.helo_name);
}

static int find_routes(struct mxcheck *k)
{
	struct probe_setup *s = &k->setup;
	struct buf why;

	buf_init(&why, LIMIT_MAP_VALUE);
	probe_routes_find(s, &why);
	if (why.n)
		applet_fail(0, "%s", buf_cstr(&why));
	buf_fini(&why);
	if (s->cut)
		applet_fail(0, "only the first %d next hops are asked", PROBE_ROUTES);
	for (size_t i = 0; i < s->n_routes; i++)
		mxcheck_add_target(k, str_of(s->routes[i].target));
	return s->n_routes ? EX_OK : applet_fail(EX_CONFIG, "no next hop: mail goes straight to its recipients' MX hosts; name one with --rcpt");
}

static void add_all(struct overrides *o, const struct mxcheck *k)
{
	/* what a daemon would log is in the findings */
	log_open(&(struct log_config){ .sink = LOG_TO_NOTHING, .syslog_name = "", .host = "" });
	arena_init(&o->arena, LIMIT_HEADER);
	add(o, "alias_maps", "");
	/* a session that is resumed shows no certificate */
	add(o, "smtp_tls_session_cache_database", "");
	add_times(o, k->opt.time);
	if (k->opt.families != 3)
		add(o, "inet_protocols", k->opt.families == 1 ? "ipv4" : "ipv6");
	if (k->mode != MXCHECK_RELAY)
		add_neutral(o, k);
}

struct conf *mxcheck_conf(const struct mxcheck *k, const char *more)
{
	struct overrides o = { .n = 0 };
	struct conf_diag diag;
	struct conf *c;

	add_all(&o, k);
	add(&o, "sendmail_submission", "direct");
	add(&o, "smtp_sasl_tls_security_options", "noanonymous");
	/* a password goes in clear only to who asks for no TLS */
	if (k->tls == MXCHECK_TLS_NONE)
		add(&o, "smtp_sasl_security_options", "noanonymous");
	if (k->send.user)
		add(&o, "smtp_sasl_auth_enable", "yes");
	o.v[o.n++] = more;
	conf_diag_init(&diag);
	c = conf_load("/nonexistent", o.v, &diag);
	if (!c)
		conf_diag_print(&diag, stderr, applet_name());
	conf_diag_fini(&diag);
	arena_fini(&o.arena);
	return c;
}

int mxcheck_ask_open(struct mxcheck *k)
{
	struct overrides o = { .n = 0 };
	struct buf why;
	int code = EX_OK;

	buf_init(&why, LIMIT_REPLY_TEXT);
	add_all(&o, k);
	k->opt.setup = &k->setup;
	if (probe_setup_open(&k->setup, k->mode == MXCHECK_RELAY ? conf_default_directory(k->directory) : NULL, o.v, &why) < 0)
		code = applet_fail(EX_CONFIG, "%s", buf_cstr(&why));
	else if (k->mode == MXCHECK_RELAY)
		code = find_routes(k);
	buf_fini(&why);
	arena_fini(&o.arena);
	return code;
}
