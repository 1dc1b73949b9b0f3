/* move_queue - what "relayctl adopt" and "relayctl import-postfix" do: mail of another queue for the relayd that runs. */
#ifndef APPLETS_MOVE_QUEUE_H
#define APPLETS_MOVE_QUEUE_H

#include "core/view/adopt.h"

/* move_queue - a sysexits code, all said: a line for each message, and the sum */
int move_queue(struct moving *m, int (*move)(struct moving *m, struct buf *why));

#endif
