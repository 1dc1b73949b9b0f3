/* newaliases - the tables of aliases, built anew: sendmail -bi, and the name newaliases. */
#ifndef APPLETS_NEWALIASES_H
#define APPLETS_NEWALIASES_H

#include "core/conf/conf.h"

/* newaliases - those of source (-oA), of alias_database where it is NULL, of alias_maps where there is none either, as far as they are
 * of a type that is built. A sysexits code, failures said */
int newaliases(const struct conf *c, const char *source);

#endif
