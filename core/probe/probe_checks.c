/* probe_checks - the table of what is checked, in the order in which it is told. */
#include "core/probe/probe.h"

enum needs { NEEDS_NOTHING, NEEDS_HOSTS /* which they are */, NEEDS_TALKS /* what they said */ };

static const struct {
	void (*run)(struct probe *p);
	enum needs needs;
	bool of_domain;                /* nothing to ask of a server that was named by hand */
} checks[] = {
	{ check_mx, NEEDS_HOSTS, true },
	{ check_ns, NEEDS_NOTHING, true },
	{ check_dnssec, NEEDS_HOSTS, true },
	{ check_dane, NEEDS_HOSTS, false }, /* first: a certificate that DANE vouches for needs no authority */
	{ check_hosts, NEEDS_TALKS, false },
	{ check_dnsbl, NEEDS_TALKS, false },
	{ check_caa, NEEDS_HOSTS, false },
	{ check_use, NEEDS_HOSTS, true },
	{ check_sts, NEEDS_HOSTS, true },
	{ check_tlsrpt, NEEDS_HOSTS, true },
	{ check_spf, NEEDS_HOSTS, true },
	{ check_dmarc, NEEDS_HOSTS, true },
	{ check_dkim, NEEDS_HOSTS, true },
	{ check_bimi, NEEDS_HOSTS, true },
	{ check_senders, NEEDS_HOSTS, true }, /* last: it reads what the others told */
};

void probe_check(struct probe *p)
{
	bool no_domain = p->opt->server || p->literal, gone;
	const struct fact *root;

	if (p->opt->setup)
		return;
	if (p->opt->keys) {
		check_dkim_keys(p);
		return;
	}
	root = no_domain ? NULL : facts_get(&p->facts, "", DNS_SOA);
	p->lost = p->mx_status == DNS_AGAIN && root && root->status == DNS_AGAIN;
	gone = p->lost || (p->mx_known && p->mx_status == DNS_NXDOMAIN);
	for (size_t i = 0; i < sizeof(checks) / sizeof(checks[0]); i++) {
		unsigned missing = p->facts.missing;

		if (checks[i].of_domain && (no_domain || (gone && i)))
			continue;
		if (p->dry && ((p->settled >> i & 1) || (checks[i].needs >= NEEDS_HOSTS && !p->mx_known) ||
			(checks[i].needs == NEEDS_TALKS && p->pending)))
			continue;
		checks[i].run(p);
		if (p->facts.missing == missing)
			p->settled |= (uint64_t)1 << i;
	}
}
