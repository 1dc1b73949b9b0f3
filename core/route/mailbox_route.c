/* mailbox_route - who delivers to a local user, where that is not local itself: mailbox_transport and fallback_transport with their
 * tables, in the order of Postfix's local(8). Aliases come before all of them, and stay with local. */
#include "core/route/local_user.h"
#include "core/route/router.h"

/* ask - NAME_maps for the user, then NAME; NONE: neither says anything */
static enum map_answer ask(struct route_ask *q, const char *parameter, const struct maps *maps, const char *otherwise,
	struct str user, struct str *to)
{
	enum map_answer m = route_ask(q, parameter, maps, user, false, to);

	if (m != MAP_NONE)
		return m;
	*to = str_of(otherwise);
	return to->n ? MAP_FOUND : MAP_NONE;
}

enum map_answer mailbox_route(struct router *r, struct route_ask *q, struct str rcpt, struct str *to)
{
	const struct router_private *p = r->priv;
	const struct conf *c = r->conf;
	struct str name = local_user_name(q->arena, rcpt), user = name, base, owner;
	struct alias_target *targets;
	enum map_answer m;
	struct local_user account;
	size_t n;

	if (!p->mailbox_transports.n && !p->fallback_transports.n && !*c->mailbox_transport && !*c->fallback_transport)
		return MAP_NONE;
	/* what an alias says, and what is wrong with it, is local's business */
	if (alias_expand(r, q->arena, name, &targets, &n, &owner) != MAP_NONE)
		return MAP_NONE;
	if (route_base(r, q->arena, rcpt, &base))
		user = local_user_name(q->arena, base);
	m = ask(q, "mailbox_transport_maps", &p->mailbox_transports, c->mailbox_transport, user, to);
	/* an account that cannot be looked up now waits at local */
	if (m != MAP_NONE || local_user_find(c, name, &account) != 0)
		return m;
	return ask(q, "fallback_transport_maps", &p->fallback_transports, c->fallback_transport, user, to);
}
