/* control_server - relayd's side of the control socket; the protocol is in control.h. */
#ifndef CORE_DAEMON_CONTROL_SERVER_H
#define CORE_DAEMON_CONTROL_SERVER_H

#include "core/daemon/relay.h"

/* control_open - queue_directory/control, relative to the working directory; NULL with errno */
struct control_server *control_open(struct relay *r);
void control_close(struct control_server *c);

#endif
