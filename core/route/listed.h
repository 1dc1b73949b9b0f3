/* listed - is an address of a domain of ours one that exists? (local_recipient_maps, relay_recipient_maps; Postfix's smtpd,
 * reject_unlisted_recipient) */
#ifndef CORE_ROUTE_LISTED_H
#define CORE_ROUTE_LISTED_H

#include "core/route/route.h"

/* route_lists - MAP_FOUND: it is known, or nobody says which ones are; MAP_NONE: not known; MAP_ERROR: ask again later. *class: the
 * address's. Tables that rewrite addresses, virtual_alias_maps among them, are asked before (core/cleanup) */
enum map_answer route_lists(struct router *r, struct str address, enum route_class *class);

#endif
