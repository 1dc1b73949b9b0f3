/* give - a message of another queue for the relayd that runs: its envelope and content as they are (core/daemon/control_adopt.c).
 *
 * Request: "adopt ENVELOPE HEADER BODY FLAGS ORIGIN", the first three numbers of bytes that follow the line in this order, FLAGS of enum
 * qmsg_flags, ORIGIN for the log. The answer's line is the queue id, and comes when the message is durable. */
#ifndef CORE_VIEW_GIVE_H
#define CORE_VIEW_GIVE_H

#include "core/store/store.h"

#define GIVE_REQUEST "adopt"
#define GIVE_ORIGIN 100

struct given {
	const struct envelope *envelope;
	struct str header;             /* CRLF lines and the empty one; or empty, when all is in the body */
	uint64_t body;                 /* bytes */
	/* add - all of the body, in pieces: call put(to, piece) with each until it is not 0. 0, or -1 with errno when it cannot be read */
	int (*add)(void *ctx, int (*put)(void *to, struct str piece), void *to);
	void *ctx;
	unsigned flags;
	const char *origin;
};
/* give - as control_request; qid is filled at 0. Nothing was taken at any other result, but after -1 it may have been */
int give(const char *queue_directory, const struct given *g, char qid[QID_MAX], struct buf *why);

#endif
