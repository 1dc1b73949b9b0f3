/* health - is this relay alive, and may it get mail? Asked by load balancers over HTTP (web.h), and by who looks at its state. */
#ifndef CORE_DAEMON_HEALTH_H
#define CORE_DAEMON_HEALTH_H

#include "core/daemon/relay.h"

/* health_alive - NULL, or why it is not well: a restart, or somebody, is needed; static text */
const char *health_alive(const struct relay *r);
/* health_ready - NULL, or why it may get no mail now; static text */
const char *health_ready(const struct relay *r);

#endif
