/* trace - what a mail log tells about one message, in order and in plain words. Reads logs as relaybox-log(5) describes them:
 * text, JSON, and text with the dates of RFC 3339 that system loggers write. */
#ifndef CORE_VIEW_TRACE_H
#define CORE_VIEW_TRACE_H

#include <stdio.h>

#include "core/base/str.h"

struct trace {
	struct str qid;
	FILE *to;
	/* what was found */
	size_t lines;                  /* about this message */
	bool arrived;                  /* how it came is among them */
	char removed[32];              /* when it left the queue; "": not told */
	size_t sent, deferred, bounced;        /* tries */
	bool active;                   /* its size and sender were told */
};
void trace_log(struct trace *t, FILE *log);

#endif
