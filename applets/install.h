/* install - each name of this binary as a link in a folder, and away again. */
#ifndef APPLETS_INSTALL_H
#define APPLETS_INSTALL_H

#include <stdbool.h>

/* calls fn for every name; stops at the first answer that is not 0, and gives it */
typedef int (*names_fn)(int (*fn)(void *ctx, const char *name), void *ctx);
/* install_names - hard links in dir, or symbolic ones; replace: what has the name already. argv0 tells where this binary is when /proc
 * does not. A sysexits code, failures said */
int install_names(names_fn each, const char *dir, bool symbolic, bool replace, const char *argv0);
int uninstall_names(names_fn each, const char *dir, const char *argv0); /* only what is this binary; dir NULL: where it is itself */

#endif
