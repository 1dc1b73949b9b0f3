/* fdpass - hand open descriptors to another process over a unix socket (SCM_RIGHTS). */
#ifndef CORE_NET_FDPASS_H
#define CORE_NET_FDPASS_H

#include "core/base/str.h"

/* fdpass_send - send n bytes (at least 1) and, with them, fd (-1: none). 0, or -1 with errno (EAGAIN: would block);
 * the caller keeps its own copy of fd. A stream that took only part of the bytes is EMSGSIZE: keep messages small */
int fdpass_send(int sock, int fd, const void *bytes, size_t n);
/* fdpass_recv - bytes received (0: the peer closed), or -1 with errno. *fd: the descriptor that came with them, close on
 * exec, or -1. More than one descriptor in a message is EPROTO, and all are closed */
ptrdiff_t fdpass_recv(int sock, int *fd, void *bytes, size_t n);

#endif
