/* pool - see pool.h. Two lists under one mutex, waiting and done; an eventfd tells the loop that something is done.
 * A job that is handed over is touched by one thread at a time, so `work` needs no lock of its own. */
#include "core/base/pool.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "core/base/mem.h"

/* musl's default is 128 KiB; a handshake step with certificate checks wants more, and untouched pages cost nothing */
enum { POOL_STACK = 512 * 1024 };

struct pool {
	pthread_mutex_t lock;
	pthread_cond_t work_waits, work_done;
	struct list waiting, done;
	unsigned running, n_threads;
	bool stop;
	int fd;
	pthread_t threads[];
};

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
		struct list *l = list_first(&p->waiting);

		if (p->stop)
			break;
		if (!l) {
			pthread_cond_wait(&p->work_waits, &p->lock);
			continue;
		}
		list_remove(l);
		run_one(p, LIST_ITEM(l, struct pool_job, link));
	}
	pthread_mutex_unlock(&p->lock);
	return NULL;
}

static int start_threads(struct pool *p, unsigned threads)
{
	pthread_attr_t attr;
	sigset_t all, before;
	int r = 0;

	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, POOL_STACK);
	/* signals belong to the loop thread */
	sigfillset(&all);
	pthread_sigmask(SIG_BLOCK, &all, &before);
	while (!r && p->n_threads < threads) {
		r = pthread_create(&p->threads[p->n_threads], &attr, thread_main, p);
		p->n_threads += !r;
	}
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
	list_init(&p->waiting);
	list_init(&p->done);
	r = start_threads(p, threads);
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
	close(p->fd);
	mem_free(p);
}

void pool_run(struct pool *p, struct pool_job *j)
{
	pthread_mutex_lock(&p->lock);
	list_append(&p->waiting, &j->link);
	pthread_cond_signal(&p->work_waits);
	pthread_mutex_unlock(&p->lock);
}

int pool_fd(const struct pool *p)
{
	return p->fd;
}

/* finished - the oldest finished job, off the list; NULL if none */
static struct pool_job *finished(struct pool *p)
{
	struct list *l;

	pthread_mutex_lock(&p->lock);
	l = list_first(&p->done);
	if (l)
		list_remove(l);
	pthread_mutex_unlock(&p->lock);
	return l ? LIST_ITEM(l, struct pool_job, link) : NULL;
}

void pool_reap(struct pool *p)
{
	struct pool_job *j;
	uint64_t count;

	if (read(p->fd, &count, sizeof(count)) < 0 && errno != EAGAIN && errno != EINTR)
		BUG("eventfd read failed");
	while ((j = finished(p)))
		j->done(j);
}

static bool is_busy(const struct pool *p)
{
	return p->running || !list_is_empty(&p->waiting);
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
