/* copies - who else gets a message: always_bcc, sender_bcc_maps, recipient_bcc_maps. */
#ifndef CORE_CLEANUP_COPIES_H
#define CORE_CLEANUP_COPIES_H

#include "core/route/route.h"

bool copies_are_made(const struct router *r);
/* copy_of_sender, copy_of_recipient - the address that the table names for one, false: none. failed: set when it cannot be read */
bool copy_of_sender(struct router *r, struct arena *a, struct str sender, struct str *copy, struct reply *failed);
bool copy_of_recipient(struct router *r, struct arena *a, struct str rcpt, struct str *copy, struct reply *failed);

#endif
