/* virtual - virtual(5): one recipient becomes those that virtual_alias_maps names, and they in turn, until no entry is found or one
 * has itself among its results. The bounds are Postfix's: virtual_alias_expansion_limit, _recursion_limit, _address_length_limit. */
#ifndef CORE_CLEANUP_VIRTUAL_H
#define CORE_CLEANUP_VIRTUAL_H

#include "core/cleanup/recipients.h"

/* virtual_expand - what r becomes is added to out, copied; r itself if there is no entry. failed: set where a bound is met or a table
 * cannot be read: 4xx, for somebody will mend it */
void virtual_expand(const struct recipients_rules *rules, struct arena *scratch, const struct rcpt *r, struct recipients *out,
	struct reply *failed);
void virtual_refusal(struct reply *r);

#endif
