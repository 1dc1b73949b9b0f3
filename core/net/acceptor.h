/* acceptor - one listening socket: takes what waits, a bounded number a tick, so that a flood of connections cannot starve those that
 * are there. Out of descriptors or memory it rests for a second instead of spinning (threats I4). */
#ifndef CORE_NET_ACCEPTOR_H
#define CORE_NET_ACCEPTOR_H

#include "core/net/loop.h"

struct acceptor {
	struct loop_io io;
	struct loop_timer rest;
	struct loop *loop;
	const char *who;                                       /* in the log, when it rests */
	void (*take)(struct acceptor *a, int fd);              /* fd is non-blocking and the callee's */
};
/* acceptor_open - fd listens and does not block; the caller's again if this fails. 0, or -1 with errno */
int acceptor_open(struct acceptor *a, struct loop *l, int fd, const char *who, void (*take)(struct acceptor *a, int fd));
/* acceptor_empty - take what waits now, before the close: who has connected is not reset */
void acceptor_empty(struct acceptor *a);
void acceptor_close(struct acceptor *a);                       /* fd, too */

#endif
