/* transport - transport(5): which keys are asked, in which order, and what an entry says. */
#include "core/route/router.h"

static struct str parent_of(struct str domain)
{
	ptrdiff_t dot = str_chr(domain, '.');

	return dot < 0 ? STR_EMPTY : str_from(domain, (size_t)dot + 1);
}

/* the name itself, then its parents: written with a dot in front, unless transport_maps is in
 * parent_domain_matches_subdomains */
static enum map_answer ask_domain(struct router *r, struct route_ask *q, struct str domain, struct str *entry)
{
	bool dotted = !r->priv->transport_parents;
	enum map_answer got = route_ask(q, "transport_maps", &r->transport_maps, domain, true, entry);

	if (domain.n && domain.p[0] == '[')
		return got;
	while (got == MAP_NONE && (domain = parent_of(domain)).n) {
		struct str key = dotted ? str_make(domain.p - 1, domain.n + 1) : domain;

		got = route_ask(q, "transport_maps", &r->transport_maps, key, true, entry);
	}
	return got;
}

enum map_answer transport_ask(struct router *r, struct route_ask *q, struct str rcpt, struct str *entry)
{
	enum map_answer got = MAP_NONE;
	struct address_keys keys;
	struct address_key key;

	if (!r->transport_maps.n)
		return MAP_NONE;
	address_keys_begin(&keys, r, q->arena, arena_lower(q->arena, rcpt));
	keys.whole_only = true;
	while (got == MAP_NONE && address_keys_next(&keys, &key) > 0)
		got = route_ask(q, "transport_maps", &r->transport_maps, key.text, key.partial, entry);
	if (got == MAP_NONE)
		got = ask_domain(r, q, arena_lower(q->arena, addr_split(rcpt).domain), entry);
	if (got == MAP_NONE)
		got = route_ask(q, "transport_maps", &r->transport_maps, STR("*"), true, entry);
	return got;
}

void transport_split(struct str entry, struct str *transport, struct str *nexthop)
{
	ptrdiff_t colon = str_chr(entry, ':');

	*transport = str_trim(colon < 0 ? entry : str_head(entry, (size_t)colon));
	*nexthop = colon < 0 ? STR_EMPTY : str_trim(str_from(entry, (size_t)colon + 1));
}
