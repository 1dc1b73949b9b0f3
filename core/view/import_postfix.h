/* import_postfix - the queue of a Postfix that is stopped, for the relayd that runs. Nothing is taken away there unless the caller asks for it;
 * what cannot be read, or means something that we cannot keep, is named and left. */
#ifndef CORE_VIEW_IMPORT_POSTFIX_H
#define CORE_VIEW_IMPORT_POSTFIX_H

#include "core/view/adopt.h"

/* import_postfix - of m->directory, Postfix's queue_directory: incoming, active, deferred, hold and maildrop. 0, or -1 with why: nothing can be
 * done there */
int import_postfix(struct moving *m, struct buf *why);

#endif
