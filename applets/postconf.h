/* postconf - Postfix's name for looking at main.cf and master.cf, and changing main.cf. */
#ifndef APPLETS_POSTCONF_H
#define APPLETS_POSTCONF_H

#include "applets/applet.h"

extern const struct applet applet_postconf;

#endif
