/* smtp_profile - one transport's settings, worked out once per configuration, so that a delivery parses nothing. */
#include "core/base/log.h"
#include "core/base/mem.h"
#include "core/deliver/deliver_private.h"

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

static enum conf_tls_level default_level(const struct conf *c)
{
	if (c->smtp_tls_security_level != CONF_TLS_UNSET)
		return (enum conf_tls_level)c->smtp_tls_security_level;
	if (c->smtp_enforce_tls)
		return c->smtp_tls_enforce_peername ? CONF_TLS_VERIFY : CONF_TLS_ENCRYPT;
	return c->smtp_use_tls ? CONF_TLS_MAY : CONF_TLS_NONE;
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

static void open_maps(struct smtp_profile *p, struct maps *out, const char *parameter, const char *list, struct conf_diag *diag)
{
	struct buf why;

	buf_init(&why, 1024);
	if (maps_open(out, list, &why) < 0)
		conf_diag_add(diag, CONF_ERROR, NULL, 0, "transport %s: %s: %s", p->name, parameter, buf_cstr(&why));
	buf_fini(&why);
}

static void open_sasl(struct smtp_profile *p, struct conf_diag *diag)
{
	const struct conf *c = p->conf;
	struct buf why;

	if (!c->smtp_sasl_auth_enable)
		return;
	open_maps(p, &p->sasl, "smtp_sasl_password_maps", c->smtp_sasl_password_maps, diag);
	buf_init(&why, 512);
	p->sasl_forbidden = sasl_parse_properties(c->smtp_sasl_security_options, &why);
	p->sasl_forbidden_tls = sasl_parse_properties(c->smtp_sasl_tls_security_options, &why);
	if (why.n)
		conf_diag_add(diag, CONF_ERROR, NULL, 0, "transport %s: smtp_sasl_security_options: %s", p->name, buf_cstr(&why));
	buf_fini(&why);
}

/* certificates are read now, while they can be; a level that only offers TLS does not keep relayd from starting */
static void open_tls(struct smtp_profile *p, struct conf_diag *diag)
{
	const struct conf *c = p->conf;
	bool mandatory;
	struct buf why;

	p->tls_level = default_level(c);
	p->tls_wrapper = c->smtp_tls_wrappermode;
	if (p->tls_wrapper && p->tls_level < CONF_TLS_ENCRYPT)
		p->tls_level = CONF_TLS_ENCRYPT;
	open_maps(p, &p->tls_policy, "smtp_tls_policy_maps", c->smtp_tls_policy_maps, diag);
	if (p->tls_level < CONF_TLS_MAY)
		return;
	mandatory = p->tls_level >= CONF_TLS_ENCRYPT;
	buf_init(&why, 1024);
	if (!smtp_tls_context(p, p->tls_level, "", &why))
		conf_diag_add(diag, mandatory ? CONF_ERROR : CONF_WARNING, NULL, 0, "transport %s: TLS is not available: %s", p->name,
			buf_cstr(&why));
	buf_fini(&why);
}

static struct smtp_profile *profile_new(struct deliver *d, const struct master_transport *t, struct conf_diag *diag)
{
	struct smtp_profile *p = MEM_NEW(struct smtp_profile);
	const struct conf *c = t->conf;
	size_t errors = diag->errors;

	p->refs = 1;
	p->d = d;
	p->name = t->name;
	p->conf = c;
	p->lmtp = !strcmp(t->program, "lmtp");
	p->families = c->inet_protocols == CONF_INET_IPV4 ? 1 : c->inet_protocols == CONF_INET_IPV6 ? 2 : 3;
	p->use_mx = !p->lmtp && !c->disable_dns_lookups && c->smtp_dns_support_level != 0;
	p->cache = c->smtp_connection_cache_on_demand && c->smtp_connection_cache_time_limit > 0 &&
		!c->smtp_sender_dependent_authentication;
	p->client = (struct smtp_client_options){
		.helo_name = c->smtp_helo_name,
		.lmtp = p->lmtp,
		.always_ehlo = c->smtp_always_send_ehlo && !c->smtp_never_send_ehlo,
		.chunking = true, .pipelining = true,
		.discard = parse_discard(c->smtp_discard_ehlo_keywords),
		.line_limit = (size_t)c->smtp_line_length_limit,
	};
	if (!ipaddr_parse(str_of(c->smtp_bind_address), &p->bind4))
		p->bind4.family = AF_UNSPEC;
	if (!ipaddr_parse(str_of(c->smtp_bind_address6), &p->bind6))
		p->bind6.family = AF_UNSPEC;
	set_timeouts(p);
	open_sasl(p, diag);
	open_tls(p, diag);
	p->broken = diag->errors > errors;
	list_append(&d->profiles, &p->link);
	return p;
}

bool smtp_profile_is(const struct master_transport *t)
{
	return !strcmp(t->program, "smtp") || !strcmp(t->program, "lmtp");
}

void smtp_profile_open_all(struct deliver *d, struct conf_diag *diag)
{
	for (size_t i = 0; i < d->o.master->n_transports; i++)
		if (smtp_profile_is(&d->o.master->transports[i]))
			profile_new(d, &d->o.master->transports[i], diag);
}

/* A destination may still name a transport of the last configuration: its name decides, the new settings count. */
struct smtp_profile *smtp_profile_find(struct deliver *d, const struct master_transport *t)
{
	struct conf_diag diag;

	LIST_EACH(&d->profiles, it, tmp) {
		struct smtp_profile *p = LIST_ITEM(it, struct smtp_profile, link);

		if (strcmp(p->name, t->name))
			continue;
		p->refs++;
		return p;
	}
	conf_diag_init(&diag);
	profile_new(d, t, &diag)->refs++;
	for (size_t i = 0; i < diag.n; i++)
		log_warn("smtp", "%s", diag.v[i].text);
	conf_diag_fini(&diag);
	return LIST_ITEM(d->profiles.prev, struct smtp_profile, link);
}

void smtp_profile_unref(struct smtp_profile *p)
{
	if (--p->refs)
		return;
	list_remove(&p->link);
	maps_close(&p->tls_policy);
	maps_close(&p->sasl);
	for (size_t i = 0; i < p->n_tls; i++) {
		tls_context_unref(p->tls[i].context);
		mem_free(p->tls[i].protocols);
	}
	mem_free(p->tls);
	smtp_resume_free_all(p);
	mem_free(p);
}

void smtp_profile_drop_all(struct deliver *d)
{
	LIST_EACH(&d->profiles, it, tmp) {
		list_remove(it);
		smtp_profile_unref(LIST_ITEM(it, struct smtp_profile, link));
	}
}

void smtp_profile_refresh_all(struct deliver *d)
{
	usec now = loop_now(d->o.loop);

	if (now < d->refresh_at)
		return;
	d->refresh_at = now + USEC_PER_SEC;
	LIST_EACH(&d->profiles, it, tmp) {
		struct smtp_profile *p = LIST_ITEM(it, struct smtp_profile, link);

		maps_refresh(&p->tls_policy, now);
		maps_refresh(&p->sasl, now);
	}
}
