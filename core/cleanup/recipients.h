/* recipients - what the recipients of a message are in the queue: completed, mapped, with the copies that tables ask for, expanded,
 * each one once. The order is that of Postfix's cleanup(8). */
#ifndef CORE_CLEANUP_RECIPIENTS_H
#define CORE_CLEANUP_RECIPIENTS_H

#include "core/msg/envelope.h"
#include "core/route/route.h"

/* A list that grows in an arena. add: false when the list is full (LIMIT_MESSAGE_RCPTS, or the arena's bound) */
struct recipients {
	struct arena *arena;
	struct rcpt *v;
	size_t n, cap;
	size_t room;                   /* recipients that one recipient may still become */
	bool full;
};
bool recipients_add(struct recipients *l, const struct rcpt *r);
/* recipients_add_instead - addr, copied, in the place of r: whose recipient it was, and what the sender wished, stay known */
bool recipients_add_instead(struct recipients *l, const struct rcpt *r, struct str addr);

/* recipient_complete - the address completed as a local one, with what was written in orig; done already: nothing happens */
void recipient_complete(struct router *r, struct arena *a, struct rcpt *to);

struct recipients_rules {
	struct router *router;
	const char *qid;               /* for the log; NULL: none */
	struct buf *trace;             /* a line for each key that is asked for; NULL: none */
	bool completes;                /* addresses are not complete yet */
	bool maps;                     /* canonical and virtual tables count */
	bool copies;                   /* always_bcc and its like, too */
};
/* recipients_begin - e's recipients are about to become others, as recipients_become says; recipients_end ends it */
struct recipients_work *recipients_begin(const struct recipients_rules *x, struct arena *a, struct arena *scratch, struct envelope *e,
	struct reply *failed);
/* recipients_go_on - for about so long; false: there are more. One recipient is the least that is done */
bool recipients_go_on(struct recipients_work *w, usec slice);
void recipients_end(struct recipients_work *w);
/* recipients_become - e's recipients, which live in the arena then; scratch is used up and reset. failed: code 0, or why the message
 * cannot be taken; e is then unchanged */
void recipients_become(const struct recipients_rules *x, struct arena *a, struct arena *scratch, struct envelope *e, struct reply *failed);

#endif
