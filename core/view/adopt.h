/* adopt - the queue of a relaybox that is gone (a container's volume), message by message for the relayd that runs.
 *
 * A message is durable here before it is removed there, so a crash in between leaves it in both: at most a second copy. Recipients that
 * have it already are left out. What cannot be read, or is not taken, stays there and is named. */
#ifndef CORE_VIEW_ADOPT_H
#define CORE_VIEW_ADOPT_H

#include <stdio.h>

#include "core/conf/conf.h"

struct moved { size_t messages, left; };
/* moved_say - a line for one message: what became of it */
void moved_say(FILE *to, struct moved *m, const char *from, const char *qid, const char *problem);
/* adopt - lines go to say; 0, or -1 with why: nothing can be done there. c: of the relayd that runs */
int adopt(const struct conf *c, const char *directory, FILE *say, struct moved *out, struct buf *why);
/* adopt_is_own - is this the queue of c itself? */
bool adopt_is_own(const struct conf *c, const char *directory);

#endif
