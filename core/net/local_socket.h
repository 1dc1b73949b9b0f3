/* local_socket - the client's side of relayd's unix sockets (submit, control): blocking, with a deadline for everything. */
#ifndef CORE_NET_LOCAL_SOCKET_H
#define CORE_NET_LOCAL_SOCKET_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "core/base/clock.h"

/* local_connect - QUEUE_DIRECTORY/NAME; a descriptor, or -1 with errno (ENOENT, ECONNREFUSED: nobody listens) */
int local_connect(const char *queue_directory, const char *name);
int64_t local_peer(int fd);                                          /* who listens there, by the kernel's word: a uid, or -1 */
int local_send(int fd, const void *p, size_t n, usec deadline);      /* all of it; 0, or -1 (ETIMEDOUT, EPIPE …) */
ssize_t local_receive(int fd, void *p, size_t n, usec deadline);     /* what is there, at least a byte; 0 = end, -1 */

#endif
