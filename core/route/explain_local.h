/* explain_local - what becomes of a recipient of a local domain: the targets of its alias, the mailbox, or that there is nobody. */
#ifndef CORE_ROUTE_EXPLAIN_LOCAL_H
#define CORE_ROUTE_EXPLAIN_LOCAL_H

#include "core/route/route.h"

/* explain_local - append lines to out; each address that an alias leads to is given to `next`, to be explained in its turn */
void explain_local(struct router *r, struct arena *a, struct str rcpt, struct buf *out, void (*next)(void *ctx, struct str addr), void *ctx);

#endif
