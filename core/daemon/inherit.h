/* inherit - listening sockets that others made: a supervisor (sd_listen_fds(3): LISTEN_FDS, LISTEN_FDNAMES, LISTEN_PID), or the relayd
 * that we take over from (takeover.h).
 *
 * Of a supervisor's, each belongs to one service: the one with its name, as the first column of master.cf has it ("http" for
 * http_listen), else the one with its port; that service is then bound nowhere else. Of a relayd's, and of those that
 * the supervisor kept for an earlier one of us (notify.h), each stands in for the bind of the same address. */
#ifndef CORE_DAEMON_INHERIT_H
#define CORE_DAEMON_INHERIT_H

#include <sys/socket.h>

#include "core/daemon/settings.h"

struct inherited {
	struct inherited_socket {
		int fd;
		bool supervised;               /* a supervisor has it too, beyond our end */
		char name[64];                 /* the supervisor's; may be empty */
		struct sockaddr_storage address;
		socklen_t length;
	} *v;
	size_t n;
};
/* inherit_announced - how many sockets the environment says are for this process; ask before a fork */
size_t inherit_announced(void);
/* inherit_forget - … which the helper shall not have */
void inherit_forget(size_t n);
/* inherit_take - those, from descriptor 3 on. -1 with a reason logged */
int inherit_take(struct inherited *in, size_t n);
/* inherit_add - fd is taken over; -1 with a reason logged (and fd closed) unless it listens for TCP */
int inherit_add(struct inherited *in, int fd, bool supervised, struct str name);
void inherit_close(struct inherited *in);       /* those of a relayd */
/* inherit_find - a descriptor of a relayd's socket with this address, of the caller; -1: there is none */
int inherit_find(const struct inherited *in, const struct sockaddr *sa, socklen_t n);
/* inherit_service - whose a supervisor's socket is; NULL: nobody's */
const struct service *inherit_service(const struct inherited_socket *one, const struct settings *s);
/* inherit_has - does a supervisor have a socket with this address? */
bool inherit_has(const struct inherited *in, const struct sockaddr *sa, socklen_t n);
/* inherit_covers - has v a socket of a supervisor? */
bool inherit_covers(const struct inherited *in, const struct settings *s, const struct service *v);

#endif
