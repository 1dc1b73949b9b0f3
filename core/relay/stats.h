/* stats - what the daemon has done and is doing, as rows for people and as JSON for machines. */
#ifndef CORE_RELAY_STATS_H
#define CORE_RELAY_STATS_H

#include "core/relay/relay.h"

void stats_format(struct relay *r, bool json, struct buf *out);

#endif
