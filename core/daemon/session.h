/* session - one SMTP client connected to us: the server machine meets a socket, policy and the queue here.
 *
 * A session also serves the unix submit socket, where the peer is a local user (uid) and trusted as such. */
#ifndef CORE_DAEMON_SESSION_H
#define CORE_DAEMON_SESSION_H

#include "core/daemon/relay.h"

/* session_open - take over an accepted socket. uid: -1 for TCP, else the peer of the submit socket */
void session_open(struct relay *r, const struct service *v, int fd, int64_t uid);
/* session_auth_prepare - what logins need of the spool is there before the first; settings are in force */
void session_auth_prepare(struct relay *r);
/* session_close_idle - end what is between messages with 421 (shutdown). Sessions in a message go on to its end; until r->last_call who has
 * come or spoken since then, and has brought no message, may bring one */
void session_close_idle(struct relay *r, usec since);
/* session_close_all - the same for all that have not asked for a 250 that is on its way: there is no more time */
void session_close_all(struct relay *r);
/* session_stress - the listeners of this load have come under stress, or are over it: what their sessions live by is other now */
void session_stress(struct relay *r, const struct service_load *load);
/* session_any_of - is there a session yet that a service of s began? */
bool session_any_of(const struct relay *r, const struct settings *s);

#endif
