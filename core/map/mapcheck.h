/* mapcheck - what a table means and what is wrong with it (mapgen --check): duplicate keys, keys that can never match,
 * nexthops that are looked up as MX by mistake, secrets that anyone may read, cidr rules that an earlier rule hides.
 *
 * What a table is for is told by its name: it holds "transport", "passwd" or "password", "alias", or its type is cidr. */
#ifndef CORE_MAP_MAPCHECK_H
#define CORE_MAP_MAPCHECK_H

#include "core/base/str.h"

enum mapcheck_level { MAPCHECK_NOTE, MAPCHECK_WARNING, MAPCHECK_PROBLEM, MAPCHECK_LEVELS };
struct mapcheck_report { size_t entries, count[MAPCHECK_LEVELS]; };
typedef void (*mapcheck_fn)(void *ctx, enum mapcheck_level level, const char *file, unsigned line, const char *text);
void mapcheck_run(struct str type, const char *name, bool alias, mapcheck_fn fn, void *ctx, struct mapcheck_report *r);

#endif
