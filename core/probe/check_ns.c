/* check_ns - the name servers of the domain's zone, each asked at each of its addresses for the zone's SOA, without recursion.
 *
 * A resolver hides a bad server as long as another one answers; here each shows. But this machine may not be allowed to ask
 * them, or something on the way answers in their place, so a server is judged only where another one of the same family
 * answers as it should. When the resolver gets nothing from any of them, the servers of the zone above are asked who they
 * are, and where. */
#include "core/probe/probe.h"

#include <errno.h>

#include "core/base/limits.h"
#include "core/net/dns_codec.h"

enum { ROWS_MOST = LIMIT_NS_SERVERS * 2 * LIMIT_NS_ADDRESSES };

struct server { const char *name; const struct fact *soa; };
struct zone {
	const struct fact *ns;
	const struct fact *above;      /* its name servers, where they had to be asked for ns; then ns->at is one's address */
	struct server v[ROWS_MOST];
	size_t n, good[2], heard[2];   /* by family: answers as it should, from any of them; and what those above say */
};

/* next_name - the servers by name, so that every run tells the same; NULL after the last */
static const char *next_name(const struct fact *ns, const char *after)
{
	const char *next = NULL;

	for (size_t i = 0; i < ns->n; i++)
		if (strcmp(ns->records[i].target, after) > 0 && (!next || strcmp(ns->records[i].target, next) < 0))
			next = ns->records[i].target;
	return next;
}

/* ask_above - who is said to serve the zone, by the servers of the one above it? */
static void ask_above(struct probe *p, struct zone *z, const char *zone)
{
	const char *name = "";

	for (int i = 0; i < LIMIT_NS_ABOVE && (name = next_name(z->above, name)) != NULL; i++)
		for (int k = 0; k < 2; k++) {
			const struct fact *a = facts_get(&p->facts, name, k ? DNS_AAAA : DNS_A), *f;

			if (!a || !a->n || !(p->opt->families >> k & 1))
				continue;
			f = facts_get_at(&p->facts, &a->records[0].address, zone, DNS_NS);
			if (!f || f->status == DNS_AGAIN)
				continue;
			z->heard[k]++;
			z->ns = f->n ? f : z->ns;
		}
}

/* find_zone - the NS records of the domain or of the nearest one above it. Top-level domains are nobody's to mend */
static void find_zone(struct probe *p, struct zone *z)
{
	const char *domain = p->target, *lost = NULL;
	const struct fact *f;

	for (;; domain += strcspn(domain, "."), domain += *domain == '.') {
		if (!lost && !strchr(domain, '.'))
			return;
		f = facts_get(&p->facts, domain, DNS_NS);
		if (!f || f->n || !*domain)
			break;
		lost = f->status == DNS_AGAIN ? domain : lost;
	}
	if (f && f->n && !lost)
		z->ns = f;
	z->above = f && f->n && lost ? f : NULL;
	if (z->above)
		ask_above(p, z, lost);
}

const struct fact *probe_zone(struct probe *p)
{
	static const struct fact none = { .known = true, .status = DNS_NXDOMAIN };
	struct zone z = { .n = 0 };
	unsigned missing = p->facts.missing;

	find_zone(p, &z);
	return p->facts.missing != missing ? NULL : z.ns ? z.ns : &none;
}

static bool is_good(const struct fact *soa)
{
	return soa->authoritative && soa->status == DNS_OK && soa->records[0].data_n == 20;
}

static uint32_t serial(const struct fact *soa)
{
	const uint8_t *p = soa->records[0].data;

	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static void judge_place(struct probe *p, const char *name, const struct ipaddr *a)
{
	char text[46];

	ipaddr_format(a, text);
	if (!ipaddr_is_public(a))
		probe_find(p, PROBE_WARNING, PROBE_DOMAIN, "ns", "others cannot reach it: name a public address", "%s [%s] has an address that is not public", name, text);
}

/* add_server - ask it at its addresses */
static void add_server(struct probe *p, struct zone *z, const char *name)
{
	const struct fact *both[] = { facts_get(&p->facts, name, DNS_A), facts_get(&p->facts, name, DNS_AAAA) };
	bool has = false, again = false;
	const struct fact *alias;

	for (int i = 0; i < 2; i++) {
		const struct fact *f = both[i];

		/* its address may be in the zone that nobody serves */
		if (f && f->status == DNS_AGAIN && z->above)
			f = facts_get_at(&p->facts, &z->ns->at, name, f->type);
		if (!f)
			return;
		has |= f->n > 0;
		again |= f->status == DNS_AGAIN;
		for (size_t k = 0; k < f->n; k++)
			judge_place(p, name, &f->records[k].address);
		for (size_t k = 0; k < f->n && k < LIMIT_NS_ADDRESSES && p->opt->families >> i & 1; k++) {
			const struct fact *soa = facts_get_at(&p->facts, &f->records[k].address, z->ns->records[0].name, DNS_SOA);

			if (!soa)
				continue;
			z->v[z->n++] = (struct server){ name, soa };
			z->good[i] += is_good(soa);
		}
	}
	alias = facts_get(&p->facts, name, DNS_CNAME);
	if (alias && alias->n)
		probe_find(p, PROBE_WARNING, PROBE_DOMAIN, "ns", "name the server itself in the NS record (RFC 2181 10.3)", "%s is an alias of %s (CNAME)", name,
			alias->records[0].target);
	if (!has)
		probe_find(p, PROBE_WARNING, PROBE_DOMAIN, "ns", "give it an address, or take it out of the zone and of its parent",
			again ? "%s: its address cannot be looked up" : "%s has no address", name);
}

static void judge_server(struct probe *p, const struct server *s)
{
	const struct fact *f = s->soa;
	bool silent = f->status == DNS_AGAIN && !f->rcode;
	char address[46];

	if (f->error == ECANCELED || f->error == ENETUNREACH)
		return;
	ipaddr_format(&f->at, address);
	probe_find(p, PROBE_WARNING, PROBE_DOMAIN, "ns", silent ? "repair it, or take it out: resolvers wait for it in vain" :
		"configure the zone there, or take the server out of the zone and of its parent", "%s [%s] %s: %s", s->name, address,
		silent ? "does not answer" : "is lame", f->status == DNS_AGAIN && f->rcode != DNS_RCODE_NXDOMAIN ? dns_failure(f->rcode, f->error) :
		"it is no authority for the zone");
}

static void judge_serials(struct probe *p, const struct zone *z)
{
	const struct server *first = NULL;

	for (size_t i = 0; i < z->n; i++) {
		const struct server *s = &z->v[i];

		if (!is_good(s->soa))
			continue;
		first = first ? first : s;
		if (serial(s->soa) == serial(first->soa))
			continue;
		probe_find(p, PROBE_WARNING, PROBE_DOMAIN, "ns", "look again in some minutes; if it stays, transfers of the zone fail",
			"serial %u at %s, but %u at %s", serial(first->soa), first->name, serial(s->soa), s->name);
		return;
	}
	probe_find(p, PROBE_OK, PROBE_DOMAIN, "ns", NULL, "%zu server%s of %s, serial %u", z->ns->n, z->ns->n == 1 ? "" : "s",
		z->ns->records[0].name, serial(first->soa));
}

/* signatures at each server: a copy that is not renewed has those of its last day, and one that was never signed has none */
static void judge_signatures(struct probe *p, const struct zone *z)
{
	const struct server *best = NULL;

	for (size_t i = 0; i < z->n; i++)
		if (is_good(z->v[i].soa) && z->v[i].soa->signature.algorithm &&
			(!best || probe_signed_for(p, &z->v[i].soa->signature) > probe_signed_for(p, &best->soa->signature)))
			best = &z->v[i];
	for (size_t i = 0; best && probe_signed_for(p, &best->soa->signature) >= 0 && i < z->n; i++) {
		const struct fact *f = z->v[i].soa;
		char address[46];

		if (!is_good(f) || (f->signature.algorithm && probe_signed_for(p, &f->signature) >= 0))
			continue;
		ipaddr_format(&f->at, address);
		probe_find(p, PROBE_PROBLEM, PROBE_DOMAIN, "ns", "have it take the zone anew: who asks it and validates gets no answer",
			f->signature.algorithm ? "%s [%s] has signatures that have ended: an old copy of the zone" : "%s [%s] has the zone without signatures",
			z->v[i].name, address);
	}
}

static bool has_name(const struct fact *ns, const char *name)
{
	for (size_t i = 0; i < ns->n; i++)
		if (!strcmp(ns->records[i].target, name))
			return true;
	return false;
}

static void compare_names(struct probe *p, const struct fact *a, const struct fact *b, const char *who, const char *other)
{
	const char *name = "";

	while ((name = next_name(a, name)) != NULL)
		if (!has_name(b, name))
			probe_find(p, PROBE_WARNING, PROBE_DOMAIN, "ns", "let both name the same servers: only those that the zone above names are found (RFC 1912 2.8)",
				"%s names %s, %s does not", who, name, other);
}

/* what the zone above says: its servers are asked until one refers to others; one that serves both zones answers from this one */
static void judge_delegation(struct probe *p, const struct zone *z)
{
	const char *zone = z->ns->records[0].name, *parent = strchr(zone, '.'), *name = "";
	const struct fact *above;

	parent = parent ? parent + 1 : "";
	for (above = facts_get(&p->facts, parent, DNS_NS); above && !above->n && *parent; above = facts_get(&p->facts, parent, DNS_NS))
		parent = strchr(parent, '.') ? strchr(parent, '.') + 1 : "";
	for (int i = 0; above && i < LIMIT_NS_ABOVE && (name = next_name(above, name)) != NULL; i++) {
		const struct fact *a = facts_get(&p->facts, name, DNS_A), *f;

		if (!a || !a->n || !(p->opt->families & 1))
			continue;
		f = facts_get_at(&p->facts, &a->records[0].address, zone, DNS_NS);
		if (!f)
			return;
		if (f->authoritative || f->status != DNS_OK || strcmp(f->records[0].name, zone))
			continue;
		compare_names(p, f, z->ns, "the zone above", "the zone itself");
		compare_names(p, z->ns, f, "the zone itself", "the zone above");
		return;
	}
}

void check_ns(struct probe *p)
{
	struct zone z = { .n = 0 };
	unsigned missing = p->facts.missing;
	const char *name = "";

	find_zone(p, &z);
	for (size_t i = 0; z.ns && i < LIMIT_NS_SERVERS && (name = next_name(z.ns, name)) != NULL; i++)
		add_server(p, &z, name);
	if (z.ns && !z.above && z.good[0] + z.good[1])
		judge_delegation(p, &z);
	if (p->facts.missing != missing || (!z.ns && !z.above))
		return;
	judge_signatures(p, &z);
	if (z.ns && z.above && !(z.good[0] + z.good[1]))
		probe_find(p, PROBE_PROBLEM, PROBE_DOMAIN, "ns", "until one does there is no mail: see what each of them says, or name others in the zone above",
			"none of the %zu name servers of %s serves it", z.ns->n, z.ns->records[0].name);
	if (z.ns && z.ns->n == 1)
		probe_find(p, PROBE_NOTE, PROBE_DOMAIN, "ns", "have a second one in another network (RFC 2182)", "only one name server");
	for (size_t i = 0; i < z.n; i++)
		if (!is_good(z.v[i].soa) && (z.good[z.v[i].soa->at.family == AF_INET6] || z.heard[z.v[i].soa->at.family == AF_INET6]))
			judge_server(p, &z.v[i]);
	if (z.good[0] + z.good[1])
		judge_serials(p, &z);
	else if (z.n ? !z.above : !z.ns && !(z.heard[0] + z.heard[1]))
		probe_find(p, PROBE_NOTE, PROBE_DOMAIN, "ns", "a firewall may let only the resolver ask: try from another network",
			"the name servers were not checked: none answers this machine as an authority");
}
