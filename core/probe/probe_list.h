/* probe_list - many targets: so many at a time, shown one after the other in the order of the list, whichever was ready
 * first. Memory is bounded whatever the length of the list: a target that is slow holds up the start of others only when
 * PROBE_WINDOW of them wait behind it. */
#ifndef CORE_PROBE_PROBE_LIST_H
#define CORE_PROBE_PROBE_LIST_H

#include "core/probe/probe.h"

#define PROBE_PARALLEL 160             /* targets that are looked at together; about 100 kB each while TLS is spoken */
#define PROBE_WINDOW 512               /* … that are begun or wait to be shown */

typedef void (*probe_start_fn)(struct probe *p, const struct probe_options *o, const char *target,
	void (*done)(struct probe *p, void *ctx), void *ctx);

struct probe_slot;
struct probe_list {
	const struct probe_options *opt;
	probe_start_fn start;          /* probe_start, or another mode's */
	char *const *targets;          /* borrowed */
	size_t n, parallel;
	void (*show)(void *ctx, struct probe *p, size_t at);   /* in order; the probe is gone afterwards */
	void (*progress)(void *ctx, size_t finished);          /* NULL: nobody asks. After each one, in no order */
	void *ctx;
	/* running */
	struct probe_slot *slots[PROBE_WINDOW];
	size_t started, finished, shown;
};
/* probe_list_run - look at all of them; runs the options' loop until the last one is shown */
void probe_list_run(struct probe_list *l);

#endif
