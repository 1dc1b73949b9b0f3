/* clients - what each client address is doing: connections now, and connections, messages, recipients and logins per time unit
 * (Postfix's anvil). IPv6 clients are counted by /64, so that one host cannot be many. */
#ifndef CORE_ACCESS_CLIENTS_H
#define CORE_ACCESS_CLIENTS_H

#include "core/base/clock.h"
#include "core/base/hash.h"
#include "core/map/match.h"

enum client_rate { CLIENT_CONNECTIONS, CLIENT_MESSAGES, CLIENT_RECIPIENTS, CLIENT_LOGINS, CLIENT_RATES };
struct client {
	unsigned connections;          /* open now */
	struct { usec since; unsigned n; } rate[CLIENT_RATES];
};
struct clients {
	struct table table;
};
void clients_init(struct clients *c);
void clients_fini(struct clients *c);
struct client *clients_enter(struct clients *c, const struct ipaddr *a);   /* connections + 1 */
void clients_leave(struct clients *c, const struct ipaddr *a);             /* connections - 1; forgets clients long gone */
/* client_rate_count - count one event in the running unit; the count so far */
unsigned client_rate_count(struct client *c, enum client_rate what, usec now, usec unit);

#endif
