/* smtp_profile - one transport's settings, worked out once per configuration, so that a delivery parses nothing. */
#include "core/deliver/smtp/smtp_profile.h"

#include <limits.h>

#include "core/base/format.h"
#include "core/base/fs.h"
#include "core/base/mem.h"
#include "core/deliver/deliver_private.h"
#include "core/deliver/smtp/smtp_advice.h"
#include "core/deliver/smtp/smtp_checks.h"
#include "core/deliver/smtp/smtp_policy.h"
#include "core/deliver/smtp/smtp_tls.h"
#include "core/net/fetch.h"
#include "core/net/tls_names.h"
#include "core/oauth/oauth.h"
#include "core/smtp/sasl.h"

static void set_timeouts(struct smtp_profile *p)
{
	const struct conf *c = p->conf;
	const usec row[SMTP_PHASES] = {
		[SMTP_PHASE_CONNECT] = c->smtp_connect_timeout,
		[SMTP_PHASE_GREETING] = c->smtp_helo_timeout,
		[SMTP_PHASE_EHLO] = c->smtp_helo_timeout,
		[SMTP_PHASE_STARTTLS] = c->smtp_starttls_timeout,
		[SMTP_PHASE_AUTH] = c->smtp_helo_timeout,
		[SMTP_PHASE_READY] = c->smtp_helo_timeout,
		[SMTP_PHASE_MAIL] = c->smtp_mail_timeout,
		[SMTP_PHASE_RCPT] = c->smtp_rcpt_timeout,
		[SMTP_PHASE_DATA] = c->smtp_data_init_timeout,
		[SMTP_PHASE_BODY] = c->smtp_data_xfer_timeout,
		[SMTP_PHASE_END] = c->smtp_data_done_timeout,
		[SMTP_PHASE_RSET] = c->smtp_rset_timeout,
		[SMTP_PHASE_QUIT] = c->smtp_quit_timeout,
	};

	memcpy(p->timeout, row, sizeof(row));
}

static unsigned parse_discard(const char *list)
{
	static const struct { const char *word; unsigned bit; } words[] = {
		{ "pipelining", SMTP_EXT_PIPELINING }, { "8bitmime", SMTP_EXT_8BITMIME }, { "size", SMTP_EXT_SIZE },
		{ "starttls", SMTP_EXT_STARTTLS }, { "dsn", SMTP_EXT_DSN }, { "chunking", SMTP_EXT_CHUNKING },
		{ "smtputf8", SMTP_EXT_SMTPUTF8 }, { "enhancedstatuscodes", SMTP_EXT_ENHANCED }, { "auth", SMTP_EXT_AUTH },
	};
	struct str rest = str_of(list), w;
	unsigned bits = 0;

	while (str_word(&rest, ", \t\r\n", &w))
		for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
			bits |= str_ieq(w, str_of(words[i].word)) ? words[i].bit : 0;
	return bits;
}

/* --- what may be wrong: told by the name that the transport's program reads ------------------------------------------- */

/* wrong - takes why's text, if there is any */
static void wrong(const struct smtp_profile *p, enum conf_severity severity, const char *suffix, struct buf *why, struct conf_diag *diag)
{
	if (why->n)
		conf_diag_add(diag, severity, NULL, 0, "%s_%s: %s", p->lmtp ? "lmtp" : "smtp", suffix, buf_cstr(why));
	buf_clear(why);
}

static void check_address(const struct smtp_profile *p, int family, const char *suffix, const char *text, struct ipaddr *out,
	struct buf *why, struct conf_diag *diag)
{
	*out = (struct ipaddr){ .family = AF_UNSPEC };
	if (*text && (!ipaddr_parse(str_of(text), out) || out->family != family))
		buf_printf(why, "\"%.100s\" is not an IPv%d address", text, family == AF_INET ? 4 : 6);
	wrong(p, CONF_ERROR, suffix, why, diag);
}

static void open_form(struct smtp_profile *p, struct maps *out, const char *suffix, const char *list, enum source_form form,
	struct buf *why, struct conf_diag *diag)
{
	maps_open_form(out, list, form, why);
	wrong(p, CONF_ERROR, suffix, why, diag);
}

static void open_maps(struct smtp_profile *p, struct maps *out, const char *suffix, const char *list, struct buf *why,
	struct conf_diag *diag)
{
	open_form(p, out, suffix, list, SOURCE_TABLE, why, diag);
}

/* look_at - what is read at a login only is opened like all that the settings are made of: who watches what is opened hears of it */
static void look_at(const char *path)
{
	int fd = fs_open_table(path);

	if (fd >= 0)
		fs_close(fd);
}

/* look_at_token - a password that may be the name of a file: of a token (core/smtp/token.h) or of a credential (core/oauth) */
static void look_at_token(struct smtp_profile *p, struct str password)
{
	uint16_t port = oauth_port(password);
	char name[PATH_MAX];

	for (size_t i = 0; i < p->n_token_ports; i++)
		if (p->token_ports[i] == port)
			port = 0;
	if (port && p->n_token_ports < LIMIT_OAUTH_PORTS)
		p->token_ports[p->n_token_ports++] = port;
	if (str_starts(password, STR("file:")))
		password = str_from(password, 5);
	if (!str_starts(password, STR("/")))
		return;
	format_text(name, sizeof(name), "%.*s", STR_ARG(password));
	look_at(name);
}

void smtp_profile_split_login(const struct smtp_profile *p, struct str value, struct str *user, struct str *password)
{
	struct str delimiter = str_of(p->conf->smtp_sasl_password_result_delimiter);
	ptrdiff_t at = delimiter.n ? str_find(value, delimiter) : -1;

	*user = at < 0 ? value : str_head(value, (size_t)at);
	*password = at < 0 ? STR_EMPTY : str_from(value, (size_t)at + delimiter.n);
}

static int look_at_login(void *ctx, struct str key, struct str value)
{
	struct str user, password;

	(void)key;
	smtp_profile_split_login(ctx, value, &user, &password);
	look_at_token(ctx, password);
	return 0;
}

static void open_generic(struct smtp_profile *p, struct buf *why, struct conf_diag *diag)
{
	p->generic.parameter = p->lmtp ? "lmtp_generic_maps" : "smtp_generic_maps";
	open_maps(p, &p->generic.maps, "generic_maps", p->conf->smtp_generic_maps, why, diag);
	/* what is wrong with it is told where the router is opened */
	p->generic_extension = rewriting_propagate(p->conf->propagate_unmatched_extensions, why) & EXTENSION_GENERIC;
	buf_clear(why);
}

static void open_sasl(struct smtp_profile *p, struct buf *why, struct conf_diag *diag)
{
	const struct conf *c = p->conf;

	if (c->smtp_sasl_auth_enable && *c->oauth_tls_CAfile)
		look_at(c->oauth_tls_CAfile);
	if (c->smtp_sasl_auth_enable)
		open_form(p, &p->sasl, "sasl_password_maps", c->smtp_sasl_password_maps, SOURCE_SECRETS, why, diag);
	for (size_t i = 0; i < p->sasl.n; i++)
		(void)map_each(p->sasl.v[i], look_at_login, p);
	if (c->relay_password)
		look_at_token(p, str_of(c->relay_password));
	/* Postfix's client stops there: mail would go out without the login that somebody asked for */
	if (c->smtp_sasl_auth_enable && !*c->smtp_sasl_password_maps && !c->relay_username)
		buf_z(why, "there is no password to log in with: set smtp_sasl_password_maps, or RELAYHOST_USERNAME and RELAYHOST_PASSWORD in "
			"the environment");
	wrong(p, CONF_ERROR, "sasl_auth_enable", why, diag);
	p->sasl_forbidden = sasl_parse_properties(c->smtp_sasl_security_options, why);
	wrong(p, CONF_ERROR, "sasl_security_options", why, diag);
	p->sasl_forbidden_tls = sasl_parse_properties(c->smtp_sasl_tls_security_options, why);
	/* the default of the second is the first: that was told */
	if (!strcmp(c->smtp_sasl_tls_security_options, c->smtp_sasl_security_options))
		buf_clear(why);
	wrong(p, CONF_ERROR, "sasl_tls_security_options", why, diag);
}

enum { DKIM_LINE = 300 };                  /* the longest line of a signature names a domain of 253 bytes */

static void open_dkim(struct smtp_profile *p, struct buf *why, struct conf_diag *diag)
{
	const struct conf *c = p->conf;
	bool tables = *c->dkim_key_table || *c->dkim_signing_table;

	if (p->lmtp || (!*c->dkim_key_directory && !tables))
		return;
	p->dkim = dkim_keys_open(&(struct dkim_options){ .folder = c->dkim_key_directory, .selectors = c->dkim_selector,
		.key_table = c->dkim_key_table, .signing_table = c->dkim_signing_table }, why);
	if (p->client.line_limit && p->client.line_limit < DKIM_LINE && !why->n)
		buf_printf(why, "signatures need longer lines: set smtp_line_length_limit to %d or more", DKIM_LINE);
	if (why->n)
		conf_diag_add(diag, CONF_ERROR, NULL, 0, "%s: %s", tables ? "dkim_signing_table" : "dkim_key_directory", buf_cstr(why));
	buf_clear(why);
}

static void check_protocols(const struct smtp_profile *p, const char *suffix, const char *list, struct buf *why, struct conf_diag *diag)
{
	(void)tls_protocols_parse(list, why);
	wrong(p, CONF_ERROR, suffix, why, diag);
}

struct walk { struct smtp_profile *p; const struct map *table; struct buf *why; struct conf_diag *diag; };

/* trusts_somebody - not a row that checks certificates where there is nobody to trust */
static bool trusts_somebody(const struct conf *c, struct str value)
{
	struct str level;

	if (*c->smtp_tls_CAfile || *c->smtp_tls_CApath || !str_word(&value, " \t", &level))
		return true;
	return !str_eq(level, STR("verify")) && !str_eq(level, STR("secure"));
}

/* can_prove - as smtp_policy_believes, for a value of the table */
static bool can_prove(struct str value, struct buf *why)
{
	enum conf_tls_level level;
	struct str word;

	return !str_word(&value, ", \t", &word) || !tls_level_parse(word, &level) || smtp_policy_believes(tls_level_row(level), why);
}

static int check_entry(void *ctx, struct str key, struct str value)
{
	struct walk *w = ctx;
	struct buf text;

	if (tls_demand_check(w->p->conf, value, w->why) && trusts_somebody(w->p->conf, value) && can_prove(value, w->why))
		return 0;
	if (!w->why->n)
		buf_z(w->why, "nobody is trusted without an authority: set smtp_tls_CAfile");
	buf_init(&text, LIMIT_REPLY_TEXT);
	buf_printf(&text, "%s: %.*s: %s: mail for it will wait", map_spec(w->table), STR_ARG(str_head(key, 200)), buf_cstr(w->why));
	buf_clear(w->why);
	wrong(w->p, CONF_WARNING, "tls_policy_maps", &text, w->diag);
	buf_fini(&text);
	return 0;
}

/* A row that cannot be done makes its mail wait: told now, for tables whose rows can be listed. */
static void check_policies(struct smtp_profile *p, struct buf *why, struct conf_diag *diag)
{
	for (size_t i = 0; i < p->tls_policy.n; i++) {
		struct walk w = { .p = p, .table = p->tls_policy.v[i], .why = why, .diag = diag };

		(void)map_each(p->tls_policy.v[i], check_entry, &w);
	}
}

/* a level that checks certificates, and nobody to trust: each one fails, as in Postfix, and all that mail waits */
static void check_authorities(const struct smtp_profile *p, const struct tls_demand *x, struct buf *why, struct conf_diag *diag)
{
	const struct conf *c = p->conf;

	if (x->match != TLS_MATCH_NAME || *c->smtp_tls_CAfile || *c->smtp_tls_CApath)
		return;
	buf_printf(why, "%s trusts nobody without an authority, and mail would wait: set smtp_tls_CAfile, e.g. to "
		"/etc/ssl/certs/ca-certificates.crt (in a container, mount it there)", x->level->word);
	wrong(p, *c->smtp_tls_policy_maps ? CONF_WARNING : CONF_ERROR, "tls_security_level", why, diag);
}

/* check_plaintext - a password that is sent without TLS where the server offers none, or where somebody in between takes the offer out */
static void check_plaintext(const struct smtp_profile *p, const struct tls_demand *x, struct buf *why, struct conf_diag *diag)
{
	const struct conf *c = p->conf;

	/* RELAYHOST_USERNAME alone brings its own level */
	if (c->smtp_tls_level_is_ours || !c->smtp_sasl_auth_enable || x->require || x->failed.code || p->sasl_forbidden & SASL_NO_PLAINTEXT || *c->smtp_tls_policy_maps)
		return;
	buf_z(why, "without noplaintext passwords go in clear where a server, or somebody before it, offers no TLS: set "
		"smtp_tls_security_level = encrypt");
	wrong(p, CONF_WARNING, "sasl_security_options", why, diag);
}

/* check_level - the level of what no table names, as far as it can be told without a next hop */
static void check_level(struct smtp_profile *p, struct buf *why, struct conf_diag *diag)
{
	struct tls_site site = { .nexthop = STR("[nobody]"), .at_once = p->conf->smtp_tls_wrappermode };
	struct maps none = { .n = 0 };
	struct tls_demand x;

	tls_demand_make(&x, p->conf, &none, &site, NULL);
	if (x.failed.code)
		buf_z(why, x.failed.text);
	else
		(void)smtp_policy_believes(x.level, why);
	wrong(p, x.level->dane ? CONF_ERROR : CONF_WARNING, "tls_security_level", why, diag);
	check_authorities(p, &x, why, diag);
	check_plaintext(p, &x, why, diag);
	if (x.offer && !x.failed.code) {
		if (!smtp_tls_context(p, &x, why))
			wrong(p, CONF_ERROR, "tls_security_level: TLS is not available", why, diag);
		wrong(p, CONF_WARNING, "tls_security_level", why, diag);
	}
	tls_demand_fini(&x);
}

/* the authorities of the web, which policies are had from, and who stands for MX hosts where no others are configured */
static void open_web(struct smtp_profile *p, struct buf *why, struct conf_diag *diag)
{
	const struct conf *c = p->conf;

	if (!c->requiretls_enable && (p->lmtp || (!c->smtp_tls_mta_sts && !c->smtp_tlsrpt_enable)))
		return;
	p->web = fetch_trust(c->smtp_tls_CAfile, why);
	/* mail with REQUIRETLS comes back then, and reports go by mail only; nothing else is amiss */
	wrong(p, p->web || !c->smtp_tls_mta_sts ? CONF_WARNING : CONF_ERROR, "tls_mta_sts: who is trusted", why, diag);
}

/* certificates are read now, while they can be; where TLS cannot start nothing starts that wants it */
static void open_tls(struct smtp_profile *p, struct buf *why, struct conf_diag *diag)
{
	const struct conf *c = p->conf;
	size_t errors = diag->errors;

	open_maps(p, &p->tls_policy, "tls_policy_maps", c->smtp_tls_policy_maps, why, diag);
	if (!tls_demand_digest(c->smtp_tls_fingerprint_digest))
		buf_printf(why, "\"%.100s\" is none of md5, sha1, sha256, sha384, sha512", c->smtp_tls_fingerprint_digest);
	wrong(p, CONF_ERROR, "tls_fingerprint_digest", why, diag);
	check_protocols(p, "tls_protocols", c->smtp_tls_protocols, why, diag);
	check_protocols(p, "tls_mandatory_protocols", c->smtp_tls_mandatory_protocols, why, diag);
	if (diag->errors > errors)
		return;
	check_policies(p, why, diag);
	check_level(p, why, diag);
	open_web(p, why, diag);
}

/* --- life ------------------------------------------------------------------------------------------------------------- */

struct smtp_profile *smtp_profile_new(const struct master_transport *t, struct conf_diag *diag)
{
	struct smtp_profile *p = MEM_NEW(struct smtp_profile);
	const struct conf *c = t->conf;
	size_t errors = diag->errors;
	struct buf why;

	buf_init(&why, 1024);
	p->refs = 1;
	p->transport = t;
	list_init(&p->link);
	p->conf = c;
	p->lmtp = t->program == MASTER_LMTP;
	p->port = nexthop_port(str_of(c->smtp_tcp_port), &why);
	if (!p->port)
		conf_diag_add(diag, CONF_ERROR, NULL, 0, "%s: %s", p->lmtp ? "lmtp_tcp_port" : "smtp_tcp_port", buf_cstr(&why));
	p->families = c->inet_protocols == CONF_INET_IPV4 ? 1 : c->inet_protocols == CONF_INET_IPV6 ? 2 : 3;
	p->use_mx = !p->lmtp && !c->disable_dns_lookups && c->smtp_dns_support_level != 0;
	p->cache = c->smtp_connection_cache_on_demand && c->smtp_connection_cache_time_limit > 0 &&
		!c->smtp_sender_dependent_authentication;
	p->client = (struct smtp_client_options){
		.helo_name = c->smtp_helo_name,
		.lmtp = p->lmtp,
		.always_ehlo = c->smtp_always_send_ehlo,
		.never_ehlo = c->smtp_never_send_ehlo,
		.chunking = true, .pipelining = true,
		.in_step = c->smtp_server_is_ours,
		.discard = parse_discard(c->smtp_discard_ehlo_keywords),
		.line_limit = (size_t)c->smtp_line_length_limit,
		.keep_8bit = c->disable_mime_output_conversion,
	};
	set_timeouts(p);
	check_address(p, AF_INET, "bind_address", c->smtp_bind_address, &p->bind4, &why, diag);
	check_address(p, AF_INET6, "bind_address6", c->smtp_bind_address6, &p->bind6, &why, diag);
	if (!p->lmtp && !nexthop_check(str_of(c->smtp_fallback_relay), &why))
		wrong(p, CONF_ERROR, "fallback_relay", &why, diag);
	open_generic(p, &why, diag);
	open_sasl(p, &why, diag);
	open_tls(p, &why, diag);
	open_dkim(p, &why, diag);
	p->checks = smtp_checks_of(c, p->lmtp, diag);
	buf_fini(&why);
	p->broken = diag->errors > errors;
	if (!p->broken)
		smtp_advise(p, diag);
	return p;
}

void smtp_profile_unref(struct smtp_profile *p)
{
	if (--p->refs)
		return;
	list_remove(&p->link);
	if (p->web)
		tls_context_unref(p->web);
	maps_close(&p->tls_policy);
	maps_close(&p->sasl);
	maps_close(&p->generic.maps);
	checks_unref(p->checks);
	dkim_keys_unref(p->dkim);
	for (size_t i = 0; i < p->n_tls; i++) {
		tls_context_unref(p->tls[i].context);
		mem_free(p->tls[i].protocols);
	}
	mem_free(p->tls);
	smtp_resume_free_all(p);
	mem_free(p);
}
