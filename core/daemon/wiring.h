/* wiring - where rooms meet that do not know each other: what the schedule, deliveries and address verification ask of relayd. */
#ifndef CORE_DAEMON_WIRING_H
#define CORE_DAEMON_WIRING_H

#include "core/daemon/relay.h"

extern const struct schedule_ops wiring_schedule_ops;          /* ctx: the relay */
struct deliver *wiring_deliver(struct relay *r, int helper_fd);
struct verify *wiring_verify(struct relay *r);

#endif
