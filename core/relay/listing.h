/* listing - how a queued message is shown: mailq's text (the columns that scripts parse), `postqueue -j` JSON, and `show`.
 * Used by relayd (live) and by relayctl and mailq on a spool without a daemon (store opened read-only). */
#ifndef CORE_RELAY_LISTING_H
#define CORE_RELAY_LISTING_H

#include <stdio.h>

#include "core/queue/store.h"

struct listing {
	bool json;
	size_t messages;
	uint64_t bytes;
};
/* listing_message - append one message; active tells the '*' mark. The heading comes with the first message. */
int listing_message(struct listing *l, struct store *s, struct qmsg *m, bool active, struct buf *out);
/* listing_drop - the same for mail that is not in the store: a maildrop's, with the first digits of its name as the id */
void listing_drop(struct listing *l, const char *id, const struct envelope *e, uint64_t size, struct buf *out);
void listing_end(struct listing *l, struct buf *out);   /* footer, or "Mail queue is empty" */
/* listing_show - envelope, states, headers and body for a person: LF lines, control characters as '?', cut where out is
 * full. 0, or -1 with errno */
int listing_show(struct store *s, struct qmsg *m, struct buf *out);

/* without a daemon: read the spool as it lies there. 0, or -1 with why */
int listing_offline(const char *queue_directory, bool json, FILE *to, struct buf *why);
int listing_offline_show(const char *queue_directory, struct str qid, FILE *to, struct buf *why);

#endif
