/* busiest - the destinations that matter most: those that are suspended, then those with the most mail. All others are summed. */
#ifndef CORE_DAEMON_BUSIEST_H
#define CORE_DAEMON_BUSIEST_H

#include "core/base/heap.h"
#include "core/schedule/schedule.h"

struct busiest {
	struct busiest_row {
		struct heap_node busy;
		struct schedule_dest_info d;
	} *v;                          /* the first is the busiest */
	size_t n, most;
	struct schedule_dest_info others;      /* sums */
	size_t n_others, others_suspended, n_suspended;
	struct heap heap;              /* private */
};
/* busiest_find - at most so many; texts live as long as nothing else is done. busiest_fini ends it */
void busiest_find(struct busiest *b, const struct schedule *s, size_t most);
void busiest_fini(struct busiest *b);

#endif
