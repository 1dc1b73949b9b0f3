/* copies - who else gets a message: always_bcc, sender_bcc_maps, recipient_bcc_maps. */
#ifndef CORE_CLEANUP_COPIES_H
#define CORE_CLEANUP_COPIES_H

#include "core/route/route.h"

bool copies_are_made(const struct router *r);
/* copy_of - the address that one of rewriting's bcc tables names for an address; false: none. trace: a line for each key, or NULL.
 * failed: set when it cannot be read */
bool copy_of(struct router *r, struct arena *a, const struct address_maps *m, struct str address, struct str *copy, struct buf *trace,
	struct reply *failed);

#endif
