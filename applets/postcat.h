/* postcat - Postfix's name for printing a queued message. */
#ifndef APPLETS_POSTCAT_H
#define APPLETS_POSTCAT_H

#include "applets/applet.h"

extern const struct applet applet_postcat;
/* message_text - all of a message in the queue, as applet_answer gives it */
int message_text(const struct conf *c, const char *id, char **text, size_t *n);

#endif
