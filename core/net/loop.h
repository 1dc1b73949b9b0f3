/* loop - one thread, one epoll, timers in a heap. All state of the daemon lives on this thread.
 *
 * Callbacks may add, change and remove anything, themselves included: an io removed in a tick gets no further event of
 * that tick. Nothing is freed by the loop; owners free through loop_defer, which runs after the tick. */
#ifndef CORE_NET_LOOP_H
#define CORE_NET_LOOP_H

#include <sys/epoll.h>

#include "core/base/clock.h"
#include "core/base/heap.h"
#include "core/base/list.h"

struct loop;

struct loop_io {
	int fd;
	uint32_t events;       /* EPOLLIN | EPOLLOUT wanted now; 0 = registered but silent */
	void (*on_ready)(struct loop_io *io, uint32_t events);
	bool registered;
};
struct loop_timer {
	struct heap_node node;
	void (*on_due)(struct loop_timer *t);
};
struct loop_task {             /* once, at the end of this tick */
	struct list link;
	void (*run)(struct loop_task *t);
};

struct pool;
struct loop *loop_new(void);                                   /* NULL with errno */
void loop_free(struct loop *l);
int loop_io_add(struct loop *l, struct loop_io *io, uint32_t events); /* 0, or -1 with errno */
void loop_io_set(struct loop *l, struct loop_io *io, uint32_t events); /* no system call when nothing changes */
void loop_io_remove(struct loop *l, struct loop_io *io);       /* before close(fd) */
void loop_timer_init(struct loop_timer *t, void (*on_due)(struct loop_timer *));
void loop_timer_set(struct loop *l, struct loop_timer *t, usec deadline_mono);
void loop_timer_cancel(struct loop *l, struct loop_timer *t);
void loop_task_init(struct loop_task *t, void (*run)(struct loop_task *));
void loop_defer(struct loop *l, struct loop_task *t);          /* nothing if it waits already */
void loop_task_cancel(struct loop_task *t);                    /* nothing if it does not wait */
usec loop_now(const struct loop *l);                           /* monotonic, of this tick */
usec loop_wall(const struct loop *l);                          /* wall clock, of this tick */
/* loop_on_tick - called at the end of every tick, before sleeping (log flush, store commit); up to 4 */
void loop_on_tick(struct loop *l, void (*fn)(void *ctx), void *ctx);
/* loop_use_pool - run `done` of the pool's jobs on this loop (pool_reap when pool_fd is readable); conn gives its TLS
 * handshakes to it. NULL takes it away, before pool_free. 0, or -1 with errno */
int loop_use_pool(struct loop *l, struct pool *p);
struct pool *loop_pool(const struct loop *l);                  /* NULL if there is none */
/* loop_slices - how long others waited for one tick, from its events to its end, since the loop was made: the longest, and what it
 * had to do. On a busy machine others may have had the processor meanwhile, so long ticks are judged by their own time on it, too. It
 * costs no look at the clock beside the one before sleeping, and one at the thread's now and then */
#define LOOP_LONG (50 * USEC_PER_MSEC)
struct loop_slices {
	usec worst;
	unsigned events, timers, tasks; /* of the worst */
	uint64_t n_long;       /* ticks longer than LOOP_LONG */
	uint64_t n_busy;       /* … that worked for so long: what they had to do was too much */
	usec busiest;          /* the most that one of those worked */
	uint64_t pages;        /* … and touched for the first time: what one costs is the machine's, a fraction of a microsecond to ten */
};
const struct loop_slices *loop_slices(const struct loop *l);
/* loop_tick - wait at most max_wait (0: only look), serve what is ready; 0, or -1 with errno */
int loop_tick(struct loop *l, usec max_wait);
int loop_run(struct loop *l);                                  /* until loop_stop */
void loop_stop(struct loop *l);

#endif
