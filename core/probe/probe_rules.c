/* probe_rules - a row for each keyword that findings have: what the check asks for, and where that is written. docs/man/mxcheck.1 has
 * each of them (tests/lint/keywords). */
#include "core/probe/probe.h"

static const struct probe_rule rules[] = {
	{ "mx", "A domain names hosts for its mail in MX records: by their own names, no aliases and no addresses, each once. \"MX 0 .\" says: no mail.", "RFC 5321 5.1, RFC 2181 10.3, RFC 7505" },
	{ "address", "A host of an MX record has addresses that everybody can reach, over IPv4 and better over IPv6, too.", "RFC 5321 5.1, RFC 6890" },
	{ "ns", "Two servers or more serve the zone, the same ones that the zone above names, with the same content and signatures.", "RFC 1034 4.1, RFC 1912 2.8, RFC 2182" },
	{ "dnssec", "The zone is signed, the zone above vouches for its key, no SHA-1 is left, and signatures are renewed in time.", "RFC 4033, RFC 9276, RFC 9364, RFC 9905" },
	{ "caa", "CAA records say which authorities may issue certificates for a host.", "RFC 8659" },
	{ "parked", "A domain without mail says so in null MX, SPF (-all) and DMARC (p=reject), so that nobody sends in its name.", "RFC 7505, RFC 7208, M3AAWG: Protecting Parked Domains" },
	{ "connect", "The server can be reached at its port.", "RFC 5321 4.5.4.2" },
	{ "banner", "The server greets soon, with 220 and its full name.", "RFC 5321 4.2, 4.3.1" },
	{ "ehlo", "The answer to EHLO begins with the server's name, which has an address; what only trusted clients may do is not offered to strangers.", "RFC 5321 4.1.1.1, 7.3" },
	{ "auth", "Passwords are asked for under TLS only.", "RFC 4954 4, RFC 8314 4.1" },
	{ "ptr", "The address has a name, of its own, and that name has the address.", "RFC 1912 2.1, RFC 5321 4.1.4" },
	{ "tls", "STARTTLS is offered, each time, in TLS 1.2 or 1.3.", "RFC 3207, RFC 8996, RFC 9325" },
	{ "ciphers", "Keys are agreed on anew for each connection (forward secrecy), and nothing broken is taken.", "RFC 7465, RFC 9325 4" },
	{ "injection", "What came in clear behind STARTTLS is thrown away.", "RFC 3207 5, CVE-2011-0411" },
	{ "certificate", "The certificate that the server shows.", "RFC 5280" },
	{ "expiry", "The certificate is valid now, and for some time.", "RFC 5280 4.1.2.5" },
	{ "name", "The certificate has the host's name in its subjectAltName.", "RFC 9525, RFC 8461 4.1" },
	{ "sni", "Clients that say no name get a certificate that they can use, too.", "RFC 6066 3, RFC 7672 8.1" },
	{ "trust", "A public authority vouches for the certificate, and the server sends those between; DANE does without.", "RFC 5280 6, RFC 8461 4.2" },
	{ "key", "Keys are long enough: RSA 2048, EC 256.", "RFC 9325 4.5" },
	{ "dane", "TLSA records, signed, stand for each certificate that the server shows.", "RFC 6698, RFC 7671, RFC 7672" },
	{ "mta-sts", "A record and a policy make senders insist on TLS; the policy names each host, and each has a certificate that verifies.", "RFC 8461" },
	{ "tls-rpt", "Failures of TLS are reported to somebody who gets the reports.", "RFC 8460" },
	{ "spf", "One record says who may send for the domain, in at most 10 lookups, and ends in -all or ~all.", "RFC 7208" },
	{ "dkim", "The selector has a key that can be used: RSA 2048 or Ed25519.", "RFC 6376, RFC 8301, RFC 8463" },
	{ "dkim-key", "Each private key that signs on this host is RSA of 2048 bits or more, not everybody's to read, and the other half of what its selector has in DNS.", "RFC 6376 3.6, RFC 8301 3.2" },
	{ "dmarc", "A record says what to do with forged mail, and who gets reports and agrees to.", "RFC 9989, RFC 9990" },
	{ "bimi", "A logo is shown where DMARC is enforced.", "draft-brand-indicators-for-message-identification" },
	{ "dnsbl", "Neither addresses nor names are in block lists; each list has its test entries.", "RFC 5782" },
	{ "gmail", "What Google asks of who sends to Gmail: SPF and DKIM, DMARC of those who send much, names of addresses.", "support.google.com/mail/answer/81126" },
	{ "yahoo", "What Yahoo asks of who sends: SPF and DKIM, DMARC of those who send much, names of addresses.", "senders.yahooinc.com/best-practices" },
	{ "microsoft", "What Outlook.com asks of who sends much: SPF and DKIM that pass, and DMARC.", "sendersupport.olc.protection.outlook.com/pm/policies.aspx" },
	{ "time", "The dialogue takes no longer than --warning and --critical say.", "" },
	{ "dialogue", "The server talks as far as it was asked to.", "RFC 5321" },
	{ "rcpt", "The server takes mail for the address.", "RFC 5321 3.3" },
	{ "accepted", "A form of foreign address was taken: the server relays for anybody.", "RFC 5321 3.6.2, 7.9" },
	{ "refused", "A form of foreign address was refused, as it should be.", "RFC 5321 3.6.2, 7.9" },
	{ "later", "A form of foreign address was put off: nothing is known yet.", "RFC 6647" },
};

const struct probe_rule *probe_rules(size_t *n)
{
	*n = sizeof(rules) / sizeof(rules[0]);
	return rules;
}
