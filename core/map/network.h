/* network - an address pattern: `address`, `net/prefix`, with [brackets] allowed around an address (cidr_table(5),
 * mynetworks). Bits after the prefix must be zero; the error says what to write instead. */
#ifndef CORE_MAP_NETWORK_H
#define CORE_MAP_NETWORK_H

#include "core/map/match.h"

struct network {
	struct ipaddr net;
	unsigned prefix;
};
bool network_parse(struct str s, struct network *out, struct buf *why);
bool network_has(const struct network *n, const struct ipaddr *a);

#endif
