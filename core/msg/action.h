/* action - what a rule says is to be done with mail: one type for access tables, restriction lists, and checks of headers and
 * bodies.
 *
 * A rule's text is an action's word and, for most, an argument: `REJECT no such shop`, `REDIRECT boss@example.com`,
 * `550 5.7.1 go away`, `OK` (access(5), header_checks(5)). What no row of the table knows is no action; in an access table it is
 * then a list of restrictions. */
#ifndef CORE_MSG_ACTION_H
#define CORE_MSG_ACTION_H

#include "core/base/str.h"

enum action_kind {
	ACTION_NONE,           /* not an action */
	ACTION_DUNNO,          /* go on as if there had been no rule */
	ACTION_OK,             /* allow, and ask nothing more of this list */
	ACTION_REJECT, ACTION_DEFER,
	ACTION_DEFER_IF_PERMIT, ACTION_DEFER_IF_REJECT, /* later, unless it ends in a refusal; in place of a refusal */
	ACTION_WARN, ACTION_INFO,                       /* a line in the log */
	ACTION_HOLD, ACTION_DISCARD,
	ACTION_REDIRECT, ACTION_BCC, ACTION_FILTER, ACTION_PREPEND, /* text: address, address, transport:nexthop, header line */
	ACTION_REPLACE, ACTION_IGNORE, ACTION_STRIP,    /* of a header field or body line */
	ACTION_PASS,                                    /* ask nothing more about this message */
	ACTION_KINDS
};
/* where an action may stand; bits */
enum action_place { ACTION_IN_ACCESS = 1, ACTION_IN_HEADER = 2, ACTION_IN_BODY = 4 };

struct action {
	enum action_kind kind;
	int code;              /* of a reply; 0: the reader's own */
	struct str enhanced;   /* "5.7.1"; empty: the reader's own */
	struct str text;       /* argument, view of what was parsed; may be empty */
};
/* what rules outside of a message want done with it, in the order in which they were met */
struct action_wish { struct action_wish *next; struct action action; };
/* action_parse - take a rule's text apart; ACTION_NONE in out when its first word is none that may stand in `place` */
void action_parse(struct str text, enum action_place place, struct action *out);
/* action_word - "REJECT" …, for logs */
const char *action_word(enum action_kind kind);

#endif
