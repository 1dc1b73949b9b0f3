/* service - what one listener serves (struct service, settings.h), opened from its line of master.cf. For settings.c, whose generation owns
 * it, alone. */
#ifndef CORE_DAEMON_SERVICE_H
#define CORE_DAEMON_SERVICE_H

#include "core/daemon/settings.h"

/* service_open - v, which is zeroed, from its line; s has its conf, master and incoming already. What is wrong goes to diag, and v can be
 * given back in any case. v->stays_out: it must not be served */
void service_open(struct settings *s, struct service *v, const struct master_listener *l, struct conf_diag *diag);
/* service_open_submit - the submit socket: SMTP among ourselves. Who may use it is decided by the uid behind it */
void service_open_submit(struct settings *s, struct conf_diag *diag);
void service_begin(struct service *v, struct settings *s);               /* nobody uses it yet; where it lies is where it stays */
void service_succeed(struct service *v, const struct service *before);         /* the same listener of an older generation: its sessions count */
void service_refresh(struct service *v, usec now_mono);                        /* tables that changed are read again */
void service_fini(struct service *v);                                          /* what it owns; v may be zeroed, or never have begun */

#endif
