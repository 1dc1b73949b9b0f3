/* check_dns - what DNS says about a domain's hosts: MX records, addresses, TLSA records. */
#include "core/probe/probe.h"

#include <errno.h>

#include "core/net/dns_codec.h"
#include "core/policy/dane.h"
#include "core/probe/records.h"

static const char servers_advice[] = "ask again; if it stays, the name servers are broken: lame, unreachable or badly signed";

/* --- MX ------------------------------------------------------------------------------------------------------------- */

static void check_mx_records(struct probe *p)
{
	size_t hosts = p->n_hosts + p->more_hosts;
	unsigned shared = 0;

	for (size_t i = 0; i < p->n_hosts; i++) {
		if (!p->hosts[i].name[0])
			probe_find(p, PROBE_PROBLEM, PROBE_DOMAIN, "mx", "a null MX stands alone (RFC 7505 3)", "a null MX beside other MX records");
		for (size_t k = 0; k < i; k++) {
			if (strcmp(p->hosts[i].name, p->hosts[k].name) == 0)
				probe_find(p, PROBE_NOTE, PROBE_DOMAIN, "mx", "name it once", "%s is there twice", p->hosts[i].name);
			else
				shared += k + 1 == i && p->hosts[i].preference == p->hosts[k].preference;
		}
	}
	probe_find(p, PROBE_OK, PROBE_DOMAIN, "mx", NULL, "%zu host%s", hosts, hosts == 1 ? "" : "s");
	if (shared)
		probe_find(p, PROBE_NOTE, PROBE_DOMAIN, "mx", "fine, if they are to share the load", "hosts with the same preference");
	if (p->more_hosts)
		probe_find(p, PROBE_NOTE, PROBE_DOMAIN, "mx", NULL, "%zu more hosts were not looked at", p->more_hosts);
}

static void judge_no_name(struct probe *p)
{
	static const struct { char c; const char *text, *advice; } rows[] = {
		{ '/', "a URL, not a domain name", "give the name alone: what stands behind // and before the next /" },
		{ '@', "an address, not a domain name", "give what stands behind the @; to ask for an address: --rcpt" },
		{ ':', "not a domain name", "give the name alone; a server and its port: --server" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (strchr(p->target, rows[i].c)) {
			probe_find(p, PROBE_PROBLEM, PROBE_DOMAIN, "mx", rows[i].advice, "%s", rows[i].text);
			return;
		}
}

/* the name is there, and what it is an alias of is not. True: that, or a fact is missing */
static bool judge_dangling(struct probe *p)
{
	const struct fact *f = facts_get(&p->facts, p->target, DNS_CNAME);

	if (f && f->n)
		probe_find(p, PROBE_PROBLEM, PROBE_DOMAIN, "mx", "correct the CNAME record, or remove it", "the domain is an alias of %s, which does not exist", f->records[0].target);
	return !f || f->n;
}

const char *probe_failure(int rcode, int error)
{
	return rcode == DNS_RCODE_SERVFAIL || (!rcode && (!error || error == ETIMEDOUT)) ? "SERVFAIL, or no answer in time" : dns_failure(rcode, error);
}

void check_mx(struct probe *p)
{
	char clean[256];

	if (p->no_name)
		judge_no_name(p);
	else if (!dns_name_clean(str_of(p->target), clean) || !*clean)
		probe_find(p, PROBE_PROBLEM, PROBE_DOMAIN, "mx", "labels of 1 to 63 bytes, with dots between them, 253 in all", "not a domain name");
	else if (p->null_mx)
		probe_find(p, PROBE_NOTE, PROBE_DOMAIN, "mx", NULL, "null MX: this domain takes no mail");
	else if (p->mx_endless)
		probe_find(p, PROBE_PROBLEM, PROBE_DOMAIN, "mx", "correct the CNAME records: they refer to each other", "aliases without an end");
	else if (p->mx_status == DNS_NXDOMAIN && judge_dangling(p))
		return;
	else if (p->mx_status == DNS_NXDOMAIN)
		probe_find(p, PROBE_PROBLEM, PROBE_DOMAIN, "mx", "check the spelling and the registration", "the domain does not exist");
	else if (p->lost)
		probe_find(p, PROBE_PROBLEM, PROBE_DOMAIN, "mx", "correct the nameserver lines of /etc/resolv.conf, or name a resolver with --dns",
			"nothing can be looked up from here: %s", dns_failure(p->mx_rcode, p->mx_error));
	else if (p->mx_status == DNS_AGAIN)
		probe_find(p, PROBE_PROBLEM, PROBE_DOMAIN, "mx", servers_advice, "%s (the resolver: %s)", p->mx_why, probe_failure(p->mx_rcode, p->mx_error));
	else if (p->implicit_mx)
		probe_find(p, PROBE_NOTE, PROBE_DOMAIN, "mx", "add an MX record, so that it is clear where mail goes",
			"no MX record: mail goes to the address of the domain");
	else
		check_mx_records(p);
}

/* --- hosts ----------------------------------------------------------------------------------------------------------- */

/* one family may be lost while the other is fine: whoever uses it sees another domain */
static void check_family(struct probe *p, int h, enum dns_type type)
{
	const struct probe_host *x = &p->hosts[h];
	const struct fact *f = facts_get(&p->facts, x->name, type), *other = facts_get(&p->facts, x->name, type == DNS_A ? DNS_AAAA : DNS_A);
	const char *word = type == DNS_A ? "A" : "AAAA";

	if (!f || !other || !other->n)
		return;
	if (f->status == DNS_AGAIN && !probe_find_bogus(p, x->name, type, h, "address"))
		probe_find(p, PROBE_WARNING, PROBE_HOST(h), "address", servers_advice, "the %s records of %s cannot be looked up: %s", word, x->name,
			probe_failure(f->rcode, f->error));
	else if (f->status == DNS_NXDOMAIN)
		probe_find(p, PROBE_WARNING, PROBE_HOST(h), "address", "the name server must say that there are no such records, not that there is no such name (RFC 8020)",
			"%s does not exist when asked for %s records", x->name, word);
}

void check_host_dns(struct probe *p, int h)
{
	const struct probe_host *x = &p->hosts[h];
	struct ipaddr literal;

	if (x->is_alias)
		probe_find(p, PROBE_WARNING, PROBE_HOST(h), "mx", "name the host itself in the MX record (RFC 2181 10.3)", "%s is an alias (CNAME)",
			x->name);
	if (!p->opt->server && !p->literal && ipaddr_parse(str_of(x->name), &literal))
		probe_find(p, PROBE_PROBLEM, PROBE_HOST(h), "mx", "name a host that has this address", "%s is an address, not a host name", x->name);
	if (x->more)
		probe_find(p, PROBE_NOTE, PROBE_HOST(h), "address", "look at each by its name: --server", "%zu more addresses of %s were not looked at", x->more, x->name);
	if (x->status == DNS_OK && !p->opt->server && !p->literal && !ipaddr_parse(str_of(x->name), &literal)) {
		check_family(p, h, DNS_A);
		check_family(p, h, DNS_AAAA);
	}
	if (x->status == DNS_AGAIN) {
		if (!probe_find_bogus(p, x->name, DNS_A, h, "address"))
			probe_find(p, PROBE_PROBLEM, PROBE_HOST(h), "address", servers_advice, "%s", x->why);
	} else if (x->status != DNS_OK && x->name[0]) {
		probe_find(p, PROBE_PROBLEM, PROBE_HOST(h), "address", p->opt->families != 3 ? "only one family is looked at: leave -4 or -6 away" : p->opt->server ? "check the spelling" :
			p->implicit_mx ? "add an MX record; MX 0 . if it takes no mail (RFC 7505)" : "add an A or AAAA record, or remove the host from the MX records",
			"%s has no address%s%s", x->name, x->why[0] ? ": " : "", x->why);
	}
}

/* --- DANE ----------------------------------------------------------------------------------------------------------- */

enum { ALIASES = 8 };                  /* steps from an MX name to its host */
struct seen { struct tlsa v[16]; bool used[16]; size_t n; };

/* a certificate that not every connection gets */
static bool match_other(const struct tls_look *other, struct seen *d)
{
	bool found = false;

	for (size_t i = 0; i < d->n; i++)
		if (tlsa_matches(&d->v[i], other->chain, other->n, other->name_matches)) {
			d->used[i] = true;
			found |= tlsa_counts(d->v, d->n, i);
		}
	return found;
}

static void check_dane_address(struct probe *p, int h, int k, struct seen *d)
{
	struct probe_address *a = p->hosts[h].v[k];

	a->dane_ok = false;
	if (a->stage == PROBE_FINISHED && !a->tls_done && p->opt->tls)
		probe_find(p, PROBE_PROBLEM, PROBE_ADDRESS(h, k), "dane", "senders with DANE do not deliver without TLS: offer STARTTLS, or remove the records",
			"TLSA records, but no STARTTLS");
	if (!a->tls_done)
		return;
	/* records that are all of no use ask for TLS, and for no certificate (RFC 7672 2.2) */
	if (!d->n)
		return;
	for (size_t i = 0; i < d->n; i++) {
		if (!tlsa_matches(&d->v[i], a->chain, a->n_chain, a->name_matches))
			continue;
		d->used[i] = true;
		if (a->dane_ok || !tlsa_counts(d->v, d->n, i))
			continue;
		probe_find(p, PROBE_OK, PROBE_ADDRESS(h, k), "dane", NULL, "TLSA %d %d %d matches", d->v[i].usage, d->v[i].selector, d->v[i].matching);
		a->dane_ok = true;
	}
	if (!a->dane_ok)
		probe_find(p, PROBE_PROBLEM, PROBE_ADDRESS(h, k), "dane",
			"senders with DANE do not deliver: publish the record of the certificate in use before it is used, remove old ones after",
			"no TLSA record matches the certificate");
	if (a->other && !match_other(a->other, d))
		probe_find(p, PROBE_PROBLEM, PROBE_ADDRESS(h, k), "dane", "publish a TLSA record for each of the two certificates, or show only one",
			"no TLSA record matches the %s certificate, which some senders get", a->other->info.key[0] == 'E' ? "ECDSA" : "RSA");
	if (a->varying && !match_other(a->varying, d))
		probe_find(p, PROBE_PROBLEM, PROBE_ADDRESS(h, k), "dane", "publish a TLSA record for it, too, or show the same one each time",
			"no TLSA record matches the certificate that some connections get");
}

static void check_dane_records(struct probe *p, int h, const struct fact *f)
{
	struct seen d = { .n = 0 };
	size_t used = 0;

	for (size_t i = 0; i < f->n && d.n < 16; i++) {
		const char *wrong = tlsa_parse(f->records[i].data, f->records[i].data_n, &d.v[d.n]);

		if (wrong)
			probe_find(p, PROBE_WARNING, PROBE_HOST(h), "dane", "publish 3 1 1: the SHA-256 of the certificate's public key",
				"a TLSA record is not usable: %s", wrong);
		d.n += !wrong;
	}
	for (size_t k = 0; k < p->hosts[h].n; k++)
		check_dane_address(p, h, (int)k, &d);
	for (size_t i = 0; i < d.n; i++)
		used += d.used[i];
	if (used && used < d.n)
		probe_find(p, PROBE_NOTE, PROBE_HOST(h), "dane", "fine while a certificate is exchanged; else remove them",
			"%zu of %zu TLSA records match no certificate that was seen", d.n - used, d.n);
}

/* expand - what an alias stands for, where each step is signed (RFC 7672 2.2.2); "": it is none, or cannot be believed. False: facts
 * are missing */
static bool expand(struct probe *p, const char *alias, char out[256])
{
	const struct fact *f;

	snprintf(out, 256, "%s", alias);
	for (int step = 0; step < ALIASES; step++) {
		f = facts_get(&p->facts, out, DNS_CNAME);
		if (!f)
			return false;
		if (f->status == DNS_AGAIN || (f->n && !f->authentic))
			break;
		if (!f->n) {
			if (!step)
				*out = 0;
			return true;
		}
		snprintf(out, 256, "%s", f->records[0].target);
	}
	*out = 0;
	return true;
}

/* find_tlsa - the records that senders use: of the name behind an alias, else of the name in the MX record */
static const struct fact *find_tlsa(struct probe *p, const char *host, char name[300])
{
	const struct fact *f;
	char behind[256];

	if (!expand(p, host, behind))
		return NULL;
	snprintf(name, 300, "_%u._tcp.%s", p->port, behind);
	f = *behind ? facts_get(&p->facts, name, DNS_TLSA) : NULL;
	if (*behind && (!f || f->status == DNS_AGAIN || (f->n && f->authentic)))
		return f;
	snprintf(name, 300, "_%u._tcp.%s", p->port, host);
	return facts_get(&p->facts, name, DNS_TLSA);
}

static void check_dane_host(struct probe *p, int h)
{
	const struct probe_host *x = &p->hosts[h];
	bool signed_mx = p->opt->server || p->literal || p->authentic;
	const struct fact *root = facts_get(&p->facts, "", DNS_SOA), *f;
	char name[300];

	f = find_tlsa(p, x->name, name);
	if (!f || !root)
		return;
	if (f->status == DNS_AGAIN && x->status == DNS_OK) {
		if (!probe_find_bogus(p, name, DNS_TLSA, h, "dane"))
			probe_find(p, PROBE_PROBLEM, PROBE_HOST(h), "dane", "senders with DANE put mail off until there is an answer (RFC 7672 2.1.1)",
				"TLSA records cannot be looked up");
	} else if (f->n && !f->authentic && !root->authentic) {
		probe_find(p, PROBE_NOTE, PROBE_HOST(h), "dane", "ask a validating one: --dns, or one on this machine",
			"TLSA records, which cannot be judged: the resolver does not validate");
	} else if (f->n && !f->authentic) {
		probe_find(p, PROBE_WARNING, PROBE_HOST(h), "dane", "sign the zone: without DNSSEC nobody believes TLSA records",
			"TLSA records without DNSSEC");
	} else if (f->n && !signed_mx) {
		probe_find(p, PROBE_WARNING, PROBE_HOST(h), "dane", "sign the domain's zone, too", "TLSA records, but the MX records are not signed");
	} else if (f->n) {
		check_dane_records(p, h, f);
	} else if (f->authentic && signed_mx && x->n && !p->opt->server) {
		probe_find(p, PROBE_NOTE, PROBE_HOST(h), "dane", "DNSSEC is there: a TLSA record 3 1 1 would make senders insist on TLS",
			"no TLSA record");
	}
}

void check_dane(struct probe *p)
{
	struct ipaddr literal;

	for (size_t h = 0; h < p->n_hosts; h++)
		if (p->hosts[h].name[0] && !ipaddr_parse(str_of(p->hosts[h].name), &literal))
			check_dane_host(p, (int)h);
}
