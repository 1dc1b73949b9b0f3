/* pool - see pool.h. A heap of waiting jobs and a list of done ones under one mutex; an eventfd tells the loop that something is done.
 * A job that is handed over is touched by one thread at a time, so `work` needs no lock of its own. */
#include "core/base/pool.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "core/base/mem.h"
#include "core/base/random.h"

/* musl's default is 128 KiB; a handshake step with certificate checks wants more, and untouched pages cost nothing */
enum { POOL_STACK = 512 * 1024 };
/* those for whom jobs are done are told apart by a few bits of their numbers, mixed by chance */
enum { TURNS_BITS = 8, CAME_BITS = 20 };

struct pool {
	pthread_mutex_t lock;
	pthread_cond_t work_waits, work_done;
	struct heap waiting;           /* by round, then by the order in which they came */
	struct list done;
	struct { int64_t round; unsigned waiting; } turns[1 << TURNS_BITS]; /* the next round of each, jobs of his */
	int64_t round;                 /* of the job that was taken last */
	uint32_t came;
	uint64_t mix;
	unsigned running, n_threads, most;
	bool stop;
	int fd;
	pthread_t threads[];
};

static unsigned place_of(const struct pool *p, uint64_t of)
{
	return (unsigned)(of * p->mix >> (64 - TURNS_BITS));
}

/* put - in the round that runs, or in the one after his last job's */
static void put(struct pool *p, struct pool_job *j)
{
	unsigned at = place_of(p, j->of);
	int64_t round = p->turns[at].round > p->round ? p->turns[at].round : p->round;

	p->turns[at].round = round + 1;
	p->turns[at].waiting++;
	j->turn.pos = 0;
	heap_add(&p->waiting, &j->turn, round << CAME_BITS | (p->came++ & ((1 << CAME_BITS) - 1)));
}

static struct pool_job *take(struct pool *p)
{
	struct heap_node *x = heap_first(&p->waiting);
	struct pool_job *j;

	if (!x)
		return NULL;
	j = LIST_ITEM(x, struct pool_job, turn);
	p->round = x->key >> CAME_BITS;
	heap_remove(&p->waiting, x);
	p->turns[place_of(p, j->of)].waiting--;
	return j;
}

static void run_one(struct pool *p, struct pool_job *j)
{
	uint64_t one = 1;
	bool first;

	p->running++;
	pthread_mutex_unlock(&p->lock);
	j->work(j);
	pthread_mutex_lock(&p->lock);
	p->running--;
	first = list_is_empty(&p->done);
	list_append(&p->done, &j->link);
	pthread_cond_broadcast(&p->work_done);
	/* cannot fill: it is written once per emptying of the list */
	if (first && write(p->fd, &one, sizeof(one)) < 0 && errno != EAGAIN)
		BUG("eventfd write failed");
}

static void *thread_main(void *ctx)
{
	struct pool *p = ctx;

	pthread_mutex_lock(&p->lock);
	for (;;) {
		struct pool_job *j;

		if (p->stop)
			break;
		j = take(p);
		if (!j) {
			pthread_cond_wait(&p->work_waits, &p->lock);
			continue;
		}
		run_one(p, j);
	}
	pthread_mutex_unlock(&p->lock);
	return NULL;
}

/* start_thread - the first at once, so that nobody begins who can have none; the others when a job would wait for one that is
 * busy: each costs some pages, and most relays never need them all */
static int start_thread(struct pool *p)
{
	pthread_attr_t attr;
	sigset_t all, before;
	int r;

	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, POOL_STACK);
	/* signals belong to the loop thread */
	sigfillset(&all);
	pthread_sigmask(SIG_BLOCK, &all, &before);
	r = pthread_create(&p->threads[p->n_threads], &attr, thread_main, p);
	p->n_threads += !r;
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	pthread_attr_destroy(&attr);
	return r;
}

unsigned pool_cores(unsigned least, unsigned most)
{
	long cores = sysconf(_SC_NPROCESSORS_ONLN);

	return cores < (long)least ? least : cores > (long)most ? most : (unsigned)cores;
}

struct pool *pool_new(unsigned threads)
{
	struct pool *p = mem_alloc(sizeof(*p) + threads * sizeof(p->threads[0]));
	int r;

	p->fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (p->fd < 0) {
		mem_free(p);
		return NULL;
	}
	pthread_mutex_init(&p->lock, NULL);
	pthread_cond_init(&p->work_waits, NULL);
	pthread_cond_init(&p->work_done, NULL);
	heap_init(&p->waiting);
	p->mix = (uint64_t)random_u32() << 32 | random_u32() | 1;
	list_init(&p->done);
	p->most = threads;
	r = start_thread(p);
	if (r) {
		pool_free(p);
		errno = r;
		return NULL;
	}
	return p;
}

void pool_free(struct pool *p)
{
	if (!p)
		return;
	pthread_mutex_lock(&p->lock);
	p->stop = true;
	pthread_cond_broadcast(&p->work_waits);
	pthread_mutex_unlock(&p->lock);
	for (unsigned i = 0; i < p->n_threads; i++)
		pthread_join(p->threads[i], NULL);
	pthread_cond_destroy(&p->work_done);
	pthread_cond_destroy(&p->work_waits);
	pthread_mutex_destroy(&p->lock);
	heap_fini(&p->waiting);
	close(p->fd);
	mem_free(p);
}

void pool_run(struct pool *p, struct pool_job *j)
{
	pthread_mutex_lock(&p->lock);
	list_init(&j->link);
	put(p, j);
	/* where there can be no more, those that are there do it */
	if (p->running + p->waiting.n > p->n_threads && p->n_threads < p->most)
		(void)start_thread(p);
	pthread_cond_signal(&p->work_waits);
	pthread_mutex_unlock(&p->lock);
}

bool pool_take_back(struct pool *p, struct pool_job *j)
{
	bool waits;

	pthread_mutex_lock(&p->lock);
	waits = j->turn.pos != 0;
	if (waits) {
		heap_remove(&p->waiting, &j->turn);
		p->turns[place_of(p, j->of)].waiting--;
	}
	pthread_mutex_unlock(&p->lock);
	return waits;
}

void pool_waiting(struct pool *p, uint64_t of, unsigned *all, unsigned *his)
{
	pthread_mutex_lock(&p->lock);
	*all = p->waiting.n;
	*his = p->turns[place_of(p, of)].waiting;
	pthread_mutex_unlock(&p->lock);
}

int pool_fd(const struct pool *p)
{
	return p->fd;
}

/* take_finished - all that are finished by now */
static void take_finished(struct pool *p, struct list *out)
{
	struct list *l;

	list_init(out);
	pthread_mutex_lock(&p->lock);
	while ((l = list_first(&p->done))) {
		list_remove(l);
		list_append(out, l);
	}
	pthread_mutex_unlock(&p->lock);
}

/* what is finished meanwhile has the next turn: a job that a `done` starts anew would keep the loop from everything else */
void pool_reap(struct pool *p)
{
	struct list batch, *l;
	uint64_t count;

	if (read(p->fd, &count, sizeof(count)) < 0 && errno != EAGAIN && errno != EINTR)
		BUG("eventfd read failed");
	take_finished(p, &batch);
	while ((l = list_first(&batch))) {
		struct pool_job *j = LIST_ITEM(l, struct pool_job, link);

		list_remove(l);
		j->done(j);
	}
}

static bool is_busy(const struct pool *p)
{
	return p->running || p->waiting.n;
}

void pool_wait(struct pool *p)
{
	bool again;

	/* a `done` may start another job */
	do {
		pthread_mutex_lock(&p->lock);
		while (is_busy(p))
			pthread_cond_wait(&p->work_done, &p->lock);
		pthread_mutex_unlock(&p->lock);
		pool_reap(p);
		pthread_mutex_lock(&p->lock);
		again = is_busy(p) || !list_is_empty(&p->done);
		pthread_mutex_unlock(&p->lock);
	} while (again);
}
