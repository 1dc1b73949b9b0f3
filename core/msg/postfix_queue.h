/* postfix_queue - a queue file of Postfix (its rec_type(3), rec_get(3) and cleanup(8)) as an envelope and content. A pure reader of bytes that
 * anybody may have damaged: it takes a file whole, or says what is wrong with it.
 *
 * A file is a row of records: a type, a length in groups of seven bits, that many bytes. Three sections follow each other: the envelope,
 * from 'M' on the content, from 'X' on what was found in it, to 'E'. A pointer record leads to where the row goes on, since what was
 * changed does not fit where it was. What means something that cannot be kept (a content filter, a probe) refuses the file. */
#ifndef CORE_MSG_POSTFIX_QUEUE_H
#define CORE_MSG_POSTFIX_QUEUE_H

#include "core/msg/envelope.h"

struct postfix_message {
	struct envelope e;             /* whom nothing was delivered to yet; addresses as they stand there */
	struct str file;
	size_t content;                /* where its records begin */
	bool done;                     /* nobody is left: delivered, or taken back */
};
/* postfix_parse - file, which must stay, and its sections; maildrop: of that folder, where cleanup(8) has not been yet. false with why */
bool postfix_parse(struct arena *a, struct str file, bool maildrop, struct postfix_message *out, struct buf *why);
/* postfix_header - the header section in CRLF lines with the empty one, which is added where the content has none; *rest: where the
 * body goes on. false with why */
bool postfix_header(const struct postfix_message *m, struct buf *out, size_t *rest, struct buf *why);
/* postfix_body - in CRLF lines, in pieces; *size (may be NULL): of all. put may be NULL. 0, or what put said */
int postfix_body(const struct postfix_message *m, size_t rest, int (*put)(void *to, struct str piece), void *to, uint64_t *size);

#endif
