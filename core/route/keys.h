/* keys - advice about tables: keys that nobody ever asks for, though people write them, and what an access table asks for and is not done.
 * Nothing else depends on it. */
#ifndef CORE_ROUTE_KEYS_H
#define CORE_ROUTE_KEYS_H

#include "core/conf/conf.h"
#include "core/map/map.h"

/* what a table is asked by */
enum keys_use { KEYS_ADDRESS = 1, KEYS_TRANSPORT = 2, KEYS_ACCESS = 4 };
/* keys_fault - why this key never matches; NULL: it may. parents: in access tables the parents of a domain are asked for without a dot */
const char *keys_fault(enum keys_use use, struct str key, bool parents);
/* keys_advise - the first such entries of a table, as warnings, if diag takes advice. No more than LIMIT_KEYS_LOOKED_AT entries are looked at: a
 * start does not wait for a large table. parameter: NULL: there may be several */
void keys_advise(struct map *m, const char *parameter, enum keys_use use, const struct conf *c, struct conf_diag *diag);

#endif
