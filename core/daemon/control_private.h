/* control_private - what the files of the control server share.
 *
 * control_server.c    connections, the table of verbs, and most of them
 * control_adopt.c     messages of another queue
 * control_takeover.c  another relayd takes over */
#ifndef CORE_DAEMON_CONTROL_PRIVATE_H
#define CORE_DAEMON_CONTROL_PRIVATE_H

#include "core/daemon/relay.h"
#include "core/view/listing.h"

struct peer {
	struct list link;
	struct relay *relay;
	struct conn *conn;
	int64_t uid;
	bool answering, done;
	/* what the verb makes of bytes that follow its line; NULL: they are not looked at */
	void (*more)(struct peer *p);
	/* adds the next piece of a long answer; false: that was the last. NULL: it is not long */
	bool (*next)(struct peer *p, struct buf *out);
	struct intake *intake;         /* of a message that is adopted */
	struct explanation *explanation; /* under way; NULL: none */
	bool running;                  /* … while `more` looks at its bytes */
	bool stays;                    /* to the end of the process */
	struct listing listing;
	uint64_t *ids;                 /* messages of a listing, oldest first */
	size_t n_ids, at;              /* at: of the listing, or the cursor of the destinations */
};
/* control_finish - the end of the answer: NULL, or why not */
void control_finish(struct peer *p, const char *problem);
/* control_send - … and off it goes, from outside of the connection's events. p is gone */
void control_send(struct peer *p);
#define CONTROL_ANSWER_TIME (300 * USEC_PER_SEC)       /* for a long listing to be taken, a piece of a message to come */

void control_takeover(struct peer *p, struct str args);
void control_adopt(struct peer *p, struct str args);
void control_adopt_gone(struct peer *p);       /* before p is freed */
void control_started(struct peer *p, struct str args);

#endif
