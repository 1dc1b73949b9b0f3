/* rewrite - see rewrite.h. A field is written again only where an address in it changed: as addr_tree.h says, which is as Postfix
 * writes it. */
#include "core/cleanup/rewrite.h"

#include "core/base/limits.h"
#include "core/base/log.h"
#include "core/msg/addr_tree.h"

void rewrite_refusal(struct reply *r)
{
	reply_set(r, 451, "4.3.0", "Error: address rewriting failed, a table cannot be read now");
}

/* --- one address ------------------------------------------------------------------------------------------------------- */

static void warn(const struct rewrite *w, const struct address_maps *m, struct str address, const char *what)
{
	log_text(LOG_SEV_WARNING, "cleanup", 0, w->qid, "%s %s for %.*s", m->parameter, what, STR_ARG(address));
}

/* leave - too much was spent: in a header the address stays as it is, a message with it in the envelope waits */
static void leave(struct rewrite *w, const struct address_maps *m, struct str address, enum address_place place)
{
	bool envelope = place & (PLACE_ENVELOPE_SENDER | PLACE_ENVELOPE_RECIPIENT);

	if (envelope || !w->told)
		warn(w, m, address, envelope ? "costs too much: the message is not accepted now," : "costs too much, this address and the next ones stay,");
	w->told = true;
	w->failed = w->failed || envelope;
}

/* map_one - until no entry is found or one leads to itself */
static struct str map_one(struct rewrite *w, struct arena *a, const struct address_maps *m, struct str address, enum address_place place)
{
	bool propagate = w->router->rewriting.propagate & EXTENSION_CANONICAL;
	struct address_list to;

	for (int i = 0; i < LIMIT_CANONICAL_STEPS && m->maps.n; i++) {
		enum map_answer got;

		if (address_is_dear(w->spent)) {
			leave(w, m, address, place);
			return address;
		}
		got = address_map_spend(w->router, a, m, address, propagate, &to, w->trace, &w->spent);
		w->failed = w->failed || got == MAP_ERROR;
		if (got == MAP_ERROR)
			warn(w, m, address, "map lookup problem: the message is not accepted now,");
		if (got != MAP_FOUND)
			return address;
		if (to.n > 1)
			warn(w, m, address, "has several addresses, the first one counts,");
		if (str_ieq(to.v[0], address))
			return to.v[0];
		address = to.v[0];
	}
	if (m->maps.n)
		warn(w, m, address, "entries lead from one to the next without an end");
	return address;
}

struct str rewrite_mapped(struct rewrite *w, struct arena *a, struct str address, enum address_place place)
{
	const struct rewriting *x = &w->router->rewriting;
	bool sender = place & (PLACE_ENVELOPE_SENDER | PLACE_HEADER_SENDER);
	const struct address_maps *own = sender ? &x->sender_canonical : &x->recipient_canonical;

	if (!w->maps || !x->any || !address.n)
		return address;
	if ((sender ? x->sender_canonical_places : x->recipient_canonical_places) & place)
		address = map_one(w, a, own, address, place);
	if (x->canonical_places & place)
		address = map_one(w, a, &x->canonical, address, place);
	if (x->masquerade_places & place && !address_is_dear(w->spent)) {
		w->spent += strlen(w->router->conf->masquerade_domains) + strlen(w->router->conf->masquerade_exceptions);
		address = masquerade_address(w->router->conf, a, address);
	}
	return address;
}

/* --- a field ----------------------------------------------------------------------------------------------------------- */

static struct str rewritten(struct rewrite *w, struct arena *a, const struct addr_place *p, enum address_place place)
{
	return rewrite_mapped(w, a, p->rooted ? p->is : rewrite_address(w->router, a, p->is, w->local), place);
}

/* is_whole - does the mailbox have its address in canonical form, without a route before or a dot behind it? */
static bool is_whole(const struct mailbox *m)
{
	struct str bare = m->raw.n && m->raw.p[m->raw.n - 1] == '>' ? str_head(m->raw, m->raw.n - 1) : m->raw;
	ptrdiff_t at = str_ends(bare, m->addr.full) ? (ptrdiff_t)(bare.n - m->addr.full.n) : str_find(m->raw, m->addr.full);
	size_t end = (size_t)at + m->addr.full.n;

	return at >= 0 && (at == 0 || m->raw.p[at - 1] != ':') && (end == m->raw.n || m->raw.p[end] != '.');
}

/* stays - is it an ordinary list in which nothing changes? What cannot be read in the strict way is looked at in the other */
static bool stays(struct rewrite *w, struct arena *a, struct str value)
{
	struct mailbox m;
	int r;

	if (w->maps && w->router->rewriting.any && !address_is_dear(w->spent))
		return false;
	while ((r = addr_list_next(a, &value, &m)) == 1)
		if (!is_whole(&m) || !str_eq(rewrite_address(w->router, a, m.addr.full, w->local), m.addr.full))
			return false;
	return r == 0;
}

bool rewrite_field(struct rewrite *w, struct arena *scratch, const struct header *h, enum address_place place, struct buf *out)
{
	bool changed = !stays(w, scratch, h->value);
	struct addr_tree t;

	if (changed) {
		addr_tree_init(&t, scratch, h->value);
		for (size_t i = 0; i < t.n; i++)
			t.v[i].is = rewritten(w, scratch, &t.v[i], place);
		changed = addr_tree_is_changed(&t);
		if (changed)
			addr_tree_format(&t, h->name, out);
		addr_tree_fini(&t);
	}
	arena_reset(scratch);
	return changed;
}
