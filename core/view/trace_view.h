/* trace_view - what became of a message, for a person: what the logs tell of it, and where it is now. Asks relayd for the latter, or
 * the spool where none runs. */
#ifndef CORE_VIEW_TRACE_VIEW_H
#define CORE_VIEW_TRACE_VIEW_H

#include <stdio.h>

#include "core/conf/conf.h"

struct trace_view {
	const struct conf *conf;
	const char *const *logs;       /* files, "-" is standard input; at most LIMIT_TRACE_LOGS */
	size_t n_logs;                 /* 0: the log that relayd writes, with the one that was rotated last before it */
	void (*note)(const char *text); /* is told why the queue cannot be looked into */
};
/* trace_view_print - -1 with why when nothing is known of it */
int trace_view_print(const struct trace_view *v, const char *qid, FILE *to, struct buf *why);

#endif
