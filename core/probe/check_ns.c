/* check_ns - the name servers of the domain's zone, each asked at each of its addresses for the zone's SOA, without recursion.
 *
 * A resolver hides a bad server as long as another one answers; here each shows. But this machine may not be allowed to ask
 * them, or something on the way answers in their place, so a server is judged only where another one of the same family
 * answers as it should. */
#include "core/probe/probe.h"

#include <errno.h>

#include "core/net/conn.h"
#include "core/net/dns_codec.h"

enum { SERVERS_MOST = 13, ADDRESSES_MOST = 4 /* of one family */, ROWS_MOST = SERVERS_MOST * 2 * ADDRESSES_MOST };

struct server { const char *name; const struct fact *soa; };
struct zone {
	const struct fact *ns;
	struct server v[ROWS_MOST];
	size_t n, good[2];             /* good: by family */
};

/* find_zone - the NS records of the domain or of the nearest one above it; NULL: not known (yet). Top-level domains are
 * nobody's to mend */
static const struct fact *find_zone(struct probe *p)
{
	for (const char *domain = p->target; domain && strchr(domain, '.'); domain = strchr(domain, '.') + 1) {
		const struct fact *f = facts_get(&p->facts, domain, DNS_NS);

		if (!f || f->status == DNS_AGAIN)
			return NULL;
		if (f->n)
			return f;
	}
	return NULL;
}

/* next_name - the servers by name, so that every run tells the same; NULL after the last */
static const char *next_name(const struct fact *ns, const char *after)
{
	const char *next = NULL;

	for (size_t i = 0; i < ns->n; i++)
		if (strcmp(ns->records[i].target, after) > 0 && (!next || strcmp(ns->records[i].target, next) < 0))
			next = ns->records[i].target;
	return next;
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

/* add_server - ask it at its addresses */
static void add_server(struct probe *p, struct zone *z, const char *name)
{
	const struct fact *both[] = { facts_get(&p->facts, name, DNS_A), facts_get(&p->facts, name, DNS_AAAA) };
	bool has = false, again = false;

	for (int i = 0; i < 2; i++) {
		const struct fact *f = both[i];

		if (!f)
			return;
		has |= f->n > 0;
		again |= f->status == DNS_AGAIN;
		for (size_t k = 0; k < f->n && k < ADDRESSES_MOST && p->opt->families >> i & 1; k++) {
			const struct fact *soa = facts_get_at(&p->facts, &f->records[k].address, z->ns->records[0].name, DNS_SOA);

			if (!soa)
				continue;
			z->v[z->n++] = (struct server){ name, soa };
			z->good[i] += is_good(soa);
		}
	}
	if (!has)
		probe_find(p, PROBE_WARNING, -1, -1, "ns", "give it an address, or take it out of the zone and of its parent",
			again ? "%s: its address cannot be looked up" : "%s has no address", name);
}

static void judge_server(struct probe *p, const struct server *s)
{
	static const struct { int rcode; const char *word; } rows[] = {
		{ DNS_RCODE_OK, "it is no authority for the zone" }, { DNS_RCODE_NXDOMAIN, "it is no authority for the zone" },
		{ DNS_RCODE_SERVFAIL, "SERVFAIL" }, { DNS_RCODE_REFUSED, "REFUSED" },
	};
	const struct fact *f = s->soa;
	const char *why = "an odd answer";
	bool silent = f->status == DNS_AGAIN && !f->rcode;
	char address[46];

	if (f->error == ECANCELED || f->error == ENETUNREACH)
		return;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (f->rcode == rows[i].rcode)
			why = rows[i].word;
	if (silent)
		why = f->error ? conn_error_text(f->error) : "timed out";
	ipaddr_format(&f->at, address);
	probe_find(p, PROBE_WARNING, -1, -1, "ns", silent ? "repair it, or take it out: resolvers wait for it in vain" :
		"configure the zone there, or take the server out of the zone and of its parent", "%s [%s] %s: %s", s->name, address,
		silent ? "does not answer" : "is lame", why);
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
		probe_find(p, PROBE_WARNING, -1, -1, "ns", "look again in some minutes; if it stays, transfers of the zone fail",
			"serial %u at %s, but %u at %s", serial(first->soa), first->name, serial(s->soa), s->name);
		return;
	}
	probe_find(p, PROBE_OK, -1, -1, "ns", NULL, "%zu server%s of %s, serial %u", z->ns->n, z->ns->n == 1 ? "" : "s",
		z->ns->records[0].name, serial(first->soa));
}

void check_ns(struct probe *p)
{
	struct zone z = { .ns = find_zone(p) };
	unsigned missing = p->facts.missing;
	const char *name = "";

	if (!z.ns)
		return;
	for (size_t i = 0; i < SERVERS_MOST && (name = next_name(z.ns, name)) != NULL; i++)
		add_server(p, &z, name);
	if (p->facts.missing != missing)
		return;
	if (z.ns->n == 1)
		probe_find(p, PROBE_NOTE, -1, -1, "ns", "have a second one in another network (RFC 2182)", "only one name server");
	for (size_t i = 0; i < z.n; i++)
		if (!is_good(z.v[i].soa) && z.good[z.v[i].soa->at.family == AF_INET6])
			judge_server(p, &z.v[i]);
	if (z.good[0] + z.good[1])
		judge_serials(p, &z);
	else if (z.n)
		probe_find(p, PROBE_NOTE, -1, -1, "ns", "a firewall may let only the resolver ask: try from another network",
			"the name servers were not checked: none answers this machine as an authority");
}
