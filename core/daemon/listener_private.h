/* listener_private - one listening socket, for listener.c, which opens it and accepts, and listener_wake.c. */
#ifndef CORE_DAEMON_LISTENER_PRIVATE_H
#define CORE_DAEMON_LISTENER_PRIVATE_H

#include "core/daemon/listener.h"

struct listener {
	struct list link;
	struct loop_io io;
	struct loop_timer rest;
	struct relay *relay;
	const struct service *service;
	struct sockaddr_storage address;
	socklen_t address_len;
	const struct service *next;    /* by the settings that are about to come into force; NULL: not wanted */
	bool fresh;                    /* opened for them */
};

#endif
