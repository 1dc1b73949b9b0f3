/* alias_text - the right-hand side of an alias, element by element, as Postfix's local(8) reads it.
 *
 * People write more than a list with commas: `a@x b@x`, `a@x; b@x`, `Joe @ Work <j@x>`, `CORP\jd <jd@x>`, `"dq@x"`, `\root`.
 * Where Postfix finds an address this does too. What is none costs only itself: it is an element of its own, ALIAS_BAD, with
 * its text, and the next one follows; so one slip never stops a list. */
#ifndef CORE_MSG_ALIAS_TEXT_H
#define CORE_MSG_ALIAS_TEXT_H

#include "core/base/arena.h"

enum alias_kind {
	ALIAS_ADDRESS,   /* an address, perhaps without a domain */
	ALIAS_USER,      /* a local name whose alias names itself: its mailbox. Made by alias_expand */
	ALIAS_FILE,      /* "/path" */
	ALIAS_COMMAND,   /* "|command": never run */
	ALIAS_INCLUDE,   /* ":include:/path", the text is the path; never among the targets of alias_expand */
	ALIAS_BAD        /* what cannot be understood, as written; never among the targets of alias_expand */
};
struct alias_target {
	enum alias_kind kind;
	struct str text;
	struct str owner;              /* the sender that the owner of its list asks for, or empty. Set by alias_expand */
};
/* alias_text_next - take the next element off *rest; false at the end. Texts are views of rest or live in a */
bool alias_text_next(struct arena *a, struct str *rest, struct alias_target *out);
/* alias_text_line - the next line of an :include: file that is no comment, counted in *number; false at the end */
bool alias_text_line(struct str *rest, unsigned *number, struct str *line);

#endif
