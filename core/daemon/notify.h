/* notify - tells who supervises us how we are: sd_notify(3), without its library. Datagrams of NAME=value lines to the socket that
 * NOTIFY_SOCKET names (a path, or @name for an abstract one); without it nothing is sent. Nothing here waits: what cannot be sent at
 * once is lost, as the protocol has it. Where FDSTORE says that descriptors are kept for us, the listening sockets go there, so that no
 * client is refused over a restart: they come back as a supervisor's do (inherit.h), by this name. */
#ifndef CORE_DAEMON_NOTIFY_H
#define CORE_DAEMON_NOTIFY_H

#include "core/net/loop.h"

#define NOTIFY_KEPT "relayd-kept"

struct notify {
	int fd;                        /* connected; -1: nobody wants to know */
	bool keeps;                    /* the supervisor keeps descriptors for us */
	usec interval;                 /* between signs of life: half of WATCHDOG_USEC; 0: none are wanted */
	struct loop *loop;
	struct loop_timer watchdog;
};
/* notify_open - connect, while the file system is still ours to see; what fails is logged, and nothing is sent */
void notify_open(struct notify *n);
void notify_ready(struct notify *n, struct loop *loop);        /* serving; signs of life begin */
/* notify_forget_kept - what was kept is none of ours any more */
void notify_forget_kept(const struct notify *n);
void notify_reloading(const struct notify *n);                 /* to be followed by notify_reloaded, whatever came of it */
void notify_reloaded(const struct notify *n, bool taken);
/* notify_stopping - most: how long it may still take */
void notify_stopping(const struct notify *n, size_t sessions, size_t deliveries, usec most);

#endif
