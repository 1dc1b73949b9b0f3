/* probe_routes - which next hops a configuration names: relayhost, smtp_fallback_relay, default_transport, relay_transport,
 * transport_maps and the tables by sender. Each is asked once, however often it is named. */
#include <stdlib.h>

#include "core/base/mem.h"
#include "core/probe/probe_ask.h"
#include "core/route/router.h"

struct walk {
	struct probe_setup *s;
	const char *parameter;
	bool only_nexthop;             /* values have no transport (sender_dependent_relayhost_maps) */
	struct buf text;
};

/* find - a next hop that is listed already */
static struct probe_route *find(const struct probe_setup *s, const struct master_transport *t, struct str site)
{
	for (size_t i = 0; i < s->n_routes; i++)
		if (s->routes[i].transport == t && str_eq(s->routes[i].site, site))
			return &s->routes[i];
	return NULL;
}

static void add_site(struct walk *w, const struct master_transport *t, struct str site, struct str key)
{
	struct probe_setup *s = w->s;
	struct probe_route *r = find(s, t, site);

	/* tables are walked in no order: of several keys the first by name is shown, in every run */
	if (r && (!r->key.n || str_cmp(key, r->key) >= 0))
		return;
	if (!r && s->n_routes == PROBE_ROUTES) {
		s->cut = true;
		return;
	}
	if (!r) {
		s->routes = mem_array(s->routes, s->n_routes + 1, sizeof(*s->routes));
		r = &s->routes[s->n_routes++];
	}
	buf_clear(&w->text);
	buf_printf(&w->text, "%s:%.*s (%s%s%.*s)", t->name, STR_ARG(site), w->parameter, key.n ? " for " : "", STR_ARG(key));
	*r = (struct probe_route){ .target = arena_z(&s->arena, buf_view(&w->text)), .transport = t, .site = arena_str(&s->arena, site),
		.key = arena_str(&s->arena, key), .rcpt = str_of(s->conf->myorigin) };
	if (key.n && key.p[0] != '*' && key.p[0] != '@')
		r->rcpt = str_from(r->key, key.p[0] == '.');
}

static int by_key(const void *a, const void *b)
{
	const struct probe_route *x = a, *y = b;

	return str_cmp(x->key, y->key);
}

/* add_sites - a transport and its list of next hops; only SMTP and LMTP have any. No next hop: the domain's own MX hosts */
static void add_sites(struct walk *w, struct str transport, struct str sites, struct str key)
{
	const struct master_transport *t = master_find_transport(&w->s->master, transport);
	struct str word;

	if (!t || !master_programs[t->program].connects)
		return;
	if (!sites.n && key.n && key.p[0] != '*')
		add_site(w, t, key.p[0] == '.' ? str_from(key, 1) : addr_split(key).domain.n ? addr_split(key).domain : key, key);
	while (str_word(&sites, ", \t\r\n", &word))
		add_site(w, t, word, key);
	if (t->program == MASTER_SMTP) {
		struct walk fallback = *w;
		struct str list = str_of(t->conf->smtp_fallback_relay);

		fallback.parameter = "smtp_fallback_relay";
		while (str_word(&list, ", \t\r\n", &word))
			add_site(&fallback, t, word, STR_EMPTY);
		w->text = fallback.text;
	}
}

static int on_entry(void *ctx, struct str key, struct str value)
{
	struct walk *w = ctx;
	struct str transport = STR_EMPTY, nexthop = str_trim(value), ignored;

	if (str_ieq(nexthop, STR("DUNNO")))
		return 0;
	if (!w->only_nexthop)
		transport_split(value, &transport, &nexthop);
	/* ":" says: as if there were no entry */
	if (!transport.n && !nexthop.n)
		return 0;
	if (!transport.n)
		transport_split(str_of(w->s->conf->default_transport), &transport, &ignored);
	add_sites(w, transport, nexthop, w->only_nexthop ? STR_EMPTY : key);
	return 0;
}

static void walk_tables(struct probe_setup *s, const char *parameter, const struct maps *maps, bool only_nexthop, struct buf *why)
{
	struct walk w = { .s = s, .parameter = parameter, .only_nexthop = only_nexthop };

	buf_init(&w.text, LIMIT_MAP_VALUE);
	for (size_t i = 0; i < maps->n; i++)
		if (map_each(maps->v[i], on_entry, &w) < 0)
			buf_printf(why, "%s%s: %s cannot be walked", why->n ? "; " : "", parameter, map_spec(maps->v[i]));
	buf_fini(&w.text);
}

static void add_transport(struct probe_setup *s, const char *parameter, const char *value)
{
	struct walk w = { .s = s, .parameter = parameter };
	struct str transport, nexthop;

	transport_split(str_of(value), &transport, &nexthop);
	if (!nexthop.n) {
		nexthop = str_of(s->conf->relayhost);
		w.parameter = nexthop.n ? "relayhost" : parameter;
	}
	buf_init(&w.text, LIMIT_MAP_VALUE);
	/* without a next hop mail goes where its recipient's domain says */
	if (!nexthop.n && s->rcpt)
		add_sites(&w, transport, addr_split(str_of(s->rcpt)).domain, STR_EMPTY);
	else
		add_sites(&w, transport, nexthop, STR_EMPTY);
	buf_fini(&w.text);
}

/* add_drain - it is asked for once, when there is no time left to find out */
static void add_drain(struct probe_setup *s)
{
	struct walk w = { .s = s, .parameter = "drain_relay" };

	buf_init(&w.text, LIMIT_MAP_VALUE);
	if (*s->conf->drain_relay)
		add_sites(&w, STR("smtp"), str_of(s->conf->drain_relay), STR_EMPTY);
	buf_fini(&w.text);
}

void probe_routes_find(struct probe_setup *s, struct buf *why)
{
	const struct router *r = s->router;
	size_t fixed;

	add_transport(s, "default_transport", s->conf->default_transport);
	if (conf_is_set(s->conf, "relay_domains") || conf_is_set(s->conf, "relay_transport"))
		add_transport(s, "relay_transport", s->conf->relay_transport);
	add_drain(s);
	fixed = s->n_routes;
	walk_tables(s, "transport_maps", &r->transport_maps, false, why);
	walk_tables(s, "sender_dependent_relayhost_maps", &r->priv->sender_relayhosts.maps, true, why);
	walk_tables(s, "sender_dependent_default_transport_maps", &r->priv->sender_transports.maps, false, why);
	if (s->n_routes > fixed)
		qsort(s->routes + fixed, s->n_routes - fixed, sizeof(*s->routes), by_key);
}
