/* probe_server - whose program answers, by its greeting; and advice in its words. Advice is written with Postfix's parameters; where
 * another server answers they are replaced, and where it is not known whose it is, they are called Postfix's. */
#include "core/probe/probe.h"

enum server { UNKNOWN, POSTFIX, EXIM, EXCHANGE, HOSTED, SERVERS };

/* in the greeting's order of trust: what a hoster's server says about itself is surer than a word for a program */
static const struct { const char *word; enum server server; } words[] = {
	{ "mx.google.com ", HOSTED }, { ".protection.outlook.com ", HOSTED }, { ".mail.protection.outlook", HOSTED }, { ".pphosted.com ", HOSTED },
	{ "Microsoft ESMTP MAIL", EXCHANGE }, { "Exim ", EXIM }, { "Postfix", POSTFIX }, { "relaybox", POSTFIX },
};

static const struct { const char *postfix, *other[SERVERS]; } phrases[] = {
	{ "smtpd_tls_security_level = may", { [EXIM] = "tls_advertise_hosts = *, with tls_certificate", [EXCHANGE] = "Enable-ExchangeCertificate -Services SMTP" } },
	{ "smtpd_tls_auth_only = yes", { [EXIM] = "server_advertise_condition = ${if def:tls_in_cipher}", [EXCHANGE] = "Set-ReceiveConnector -RequireTLS $true" } },
	{ "smtpd_tls_chain_files", { [EXIM] = "tls_certificate", [EXCHANGE] = "Import-ExchangeCertificate, with its chain" } },
	{ "smtpd_tls_protocols = >=TLSv1.2", { [EXIM] = "openssl_options = +no_tlsv1 +no_tlsv1_1", [EXCHANGE] = "switch TLS 1.0 and 1.1 off for SCHANNEL" } },
	{ "smtpd_tls_req_ccert = no", { [EXIM] = "tls_verify_hosts without a value", [EXCHANGE] = "Set-ReceiveConnector -TlsDomainCapabilities" } },
	{ "smtpd_tls_exclude_ciphers = ", { [EXIM] = "tls_require_ciphers without ", [EXCHANGE] = "SCHANNEL's list of cipher suites without " } },
	{ "myhostname", { [EXIM] = "primary_hostname", [EXCHANGE] = "Set-ReceiveConnector -Fqdn" } },
};

static enum server server_of(const struct probe_address *a)
{
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (strstr(a->banner.text, words[i].word))
			return words[i].server;
	return UNKNOWN;
}

const char *probe_advise(struct probe *p, int host, int address, const char *advice)
{
	enum server s = host >= 0 && address >= 0 ? server_of(p->hosts[host].v[address]) : UNKNOWN;

	for (size_t i = 0; advice && i < sizeof(phrases) / sizeof(phrases[0]); i++) {
		const char *at = strstr(advice, phrases[i].postfix), *other = phrases[i].other[s];
		struct str made;

		if (!at || s == POSTFIX)
			continue;
		if (s == HOSTED)
			made = arena_printf(&p->facts.arena, "%.*sin your provider's settings, or by its support%s", (int)(at - advice), advice,
				strchr(at, ')') ? strchr(at, ')') : "");
		else
			made = arena_printf(&p->facts.arena, "%.*s%s%s%s", (int)(at - advice), advice, other ? other : "Postfix: ", other ? "" : phrases[i].postfix,
				at + strlen(phrases[i].postfix));
		return made.p ? made.p : advice;
	}
	return advice;
}
