/* aliascheck - tell what is wrong with the targets of aliases before mail goes there: for mapgen, newaliases and the start.
 *
 * A slip in one element leaves the others alone at delivery (core/route/alias.c), so nobody misses it at once; here it is
 * named with file, line and element. Lists that an alias includes are looked at too. */
#ifndef CORE_MAP_ALIASCHECK_H
#define CORE_MAP_ALIASCHECK_H

#include "core/base/str.h"

typedef void (*aliascheck_fn)(void *ctx, const char *file, unsigned line, const char *text);
/* aliascheck_entry - the entry `key: value` at this line of file; true if nothing was told */
bool aliascheck_entry(const char *file, unsigned line, struct str key, struct str value, aliascheck_fn fn, void *ctx);
/* aliascheck_file - every entry of an aliases file; nothing is told of a file that cannot be read, nor of lines that are no
 * entries: who opens or builds the table tells those */
void aliascheck_file(const char *path, aliascheck_fn fn, void *ctx);

#endif
