/* health - what a load balancer asks over HTTP (http_listen): is this relay alive, and may it get mail? */
#ifndef CORE_DAEMON_HEALTH_H
#define CORE_DAEMON_HEALTH_H

#include "core/daemon/relay.h"

/* health_open - take over an accepted connection: one request, one answer, then it is closed. Never logged */
void health_open(struct relay *r, int fd);
/* health_alive - NULL, or why it is not well: a restart, or somebody, is needed; static text */
const char *health_alive(const struct relay *r);

#endif
