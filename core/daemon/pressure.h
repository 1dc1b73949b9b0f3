/* pressure - memory is short: what is refused then, and to whom first.
 *
 * memory_limit bounds the sum of all that this process holds (core/base/memory.h) and of what the kernel needs for each connection.
 * Past it the session that holds most is ended with 421, then the next, until a part of it is free again; mail is refused with 452,
 * and strangers with 421, until there is room. So no number of clients that are each within their own bounds ends the process. */
#ifndef CORE_DAEMON_PRESSURE_H
#define CORE_DAEMON_PRESSURE_H

#include "core/base/memory.h"
#include "core/daemon/relay.h"

static inline size_t pressure_used(const struct relay *r)
{
	return memory_used() + (r->n_sessions + r->n_waiting) * LIMIT_CONNECTION_KERNEL;
}
static inline bool pressure_is_on(const struct relay *r) { return pressure_used(r) > r->memory_limit; }
/* pressure_refuses - new mail; our own, of mynetworks and of local users, is taken a little longer */
static inline bool pressure_refuses(const struct relay *r, bool own)
{
	return pressure_used(r) > r->memory_limit + (own ? r->memory_limit / 8 : 0);
}
/* pressure_set - by the configuration in force; r->memory_system was read before */
void pressure_set(struct relay *r);
/* pressure_next - it is on: the session to end now; NULL when enough of them were */
struct session;
struct session *pressure_next(struct relay *r);

#endif
