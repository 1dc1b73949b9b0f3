/* places - how many sessions there may be, for whom.
 *
 * A tenth of all places, and of those of a listener with a process limit, is kept for our own: clients of mynetworks and users of the
 * submit socket; so strangers, however many addresses they have, cannot lock those out. */
#ifndef CORE_DAEMON_PLACES_H
#define CORE_DAEMON_PLACES_H

#include "core/daemon/relay.h"

enum place { PLACE_FREE, PLACE_BUSY /* at this listener */, PLACE_NONE /* in this process */ };
enum place places_look(const struct relay *r, const struct service *v, bool own);
/* places_may_stay - a session that is there, and whose address is only known now (PROXY) */
bool places_may_stay(struct relay *r, const struct service *v, const struct ipaddr *client);
/* places_left - a session of this service has ended: who waits gets its place after this tick (r->places) */
void places_left(struct relay *r, const struct service *v);

#endif
