/* spf_reach - which addresses a walk has found that may send: networks, joined as they come, so that two halves are the whole.
 * Addresses that no mail comes from (private, multicast, IPv6 outside 2000::/3) count as covered from the start. */
#ifndef CORE_PROBE_SPF_REACH_H
#define CORE_PROBE_SPF_REACH_H

#include "core/base/ipaddr.h"
#include "core/base/limits.h"

struct spf_reach { struct network v[LIMIT_SPF_REACH]; size_t n; };
void spf_reach_init(struct spf_reach *r);
/* spf_reach_add - bits behind the prefix do not matter. What finds no room is left out: too little is known then, not too much */
void spf_reach_add(struct spf_reach *r, const struct ipaddr *a, unsigned prefix);
/* spf_reach_is_all - every address of this family that mail can come from */
bool spf_reach_is_all(const struct spf_reach *r, int family);

#endif
