/* smtp_advice - see smtp_advice.h. What is told here lets mail wait, or go as nobody meant it, though each setting alone is sound. */
#include "core/deliver/smtp/smtp_advice.h"

#include "core/smtp/sasl.h"

/* is_plain_only - a list of mechanisms that all say the password as it is */
static bool is_plain_only(const char *list)
{
	struct str rest = str_of(list), word;
	bool any = false;

	while (str_word(&rest, ", \t\r\n", &word)) {
		if (!str_ieq(word, STR("plain")) && !str_ieq(word, STR("login")))
			return false;
		any = true;
	}
	return any;
}

static void advise_login(const struct smtp_profile *p, struct conf_diag *diag)
{
	const struct conf *c = p->conf;
	bool by_default = !conf_is_set(c, "smtp_sasl_security_options") && !conf_is_set(c, "smtp_sasl_tls_security_options");

	if (c->smtp_sasl_auth_enable && p->sasl_forbidden_tls & SASL_NO_PLAINTEXT && (by_default || is_plain_only(c->smtp_sasl_mechanism_filter)))
		conf_diag_add(diag, CONF_WARNING, NULL, 0, "%s_sasl_auth_enable: noplaintext%s forbids PLAIN and LOGIN under TLS too, and most servers offer "
			"nothing else: set %s_sasl_security_options = noanonymous", smtp_profile_service(p), by_default ? ", the default," : "", smtp_profile_service(p));
}

/* split_hop - the host of [host]:port and its like, and the port; false: not of this form */
static bool split_hop(struct str hop, struct str *host, struct str *port)
{
	ptrdiff_t end = str_starts(hop, STR("[")) ? str_chr(hop, ']') : str_chr(hop, ':');

	*host = end < 0 ? hop : str_head(hop, (size_t)end);
	*port = end < 0 ? STR_EMPTY : str_from(hop, (size_t)end);
	if (str_starts(*host, STR("["))) {
		*host = str_from(*host, 1);
		*port = str_from(*port, 1);
	}
	if (str_starts(*port, STR(":")))
		*port = str_from(*port, 1);
	return host->n > 0 && str_chr(*port, ':') < 0;
}

/* a key that names the host of relayhost, but not as it is asked for */
struct keys { struct str hop, host; bool host_is_asked, found; char near[120]; };

static int look_at_key(void *ctx, struct str key, struct str value)
{
	struct keys *k = ctx;
	struct str host, port;

	(void)value;
	if (str_ieq(key, k->hop) || (k->host_is_asked && str_ieq(key, k->host)))
		k->found = true;
	else if (split_hop(key, &host, &port) && str_ieq(host, k->host))
		snprintf(k->near, sizeof(k->near), "%.*s", STR_ARG(str_head(key, sizeof(k->near) - 1)));
	return k->found;
}

static void advise_keys(const struct maps *maps, const char *parameter, struct keys k, struct conf_diag *diag)
{
	for (size_t i = 0; i < maps->n; i++)
		(void)map_each(maps->v[i], look_at_key, &k);
	if (!k.found && *k.near)
		conf_diag_add(diag, CONF_WARNING, NULL, 0, "%s: the key \"%s\" is never asked for: relayhost is \"%.*s\", so write \"%.*s\"", parameter, k.near,
			STR_ARG(str_head(k.hop, 100)), STR_ARG(str_head(k.hop, 100)));
}

static void advise_hop(const struct smtp_profile *p, struct str hop, struct conf_diag *diag)
{
	const struct conf *c = p->conf;
	struct keys k = { .hop = hop };
	struct ipaddr address;
	struct str port;
	bool tls_port;

	if (!split_hop(hop, &k.host, &port))
		return;
	tls_port = str_eq(port, STR("465")) || str_eq(port, STR("smtps")) || str_eq(port, STR("submissions"));
	if (tls_port && !c->smtp_tls_wrappermode && !*c->smtp_tls_policy_maps)
		conf_diag_add(diag, CONF_WARNING, NULL, 0, "relayhost: TLS is spoken at port %.*s from the first byte: set smtp_tls_wrappermode = yes and "
			"smtp_tls_security_level = encrypt", STR_ARG(port));
	if (hop.p[0] != '[' && p->use_mx && port.n && !str_eq(port, STR("25")) && !str_eq(port, STR("smtp")) && !ipaddr_parse(k.host, &address))
		conf_diag_add(diag, CONF_WARNING, NULL, 0, "relayhost: without [ ] the MX hosts of %.*s are meant, which seldom listen at port %.*s: if it "
			"is the host itself, write [%.*s]:%.*s", STR_ARG(k.host), STR_ARG(port), STR_ARG(k.host), STR_ARG(port));
	advise_keys(&p->tls_policy, "smtp_tls_policy_maps", k, diag);
	k.host_is_asked = true;
	advise_keys(&p->sasl, "smtp_sasl_password_maps", k, diag);
}

void smtp_advise(const struct smtp_profile *p, struct conf_diag *diag)
{
	const struct conf *c = p->conf;
	struct str rest = str_of(c->relayhost), hop;

	if (c->smtp_tls_wrappermode && c->smtp_tls_security_level <= CONF_TLS_MAY && !*c->smtp_tls_policy_maps)
		conf_diag_add(diag, CONF_WARNING, NULL, 0, "%s_tls_wrappermode: it needs %s_tls_security_level = encrypt, or above", smtp_profile_service(p),
			smtp_profile_service(p));
	advise_login(p, diag);
	/* the transport that relayhost is for, unless default_transport says otherwise */
	while (!strcmp(p->transport->name, "smtp") && str_word(&rest, ", \t\r\n", &hop))
		advise_hop(p, hop, diag);
}
