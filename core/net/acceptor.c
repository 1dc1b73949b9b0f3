/* acceptor - see acceptor.h. Level triggered: what is left over a tick's share is told again in the next one. */
#include "core/net/acceptor.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/base/log.h"

#define ACCEPTS_PER_TICK 64
#define LAST_ACCEPTS 4096              /* what may wait */
#define REST USEC_PER_SEC

static void rest(struct acceptor *a)
{
	log_warn(a->who, "accept: %s: resting for a second", strerror(errno));
	loop_io_set(a->loop, &a->io, 0);
	loop_timer_set(a->loop, &a->rest, loop_now(a->loop) + REST);
}

static void on_rested(struct loop_timer *t)
{
	struct acceptor *a = LIST_ITEM(t, struct acceptor, rest);

	loop_io_set(a->loop, &a->io, EPOLLIN);
}

static void take_some(struct acceptor *a, int most)
{
	for (int i = 0; i < most; i++) {
		int fd = accept4(a->io.fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (fd >= 0) {
			a->take(a, fd);
			continue;
		}
		if (errno == EINTR || errno == ECONNABORTED)
			continue;
		if (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS)
			rest(a);
		return;
	}
}

static void on_ready(struct loop_io *io, uint32_t events)
{
	(void)events;
	take_some(LIST_ITEM(io, struct acceptor, io), ACCEPTS_PER_TICK);
}

void acceptor_empty(struct acceptor *a)
{
	take_some(a, LAST_ACCEPTS);
}

int acceptor_open(struct acceptor *a, struct loop *l, int fd, const char *who, void (*take)(struct acceptor *a, int fd))
{
	*a = (struct acceptor){ .io = { .fd = fd, .on_ready = on_ready }, .loop = l, .who = who, .take = take };
	loop_timer_init(&a->rest, on_rested);
	return loop_io_add(l, &a->io, EPOLLIN);
}

void acceptor_close(struct acceptor *a)
{
	loop_timer_cancel(a->loop, &a->rest);
	loop_io_remove(a->loop, &a->io);
	close(a->io.fd);
}
