/* postcat - Postfix's name for printing a queued message. */
#ifndef APPLETS_POSTCAT_H
#define APPLETS_POSTCAT_H

#include "applets/applet.h"

extern const struct applet applet_postcat;

#endif
