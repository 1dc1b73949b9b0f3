/* trace - what a mail log tells about one message, in order and in plain words. Reads logs as relaybox-log(5) describes them:
 * text, JSON, and either behind what system loggers write before it, dates of RFC 3339 among that. Where a server said "queued as ID",
 * what the logs say of that ID is told next: the logs of several relays, or one log of them all, tell the whole way. */
#ifndef CORE_VIEW_TRACE_H
#define CORE_VIEW_TRACE_H

#include <stdio.h>

#include "core/base/str.h"

#define TRACE_NEXT 16                  /* ids that are followed */
struct trace {
	struct str qid;
	FILE *to;
	const char *head;              /* what stands before the first line */
	/* what was found */
	size_t lines;                  /* about this message */
	bool arrived;                  /* how it came is among them */
	char removed[32];              /* when it left the queue; "": not told */
	size_t sent, deferred, bounced;        /* tries */
	bool active;                   /* its size and sender were told */
	char next[TRACE_NEXT][40];     /* what it became elsewhere */
	size_t n_next;
};
/* trace_logs - the story of t->qid in these logs, then of what it became; they are read from their beginning, more than once */
void trace_logs(struct trace *t, FILE *const *logs, size_t n);

#endif
