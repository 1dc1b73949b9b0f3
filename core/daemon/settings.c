/* settings - load one generation: every table opened, every list compiled, every certificate read before anything starts,
 * so that a mistake is told at start or reload and never at the first mail. */
#include "core/daemon/settings.h"

#include <errno.h>
#include <unistd.h>

#include "core/base/fs.h"
#include "core/base/mem.h"
#include "core/conf/conf_log.h"
#include "core/daemon/sni.h"
#include "core/net/tls_names.h"
#include "core/policy/tls_demand.h"
#include "core/route/luser.h"

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

/* what receive_override_options switches off for one service */
static bool has_override(const struct conf *c, const char *word)
{
	struct str rest = str_of(c->receive_override_options), w;

	while (str_word(&rest, ", \t\r\n", &w))
		if (str_ieq(w, str_of(word)))
			return true;
	return false;
}

/* open_incoming - main.cf's first; then what lines of cleanup say otherwise */
static void open_incoming(struct settings *s, struct conf_diag *diag)
{
	s->incoming = mem_alloc((s->master.n_cleanups + 1) * sizeof(*s->incoming));
	s->incoming[s->n_incoming++] = (struct incoming){ "cleanup", s->conf, checks_of_incoming(s->conf, diag) };
	for (size_t i = 0; i < s->master.n_cleanups; i++) {
		const struct master_cleanup *m = &s->master.cleanups[i];
		struct conf_diag found;

		conf_diag_part(&found, diag);
		s->incoming[s->n_incoming++] = (struct incoming){ m->name, m->conf, checks_of_incoming(m->conf, &found) };
		conf_diag_take(diag, &found, m->conf);
	}
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

static int tls_level(const struct conf *c)
{
	if (c->smtpd_tls_security_level != CONF_TLS_UNSET)
		return c->smtpd_tls_security_level;
	if (c->smtpd_enforce_tls)
		return CONF_TLS_ENCRYPT;
	return c->smtpd_use_tls ? CONF_TLS_MAY : CONF_TLS_NONE;
}

static void service_smtp_options(struct service *v, int level)
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

static void service_load_unref(struct service_load *load)
{
	if (load && !--load->refs)
		mem_free(load);
}

/* take_its_place - the same listener of an older generation: its sessions count */
static void take_its_place(struct service *v, const struct service *before)
{
	service_load_unref(v->load);
	v->load = before->load;
	v->load->refs++;
}

void settings_succeed(struct settings *s, const struct settings *before)
{
	take_its_place(&s->submit, &before->submit);
	for (size_t i = 0; i < s->n_services; i++)
		for (size_t k = 0; k < before->n_services; k++)
			if (s->services[i].port == before->services[k].port && !strcmp(s->services[i].host, before->services[k].host))
				take_its_place(&s->services[i], &before->services[k]);
}

static void service_open(struct settings *s, const struct master_listener *l, struct conf_diag *diag)
{
	/* who wrote `stress =` down decides himself */
	static const char *const under_stress[] = { "stress=yes", NULL };
	struct service *v = &s->services[s->n_services];
	const struct conf *c = l->conf;
	struct conf_diag told;         /* by the router */
	int level;

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
	v->unchecked = has_override(c, "no_header_body_checks");
	v->unmapped = has_override(c, "no_address_mappings");
	v->header_clients = header_clients_new(c->local_header_rewrite_clients, diag);
	level = tls_level(c);
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
	service_smtp_options(v, level);
}

static void service_fini(struct service *v)
{
	if (v->http)
		mem_free((char *)(uintptr_t)v->host);
	access_rules_free(v->rules);
	header_clients_free(v->header_clients);
	service_load_unref(v->load);
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

/* take_listener - the service of one line, unless it has to stay out */
static void take_listener(struct settings *s, const struct master_listener *l, struct conf_diag *diag)
{
	struct service *v = &s->services[s->n_services];
	struct conf_diag found;

	conf_diag_part(&found, diag);
	service_open(s, l, &found);
	conf_diag_take(diag, &found, l->conf);
	if (v->stays_out) {
		service_fini(v);
		*v = (struct service){ .conf = NULL };
	} else {
		s->n_services++;
	}
}

/* open_http - services for http_listen: health checks */
static void open_http(struct settings *s, struct conf_diag *diag)
{
	struct str rest = str_of(s->conf->http_listen), word, host;
	struct buf why;
	uint16_t port;

	buf_init(&why, 1024);
	while (str_word(&rest, ", \t\r\n", &word)) {
		if (!master_parse_endpoint(word, &host, &port, &why)) {
			conf_diag_add(diag, CONF_ERROR, NULL, 0, "http_listen: %s", buf_cstr(&why));
			buf_clear(&why);
			continue;
		}
		s->services = mem_array(s->services, s->n_services + 1, sizeof(*s->services));
		s->services[s->n_services++] = (struct service){ .conf = s->conf, .host = str_dup(host), .port = port, .http = true, .name = "http" };
	}
	buf_fini(&why);
}

/* The submit socket: SMTP among ourselves. Who may use it is decided by the uid behind it. */
static void open_submit(struct settings *s, struct conf_diag *diag)
{
	struct conf_diag found;        /* again, where a listener has found it */

	conf_diag_part(&found, diag);
	s->submit.conf = s->conf;
	s->submit.host = "";
	s->submit.incoming = find_incoming(s, s->conf, &found);
	conf_diag_take(diag, &found, s->conf);
	s->submit.unchecked = has_override(s->conf, "no_header_body_checks");
	s->submit.unmapped = has_override(s->conf, "no_address_mappings");
	service_smtp_options(&s->submit, CONF_TLS_NONE);
	s->submit.smtp.starttls = s->submit.smtp.tls_required = s->submit.smtp.helo_required = false;
	s->submit.smtp.recipient_limit = 0;
	s->submit.smtp.forbid_early_pipelining = false;
	s->submit.smtp.smtputf8 = s->submit.smtp.requiretls = s->submit.smtp.near = true;
	s->submit.smtp.discard_keywords = "";
}

static void finish_services(struct settings *s)
{
	for (size_t i = 0; i <= s->n_services; i++) {
		struct service *v = i < s->n_services ? &s->services[i] : &s->submit;

		v->settings = s;
		v->load = MEM_NEW(struct service_load);
		v->load->refs = 1;
		list_init(&v->load->waiting);
	}
}

static void check_luser(const struct conf *c, struct conf_diag *diag)
{
	struct buf why;

	buf_init(&why, 400);
	if (!luser_check(c->luser_relay, &why))
		conf_diag_add(diag, CONF_ERROR, NULL, 0, "luser_relay: %s", buf_cstr(&why));
	buf_fini(&why);
}

static void check_drain(const struct settings *s, struct conf_diag *diag)
{
	const struct master_transport *t = master_find_transport(&s->master, STR("smtp"));
	struct buf why;

	buf_init(&why, 400);
	if (!nexthop_check(str_of(s->conf->drain_relay), &why))
		conf_diag_add(diag, CONF_ERROR, NULL, 0, "drain_relay: %s", buf_cstr(&why));
	else if (*s->conf->drain_relay && (!t || t->program != MASTER_SMTP))
		conf_diag_add(diag, CONF_ERROR, NULL, 0, "drain_relay: mail goes there through the transport smtp, which master.cf makes another program");
	buf_fini(&why);
}

/* tell_closed - a file of ours by its rights that cannot be opened: the sandbox was closed without its folder */
static void tell_closed(const struct reads *r, struct conf_diag *diag)
{
	for (size_t i = 0; i < r->n; i++) {
		int fd = access(r->v[i], R_OK) < 0 ? -1 : fs_open_table(r->v[i]);

		if (fd >= 0)
			fs_close(fd);
		else if (errno == EACCES && access(r->v[i], R_OK) == 0)
			conf_diag_add(diag, CONF_ERROR, r->v[i], 0, "nothing in its folder was read when relayd was started, so the sandbox hides it: "
				"restart relayd");
	}
}

struct settings *settings_load(const char *directory, const char *const *extra, struct conf_diag *diag)
{
	struct settings *s = MEM_NEW(struct settings);

	list_init(&s->link);
	diag->advice = true;
	fs_watch_tables(reads_add, &s->reads);
	/* all that is wrong is told at once, so an error stops nothing before the end */
	s->conf = conf_load_whole(directory, extra, diag);
	master_load_whole(s->conf, &s->master, diag);
	if (access("/etc/resolv.conf", R_OK) != 0)
		conf_diag_add(diag, CONF_WARNING, "/etc/resolv.conf", 0, "%s: names are looked up at 127.0.0.1; in a container, mount it", strerror(errno));
	check_luser(s->conf, diag);
	check_drain(s, diag);
	s->router = router_new(s->conf, &s->master, diag);
	open_incoming(s, diag);
	s->services = mem_alloc((s->master.n_listeners + 1) * sizeof(*s->services));
	for (size_t i = 0; i < s->master.n_listeners; i++)
		take_listener(s, &s->master.listeners[i], diag);
	if (s->master.n_listeners && !s->n_services && !diag->errors)
		conf_diag_add(diag, CONF_ERROR, NULL, 0, "no listener is left: see above why TLS is not available (smtpd_tls_cert_file, smtpd_tls_key_file)");
	open_http(s, diag);
	conf_log_check(s->conf, diag);
	open_submit(s, diag);
	finish_services(s);
	s->profiles = deliver_profiles_new(&s->master, diag);
	s->templates = bounce_templates_new(s->conf, diag);
	if (diag->errors == 0)
		settings_lint(s, diag);
	fs_watch_tables(NULL, NULL);
	tell_closed(&s->reads, diag);
	conf_diag_locate(diag, s->conf);
	if (diag->errors == 0)
		return s;
	settings_free(s);
	return NULL;
}

void settings_free(struct settings *s)
{
	if (!s)
		return;
	for (size_t i = 0; i < s->n_services; i++)
		service_fini(&s->services[i]);
	service_load_unref(s->submit.load);
	mem_free(s->services);
	deliver_profiles_free(s->profiles);
	for (size_t i = 0; i < s->n_incoming; i++)
		checks_unref(s->incoming[i].checks);
	mem_free(s->incoming);
	bounce_templates_free(s->templates);
	if (s->router)
		router_free(s->router);
	master_fini(&s->master);
	if (s->conf)
		conf_free(s->conf);
	reads_fini(&s->reads);
	mem_free(s);
}

void settings_refresh(struct settings *s, usec now_mono)
{
	router_refresh(s->router, now_mono);
	for (size_t i = 0; i < s->n_incoming; i++)
		checks_refresh(s->incoming[i].checks, now_mono);
	for (size_t i = 0; i < s->n_services; i++) {
		if (s->services[i].rules)
			access_rules_refresh(s->services[i].rules, now_mono);
		if (s->services[i].auth)
			auth_refresh(s->services[i].auth, now_mono);
		if (s->services[i].mynetworks)
			match_refresh(s->services[i].mynetworks, now_mono);
		if (s->services[i].flush_domains)
			match_refresh(s->services[i].flush_domains, now_mono);
		if (s->services[i].header_clients)
			header_clients_refresh(s->services[i].header_clients, now_mono);
	}
}
