/* router - what the files of core/route share; nobody else includes it. */
#ifndef CORE_ROUTE_ROUTER_H
#define CORE_ROUTE_ROUTER_H

#include "core/base/row.h"
#include "core/route/route.h"

/* what tells which recipients of ours exist (listed.h) */
struct listed {
	bool checked;                  /* local_recipient_maps is not empty */
	bool accounts, aliases;        /* it names unix:passwd.byname, or a table of alias_maps */
	struct address_maps local, relay; /* its other tables, and relay_recipient_maps */
};
struct router_private {
	struct address_maps sender_relayhosts, sender_transports;
	struct listed listed;
	struct maps mailbox_transports, fallback_transports;
	bool transport_parents;        /* transport_maps is in parent_domain_matches_subdomains */
	struct ipaddr *own;            /* addresses of this system, loopback apart */
	size_t n_own;
};

/* One question to a parameter's tables, told to the trace: each table once, in order. partial: a part of an address, which
 * tables that take whole addresses are not asked. value lives in the arena. */
struct route_ask {
	struct arena *arena;
	struct buf *trace;             /* NULL: silent */
	char failed[160];              /* the table of a MAP_ERROR */
};
enum map_answer route_ask(struct route_ask *q, const char *parameter, const struct maps *maps, struct str key, bool partial,
	struct str *value);
/* address_ask - address_find (rewriting.h) as one question of several; the table that fails is in q */
enum map_answer address_ask(struct router *r, struct route_ask *q, const struct address_maps *m, struct str address, struct str *value,
	struct str *extension);
/* route_base - address without its extension; false when it has none (recipient_delimiter) */
bool route_base(const struct router *r, struct arena *a, struct str address, struct str *out);

/* mailbox_route - "transport:nexthop" that delivers to a local user in local's place; NONE: local does */
enum map_answer mailbox_route(struct router *r, struct route_ask *q, struct str rcpt, struct str *to);

/* transport_ask - transport_maps for one recipient; MAP_FOUND with the entry's text */
enum map_answer transport_ask(struct router *r, struct route_ask *q, struct str rcpt, struct str *entry);
/* transport_split - "transport:nexthop"; both may come out empty */
void transport_split(struct str entry, struct str *transport, struct str *nexthop);

#endif
