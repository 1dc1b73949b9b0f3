/* route - where a recipient goes: address class, transport, nexthop (docs/postfix-semantics.md, Postfix's trivial-rewrite). */
#ifndef CORE_ROUTE_ROUTE_H
#define CORE_ROUTE_ROUTE_H

#include "core/base/arena.h"
#include "core/conf/conf.h"
#include "core/map/match.h"
#include "core/msg/addr.h"
#include "core/msg/alias_text.h"
#include "core/msg/reply.h"
#include "core/route/rewriting.h"

/* router - the maps and lists behind routing and rewriting, opened once per configuration. Borrow conf and master. */
struct router {
	const struct conf *conf;
	const struct master *master;
	struct match *mydestination, *virtual_alias_domains, *relay_domains;
	struct maps transport_maps, alias_maps;
	struct match *mynetworks;
	struct rewriting rewriting;
	char alias_why[200];           /* why alias_expand said MAP_ERROR */
	struct router_private *priv;
};
struct router *router_new(const struct conf *c, const struct master *m, struct conf_diag *diag); /* NULL: diag has the errors */
void router_free(struct router *r);
/* router_each_alias_file - the files that alias_maps deliver to, as far as their tables can be walked */
void router_each_alias_file(const struct router *r, void (*fn)(void *ctx, struct str file), void *ctx);
void router_refresh(struct router *r, usec now_mono);

enum route_class { ROUTE_LOCAL, ROUTE_VIRTUAL_ALIAS, ROUTE_VIRTUAL, ROUTE_RELAY, ROUTE_DEFAULT };
struct route {
	enum route_class class;
	const struct master_transport *transport;
	struct str nexthop;            /* in the arena; "" for local */
	struct reply failed;           /* code != 0: 4xx a table could not be read, 5xx no such transport/user … */
};
/* route_resolve - trace (may be NULL) gets one line per key tried: "transport_maps: hash:/etc/x: example.com: not found" */
void route_resolve(struct router *r, struct arena *a, struct str sender, struct str rcpt, struct route *out, struct buf *trace);
/* route_local_base - what is in front of a local part's extension (recipient_delimiter); all of it where there is none, or where it is a name
 * that Postfix's split_addr leaves whole */
struct str route_local_base(const struct conf *c, struct str local);
/* route_is_option - a recipient that some program on its way may take for an option; refused but with allow_min_user */
static inline bool route_is_option(const struct conf *c, struct str rcpt) { return rcpt.n && *rcpt.p == '-' && !c->allow_min_user; }
/* route_class_of - the class alone; RCPT checks use it (is this domain ours to take?) */
enum route_class route_class_of(struct router *r, struct str domain, enum map_answer *answer);
bool route_is_own_address(const struct router *r, const struct ipaddr *a);     /* inet_interfaces, proxy_interfaces, loopback */

/* route_leads_home - would mail that is sent there come back to us? Own addresses in any spelling: those that a translator turns into one,
 * and what means "this host". A question about loops: whose rights an address has is asked of route_is_own_address */
bool route_leads_home(const struct router *r, const struct ipaddr *a);

/* --- nexthop text -------------------------------------------------------------------------------------------------- */
struct nexthop {
	struct str host;       /* without brackets */
	uint16_t port;         /* default_port if none was given */
	bool literal;          /* brackets: no MX lookup */
	bool unix_path;        /* lmtp unix:/path: host is the path */
};
/* nexthop_parse - one element "[h]:587", "h:submission", "[ipv6:…]", "unix:/x", "inet:h:p"; false with why */
bool nexthop_parse(struct str s, uint16_t default_port, struct nexthop *out, struct buf *why);
/* nexthop_port - the port of smtp_tcp_port and its like: a number or a name; 0 with why */
uint16_t nexthop_port(struct str service, struct buf *why);
/* nexthop_check - may each element of a list be parsed? false with why of the first that may not */
bool nexthop_check(struct str list, struct buf *why);

/* --- rewriting (trivial-rewrite's other half) ------------------------------------------------------------------------ */
/* rewrite_address - complete an address: "root" -> root@$myorigin (append_at_myorigin), "u@host" -> u@host.$mydomain
 * (append_dot_mydomain), "host!u" and "u%host" -> u@host (swap_bangpath, allow_percent_hack), trailing dot off the domain. local: as every
 * address of an envelope is, and those of headers of a client in local_header_rewrite_clients; others get $remote_header_rewrite_domain,
 * which is nothing if that is empty. */
struct str rewrite_address(struct router *r, struct arena *a, struct str addr, bool local);

/* --- aliases (aliases(5)) --------------------------------------------------------------------------------------------- */
/* alias_expand - targets of a local name, nested aliases and include files followed and loops cut, each target once.
 * An element that cannot be understood is logged and left out. MAP_NONE: no alias; MAP_ERROR: later (r->alias_why). owner: the sender that owner-NAME asks for, or empty. */
enum map_answer alias_expand(struct router *r, struct arena *a, struct str local, struct alias_target **out, size_t *n, struct str *owner);
/* alias_find - has this local name an alias? Only looked for. MAP_ERROR: r->alias_why */
enum map_answer alias_find(struct router *r, struct arena *a, struct str local);

#endif
