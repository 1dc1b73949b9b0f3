/* clients - what each client is doing: connections now, and connections, messages, recipients and logins per time unit (Postfix's anvil). A
 * client is a network of addresses (smtpd_client_ipv4_prefix_length, smtpd_client_ipv6_prefix_length), so that one host cannot be
 * many, or a user of this host. */
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
/* clients_enter - one connection more of the network of `prefix` bits around a; the client stays valid until it is left as often */
struct client *clients_enter(struct clients *c, const struct ipaddr *a, unsigned prefix);
struct client *clients_enter_user(struct clients *c, int64_t uid);
void clients_leave(struct client *one);                                    /* connections - 1; it may be forgotten from then on */
/* client_rate_count - count one event in the running unit; the count so far */
unsigned client_rate_count(struct client *c, enum client_rate what, usec now, usec unit);

#endif
