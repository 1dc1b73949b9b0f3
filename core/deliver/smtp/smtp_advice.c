/* smtp_advice - see smtp_advice.h. What is told here lets mail wait, or go as nobody meant it, though each setting alone is sound. */
#include "core/deliver/smtp/smtp_advice.h"

#include "core/route/route.h"
#include "core/smtp/sasl.h"

/* has_another - is there a login without the password itself? There is one mechanism for that */
static bool has_another(const struct smtp_profile *p)
{
	return sasl_filter_allows(p->conf->smtp_sasl_mechanism_filter, "CRAM-MD5") && !(p->sasl_forbidden_tls & SASL_NO_DICTIONARY);
}

static void advise_login(const struct smtp_profile *p, struct conf_diag *diag)
{
	const struct conf *c = p->conf;
	bool by_default = !conf_is_set(c, "smtp_sasl_security_options") && !conf_is_set(c, "smtp_sasl_tls_security_options");

	if (!c->smtp_sasl_auth_enable || !(p->sasl_forbidden_tls & SASL_NO_PLAINTEXT))
		return;
	if (!has_another(p) || (by_default && !*c->smtp_sasl_mechanism_filter))
		conf_diag_add(diag, CONF_WARNING, NULL, 0, "%s_sasl_auth_enable: noplaintext%s forbids PLAIN, LOGIN and tokens under TLS too, and most servers "
			"offer nothing else: set %s_sasl_security_options = noanonymous", smtp_profile_service(p), by_default ? ", the default," : "",
			smtp_profile_service(p));
}

/* parse - a hop, as it will be when mail goes there; false: it is told elsewhere, or its names are no affair of ours */
static bool parse(const struct smtp_profile *p, struct str text, struct nexthop *hop)
{
	struct buf why;
	bool good;

	buf_init(&why, 300);
	good = nexthop_parse(text, p->port, hop, &why);
	buf_fini(&why);
	return good;
}

/* a key that names the host of relayhost, but not as it is asked for */
struct keys { const struct smtp_profile *p; struct str hop, host; bool host_is_asked, found; char near[120]; };

static int look_at_key(void *ctx, struct str key, struct str value)
{
	struct keys *k = ctx;
	struct nexthop hop;

	(void)value;
	if (str_ieq(key, k->hop) || (k->host_is_asked && str_ieq(key, k->host)))
		k->found = true;
	else if (parse(k->p, key, &hop) && str_ieq(hop.host, k->host))
		snprintf(k->near, sizeof(k->near), "%.*s", STR_ARG(str_head(key, sizeof(k->near) - 1)));
	return k->found;
}

static void advise_keys(const struct maps *maps, const char *parameter, struct keys k, struct conf_diag *diag)
{
	for (size_t i = 0; i < maps->n; i++)
		(void)map_each(maps->v[i], look_at_key, &k);
	if (!k.found && *k.near)
		conf_diag_add(diag, CONF_WARNING, NULL, 0, "%s: the key \"%s\" is not the one that relayhost is asked for by: write \"%.*s\"", parameter, k.near,
			STR_ARG(str_head(k.hop, 100)));
}

static void advise_hop(const struct smtp_profile *p, struct str text, struct conf_diag *diag)
{
	const struct conf *c = p->conf;
	struct keys k = { .p = p, .hop = text };
	struct nexthop hop;
	bool elsewhere;

	if (!parse(p, text, &hop))
		return;
	k.host = hop.host;
	elsewhere = hop.port != 25 && hop.port != p->port;
	if (c->smtp_tls_wrappermode && !hop.unix_path && (hop.port == 25 || hop.port == 587))
		conf_diag_add(diag, CONF_WARNING, NULL, 0, "relayhost: smtp_tls_wrappermode speaks TLS from the first byte, which servers at port %u do not: take it "
			"out, or write port 465", (unsigned)hop.port);
	if (!hop.literal && p->use_mx && elsewhere)
		conf_diag_add(diag, CONF_WARNING, NULL, 0, "relayhost: without [ ] the MX hosts of %.*s are meant, which seldom listen at port %u: if it "
			"is the host itself, write [%.*s]:%u", STR_ARG(hop.host), (unsigned)hop.port, STR_ARG(hop.host), (unsigned)hop.port);
	advise_keys(&p->tls_policy, "smtp_tls_policy_maps", k, diag);
	k.host_is_asked = true;
	advise_keys(&p->sasl, "smtp_sasl_password_maps", k, diag);
}

/* is_for_relayhost - does default_transport name this transport, and no next hop of its own? */
static bool is_for_relayhost(const struct smtp_profile *p)
{
	struct str hop = str_of(p->conf->default_transport), name;

	return str_cut(&hop, ':', &name) && str_eq(name, str_of(p->transport->name)) && !hop.n;
}

void smtp_advise(const struct smtp_profile *p, struct conf_diag *diag)
{
	const struct conf *c = p->conf;
	struct str rest = str_of(c->relayhost), hop;

	if (!diag->advice)
		return;
	if (c->smtp_tls_wrappermode && c->smtp_tls_security_level <= CONF_TLS_MAY && !*c->smtp_tls_policy_maps)
		conf_diag_add(diag, CONF_WARNING, NULL, 0, "%s_tls_wrappermode: mail goes by TLS only, as if it were %s_tls_security_level = encrypt: "
			"write that", smtp_profile_service(p), smtp_profile_service(p));
	advise_login(p, diag);
	while (is_for_relayhost(p) && str_word(&rest, ", \t\r\n", &hop))
		advise_hop(p, hop, diag);
}
