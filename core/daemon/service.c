/* service - see service.h. What is wrong is told with the others' faults, and the rest is opened all the same. */
#include "core/daemon/service.h"

#include "core/base/mem.h"
#include "core/daemon/sni.h"
#include "core/net/tls_names.h"
#include "core/policy/tls_demand.h"

/* --- TLS ------------------------------------------------------------------------------------------------------------------ */

static int tls_level(const struct conf *c)
{
	if (c->smtpd_tls_security_level != CONF_TLS_UNSET)
		return c->smtpd_tls_security_level;
	if (c->smtpd_enforce_tls)
		return CONF_TLS_ENCRYPT;
	return c->smtpd_use_tls ? CONF_TLS_MAY : CONF_TLS_NONE;
}

static struct tls_context *open_context(struct tls_options *o, const char *sni_maps, struct buf *why)
{
	struct tls_context *t = NULL;
	struct sni sni;

	if (sni_load(&sni, sni_maps, why)) {
		o->names = sni.v;
		o->n_names = sni.n;
		t = tls_context_new(o, why);
	} else if (why->n) {
		struct buf all;

		*o->names_wrong = true;
		buf_init(&all, why->max);
		buf_printf(&all, "tls_server_sni_maps: %s", buf_cstr(why));
		buf_clear(why);
		buf_str(why, buf_view(&all));
		buf_fini(&all);
	}
	sni_free(&sni);
	return t;
}

/* A listener without a working certificate: where TLS is only offered it goes without, where it is required it stays out (a
 * stock master.cf has such lines) and the others start. With a table of names that cannot be used nothing starts: nobody has one who
 * could do without TLS. */
static struct tls_context *open_tls(struct settings *s, struct service *v, int level, struct conf_diag *diag)
{
	const struct conf *c = v->conf;
	struct buf why;
	struct tls_context *t = NULL;
	bool names_wrong = false;
	struct tls_options o = {
		.server = true,
		.ca_file = c->smtpd_tls_CAfile, .ca_path = v->asks_cert ? c->smtpd_tls_CApath : "",
		.cert_file = c->smtpd_tls_cert_file, .key_file = c->smtpd_tls_key_file,
		.chain_files = c->smtpd_tls_chain_files, .eccert_file = c->smtpd_tls_eccert_file, .eckey_file = c->smtpd_tls_eckey_file,
		.asks = v->asks_cert, .depth = (int)c->smtpd_tls_ccert_verifydepth,
		.protocols = level >= CONF_TLS_ENCRYPT ? c->smtpd_tls_mandatory_protocols : c->smtpd_tls_protocols,
		.tickets = true,
		.names_wrong = &names_wrong,
	};

	buf_init(&why, 1024);
	/* an ECDSA one may be the only one */
	if (!*o.cert_file) {
		o.cert_file = o.eccert_file;
		o.key_file = o.eckey_file;
		o.eccert_file = "";
	}
	if (!*o.cert_file && !*o.chain_files)
		buf_z(&why, "no certificate: set smtpd_tls_cert_file and smtpd_tls_key_file");
	else
		s->certificate_unusable |= !(t = open_context(&o, c->tls_server_sni_maps, &why));
	v->stays_out = !t && (level >= CONF_TLS_ENCRYPT || v->tls_wrapper);
	if (names_wrong)
		conf_diag_add(diag, CONF_ERROR, NULL, 0, "%s", buf_cstr(&why));
	else if (!t)
		conf_diag_add(diag, CONF_WARNING, NULL, 0, "%s: TLS is not available on port %u%s: %s",
			v->tls_wrapper ? "smtpd_tls_wrappermode" : "smtpd_tls_security_level", v->port, v->stays_out ? ", which stays closed" : "", buf_cstr(&why));
	buf_fini(&why);
	return t;
}

static void check_protocols(const char *parameter, const char *list, struct conf_diag *diag)
{
	struct buf why;

	buf_init(&why, 200);
	if (!tls_protocols_parse(list, &why))
		conf_diag_add(diag, CONF_ERROR, NULL, 0, "%s: %s", parameter, buf_cstr(&why));
	buf_fini(&why);
}

/* open_security - what TLS is here, and what it asks of clients */
static void open_security(struct settings *s, struct service *v, int level, struct conf_diag *diag)
{
	const struct conf *c = v->conf;

	v->tls_wrapper = c->smtpd_tls_wrappermode;
	check_protocols("smtpd_tls_protocols", c->smtpd_tls_protocols, diag);
	check_protocols("smtpd_tls_mandatory_protocols", c->smtpd_tls_mandatory_protocols, diag);
	v->requires_cert = c->smtpd_tls_req_ccert && (level >= CONF_TLS_ENCRYPT || v->tls_wrapper);
	v->asks_cert = c->smtpd_tls_ask_ccert || v->requires_cert;
	if (c->smtpd_tls_req_ccert && !v->requires_cert)
		conf_diag_add(diag, CONF_WARNING, NULL, 0, "smtpd_tls_req_ccert: port %u demands no TLS, so it cannot demand certificates: set "
			"smtpd_tls_security_level = encrypt", v->port);
	if (v->requires_cert && !*c->smtpd_tls_CAfile && !*c->smtpd_tls_CApath)
		conf_diag_add(diag, CONF_WARNING, NULL, 0, "smtpd_tls_req_ccert: no authority is trusted, so no client can send on port %u: set "
			"smtpd_tls_CAfile", v->port);
	if (!tls_demand_digest(c->smtpd_tls_fingerprint_digest))
		conf_diag_add(diag, CONF_ERROR, NULL, 0, "smtpd_tls_fingerprint_digest: there is no digest \"%s\": use sha256, sha384, sha512, sha1 or md5",
			c->smtpd_tls_fingerprint_digest);
	if (level >= CONF_TLS_MAY || v->tls_wrapper)
		v->tls = open_tls(s, v, level, diag);
}

/* --- what its parameters say ---------------------------------------------------------------------------------------------- */

/* what is wrong with a default is wrong with the parameter that it names, which says so */
static struct match *open_match(const struct conf *c, const char *parameter, enum match_kind kind, const char *list, const char *named,
	struct conf_diag *diag)
{
	struct buf why;
	struct match *m;

	buf_init(&why, 1024);
	m = match_open(kind, list, &why);
	if (!m && (conf_is_set(c, parameter) || !conf_is_set(c, named)))
		conf_diag_add(diag, CONF_ERROR, NULL, 0, "%s: %s", parameter, buf_cstr(&why));
	buf_fini(&why);
	return m;
}

/* reports_of - the words of notify_classes that are about sessions */
static unsigned reports_of(const struct conf *c)
{
	static const struct { const char *word; enum report_class class; } words[] = {
		{ "protocol", REPORT_PROTOCOL }, { "policy", REPORT_POLICY }, { "resource", REPORT_RESOURCE }, { "software", REPORT_SOFTWARE },
		{ "data", REPORT_DATA },
	};
	struct str rest = str_of(c->notify_classes), word;
	unsigned all = 0;

	while (str_word(&rest, ", \t\r\n", &word))
		for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
			all |= str_ieq(word, str_of(words[i].word)) ? words[i].class : 0;
	return all;
}

/* has_override - is it a word of receive_override_options, which switch something off for one service? */
static bool has_override(const struct conf *c, const char *word)
{
	return str_has_word(str_of(c->receive_override_options), ", \t\r\n", str_of(word));
}

static void take_overrides(struct service *v)
{
	v->unchecked = has_override(v->conf, "no_header_body_checks");
	v->unmapped = has_override(v->conf, "no_address_mappings");
}

/* find_incoming - of a listener: a line of cleanup that says something, else what main.cf says */
static const struct incoming *find_incoming(const struct settings *s, const struct conf *c, struct conf_diag *diag)
{
	struct str rest = buf_view(&s->master.cleanup_names), name;

	for (size_t i = s->n_incoming; i-- > 1;)
		if (!strcmp(s->incoming[i].name, c->cleanup_service_name))
			return &s->incoming[i];
	while (str_cut(&rest, '|', &name))
		if (str_eq(name, str_of(c->cleanup_service_name)))
			return &s->incoming[0];
	conf_diag_add(diag, CONF_ERROR, NULL, 0, "cleanup_service_name: no line of master.cf is called \"%s\" and runs cleanup: add it, or take the "
		"setting out", c->cleanup_service_name);
	return &s->incoming[0];
}

static void set_smtp_options(struct service *v, int level)
{
	const struct conf *c = v->conf;

	v->smtp = (struct smtp_server_options){
		.hostname = c->myhostname,
		.banner = c->smtpd_banner,
		.size_limit = c->message_size_limit,
		.recipient_limit = (unsigned)c->smtpd_recipient_limit,
		.soft_error_limit = (unsigned)c->smtpd_soft_error_limit,
		.hard_error_limit = (unsigned)c->smtpd_hard_error_limit,
		.junk_command_limit = (unsigned)c->smtpd_junk_command_limit,
		.starttls = v->tls && !v->tls_wrapper,
		.tls_required = level >= CONF_TLS_ENCRYPT && !v->tls_wrapper,
		.auth = v->auth != NULL, .auth_in_clear = v->auth && *auth_mechanisms(v->auth, AUTH_IN_CLEAR),
		.auth_mechanisms = v->auth ? auth_mechanisms(v->auth, AUTH_IN_CLEAR) : "", .auth_as_of_old = c->broken_sasl_auth_clients,
		.helo_required = c->smtpd_helo_required,
		.vrfy_disabled = c->disable_vrfy_command,
		.smtputf8 = c->smtputf8_enable,
		.requiretls = c->requiretls_enable,
		.etrn = true, .chunking = true, .pipelining = true, .dsn = true,
		.forbid_early_pipelining = c->smtpd_forbid_unauth_pipelining,
		.strict_envelopes = c->strict_rfc821_envelopes, .soft = c->soft_bounce,
		.discard_keywords = c->smtpd_discard_ehlo_keywords,
	};
}

/* --- opening -------------------------------------------------------------------------------------------------------------- */

void service_open(struct settings *s, struct service *v, const struct master_listener *l, struct conf_diag *diag)
{
	/* who wrote `stress =` down decides himself */
	static const char *const under_stress[] = { "stress=yes", NULL };
	const struct conf *c = l->conf;
	struct conf_diag told;         /* by the router */
	int level = tls_level(c);

	conf_diag_init(&told);
	v->conf = c;
	v->name = l->name;
	v->host = l->host;
	v->port = l->port;
	v->stressed = conf_overlay(c, conf_is_set(c, "stress") ? NULL : under_stress, NULL, 0, diag);
	v->max_sessions = l->maxproc;
	v->rules = access_rules_new(c, diag);
	if (!access_rules_close(v->rules))
		conf_diag_add(diag, CONF_ERROR, NULL, 0,
			"smtpd_relay_restrictions: port %u would be an open relay: here or in smtpd_recipient_restrictions, specify at least one of "
			"reject_unauth_destination, defer_unauth_destination, reject, defer, and no permit before it", v->port);
	v->reports = reports_of(c);
	v->incoming = find_incoming(s, c, diag);
	take_overrides(v);
	v->header_clients = header_clients_new(c->local_header_rewrite_clients, diag);
	open_security(s, v, level, diag);
	v->proxy = c->smtpd_upstream_proxy_protocol == CONF_PROXY_HAPROXY;
	v->proxy_networks = open_match(c, "smtpd_upstream_proxy_networks", MATCH_HOSTS, c->smtpd_upstream_proxy_networks, "mynetworks", diag);
	v->mynetworks = open_match(c, "mynetworks", MATCH_HOSTS, c->mynetworks, "mynetworks", strcmp(c->mynetworks, s->conf->mynetworks) ? diag : &told);
	conf_diag_fini(&told);
	v->limit_exceptions = open_match(c, "smtpd_client_event_limit_exceptions", MATCH_HOSTS, c->smtpd_client_event_limit_exceptions, "mynetworks", diag);
	v->auth = auth_open(c, diag);
	v->auth_exceptions = open_match(c, "smtpd_sasl_exceptions_networks", MATCH_HOSTS, c->smtpd_sasl_exceptions_networks, "mynetworks", diag);
	if (v->auth && !*auth_mechanisms(v->auth, AUTH_IN_CLEAR) && !v->tls)
		conf_diag_add(diag, CONF_WARNING, NULL, 0, "smtpd_sasl_auth_enable: port %u has no TLS, so nobody can log in there: set "
			"smtpd_tls_cert_file and smtpd_tls_key_file, or smtpd_tls_auth_only = no", v->port);
	v->flush_domains = open_match(c, "fast_flush_domains", strstr(c->parent_domain_matches_subdomains, "fast_flush_domains") ?
		MATCH_DOMAINS_PARENTS : MATCH_DOMAINS, c->fast_flush_domains, "relay_domains", diag);
	set_smtp_options(v, level);
}

void service_open_submit(struct settings *s, struct conf_diag *diag)
{
	struct conf_diag found;        /* again, where a listener has found it */

	conf_diag_part(&found, diag);
	s->submit.conf = s->conf;
	s->submit.host = "";
	s->submit.incoming = find_incoming(s, s->conf, &found);
	conf_diag_take(diag, &found, s->conf);
	take_overrides(&s->submit);
	set_smtp_options(&s->submit, CONF_TLS_NONE);
	s->submit.smtp.starttls = s->submit.smtp.tls_required = s->submit.smtp.helo_required = false;
	s->submit.smtp.recipient_limit = 0;
	s->submit.smtp.forbid_early_pipelining = false;
	s->submit.smtp.smtputf8 = s->submit.smtp.requiretls = s->submit.smtp.near = true;
	s->submit.smtp.discard_keywords = "";
}

/* --- life ----------------------------------------------------------------------------------------------------------------- */

void service_begin(struct service *v, struct settings *s)
{
	v->settings = s;
	v->load = MEM_NEW(struct service_load);
	v->load->refs = 1;
	list_init(&v->load->waiting);
}

static void load_unref(struct service_load *load)
{
	if (load && !--load->refs)
		mem_free(load);
}

void service_succeed(struct service *v, const struct service *before)
{
	load_unref(v->load);
	v->load = before->load;
	v->load->refs++;
}

void service_refresh(struct service *v, usec now_mono)
{
	if (v->rules)
		access_rules_refresh(v->rules, now_mono);
	if (v->auth)
		auth_refresh(v->auth, now_mono);
	if (v->mynetworks)
		match_refresh(v->mynetworks, now_mono);
	if (v->flush_domains)
		match_refresh(v->flush_domains, now_mono);
	if (v->header_clients)
		header_clients_refresh(v->header_clients, now_mono);
}

void service_fini(struct service *v)
{
	if (v->http)
		mem_free((char *)(uintptr_t)v->host);
	access_rules_free(v->rules);
	header_clients_free(v->header_clients);
	load_unref(v->load);
	if (v->tls)
		tls_context_unref(v->tls);
	if (v->proxy_networks)
		match_close(v->proxy_networks);
	auth_free(v->auth);
	if (v->auth_exceptions)
		match_close(v->auth_exceptions);
	if (v->flush_domains)
		match_close(v->flush_domains);
	if (v->limit_exceptions)
		match_close(v->limit_exceptions);
	if (v->mynetworks)
		match_close(v->mynetworks);
	if (v->stressed)
		conf_free(v->stressed);
}
