/* draft - a message as its writer gives it, piece by piece: lists, fields, files; then it is composed (compose.h). What mail(1)
 * and mxcheck --send have in common. Texts are borrowed. */
#ifndef CORE_MSG_DRAFT_H
#define CORE_MSG_DRAFT_H

#include "core/msg/compose.h"
#include "core/msg/inject.h"

struct draft {
	const char *subject, *from, *reply_to, *charset; /* NULL: none */
	const char *type;              /* media type of the text; NULL: text/plain */
	bool with_headers;             /* the text is a whole message: its fields stand, and these fill in what it lacks */
	struct buf to, cc, bcc;        /* address lists */
	struct str *fields;            /* owned array of further fields */
	size_t n_fields;
	const struct compose_file *files;
	size_t n_files;
	struct buf type_field;
};
void draft_init(struct draft *d);
void draft_fini(struct draft *d);
/* draft_set - a variable of mailx: from, replyto, ttycharset; others are none of ours */
void draft_set(struct draft *d, struct str name, const char *value);
/* draft_add_list - to d->to, d->cc or d->bcc; as with any mailx, white space parts addresses where there is nothing but words */
void draft_add_list(struct buf *list, const char *text);
/* draft_add_field - "Name: value". To, Cc and Bcc are recipients; of a field that may be there once the last one counts, also
 * before what an option says */
void draft_add_field(struct draft *d, const char *text);
/* draft_recipients - all lists, as inject_add_list reads them */
void draft_recipients(const struct draft *d, struct arena *a, struct inject_rcpts *r);
/* draft_compose - append the message; -1 with why */
int draft_compose(struct draft *d, struct arena *a, struct str text, struct buf *out, struct buf *why);

#endif
