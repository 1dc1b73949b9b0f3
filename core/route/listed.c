/* listed - see listed.h. What local_recipient_maps says by default is asked of those who deliver: accounts and aliases, with their
 * own rules of names and extensions. Any other table is asked with the keys of an address. */
#include "core/route/listed.h"

#include "core/route/local_user.h"
#include "core/route/router.h"

/* delivers - as far as accounts and aliases count */
static enum map_answer delivers(struct router *r, struct arena *a, struct str address)
{
	const struct listed *l = &r->priv->listed;
	struct str name = local_user_name(a, address);
	enum map_answer got = MAP_NONE;
	struct local_user u;
	int account = 0;

	if (l->aliases)
		got = alias_find(r, a, name);
	if (got == MAP_NONE && l->accounts)
		account = local_user_find(r->conf, name, &u);
	return got != MAP_NONE ? got : account < 0 ? MAP_ERROR : account ? MAP_FOUND : MAP_NONE;
}

/* is_ours - what exists on every host, for the queue takes it (Postfix's smtpd_check) */
static bool is_ours(const struct conf *c, struct str local)
{
	return str_ieq(local, STR("postmaster")) || str_ieq(local, STR("mailer-daemon")) || str_ieq(local, str_of(c->double_bounce_sender));
}

static enum map_answer lists_local(struct router *r, struct arena *a, struct str address)
{
	struct listed *l = &r->priv->listed;
	enum map_answer got = MAP_FOUND;
	struct str value;

	if (l->checked && !is_ours(r->conf, addr_split(address).local))
		got = delivers(r, a, address);
	if (got == MAP_NONE)
		got = address_find(r, a, &l->local, address, &value, NULL, NULL);
	return got;
}

enum map_answer route_lists(struct router *r, struct str address, enum route_class *class)
{
	struct listed *l = &r->priv->listed;
	enum map_answer answer, got = MAP_FOUND;
	struct arena a;
	struct str value;

	*class = route_class_of(r, addr_split(address).domain, &answer);
	if (answer == MAP_ERROR)
		return MAP_ERROR;
	arena_init(&a, LIMIT_SESSION_ARENA);
	if (*class == ROUTE_LOCAL)
		got = lists_local(r, &a, address);
	else if (*class == ROUTE_VIRTUAL_ALIAS)
		got = MAP_NONE;
	else if (*class == ROUTE_RELAY && l->relay.maps.n)
		got = address_find(r, &a, &l->relay, address, &value, NULL, NULL);
	arena_fini(&a);
	return got;
}
