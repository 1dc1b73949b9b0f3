/* recipients - what the recipients of a message are in the queue: completed, expanded, each one once. */
#ifndef CORE_CLEANUP_RECIPIENTS_H
#define CORE_CLEANUP_RECIPIENTS_H

#include "core/msg/envelope.h"
#include "core/route/route.h"

/* A list that grows in an arena. add: false when the list is full (LIMIT_MESSAGE_RCPTS, or the arena's bound) */
struct recipients {
	struct arena *arena;
	struct rcpt *v;
	size_t n, cap;
	size_t room;                   /* recipients that one recipient may still become (LIMIT_RCPT_EXPANSION) */
	bool full;
};
bool recipients_add(struct recipients *l, const struct rcpt *r);
/* recipients_add_instead - addr in the place of r: whose recipient it was, and what the sender wished, stay known */
bool recipients_add_instead(struct recipients *l, const struct rcpt *r, struct str addr);

/* Who puts others in the place of a recipient (an alias table): fn adds what r becomes to the list, r itself if it stays.
 * failed: code 0, or why the message cannot be taken now. fn NULL: each stays as it is */
struct recipients_expand {
	void (*fn)(void *ctx, struct recipients *out, const struct rcpt *r, struct reply *failed);
	void *ctx;
};

/* recipient_complete - the address completed, with what was written in orig; done already: nothing happens */
void recipient_complete(struct router *r, struct arena *a, struct rcpt *to, bool local);
/* recipients_complete - all of an envelope */
void recipients_complete(struct router *r, struct arena *a, struct envelope *e, bool local);
/* recipients_finish - expand, then leave each once. failed: code 0, or the refusal; e is then unchanged */
void recipients_finish(struct arena *a, struct envelope *e, const struct recipients_expand *x, struct reply *failed);

#endif
