/* takeover - a new relayd in place of the one that runs, without a moment in which nobody listens.
 *
 * Over the control socket, whose other end is known by its uid: root's, or the same user's. New: "takeover". Old: a line "+socket NAME" for
 * each listening socket, with its descriptor (SCM_RIGHTS; NAME "-": its own, else a supervisor's), then "+ready SECONDS". Both may accept now,
 * and the old one does. When the new one has all but the queue it says "go": the old one leaves the sockets alone, ends as at TERM within
 * SECONDS, and the end of the connection says that the queue is free. Clients wait in the backlog meanwhile. Before "go" either
 * may go away, and nothing has happened. Neither runs a program: what the sandbox takes is not needed. */
#ifndef CORE_DAEMON_TAKEOVER_H
#define CORE_DAEMON_TAKEOVER_H

#include "core/daemon/relay.h"

#define TAKEOVER_REQUEST "takeover"
#define TAKEOVER_SOCKET "socket"
#define TAKEOVER_READY "ready"
#define TAKEOVER_GO "go"

struct takeover {
	int fd;                        /* of the dialogue; -1: nobody is there to take over from */
	usec patience;
};
/* takeover_ask - fills r->inherited; 0, or -1 with a reason logged. owner: whom the other end may belong to, beside root */
int takeover_ask(struct relay *r, struct takeover *t, uid_t owner);
/* takeover_go - returns when the queue is free; -1 with a reason logged */
int takeover_go(struct takeover *t);     /* in the queue's folder */
/* takeover_offer - the old one's sockets over this connection; 0, or -1 with errno */
int takeover_offer(struct relay *r, int fd);

#endif
