/* upgrade - what "relayctl upgrade" does. */
#ifndef APPLETS_UPGRADE_H
#define APPLETS_UPGRADE_H

#include "core/conf/conf.h"

/* upgrade - start `binary` as relayd, in the background and as the one that runs was started, to take over from it. A sysexits code, failures
 * said */
int upgrade(const struct conf *c, const char *binary);

#endif
