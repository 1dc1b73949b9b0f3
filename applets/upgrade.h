/* upgrade - what "relayctl upgrade" does. */
#ifndef APPLETS_UPGRADE_H
#define APPLETS_UPGRADE_H

#include "core/conf/conf.h"

/* upgrade - start `binary` as relayd, in the background and as the one that runs was started, to take over from it. directory: of c; options:
 * "name=value" until a NULL, with which the caller knows that it was started. Root does not take the word of a relayd that is another user's
 * for what root is to run: both must be what it says. A sysexits code, failures said */
int upgrade(const struct conf *c, const char *directory, const char *const *options, const char *binary);

#endif
