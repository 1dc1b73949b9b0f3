/* forward - a message of the queue is queued once more, for others (aliases): the old header section behind a mark of where it
 * was, the body read piece by piece. */
#ifndef CORE_CLEANUP_FORWARD_H
#define CORE_CLEANUP_FORWARD_H

#include "core/cleanup/cleanup.h"

struct cleanup_forward {
	struct store *store;
	struct router *router;
	const struct conf *conf;
	const struct qmsg *m;          /* the old message, its envelope, … */
	const struct envelope *old;
	const struct rcpt *rcpt;       /* … and the recipient in whose place the addresses are */
	struct str sender;             /* of the new one */
	bool list;                     /* it is a list's, whose owner hears of failures: nothing is left of what the old one wished (RFC 3461 5.2.7) */
	const struct str *addresses;
	size_t n;
	usec now;                      /* wall */
};
/* cleanup_forward - all is borrowed for the call; fn is called once, maybe before it returns */
void cleanup_forward(const struct cleanup_forward *f, cleanup_fn fn, void *ctx);
/* cleanup_was_here - the header section has the mark of a forward for that address */
bool cleanup_was_here(struct str header, struct str address);

#endif
