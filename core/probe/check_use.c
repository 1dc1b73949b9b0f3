/* check_use - what a domain is for: it takes mail, over both families of addresses; or it is parked, and then nobody may send in its
 * name, nor to it. And records that stand where nobody looks for them. */
#include "core/base/term.h"
#include "core/probe/probe.h"
#include "core/probe/records.h"
#include "core/probe/spf.h"

/* --- families --------------------------------------------------------------------------------------------------------- */

static const char *const words[] = { "IPv4", "IPv6" };
static const char *const harm[] = { "most senders have no IPv6: give a host an IPv4 address, too", "some senders have no IPv4 any more: give a host an IPv6 address, too" };

static void find_missing(struct probe *p, const char *check, const char *what, const size_t count[2])
{
	for (int i = 0; i < 2; i++)
		if (p->opt->families == 3 && !count[i] && count[!i])
			probe_find(p, i ? PROBE_NOTE : PROBE_WARNING, PROBE_DOMAIN, check, harm[i], "no %s has an %s address", what, words[i]);
}

static void check_families(struct probe *p)
{
	size_t count[2] = { 0, 0 };

	for (size_t h = 0; h < p->n_hosts; h++) {
		if (p->hosts[h].status == DNS_AGAIN)
			return;
		for (size_t k = 0; k < p->hosts[h].n; k++)
			count[p->hosts[h].v[k]->ip.family == AF_INET6]++;
	}
	find_missing(p, "address", "MX host", count);
}

static void check_server_families(struct probe *p)
{
	size_t count[2] = { 0, 0 };
	const struct fact *ns = probe_zone(p);

	for (size_t i = 0; ns && i < ns->n && i < LIMIT_NS_SERVERS; i++)
		for (int v6 = 0; v6 < 2; v6++) {
			const struct fact *f = facts_get(&p->facts, ns->records[i].target, v6 ? DNS_AAAA : DNS_A);

			if (!f || f->status == DNS_AGAIN)
				return;
			count[v6] += f->n;
		}
	find_missing(p, "ns", "name server", count);
}

/* --- parked domains --------------------------------------------------------------------------------------------------- */

static void find_parked(struct probe *p, const char *advice, const char *text)
{
	probe_find(p, p->opt->parked ? PROBE_PROBLEM : PROBE_WARNING, PROBE_DOMAIN, "parked", advice, "%s", text);
}

/* a domain without mail (RFC 7505) that everybody may use as a sender is one that others use */
static void check_parked(struct probe *p)
{
	struct spf s = { .facts = &p->facts, .domain = p->target, .helo = p->opt->helo_name, .receiver = p->opt->helo_name, .sender = p->target };
	bool enforced = check_dmarc_enforces(p);

	if (!(p->opt->parked || p->null_mx) || !spf_evaluate(&s))
		return;
	if (p->opt->parked && !p->null_mx)
		find_parked(p, "publish \"MX 0 .\" and no other MX record (RFC 7505)", "parked, but it takes mail");
	if (s.result == SPF_NEUTRAL && (s.sends[0] || s.sends[1] || s.all == '+' || s.uses_ptr || s.variable))
		find_parked(p, "no mail comes back to it, so none should be sent from it: v=spf1 -all (RFC 7505 4.2)", p->null_mx ? "null MX, but SPF lets somebody send" :
			"parked, but SPF lets somebody send");
	else if (p->opt->parked && !(s.result == SPF_NEUTRAL && s.all == '-'))
		find_parked(p, "publish v=spf1 -all", "parked, but SPF does not forbid all mail");
	if (p->opt->parked && !enforced)
		find_parked(p, "publish v=DMARC1; p=reject", "parked, but DMARC does not have forged mail refused");
}

/* --- the wrong place -------------------------------------------------------------------------------------------------- */

static const struct { const char *name; struct str version, starts; } places[] = {
	{ "_dmarc", STR("DMARC1"), STR("v=DMARC1") }, { "_mta-sts", STR("STSv1"), STR("v=STSv1") }, { "_smtp._tls", STR("TLSRPTv1"), STR("v=TLSRPTv1") },
	{ "default._bimi", STR("BIMI1"), STR("v=BIMI1") },
};
static const char *const checks[] = { "dmarc", "mta-sts", "tls-rpt", "bimi" };

static void check_place(struct probe *p, const struct fact *apex, size_t i)
{
	char name[600];
	const struct fact *f;
	size_t n;

	tags_find(apex, places[i].version, &n);
	if (n)
		probe_find(p, PROBE_WARNING, PROBE_DOMAIN, checks[i], "move it there: nobody looks for it here", "a record with %.*s stands at %s itself, not at %s.%s",
			STR_ARG(places[i].starts), p->target, places[i].name, p->target);
	snprintf(name, sizeof(name), "%s.%s", places[i].name, p->target);
	f = facts_get(&p->facts, name, DNS_TXT);
	if (!f || f->n)
		return;
	/* the editor of a zone adds its name where the last dot is missing */
	snprintf(name, sizeof(name), "%s.%s.%s", places[i].name, p->target, p->target);
	f = facts_get(&p->facts, name, DNS_TXT);
	if (f && f->n && tags_begin(fact_text(f, 0), places[i].version))
		probe_find(p, PROBE_WARNING, PROBE_DOMAIN, checks[i], "take the domain out of its name, or put a dot behind it", "the record stands at %s", name);
}

/* the same of a host: "mx.example.com.example.com" */
static void check_dots(struct probe *p)
{
	char twice[600];

	snprintf(twice, sizeof(twice), ".%s.%s", p->target, p->target);
	for (size_t h = 0; h < p->n_hosts; h++)
		if (str_ends(str_of(p->hosts[h].name), str_of(twice)))
			probe_find(p, PROBE_WARNING, PROBE_HOST(h), "mx", "take the domain out of its name, or put a dot behind it", "%s has the domain in it twice", p->hosts[h].name);
}

void check_use(struct probe *p)
{
	const struct fact *apex = facts_get(&p->facts, p->target, DNS_TXT);

	check_families(p);
	check_server_families(p);
	check_parked(p);
	check_dots(p);
	for (size_t i = 0; apex && i < sizeof(places) / sizeof(places[0]); i++)
		check_place(p, apex, i);
}
