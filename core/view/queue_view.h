/* queue_view - the queue for a person: which messages, in which order, in which form. Works on the rows of listing.h, so it is
 * the same for a live queue and for a spool without relayd. */
#ifndef CORE_VIEW_QUEUE_VIEW_H
#define CORE_VIEW_QUEUE_VIEW_H

#include <stdio.h>

#include "core/base/buf.h"
#include "core/base/clock.h"

enum queue_form { QUEUE_TABLE, QUEUE_JSON, QUEUE_IDS };
struct queue_view {
	/* NULL: any. "name@domain" is compared with the whole address, "@domain" with its end, "name@" with its beginning, anything else
	 * may be a part; a reason is a part. Letter case does not count. What is asked of a recipient must be true of one recipient. */
	const char *from, *to, *reason;
	const char *site;              /* recipient domain; ".example.com": domains below it */
	const char *state;             /* active, deferred, hold */
	usec older, newer;             /* age in microseconds; 0: any */
	unsigned sort;                 /* from queue_sort_find */
	bool reverse;
	size_t count;                  /* at most so many; 0: all */
	enum queue_form form;
	size_t width;                  /* columns of the terminal; 0: nothing is cut */
	bool colour;
};
#define QUEUE_SORTS "age|next|size|from|to|site|reason"
bool queue_sort_find(const char *word, unsigned *out);
/* queue_view_print - rows: the whole listing; now: wall clock. -1: rows are not what listing.h says */
int queue_view_print(const struct queue_view *v, struct str rows, usec now, FILE *to);

#endif
