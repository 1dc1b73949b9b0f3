/* clock - see clock.h. */
#include "core/base/clock.h"

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

usec clock_thread(void)
{
	return ask(CLOCK_THREAD_CPUTIME_ID);
}
