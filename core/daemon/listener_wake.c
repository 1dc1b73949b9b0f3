/* listener_wake - a socket that rests because its service is full accepts again. What ends sessions calls it, and what accepts
 * begins them: so it is no part of listener.c. */
#include <sys/epoll.h>

#include "core/daemon/listener_private.h"

/* wake - accept again what waits, but for those that rest for want of descriptors */
static void wake(struct relay *r, const struct service_load *load)
{
	LIST_EACH(&r->listeners, it, tmp) {
		struct listener *l = LIST_ITEM(it, struct listener, link);

		if (!load || l->service->load == load)
			loop_io_set(r->loop, &l->io, EPOLLIN);
	}
}

void listener_left(struct relay *r, const struct service *v)
{
	v->load->sessions--;
	if (!v->load->full)
		return;
	v->load->full = false;
	wake(r, v->load);
}

void listener_look_again(struct relay *r)
{
	wake(r, NULL);
}
