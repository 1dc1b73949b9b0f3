/* census - what the queue is made of: messages by state, size and age, and by destination. Nobody keeps these figures up to date: the
 * queue is walked when somebody asks, LIMIT_METRIC_WALK messages at once and then as many a second, so that a million costs
 * no step of the loop more than a small queue. The figures are those of the last walk that came to its end; of a queue
 * that changes while it is walked they are about right. */
#ifndef CORE_DAEMON_CENSUS_H
#define CORE_DAEMON_CENSUS_H

#include "core/daemon/relay.h"
#include "core/base/metric.h"

enum census_queue { CENSUS_ACTIVE, CENSUS_DEFERRED, CENSUS_HOLD, CENSUS_QUEUES };
struct census {
	struct census_sums {
		uint64_t messages[CENSUS_QUEUES];
		struct metric_histogram size[CENSUS_QUEUES], age[CENSUS_QUEUES];
		usec oldest;           /* age of the oldest message */
	} under_way, last;
	bool walking;
	size_t cursor;
	usec walked_at;                /* mono: the last step */
};
extern const char *const census_queues[CENSUS_QUEUES];
extern const struct metric census_size, census_age;    /* the families of the histograms */
/* census_look - begin a walk, or go on with the one that is under way: once in the interval in which answers are shared */
struct census_sums *census_look(struct relay *r);
void census_go_on(struct relay *r);                    /* once a second */

#endif
