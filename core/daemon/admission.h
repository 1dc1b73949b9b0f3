/* admission - who gets a session, and what happens while there are more who want one than places.
 *
 * Who finds no place at a listener (places.h) waits without a greeting, as in the kernel's queue behind Postfix's process limit, but
 * our own go first; past LIMIT_SESSIONS_WAITING, and where the process has no place, the answer is 421.
 *
 * From the first client without a place on, the listener is under stress (postconf(5), stress): its sessions, those that are there,
 * too, live by the values that main.cf gives with ${stress?...}, until half of the places are free again for a while. */
#ifndef CORE_DAEMON_ADMISSION_H
#define CORE_DAEMON_ADMISSION_H

#include "core/daemon/relay.h"

/* admission_take - an accepted socket of this service, which becomes a session, waits, or is turned away. local: the submit socket */
void admission_take(struct relay *r, const struct service *v, int fd, bool local);
/* admission_look - other limits are in force, or a second is over: places for who waits, and the end of stress */
void admission_look(struct relay *r);
/* admission_move - a new generation has come: who waits at a listener that is gone is turned away */
void admission_move(struct relay *r, const struct settings *before);
void admission_init(struct relay *r);

#endif
