/* check_dnssec - is the zone signed, is that believed, and will it be tomorrow? Whether signatures are right is the resolver's to
 * say (AD, RFC 4035 3.2.3); here are their dates, their algorithms, and what the zone above says about the key. */
#include "core/net/dns_codec.h"
#include "core/probe/probe.h"

enum { SHA1_DS = 1, LATE_PART = 8, HOUR = 3600, DAY = 24 * HOUR };

bool probe_find_bogus(struct probe *p, const char *name, enum dns_type type, int host, const char *check)
{
	const struct fact *f = facts_get(&p->facts, name, (enum dns_type)(type | DNS_UNCHECKED));

	if (!f || f->status == DNS_AGAIN)
		return false;
	probe_find(p, PROBE_PROBLEM, PROBE_HOST(host), check, "sign the zone again, or take the DS record out of its parent",
		"bogus: SERVFAIL, but an answer without validation: the DNSSEC signatures of %s are wrong", name);
	return true;
}

int32_t probe_signed_for(const struct probe *p, const struct dns_signature *s)
{
	return (int32_t)(s->until - (uint32_t)(p->opt->now / USEC_PER_SEC));
}

/* RSA and DSA with MD5 and SHA-1 (RFC 8624 3.1) */
static bool is_old(unsigned algorithm)
{
	return algorithm == 1 || algorithm == 3 || (algorithm >= 5 && algorithm <= 7);
}

/* a signer renews long before the end; whoever signs at every answer has short ones, so a part of the whole time counts */
static void judge_signature(struct probe *p, const struct dns_signature *s)
{
	int32_t left = probe_signed_for(p, s), whole = (int32_t)(s->until - s->from);

	if (left >= 0 && left < whole / LATE_PART)
		probe_find(p, PROBE_WARNING, PROBE_DOMAIN, "dnssec", "renew them: once they end, the domain is gone for everybody who validates",
			"the signatures end in %d %s", left / (left < 2 * DAY ? HOUR : DAY), left < 2 * DAY ? "hours" : "days");
	if (is_old(s->algorithm))
		probe_find(p, PROBE_WARNING, PROBE_DOMAIN, "dnssec", "sign with ECDSA P-256 (13): resolvers stop to believe SHA-1, and the zone counts as unsigned (RFC 9905)",
			"the zone is signed with SHA-1 (algorithm %u)", s->algorithm);
}

/* what the zone above says about the key; NSEC3 */
static void judge_zone(struct probe *p, const char *zone)
{
	const struct fact *ds = facts_get(&p->facts, zone, DNS_DS), *nsec3 = facts_get(&p->facts, zone, DNS_NSEC3PARAM);
	size_t old = 0;
	unsigned rounds;

	for (size_t i = 0; ds && i < ds->n; i++)
		old += ds->records[i].data[3] == SHA1_DS;
	if (old && old == ds->n)
		probe_find(p, PROBE_WARNING, PROBE_DOMAIN, "dnssec", "publish one with digest type 2 (SHA-256) in the zone above (RFC 9905)",
			"the DS record of %s has a SHA-1 digest only", zone);
	rounds = nsec3 && nsec3->n ? (unsigned)nsec3->records[0].data[2] << 8 | nsec3->records[0].data[3] : 0;
	if (rounds)
		probe_find(p, rounds > 100 ? PROBE_WARNING : PROBE_NOTE, PROBE_DOMAIN, "dnssec", "set 0: more are no protection, and make resolvers give up (RFC 9276)",
			"NSEC3 with %u iterations", rounds);
}

void check_dnssec(struct probe *p)
{
	const struct fact *root = facts_get(&p->facts, "", DNS_SOA), *ns = probe_zone(p);

	if (p->mx_status == DNS_AGAIN) {
		probe_find_bogus(p, p->target, DNS_MX, -1, "dnssec");
		return;
	}
	if (!root || !ns)
		return;
	if (p->authentic) {
		probe_find(p, PROBE_OK, PROBE_DOMAIN, "dnssec", NULL, "secure");
		judge_signature(p, &p->signature);
		if (ns->n)
			judge_zone(p, ns->records[0].name);
	} else if (!root->authentic) {
		probe_find(p, PROBE_NOTE, PROBE_DOMAIN, "dnssec", "ask a validating one: --dns, or one on this machine",
			"not known: the resolver does not validate");
	} else if (p->signature.algorithm) {
		probe_find(p, PROBE_WARNING, PROBE_DOMAIN, "dnssec", "publish the DS record of its key in the zone above; with SHA-1: sign anew with ECDSA P-256",
			"signed, but nobody can believe it: no DS record that counts in the zone above");
	} else {
		probe_find(p, PROBE_NOTE, PROBE_DOMAIN, "dnssec", "sign the zone: DANE needs it", "unsigned");
	}
}
