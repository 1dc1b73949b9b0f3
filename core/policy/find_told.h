/* find_told - one look into a table that belongs to a parameter, told to whoever wants to know which keys were tried. */
#ifndef CORE_POLICY_FIND_TOLD_H
#define CORE_POLICY_FIND_TOLD_H

#include "core/map/map.h"

/* find_told - maps_find that tells trace, if it is not NULL, what came of it (map_tell: no password) */
enum map_answer find_told(struct maps *maps, const char *parameter, struct str key, bool partial, struct buf *out, struct buf *trace);

#endif
