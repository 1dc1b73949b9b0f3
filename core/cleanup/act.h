/* act - what rules want done with a message on its way into the queue, carried out: actions of access tables (access(5)) and of
 * header and body checks (header_checks(5)). What is said in the log is Postfix's, line by line.
 *
 * FILTER asks for a content filter, which is not here: the message is held, and its envelope says why. */
#ifndef CORE_CLEANUP_ACT_H
#define CORE_CLEANUP_ACT_H

#include "core/msg/action.h"
#include "core/msg/envelope.h"
#include "core/msg/reply.h"
#include "core/route/route.h"

struct act_bcc { struct act_bcc *next; struct str address; };
struct acts {
	/* the owner's */
	struct envelope *envelope;
	const char *qid;
	struct arena *arena;           /* as long as the envelope is needed */
	bool bounces;                  /* nobody is there to be told that it is refused: it becomes envelope.refused, and goes on */
	bool sends;                    /* it is on its way out: only its text may be changed, and service tells so in the log */
	const char *service;           /* then; else cleanup's */
	bool quiet;                    /* it goes this way once more: the log is told then */
	bool queueless;                /* what only a queue can do is refused */
	/* what became of it */
	struct reply refusal;          /* code 0: none */
	bool over;                     /* no further check is asked */
	bool discard, hold;
	struct str redirect;           /* empty: nobody */
	struct act_bcc *bcc;
};
enum act_where { ACT_HEADER, ACT_BODY };
/* what becomes of the text that was checked */
enum act_text { ACT_KEEP, ACT_DROP, ACT_REPLACE /* by action.text */, ACT_PREPEND /* action.text comes before it */ };

/* acts_check - value is what the table of that name says of content */
enum act_text acts_check(struct acts *a, struct str value, enum act_where where, struct str content, const char *table,
	struct action *action);
/* acts_refuse - the message cannot be taken; words of an enhanced code first: "5.7.1 text" */
void acts_refuse(struct acts *a, struct str words);
/* acts_wishes - what access tables asked for and told already; but for PREPEND */
void acts_wishes(struct acts *a, const struct action_wish *w);
/* acts_add_bcc - before recipients become what they are in the queue; acts_redirect - after. False: there is no room */
bool acts_add_bcc(struct acts *a, struct router *r);
bool acts_redirect(struct acts *a, struct router *r);
/* acts_log_fault - what strict_* parameters refuse: "QID: reject: mime-error fault: content from …" */
void acts_log_fault(const struct acts *a, const char *fault, struct str content);

#endif
