/* loop.c - epoll, a heap of timers, and the work that waits for the end of a tick.
 *
 * Level triggered: whoever leaves bytes in the kernel is asked again. An io that wants nothing is taken out of the
 * epoll set, because epoll reports hang-ups even to those who asked for no event, and that would spin. Removing an io
 * clears it from the events of this tick that were not served yet; since events carry the io and not the descriptor, a
 * descriptor number that is used again in the same tick cannot get an old event. */
#include <errno.h>
#include <limits.h>
#include <unistd.h>

#include "core/base/mem.h"
#include "core/base/pool.h"
#include "core/net/loop.h"

enum { EVENTS_PER_TICK = 256, HOOKS = 4, LOOK_EVERY = 4 };
#define WORK_LOOK USEC_PER_MSEC            /* how old a look at the thread's clock may be: by so much a tick's work is underrated */
#define TURN (10 * USEC_PER_MSEC)          /* of events, of timers, of tasks in a tick, more or less */

struct loop {
	int epoll;
	bool stop;
	bool ticking;          /* there was a tick before this one, and nothing but it in between */
	usec now, wall;
	usec seen;             /* the last look at the clock in this tick */
	usec worked, worked_at; /* the thread's clock before this tick, and when that was */
	uint64_t pages;        /* … and what it had touched for the first time */
	struct heap timers;
	struct list tasks;
	struct pool *pool;
	struct loop_io pool_io;
	struct { void (*fn)(void *ctx); void *ctx; } hooks[HOOKS];
	unsigned n_hooks;
	int served, n_events;  /* of the running tick */
	struct loop_slices slices, tick;
	struct epoll_event events[EVENTS_PER_TICK];
};

static void read_clocks(struct loop *l)
{
	l->now = clock_mono();
	l->wall = clock_wall();
}

struct loop *loop_new(void)
{
	int fd = epoll_create1(EPOLL_CLOEXEC);
	struct loop *l;

	if (fd < 0)
		return NULL;
	l = MEM_NEW(struct loop);
	l->epoll = fd;
	heap_init(&l->timers);
	list_init(&l->tasks);
	read_clocks(l);
	return l;
}

void loop_free(struct loop *l)
{
	if (!l)
		return;
	LIST_EACH(&l->tasks, it, next)
		list_remove(it);
	heap_fini(&l->timers);
	close(l->epoll);
	mem_free(l);
}

/* --- descriptors ------------------------------------------------------------------------------------------------ */

static int control(struct loop *l, int op, struct loop_io *io, uint32_t events)
{
	struct epoll_event ev = { .events = events, .data.ptr = io };

	return epoll_ctl(l->epoll, op, io->fd, &ev);
}

int loop_io_add(struct loop *l, struct loop_io *io, uint32_t events)
{
	if (events && control(l, EPOLL_CTL_ADD, io, events) < 0)
		return -1;
	io->events = events;
	io->registered = true;
	return 0;
}

void loop_io_set(struct loop *l, struct loop_io *io, uint32_t events)
{
	int op = !io->events ? EPOLL_CTL_ADD : events ? EPOLL_CTL_MOD : EPOLL_CTL_DEL;

	if (!io->registered || io->events == events)
		return;
	if (control(l, op, io, events) < 0)
		die("epoll_ctl: errno %d", errno);
	io->events = events;
}

void loop_io_remove(struct loop *l, struct loop_io *io)
{
	if (!io->registered)
		return;
	if (io->events)
		control(l, EPOLL_CTL_DEL, io, 0);
	io->registered = false;
	io->events = 0;
	for (int i = l->served; i < l->n_events; i++)
		if (l->events[i].data.ptr == io)
			l->events[i].data.ptr = NULL;
}

/* --- timers and tasks --------------------------------------------------------------------------------------------- */

void loop_timer_init(struct loop_timer *t, void (*on_due)(struct loop_timer *))
{
	t->node = (struct heap_node){ 0 };
	t->on_due = on_due;
}

void loop_timer_set(struct loop *l, struct loop_timer *t, usec deadline_mono)
{
	if (deadline_mono == USEC_NEVER)
		heap_remove(&l->timers, &t->node);
	else
		heap_add(&l->timers, &t->node, deadline_mono);
}

void loop_timer_cancel(struct loop *l, struct loop_timer *t)
{
	heap_remove(&l->timers, &t->node);
}

void loop_task_init(struct loop_task *t, void (*run)(struct loop_task *))
{
	list_init(&t->link);
	t->run = run;
}

void loop_defer(struct loop *l, struct loop_task *t)
{
	if (list_is_empty(&t->link))
		list_append(&l->tasks, &t->link);
}

void loop_task_cancel(struct loop_task *t)
{
	list_remove(&t->link);
}

usec loop_now(const struct loop *l)
{
	return l->now;
}

usec loop_wall(const struct loop *l)
{
	return l->wall;
}

void loop_on_tick(struct loop *l, void (*fn)(void *ctx), void *ctx)
{
	if (l->n_hooks == HOOKS)
		BUG("too many hooks on the loop");
	l->hooks[l->n_hooks].fn = fn;
	l->hooks[l->n_hooks++].ctx = ctx;
}

/* --- the pool ----------------------------------------------------------------------------------------------------- */

static void on_pool_ready(struct loop_io *io, uint32_t events)
{
	struct loop *l = LIST_ITEM(io, struct loop, pool_io);

	(void)events;
	pool_reap(l->pool);
}

int loop_use_pool(struct loop *l, struct pool *p)
{
	loop_io_remove(l, &l->pool_io);
	l->pool = p;
	if (!p)
		return 0;
	l->pool_io.fd = pool_fd(p);
	l->pool_io.on_ready = on_pool_ready;
	return loop_io_add(l, &l->pool_io, EPOLLIN);
}

struct pool *loop_pool(const struct loop *l)
{
	return l->pool;
}

/* --- the tick ----------------------------------------------------------------------------------------------------- */

const struct loop_slices *loop_slices(const struct loop *l)
{
	return &l->slices;
}

/* measure - the tick that began at l->now is over */
static void measure(struct loop *l, usec now)
{
	struct loop_slices *s = &l->slices;
	usec took = now - l->now;

	if (took > LOOP_LONG) {
		uint64_t pages;
		usec work = clock_thread(&pages) - l->worked - (l->now - l->worked_at);

		s->n_long++;
		s->n_busy += work > LOOP_LONG;
		if (work > LOOP_LONG && work > s->busiest) {
			s->busiest = work;
			s->pages = pages - l->pages;
		}
	}
	if (took <= s->worst)
		return;
	s->worst = took;
	s->events = l->tick.events;
	s->timers = l->tick.timers;
	s->tasks = l->tick.tasks;
}

/* begin - of a tick, at l->now */
static void begin(struct loop *l)
{
	l->tick = (struct loop_slices){ 0 };
	l->seen = l->now;
	if (l->now - l->worked_at <= WORK_LOOK)
		return;
	l->worked = clock_thread(&l->pages);
	l->worked_at = l->now;
}

/* milliseconds to sleep, rounded up so that a timer is due when it ends */
static int sleep_ms(struct loop *l, usec max_wait, usec now)
{
	struct heap_node *first = heap_first(&l->timers);
	usec wait = max_wait;

	if (!list_is_empty(&l->tasks))
		return 0;
	if (first) {
		usec left = first->key - now;

		wait = left < wait ? left : wait;
	}
	if (wait <= 0)
		return 0;
	if (wait > (usec)INT_MAX * 1000)
		return max_wait == USEC_NEVER && !first ? -1 : INT_MAX;
	return (int)((wait + 999) / 1000);
}

/* is_long - what began at `from` has taken its time: the rest of it comes in the next tick, after all others had theirs. The clock is
 * looked at now and then */
static bool is_long(struct loop *l, unsigned done, usec from)
{
	if (done % LOOK_EVERY)
		return false;
	l->seen = clock_mono();
	return l->seen - from > TURN;
}

static void serve_events(struct loop *l)
{
	while (l->served < l->n_events) {
		struct epoll_event *e = &l->events[l->served++];
		struct loop_io *io = e->data.ptr;

		l->tick.events++;
		if (io)
			io->on_ready(io, e->events);
		/* level triggered: the kernel tells of the others again */
		if (is_long(l, l->tick.events, l->now))
			break;
	}
	l->served = l->n_events = 0;
}

/* only as many as there are now: a timer that sets itself to a time long past must not hold the loop */
static void serve_timers(struct loop *l)
{
	usec from = l->seen;

	for (uint32_t left = l->timers.n; left > 0; left--) {
		struct heap_node *x = heap_first(&l->timers);
		struct loop_timer *t;

		if (!x || x->key > l->now)
			return;
		heap_remove(&l->timers, x);
		l->tick.timers++;
		t = LIST_ITEM(x, struct loop_timer, node);
		t->on_due(t);
		if (is_long(l, l->tick.timers, from))
			return;
	}
}

/* what tasks add runs in the next tick, which then does not sleep */
static void serve_tasks(struct loop *l)
{
	struct list batch, *x;
	usec from = l->seen;

	if (list_is_empty(&l->tasks))
		return;
	list_insert_after(&l->tasks, &batch);
	list_remove(&l->tasks);
	while ((x = list_first(&batch)) != NULL) {
		struct loop_task *t = LIST_ITEM(x, struct loop_task, link);

		list_remove(x);
		l->tick.tasks++;
		t->run(t);
		if (is_long(l, l->tick.tasks, from)) {
			/* in front of those that came meanwhile */
			list_append_all(&batch, &l->tasks);
			list_append_all(&l->tasks, &batch);
		}
	}
}

static void call_hooks(struct loop *l)
{
	for (unsigned i = 0; i < l->n_hooks; i++)
		l->hooks[i].fn(l->hooks[i].ctx);
}

int loop_tick(struct loop *l, usec max_wait)
{
	usec now = clock_mono();
	int n;

	if (l->ticking)
		measure(l, now);
	l->ticking = true;
	n = epoll_wait(l->epoll, l->events, EVENTS_PER_TICK, sleep_ms(l, max_wait, now));
	if (n < 0 && errno != EINTR)
		return -1;
	l->n_events = n < 0 ? 0 : n;
	read_clocks(l);
	begin(l);
	serve_events(l);
	serve_timers(l);
	serve_tasks(l);
	call_hooks(l);
	return 0;
}

int loop_run(struct loop *l)
{
	l->stop = l->ticking = false;
	read_clocks(l);
	call_hooks(l); /* for what was made before the first tick */
	while (!l->stop)
		if (loop_tick(l, USEC_NEVER) < 0)
			return -1;
	return 0;
}

void loop_stop(struct loop *l)
{
	l->stop = true;
}
