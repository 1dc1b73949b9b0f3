/* pickup - takes what `sendmail` left in maildrop/ while no relayd ran, and later drops, into the queue. */
#ifndef CORE_DAEMON_PICKUP_H
#define CORE_DAEMON_PICKUP_H

#include "core/daemon/relay.h"

struct pickup *pickup_start(struct relay *r);  /* looks now and whenever the directory changes */
void pickup_stop(struct pickup *p);

#endif
