/* adopt - the queue of a relaybox that is gone (a container's volume), message by message for the relayd that runs.
 *
 * A message is durable here before it is removed there, so a crash in between leaves it in both: at most a second copy. Recipients that
 * have it already are left out. What cannot be read, or is not taken, stays there and is named. */
#ifndef CORE_VIEW_ADOPT_H
#define CORE_VIEW_ADOPT_H

#include <stdio.h>

#include "core/conf/conf.h"

struct moving {
	const struct conf *conf;       /* of the relayd that runs */
	const char *directory;         /* the other queue */
	FILE *say;                     /* a line for each message */
	bool remove;                   /* from a queue that is not ours; adopt always does */
	size_t messages, left;
};
/* moving_say - what became of one message: it has a new id, or a problem keeps it there */
void moving_say(struct moving *m, const char *from, const char *qid, const char *problem);
/* adopt - 0, or -1 with why: nothing can be done there */
int adopt(struct moving *m, struct buf *why);

#endif
