/* smtp_generic - smtp_generic_maps (lmtp_generic_maps): the addresses of a delivery as the next host shall see them, envelope and
 * header. What is in the queue, in the log and in notices stays as it was. */
#ifndef CORE_DELIVER_SMTP_SMTP_GENERIC_H
#define CORE_DELIVER_SMTP_SMTP_GENERIC_H

#include "core/cleanup/section.h"
#include "core/deliver/smtp/smtp_profile.h"

struct smtp_generic {
	struct arena arena, scratch;
	struct smtp_profile *profile;  /* the try's */
	struct router *router;
	struct str sender;
	struct rcpt *rcpts;            /* one for each of the job's */
	struct section section;        /* where the header of the content ends */
	bool in_body;
	struct buf out;                /* the piece of the content that is at work */
	uint64_t spent, spent_before;  /* on addresses, as of struct rewrite: past LIMIT_REWRITE_STEPS they stay as they are; … on the envelope */
	struct reply failed;           /* code != 0: a table cannot be read, nothing can be sent now */
};
/* smtp_generic_new - for a delivery, with its envelope done; NULL: the transport has no such tables */
struct smtp_generic *smtp_generic_new(struct deliver *d, struct smtp_profile *p, const struct delivery *job);
/* smtp_generic_begin - the content comes, from its beginning */
void smtp_generic_begin(struct smtp_generic *g);
/* smtp_generic_piece - a piece of the content becomes what is sent of it, which lives until the next; false: failed says why not. A field
 * is sent with the piece in which the next one begins */
bool smtp_generic_piece(struct smtp_generic *g, struct str *piece, bool last);
/* smtp_generic_field - instead of it, where the transport has checks of headers, for each field that passed them: what is sent of it is put
 * into out */
bool smtp_generic_field(struct smtp_generic *g, const struct header *h, struct buf *out);
void smtp_generic_free(struct smtp_generic *g);        /* NULL: nothing */

#endif
