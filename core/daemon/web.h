/* web - what relayd answers over HTTP (http_listen): health, metrics, and a page for people. */
#ifndef CORE_DAEMON_WEB_H
#define CORE_DAEMON_WEB_H

#include "core/daemon/relay.h"

/* web_open - take over an accepted connection: one request, one answer, then it is closed. Never logged */
void web_open(struct relay *r, int fd);

#endif
