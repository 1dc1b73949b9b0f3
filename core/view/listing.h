/* listing - how a queued message is shown: mailq's text (the columns that scripts parse), `postqueue -j` JSON, and `show`.
 * Used by relayd (live) and by relayctl and mailq on a spool without a daemon (store opened read-only). */
#ifndef CORE_VIEW_LISTING_H
#define CORE_VIEW_LISTING_H

#include <stdio.h>

#include "core/store/store.h"

enum listing_form {
	LISTING_MAILQ,
	LISTING_JSON,                  /* one object a line */
	LISTING_ROWS,                  /* for relayctl: TAB between cells, which hold no control characters:
	                                  message QID QUEUE ARRIVAL DUE SIZE EXPIRE SENDER, then recipient ADDRESS ORIGINAL
	                                  REASON for each that waits; times in microseconds, due 0 = now or on hold */
};
bool listing_form(struct str word, enum listing_form *out);     /* "", "json", "rows" */

/* a message as a listing shows it; recipients that are done are not there */
struct listed {
	struct str qid, queue, sender; /* queue: active, deferred, hold */
	usec arrival, due;
	uint64_t size;
	bool expire;
	struct listed_rcpt { struct str addr, orig, reason; } *rcpts;
	size_t n;
};
const char *listing_queue(const struct qmsg *m, bool active);   /* active, deferred, hold */
const char *listing_mark(const struct listed *l);               /* what follows the queue id: "*", "!", "#" or "" */
void listing_json(struct buf *out, const struct listed *l);

struct listing {
	enum listing_form form;
	size_t messages;
	uint64_t bytes;
};
/* listing_message - append one message; active tells the '*' mark. The heading comes with the first message. */
int listing_message(struct listing *l, struct store *s, struct qmsg *m, bool active, struct buf *out);
/* listing_drop - the same for mail that is not in the store: a maildrop's, with the first digits of its name as the id; reason:
 * why it waits, "" when nobody has tried it */
void listing_drop(struct listing *l, const char *id, const struct envelope *e, uint64_t size, struct str reason, struct buf *out);
void listing_end(struct listing *l, struct buf *out);   /* footer, or "Mail queue is empty" */
/* listing_show - envelope and states for a person, with content: headers and body too: LF lines, control characters as '?',
 * cut where out is full. 0, or -1 with errno */
int listing_show(struct store *s, struct qmsg *m, bool content, struct buf *out);

/* without a daemon (listing_offline.c): read the spool as it lies there. 0, or -1 with why */
int listing_offline(const char *queue_directory, enum listing_form form, FILE *to, struct buf *why);
int listing_offline_show(const char *queue_directory, struct str qid, bool content, FILE *to, struct buf *why);

#endif
