/* addr_repair - address lists as people and programs write them, in Postfix's reading: a step of its own before the strict
 * parser, for recipients and senders that a local user names. The text itself is not changed.
 *
 * What it takes that RFC 5322 does not: blanks in place of commas ("a@x b@x"), any phrase before <address>, even one that
 * looks like another address, quotes around a whole address, backslashes in words, ";" between addresses, quotes, comments and
 * brackets that do not end. The rules and their order are those of Postfix's tok822_parse. An element that is no address even so
 * costs only itself. */
#ifndef CORE_MSG_ADDR_REPAIR_H
#define CORE_MSG_ADDR_REPAIR_H

#include "core/msg/addr.h"

struct addr_element {
	struct mailbox mailbox;        /* name and raw as written; addr as it goes on the wire */
	bool good;                     /* false: no address, only raw is set */
};
/* addr_repair - the elements of a list in their order, empty ones and null addresses left out: how many, and *out, which the
 * caller frees (mem_free); texts are the arena's */
size_t addr_repair(struct arena *a, struct str list, struct addr_element **out);

#endif
