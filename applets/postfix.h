/* postfix - Postfix's name for starting and stopping the mail system. */
#ifndef APPLETS_POSTFIX_H
#define APPLETS_POSTFIX_H

#include "applets/applet.h"

extern const struct applet applet_postfix, applet_relayd;

#endif
