/* submit_alias - virtual aliases, copies and aliases for mail that goes straight to a relayhost: what relayd's local delivery would forward is forwarded
 * here, before the mail leaves. There is no mailbox to deliver to without relayd, so a local name that has no alias keeps its
 * address; of the targets of an alias only addresses count. Tables of alias_maps that do not exist are passed by. */
#ifndef CORE_SUBMIT_SUBMIT_ALIAS_H
#define CORE_SUBMIT_SUBMIT_ALIAS_H

#include "core/conf/conf.h"
#include "core/msg/envelope.h"

/* submit_alias - *e with the targets in place of local recipients, in the arena; 0, or -1 with why: a table cannot be read now */
int submit_alias(const struct conf *c, struct arena *a, struct envelope *e, struct buf *why);

#endif
