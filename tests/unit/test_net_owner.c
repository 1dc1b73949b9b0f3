/* a connection that changes hands, and a loop whose wait fails */
#include <errno.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "core/net/conn.h"
#include "tests/unit/t.h"

static int wait_error;

/* all of them, since a libc may have them in one piece */
int epoll_create1(int flags) { return (int)syscall(SYS_epoll_create1, flags); }
int epoll_create(int n) { return n > 0 ? epoll_create1(0) : -1; }
int epoll_ctl(int fd, int op, int of, struct epoll_event *ev) { return (int)syscall(SYS_epoll_ctl, fd, op, of, ev); }
int epoll_pwait(int fd, struct epoll_event *v, int n, int ms, const sigset_t *mask) { return (int)syscall(SYS_epoll_pwait, fd, v, n, ms, mask, 8); }

int epoll_wait(int fd, struct epoll_event *v, int n, int ms)
{
	if (wait_error) {
		errno = wait_error;
		return -1;
	}
	return (int)syscall(SYS_epoll_pwait, fd, v, n, ms, NULL, 8);
}

struct owner { unsigned told; char got[100]; };

static enum conn_next take(struct owner *o, struct conn *c)
{
	o->told++;
	snprintf(o->got, sizeof(o->got), "%.*s", (int)c->in.n, c->in.p ? c->in.p : "");
	buf_consume(&c->in, c->in.n);
	return CONN_KEEP;
}

static enum conn_next on_first(struct conn *c, enum conn_event ev)
{
	return ev == CONN_DATA ? take(c->ctx, c) : CONN_KEEP;
}

static enum conn_next on_second(struct conn *c, enum conn_event ev)
{
	/* that it is the second's shows in what it keeps */
	if (ev == CONN_DATA)
		buf_consume(&c->in, 1);
	return ev == CONN_DATA ? take(c->ctx, c) : CONN_KEEP;
}

T(conn_tells_its_owner_and_nobody_before_him)
{
	struct owner first = { 0 }, second = { 0 };
	struct loop *l = loop_new();
	struct conn *c;
	int s[2];

	REQUIRE(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, s) == 0);
	c = conn_accepted(l, s[0], 1000, 1000, on_first, &first);
	CHECK_INT(write(s[1], "one", 3), 3);
	for (int i = 0; i < 100 && !first.told; i++)
		loop_tick(l, 10000);
	CHECK_STR(first.got, "one");
	conn_set_owner(c, on_second, &second);
	CHECK_INT(write(s[1], "two", 3), 3);
	for (int i = 0; i < 100 && !second.told; i++)
		loop_tick(l, 10000);
	CHECK_INT(first.told, 1);
	CHECK_INT(second.told, 1);
	CHECK_STR(second.got, "wo");
	conn_close(c);
	loop_tick(l, 0);
	close(s[1]);
	loop_free(l);
}

T(loop_says_when_it_cannot_wait)
{
	static const struct { int error, result; } rows[] = { { 0, 0 }, { EINTR, 0 }, { EBADF, -1 }, { EINVAL, -1 } };
	struct loop *l = loop_new();

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		ROW("%zu", i);
		wait_error = rows[i].error;
		CHECK_INT(loop_tick(l, 0), rows[i].result);
	}
	wait_error = 0;
	loop_free(l);
}
