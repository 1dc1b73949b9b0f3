/* postqueue - what relayctl shares with postqueue and postsuper: changes to the queue. */
#ifndef APPLETS_POSTQUEUE_H
#define APPLETS_POSTQUEUE_H

#include "applets/applet.h"

extern const struct applet applet_postqueue, applet_postsuper;
/* change_request - send a request whose answer is a number; *count grows by it. A sysexits code, failures said: `about` is
 * what they are about */
int change_request(const struct conf *c, const char *request, const char *about, unsigned long *count);
/* change_queue - verb: hold, release, delete, requeue, expire; ids: queue ids, ALL, or "-" for ids on standard input. Prints
 * how many; a sysexits code */
int change_queue(const struct conf *c, const char *verb, char **ids, int n);

#endif
