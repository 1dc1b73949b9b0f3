/* clock - the only place that asks the system for the time. Elsewhere time is an argument.
 *
 * usec: microseconds. Deadlines are absolute on the monotonic clock; dates are absolute on the wall clock. */
#ifndef CORE_BASE_CLOCK_H
#define CORE_BASE_CLOCK_H

#include <stdint.h>

typedef int64_t usec;
#define USEC_PER_SEC ((usec)1000000)
#define USEC_PER_MSEC ((usec)1000)
#define USEC_NEVER INT64_MAX

usec clock_mono(void);   /* never goes back; for deadlines and durations */
usec clock_wall(void);   /* since 1970-01-01 UTC; for dates and the queue */
/* clock_thread - that the calling thread had a processor; for what a step costs on a machine that others use, too. pages (may be NULL): it
 * touched for the first time */
usec clock_thread(uint64_t *pages);

#endif
