/* test_net_loop.c - the event loop and descriptor passing, over pipes and socket pairs. */
#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/base/pool.h"
#include "core/net/fdpass.h"
#include "core/net/loop.h"
#include "tests/unit/t.h"

struct ear {
	struct loop_io io;
	struct loop *l;
	struct ear *other;     /* removed when this one is served */
	int served;
};

static void hear(struct loop_io *io, uint32_t events)
{
	struct ear *e = LIST_ITEM(io, struct ear, io);

	(void)events;
	e->served++;
	if (e->other)
		loop_io_remove(e->l, &e->other->io);
}

static void ear_init(struct ear *e, struct loop *l, int fd)
{
	*e = (struct ear){.l = l, .io = {.fd = fd, .on_ready = hear}};
}

T(loop_serves_what_is_ready_and_again_while_it_is)
{
	struct loop *l = loop_new();
	struct ear e;
	int p[2];

	REQUIRE(pipe(p) == 0);
	ear_init(&e, l, p[0]);
	CHECK_INT(loop_io_add(l, &e.io, EPOLLIN), 0);
	CHECK_INT(loop_tick(l, 0), 0);
	CHECK_INT(e.served, 0);
	CHECK_INT(write(p[1], "x", 1), 1);
	loop_tick(l, 0);
	loop_tick(l, 0);
	CHECK_INT(e.served, 2);
	loop_io_set(l, &e.io, 0);
	loop_tick(l, 0);
	CHECK_INT(e.served, 2);
	loop_io_set(l, &e.io, EPOLLIN);
	loop_tick(l, 0);
	CHECK_INT(e.served, 3);
	loop_io_remove(l, &e.io);
	loop_io_remove(l, &e.io);
	loop_tick(l, 0);
	CHECK_INT(e.served, 3);
	close(p[0]);
	close(p[1]);
	loop_free(l);
}

T(loop_silent_io_does_not_spin_on_a_hang_up)
{
	struct loop *l = loop_new();
	struct ear e;
	int p[2];

	REQUIRE(socketpair(AF_UNIX, SOCK_STREAM, 0, p) == 0);
	ear_init(&e, l, p[0]);
	loop_io_add(l, &e.io, 0);
	close(p[1]);
	loop_tick(l, 0);
	CHECK_INT(e.served, 0);
	loop_io_remove(l, &e.io);
	close(p[0]);
	loop_free(l);
}

T(loop_removed_io_gets_no_event_of_this_tick)
{
	struct loop *l = loop_new();
	struct ear a, b;
	int p[2], q[2];

	REQUIRE(pipe(p) == 0 && pipe(q) == 0);
	ear_init(&a, l, p[0]);
	ear_init(&b, l, q[0]);
	a.other = &b;
	b.other = &a;
	loop_io_add(l, &a.io, EPOLLIN);
	loop_io_add(l, &b.io, EPOLLIN);
	CHECK(write(p[1], "x", 1) == 1 && write(q[1], "x", 1) == 1);
	loop_tick(l, 0);
	CHECK_INT(a.served + b.served, 1);
	close(p[0]), close(p[1]), close(q[0]), close(q[1]);
	loop_free(l);
}

struct swap {
	struct loop_io io;
	struct loop *l;
	struct ear *victim, *heir;
};

/* remove another io, close its descriptor, and use the same number for a new one: all inside one tick */
static void swap_fds(struct loop_io *io, uint32_t events)
{
	struct swap *s = LIST_ITEM(io, struct swap, io);
	int p[2], old = s->victim->io.fd;

	(void)events;
	loop_io_remove(s->l, io);
	loop_io_remove(s->l, &s->victim->io);
	if (pipe(p) || dup2(p[0], old) != old)
		return;
	close(p[0]);
	close(p[1]);
	ear_init(s->heir, s->l, old);
	loop_io_add(s->l, &s->heir->io, EPOLLIN);
}

T(loop_reused_descriptor_gets_no_old_event)
{
	struct loop *l = loop_new();
	struct ear victim, heir = { 0 };
	struct swap s = { .l = l, .victim = &victim, .heir = &heir };
	int p[2], q[2];

	REQUIRE(pipe(p) == 0 && pipe(q) == 0);
	s.io = (struct loop_io){ .fd = p[0], .on_ready = swap_fds };
	ear_init(&victim, l, q[0]);
	loop_io_add(l, &s.io, EPOLLIN);
	loop_io_add(l, &victim.io, EPOLLIN);
	CHECK(write(p[1], "x", 1) == 1 && write(q[1], "x", 1) == 1);
	loop_tick(l, 0);
	CHECK_INT(heir.served, 0);
	CHECK(victim.served <= 1);
	loop_io_remove(l, &heir.io);
	close(p[0]), close(p[1]), close(q[0]), close(q[1]);
	loop_free(l);
}

struct bell {
	struct loop_timer t;
	struct loop *l;
	char *log;
	char mark;
	bool again;
};

static void ring(struct loop_timer *t)
{
	struct bell *b = LIST_ITEM(t, struct bell, t);

	strncat(b->log, &b->mark, 1);
	if (b->again)
		loop_timer_set(b->l, t, 0);
}

T(loop_timers_ring_in_order_and_can_be_moved_and_cancelled)
{
	struct loop *l = loop_new();
	char log[16] = "";
	struct bell b[4] = { { .l = l, .log = log, .mark = 'a' }, { .l = l, .log = log, .mark = 'b' },
		{ .l = l, .log = log, .mark = 'c' }, {.l = l, .log = log, .mark = 'd', .again = true}};
	usec now = loop_now(l);

	for (int i = 0; i < 4; i++)
		loop_timer_init(&b[i].t, ring);
	loop_timer_set(l, &b[0].t, now - 10);
	loop_timer_set(l, &b[1].t, now - 20);
	loop_timer_set(l, &b[2].t, now - 30);
	loop_timer_cancel(l, &b[2].t);
	loop_timer_set(l, &b[3].t, now - 5);
	loop_tick(l, USEC_NEVER);
	CHECK_STR(log, "bad");
	loop_tick(l, USEC_NEVER);
	CHECK_STR(log, "badd");
	loop_timer_set(l, &b[3].t, USEC_NEVER);
	loop_tick(l, 0);
	CHECK_STR(log, "badd");
	loop_timer_set(l, &b[2].t, loop_now(l) + 3000);
	loop_tick(l, USEC_NEVER);
	CHECK_STR(log, "baddc");
	loop_free(l);
}

struct chore {
	struct loop_task t;
	struct loop *l;
	struct chore *next;
	int runs;
};

static void do_chore(struct loop_task *t)
{
	struct chore *c = LIST_ITEM(t, struct chore, t);

	c->runs++;
	if (c->next)
		loop_defer(c->l, &c->next->t);
}

static void count(void *ctx)
{
	++*(int *)ctx;
}

T(loop_tasks_run_once_and_new_ones_keep_it_awake)
{
	struct loop *l = loop_new();
	struct chore a = { .l = l }, b = { .l = l, .next = &a }, gone = { .l = l };
	int hooks = 0;

	loop_task_init(&a.t, do_chore);
	loop_task_init(&b.t, do_chore);
	loop_task_init(&gone.t, do_chore);
	loop_on_tick(l, count, &hooks);
	loop_defer(l, &b.t);
	loop_defer(l, &b.t);
	loop_defer(l, &gone.t);
	loop_task_cancel(&gone.t);
	loop_tick(l, USEC_NEVER);
	CHECK_INT(b.runs, 1);
	CHECK_INT(a.runs, 0);
	loop_tick(l, USEC_NEVER); /* would sleep for ever if it forgot */
	CHECK_INT(a.runs, 1);
	CHECK_INT(b.runs, 1);
	CHECK_INT(gone.runs, 0);
	CHECK_INT(hooks, 2);
	loop_free(l);
}

struct job {
	struct pool_job j;
	struct loop *l;
	int worked, done;
};

static void job_work(struct pool_job *j)
{
	LIST_ITEM(j, struct job, j)->worked = 1;
}

static void job_done(struct pool_job *j)
{
	struct job *x = LIST_ITEM(j, struct job, j);

	x->done = x->worked;
	loop_stop(x->l);
}

T(loop_reaps_its_pool)
{
	struct loop *l = loop_new();
	struct pool *p = pool_new(1);
	struct job x = {.l = l, .j = {.work = job_work, .done = job_done}};

	REQUIRE(loop_use_pool(l, p) == 0);
	pool_run(p, &x.j);
	CHECK_INT(loop_run(l), 0);
	CHECK_INT(x.done, 1);
	loop_use_pool(l, NULL);
	pool_free(p);
	loop_free(l);
}

struct toil {
	struct loop_task task;
	usec works, sleeps;
};

static void toil(struct loop_task *t)
{
	struct toil *x = LIST_ITEM(t, struct toil, task);
	usec end = clock_thread(NULL) + x->works;

	while (clock_thread(NULL) < end)
		continue;
	if (x->sleeps)
		usleep((useconds_t)x->sleeps);
}

T(loop_tells_ticks_that_work_long_from_those_that_wait_long)
{
	static const struct { usec works, sleeps; unsigned n_long, n_busy; } rows[] = {
		{ 0, LOOP_LONG + 10 * USEC_PER_MSEC, 1, 0 },
		{ LOOP_LONG + 10 * USEC_PER_MSEC, 0, 2, 1 },
		{ 2 * LOOP_LONG, 0, 3, 2 },
	};
	struct loop *l = loop_new();
	struct toil x;

	loop_task_init(&x.task, toil);
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		x.works = rows[i].works;
		x.sleeps = rows[i].sleeps;
		loop_defer(l, &x.task);
		loop_tick(l, 0);
		loop_tick(l, 0);
		CHECK_INT(loop_slices(l)->n_long, rows[i].n_long);
		CHECK_INT(loop_slices(l)->n_busy, rows[i].n_busy);
	}
	CHECK(loop_slices(l)->busiest >= 2 * LOOP_LONG - USEC_PER_MSEC);
	CHECK_INT(loop_slices(l)->tasks, 1);
	loop_free(l);
}

T(fdpass_hands_over_a_descriptor)
{
	int s[2], p[2], got;
	char b[8];

	REQUIRE(socketpair(AF_UNIX, SOCK_STREAM, 0, s) == 0 && pipe(p) == 0);
	CHECK_INT(fdpass_send(s[0], p[1], "hi", 2), 0);
	close(p[1]);
	CHECK_INT(fdpass_recv(s[1], &got, b, sizeof(b)), 2);
	REQUIRE(got >= 0);
	CHECK(fcntl(got, F_GETFD) & FD_CLOEXEC);
	CHECK_INT(write(got, "z", 1), 1);
	CHECK_INT(read(p[0], b, 1), 1);
	CHECK_INT(b[0], 'z');
	close(got);
	CHECK_INT(fdpass_send(s[0], -1, "x", 1), 0);
	CHECK_INT(fdpass_recv(s[1], &got, b, sizeof(b)), 1);
	CHECK_INT(got, -1);
	CHECK_INT(fdpass_send(s[0], -1, "", 0), -1);
	close(s[0]);
	CHECK_INT(fdpass_recv(s[1], &got, b, sizeof(b)), 0);
	close(s[1]);
	close(p[0]);
}

static int send_two(int sock, int a, int b)
{
	union { struct cmsghdr align; char room[CMSG_SPACE(2 * sizeof(int))]; } u = { 0 };
	char c = 'x';
	struct iovec iov = { &c, 1 };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = &u, .msg_controllen = sizeof(u) };
	struct cmsghdr *h = CMSG_FIRSTHDR(&m);
	int fds[2] = { a, b };

	h->cmsg_level = SOL_SOCKET;
	h->cmsg_type = SCM_RIGHTS;
	h->cmsg_len = CMSG_LEN(sizeof(fds));
	memcpy(CMSG_DATA(h), fds, sizeof(fds));
	return (int)sendmsg(sock, &m, 0);
}

T(fdpass_refuses_two_and_leaks_none)
{
	int s[2], p[2], got, before, after;
	char b[8];

	REQUIRE(socketpair(AF_UNIX, SOCK_STREAM, 0, s) == 0 && pipe(p) == 0);
	before = dup(0);
	close(before);
	CHECK_INT(send_two(s[0], p[0], p[1]), 1);
	CHECK_INT(fdpass_recv(s[1], &got, b, sizeof(b)), -1);
	CHECK_INT(errno, EPROTO);
	CHECK_INT(got, -1);
	after = dup(0);
	close(after);
	CHECK_INT(after, before);
	close(s[0]), close(s[1]), close(p[0]), close(p[1]);
}
