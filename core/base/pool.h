/* pool - a few threads for what blocks or burns: fsync, TLS handshake steps, password hashes, deflate.
 *
 * A job is given to pool_run by the loop thread and belongs to the pool until its `done` runs, on the loop thread, from
 * pool_reap (called when pool_fd becomes readable). `work` runs on a pool thread: it may touch only the job. */
#ifndef CORE_BASE_POOL_H
#define CORE_BASE_POOL_H

#include "core/base/list.h"

struct pool;
struct pool_job {
	struct list link;
	void (*work)(struct pool_job *);
	void (*done)(struct pool_job *);
};

/* pool_cores - as many threads as this process may use processors, but from `least` to `most` */
unsigned pool_cores(unsigned least, unsigned most);
struct pool *pool_new(unsigned threads);               /* NULL with errno; threads >= 1 */
void pool_free(struct pool *p);                        /* waits for running jobs, drops waiting ones */
void pool_run(struct pool *p, struct pool_job *j);
int pool_fd(const struct pool *p);                     /* eventfd: readable when done jobs wait */
void pool_reap(struct pool *p);                        /* run `done` of finished jobs */
void pool_wait(struct pool *p);                        /* tests, shutdown: block until idle, then reap */

#endif
