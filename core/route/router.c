/* router - opens the tables and lists of routing once per configuration and answers whose a domain or an address is. */
#include "core/route/router.h"

#include <ifaddrs.h>
#include <unistd.h>

#include "core/base/mem.h"
#include "core/base/ipaddr.h"
#include "core/map/aliascheck.h"
#include "core/map/mapgen.h"
#include "core/map/words.h"
#include "core/route/keys.h"

#define ALIAS_SLIPS 20                 /* findings in alias tables told at the start */
#define TABLE_SLIPS 5                  /* and in a transport table */
#define TABLE_ENTRIES 100000           /* entries of one that are looked at: a start shall not wait for millions */

/* --- opening ---------------------------------------------------------------------------------------------------- */

static void open_maps(struct maps *out, const char *parameter, const char *list, enum source_form form,
	struct conf_diag *diag)
{
	struct buf why;

	buf_init(&why, 1024);
	if (maps_open_form(out, list, form, &why) < 0)
		conf_diag_add(diag, CONF_ERROR, NULL, 0, "%s: %s", parameter, buf_cstr(&why));
	buf_fini(&why);
}

static void open_addresses(struct address_maps *out, const char *parameter, const char *list, enum source_form form, struct conf_diag *diag)
{
	out->parameter = parameter;
	open_maps(&out->maps, parameter, list, form, diag);
}

static struct match *open_match(enum match_kind kind, const char *parameter, const char *list, struct conf_diag *diag)
{
	struct match *m;
	struct buf why;

	buf_init(&why, 1024);
	m = match_open(kind, list, &why);
	if (!m)
		conf_diag_add(diag, CONF_ERROR, NULL, 0, "%s: %s", parameter, buf_cstr(&why));
	buf_fini(&why);
	return m;
}

/* No network that is somebody's own is larger than these; the whole world can be named in halves, too. Someone may want that behind a
 * firewall, so it is a warning. */
static void check_networks(const char *list, struct conf_diag *diag)
{
	struct str rest = str_of(list), word;
	struct network n;
	struct buf why;

	buf_init(&why, 400);
	while (str_word(&rest, ", \t\r\n", &word))
		if (network_parse(word, &n, &why) && n.prefix < (n.net.family == AF_INET ? 8 : 7))
			conf_diag_add(diag, CONF_WARNING, NULL, 0, "mynetworks: with %.*s strangers who reach this host may relay: name your own networks",
				STR_ARG(word));
	buf_fini(&why);
}

/* delivers_locally - does any mail end in local delivery, which alone asks the alias tables? */
static bool delivers_locally(const struct router *r)
{
	const struct master_transport *t;
	struct str name, nexthop;

	transport_split(str_of(r->conf->local_transport), &name, &nexthop);
	t = master_find_transport(r->master, name);
	return *r->conf->mydestination && t && t->program == MASTER_LOCAL;
}

struct slips { struct conf_diag *diag; size_t n; };

static void on_slip(void *ctx, const char *file, unsigned line, const char *text)
{
	struct slips *s = ctx;

	if (++s->n <= ALIAS_SLIPS)
		conf_diag_add(s->diag, CONF_WARNING, file, line, "%s", text);
	else if (s->n == ALIAS_SLIPS + 1)
		conf_diag_add(s->diag, CONF_WARNING, file, 0, "and more of this kind: mapgen --check lists all");
}

/* alias_source - the file of text behind an alias table, which may have been built long ago; NULL: it has none */
static const char *alias_source(const struct map *m)
{
	const char *spec = map_spec(m), *colon = strchr(spec, ':');
	struct str type = str_make(spec, (size_t)(colon - spec));

	return mapgen_is_indexed(type) || str_eq(type, STR("texthash")) ? colon + 1 : NULL;
}

static void check_aliases(const struct router *r, struct conf_diag *diag)
{
	struct slips s = { .diag = diag };

	for (size_t i = 0; i < r->alias_maps.n; i++)
		if (alias_source(r->alias_maps.v[i]))
			aliascheck_file(alias_source(r->alias_maps.v[i]), on_slip, &s);
}

struct listing { void (*fn)(void *ctx, struct str file); void *ctx; };

static int list_files(void *ctx, struct str key, struct str value)
{
	struct listing *x = ctx;
	struct alias_target t;
	struct arena a;

	(void)key;
	arena_init(&a, LIMIT_SESSION_ARENA);
	while (alias_text_next(&a, &value, &t)) {
		if (t.kind == ALIAS_FILE)
			x->fn(x->ctx, t.text);
		arena_reset(&a);
	}
	arena_fini(&a);
	return 0;
}

void router_each_alias_file(const struct router *r, void (*fn)(void *ctx, struct str file), void *ctx)
{
	struct listing x = { .fn = fn, .ctx = ctx };

	for (size_t i = 0; i < r->alias_maps.n; i++)
		(void)map_each(r->alias_maps.v[i], list_files, &x);
}

/* The default names a file that many systems lack, and is then as good as empty. A file that was named and is not there is no
 * reason to leave other mail undone: local mail waits for it, as in Postfix. */
static void open_aliases(struct router *r, struct conf_diag *diag)
{
	const struct conf *c = r->conf;
	bool is_default = !conf_is_set(c, "alias_maps");
	struct buf absent, why;

	if (is_default && access("/etc/aliases", F_OK) < 0 && access("/etc/aliases.cdb", F_OK) < 0)
		return;
	buf_init(&absent, 1024);
	buf_init(&why, 1024);
	if (maps_open_absent(&r->alias_maps, c->alias_maps, SOURCE_ALIAS, &absent, &why) < 0 && delivers_locally(r))
		conf_diag_add(diag, CONF_ERROR, NULL, 0, "alias_maps: %s", buf_cstr(&why));
	else if (why.n)
		conf_diag_add(diag, CONF_WARNING, NULL, 0, "alias_maps: %s; nothing is delivered locally, so nobody misses it", buf_cstr(&why));
	else if (absent.n && delivers_locally(r))
		conf_diag_add(diag, CONF_WARNING, NULL, 0, "alias_maps: there is no %s: mail for local users waits until there is; write it "
			"and run newaliases, or set alias_maps to nothing", buf_cstr(&absent));
	else if (absent.n)
		conf_diag_add(diag, CONF_WARNING, NULL, 0, "alias_maps: there is no %s; nothing is delivered locally, so nobody misses it",
			buf_cstr(&absent));
	check_aliases(r, diag);
	buf_fini(&absent);
	buf_fini(&why);
}

static struct str without_proxy(struct str word)
{
	while (str_starts(word, STR("proxy:")))
		word = str_from(word, 6);
	return word;
}

static void open_users(struct maps *out, const char *parameter, const char *list, struct conf_diag *diag)
{
	struct buf why;

	buf_init(&why, 1024);
	if (maps_open_form(out, list, SOURCE_TABLE, &why) < 0)
		conf_diag_add(diag, CONF_ERROR, NULL, 0, "%s: %s", parameter, buf_cstr(&why));
	buf_fini(&why);
}

static bool names_table(const char *list, struct str table)
{
	struct str rest = str_of(list), word;

	while (words_next(&rest, &word) == 1)
		if (str_eq(without_proxy(word), table))
			return true;
	return false;
}

static void open_listed(struct router *r, struct conf_diag *diag)
{
	struct listed *l = &r->priv->listed;
	struct str rest = str_of(r->conf->local_recipient_maps), word;
	struct buf others;

	buf_init(&others, LIMIT_CONF_VALUE);
	while (words_next(&rest, &word) == 1) {
		l->checked = true;
		if (str_eq(without_proxy(word), STR("unix:passwd.byname")))
			l->accounts = true;
		else if (names_table(r->conf->alias_maps, without_proxy(word)))
			l->aliases = true;
		else
			buf_printf(&others, " %.*s", STR_ARG(word));
	}
	open_addresses(&l->local, "local_recipient_maps", buf_cstr(&others), SOURCE_TABLE, diag);
	open_addresses(&l->relay, "relay_recipient_maps", r->conf->relay_recipient_maps, SOURCE_TABLE, diag);
	buf_fini(&others);
}

static bool has_word(const char *list, const char *word)
{
	struct str rest = str_of(list), w;

	while (str_word(&rest, ", \t\r\n", &w))
		if (str_eq(w, str_of(word)))
			return true;
	return false;
}

/* --- next hops that parameters name: mail for one that cannot be would wait for days ----------------------------- */

static void check_hops(const char *parameter, struct str list, struct conf_diag *diag)
{
	struct buf why;

	buf_init(&why, 400);
	if (!nexthop_check(list, &why))
		conf_diag_add(diag, CONF_ERROR, NULL, 0, "%s: %s", parameter, buf_cstr(&why));
	buf_fini(&why);
}

static void check_transport(const struct master *m, const char *parameter, const char *value, struct conf_diag *diag)
{
	const struct master_transport *t;
	struct str name, nexthop;

	transport_split(str_of(value), &name, &nexthop);
	t = master_find_transport(m, name);
	if (name.n && !t)
		conf_diag_add(diag, CONF_ERROR, NULL, 0, "%s: no transport is called \"%.*s\": use smtp, relay, lmtp, local, error, retry, "
			"discard, or the name of an smtp or lmtp service in master.cf", parameter, STR_ARG(str_head(name, 100)));
	else if (!name.n || master_programs[t->program].connects)
		check_hops(parameter, nexthop, diag);
}

struct look { struct router *r; const char *parameter, *spec; bool hops; struct conf_diag *diag; size_t seen, told; };

/* look_at_entry - -t and the first mail must not disagree: what an entry names has to exist */
static int look_at_entry(void *ctx, struct str key, struct str value)
{
	struct look *l = ctx;
	const struct master_transport *t;
	struct str name, nexthop;
	struct buf why;

	transport_split(value, &name, &nexthop);
	/* a table of next hops alone; DUNNO is what has none */
	if (l->hops) {
		name = STR_EMPTY;
		nexthop = str_ieq(value, STR("DUNNO")) ? STR_EMPTY : value;
	}
	t = master_find_transport(l->r->master, name);
	buf_init(&why, 400);
	if (name.n && !t)
		buf_printf(&why, "no transport is called \"%.*s\"", STR_ARG(str_head(name, 100)));
	else if (nexthop.n && (!name.n || t->program == MASTER_SMTP || t->program == MASTER_LMTP))
		nexthop_check(nexthop, &why);
	if (why.n && ++l->told <= TABLE_SLIPS)
		conf_diag_add(l->diag, CONF_WARNING, NULL, 0, "%s: %s: mail %s \"%.*s\" would wait: %s", l->parameter, l->spec,
			*l->parameter == 't' ? "for" : "of", STR_ARG(str_head(key, 100)), buf_cstr(&why));
	buf_fini(&why);
	return ++l->seen >= TABLE_ENTRIES || l->told > TABLE_SLIPS;
}

static void check_table(struct router *r, const char *parameter, const struct maps *maps, bool hops, struct conf_diag *diag)
{
	for (size_t i = 0; i < maps->n; i++) {
		struct look l = { .r = r, .parameter = parameter, .spec = map_spec(maps->v[i]), .hops = hops, .diag = diag };

		/* rules cannot be walked, and say nothing before they match */
		(void)map_each(maps->v[i], look_at_entry, &l);
	}
}

/* --- own addresses ---------------------------------------------------------------------------------------------- */

static void own_add(struct router_private *p, const struct ipaddr *a)
{
	if (a->family == AF_UNSPEC || ipaddr_is_loopback(a))
		return;
	p->own = mem_array(p->own, p->n_own + 1, sizeof(*p->own));
	p->own[p->n_own++] = *a;
}

static void own_add_all(struct router_private *p)
{
	struct ifaddrs *list = NULL;

	/* a host without them has its loopback only, which is always ours */
	if (getifaddrs(&list) < 0)
		return;
	for (struct ifaddrs *i = list; i; i = i->ifa_next) {
		struct ipaddr a = { .family = AF_UNSPEC };

		if (i->ifa_addr && (i->ifa_addr->sa_family == AF_INET || i->ifa_addr->sa_family == AF_INET6))
			ipaddr_from_sockaddr(i->ifa_addr, &a);
		own_add(p, &a);
	}
	freeifaddrs(list);
}

static void own_add_list(struct router_private *p, const char *list)
{
	struct str rest = str_of(list), w;
	struct ipaddr a;

	while (str_word(&rest, ", \t\r\n", &w)) {
		if (str_eq(w, STR("all")))
			own_add_all(p);
		else if (ipaddr_parse(w, &a))
			own_add(p, &a);
	}
}

bool route_is_own_address(const struct router *r, const struct ipaddr *a)
{
	static const uint8_t zero[16];

	if (a->family == AF_UNSPEC)
		return false;
	if (ipaddr_is_loopback(a) || !memcmp(a->b, zero, a->family == AF_INET ? 4 : 16))
		return true;
	for (size_t i = 0; i < r->priv->n_own; i++)
		if (ipaddr_eq(&r->priv->own[i], a))
			return true;
	return false;
}

bool route_leads_home(const struct router *r, const struct ipaddr *a)
{
	struct ipaddr inner;

	if (route_is_own_address(r, a) || ipaddr_is_nowhere(a))
		return true;
	return ipaddr_inner(a, &inner) && (route_is_own_address(r, &inner) || ipaddr_is_nowhere(&inner));
}

/* --- life ------------------------------------------------------------------------------------------------------- */

struct router *router_new(const struct conf *c, const struct master *m, struct conf_diag *diag)
{
	struct router *r = MEM_NEW(struct router);
	size_t errors = diag->errors;
	struct conf_diag told;
	enum match_kind relay_kind = has_word(c->parent_domain_matches_subdomains, "relay_domains") ?
		MATCH_DOMAINS_PARENTS : MATCH_DOMAINS;
	enum match_kind virtual_kind = has_word(c->parent_domain_matches_subdomains, "virtual_alias_domains") ?
		MATCH_DOMAINS_PARENTS : MATCH_DOMAINS;

	conf_diag_init(&told);
	r->conf = c;
	r->master = m;
	r->priv = MEM_NEW(struct router_private);
	r->priv->transport_parents = has_word(c->parent_domain_matches_subdomains, "transport_maps");
	r->mydestination = open_match(MATCH_DOMAINS, "mydestination", c->mydestination, diag);
	/* by default these are the domains in virtual_alias_maps, and what is wrong with those is told below */
	r->virtual_alias_domains = open_match(virtual_kind, "virtual_alias_domains", c->virtual_alias_domains,
		conf_is_set(c, "virtual_alias_domains") ? diag : &told);
	conf_diag_fini(&told);
	r->relay_domains = open_match(relay_kind, "relay_domains", c->relay_domains, diag);
	r->mynetworks = open_match(MATCH_HOSTS, "mynetworks", c->mynetworks, diag);
	check_networks(c->mynetworks, diag);
	open_maps(&r->transport_maps, "transport_maps", c->transport_maps, SOURCE_ROUTE, diag);
	open_addresses(&r->priv->sender_relayhosts, "sender_dependent_relayhost_maps", c->sender_dependent_relayhost_maps,
		SOURCE_ROUTE, diag);
	open_addresses(&r->priv->sender_transports, "sender_dependent_default_transport_maps",
		c->sender_dependent_default_transport_maps, SOURCE_ROUTE, diag);
	rewriting_open(&r->rewriting, c, diag);
	open_aliases(r, diag);
	open_users(&r->priv->mailbox_transports, "mailbox_transport_maps", c->mailbox_transport_maps, diag);
	open_users(&r->priv->fallback_transports, "fallback_transport_maps", c->fallback_transport_maps, diag);
	open_listed(r, diag);
	check_table(r, "transport_maps", &r->transport_maps, false, diag);
	for (size_t i = 0; i < r->transport_maps.n; i++)
		keys_advise(r->transport_maps.v[i], "transport_maps", KEYS_TRANSPORT, c, diag);
	for (size_t i = 0; i < r->priv->listed.relay.maps.n; i++)
		keys_advise(r->priv->listed.relay.maps.v[i], "relay_recipient_maps", KEYS_ADDRESS, c, diag);
	check_table(r, r->priv->sender_relayhosts.parameter, &r->priv->sender_relayhosts.maps, true, diag);
	check_table(r, r->priv->sender_transports.parameter, &r->priv->sender_transports.maps, false, diag);
	check_hops("relayhost", str_of(c->relayhost), diag);
	check_transport(m, "default_transport", c->default_transport, diag);
	check_transport(m, "relay_transport", c->relay_transport, diag);
	check_transport(m, "local_transport", c->local_transport, diag);
	check_transport(m, "mailbox_transport", c->mailbox_transport, diag);
	check_transport(m, "fallback_transport", c->fallback_transport, diag);
	own_add_list(r->priv, c->inet_interfaces);
	own_add_list(r->priv, c->proxy_interfaces);
	if (diag->errors == errors)
		return r;
	router_free(r);
	return NULL;
}

void router_free(struct router *r)
{
	if (!r)
		return;
	match_close(r->mydestination);
	match_close(r->virtual_alias_domains);
	match_close(r->relay_domains);
	rewriting_close(&r->rewriting);
	match_close(r->mynetworks);
	maps_close(&r->transport_maps);
	maps_close(&r->alias_maps);
	maps_close(&r->priv->mailbox_transports);
	maps_close(&r->priv->fallback_transports);
	maps_close(&r->priv->sender_relayhosts.maps);
	maps_close(&r->priv->sender_transports.maps);
	maps_close(&r->priv->listed.local.maps);
	maps_close(&r->priv->listed.relay.maps);
	mem_free(r->priv->own);
	mem_free(r->priv);
	mem_free(r);
}

void router_refresh(struct router *r, usec now_mono)
{
	match_refresh(r->mydestination, now_mono);
	match_refresh(r->virtual_alias_domains, now_mono);
	match_refresh(r->relay_domains, now_mono);
	rewriting_refresh(&r->rewriting, now_mono);
	match_refresh(r->mynetworks, now_mono);
	maps_refresh(&r->transport_maps, now_mono);
	maps_refresh(&r->alias_maps, now_mono);
	maps_refresh(&r->priv->mailbox_transports, now_mono);
	maps_refresh(&r->priv->fallback_transports, now_mono);
	maps_refresh(&r->priv->sender_relayhosts.maps, now_mono);
	maps_refresh(&r->priv->sender_transports.maps, now_mono);
	maps_refresh(&r->priv->listed.local.maps, now_mono);
	maps_refresh(&r->priv->listed.relay.maps, now_mono);
}

/* --- classes ---------------------------------------------------------------------------------------------------- */

enum route_class route_class_of(struct router *r, struct str domain, enum map_answer *answer)
{
	struct ipaddr a;

	*answer = MAP_FOUND;
	if (!domain.n)
		return ROUTE_LOCAL;
	if (domain.p[0] == '[' && domain.p[domain.n - 1] == ']' && ipaddr_parse(str_make(domain.p + 1, domain.n - 2), &a) &&
	    route_is_own_address(r, &a))
		return ROUTE_LOCAL;
	*answer = match_domain(r->mydestination, domain);
	if (*answer != MAP_NONE)
		return ROUTE_LOCAL;
	*answer = match_domain(r->virtual_alias_domains, domain);
	if (*answer != MAP_NONE)
		return ROUTE_VIRTUAL_ALIAS;
	*answer = match_domain(r->relay_domains, domain);
	if (*answer != MAP_NONE)
		return ROUTE_RELAY;
	*answer = MAP_FOUND;
	return ROUTE_DEFAULT;
}
