/* ask - one look into a table that belongs to a parameter, told to whoever wants to know which keys were tried. */
#ifndef CORE_POLICY_ASK_H
#define CORE_POLICY_ASK_H

#include "core/map/map.h"

/* policy_ask - maps_find that tells trace, if it is not NULL, what came of it (map_tell: no password) */
enum map_answer policy_ask(struct maps *maps, const char *parameter, struct str key, bool partial, struct buf *out, struct buf *trace);

#endif
