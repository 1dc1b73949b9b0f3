/* clock - see clock.h. */
#include "core/base/clock.h"

#include <sys/resource.h>
#include <time.h>

static usec ask(clockid_t id)
{
	struct timespec t;

	clock_gettime(id, &t);
	return (usec)t.tv_sec * USEC_PER_SEC + t.tv_nsec / 1000;
}

usec clock_mono(void)
{
	return ask(CLOCK_MONOTONIC);
}

usec clock_wall(void)
{
	return ask(CLOCK_REALTIME);
}

usec clock_thread(uint64_t *pages)
{
	struct rusage u = { 0 };

	getrusage(RUSAGE_THREAD, &u);
	if (pages)
		*pages = (uint64_t)u.ru_minflt;
	return (u.ru_utime.tv_sec + u.ru_stime.tv_sec) * USEC_PER_SEC + u.ru_utime.tv_usec + u.ru_stime.tv_usec;
}
