/* smtp_generic - smtp_generic_maps (lmtp_generic_maps): the addresses of a delivery as the next host shall see them, envelope and
 * header. What is in the queue, in the log and in notices stays as it was. */
#ifndef CORE_DELIVER_SMTP_SMTP_GENERIC_H
#define CORE_DELIVER_SMTP_SMTP_GENERIC_H

#include "core/deliver/smtp/smtp_profile.h"
#include "core/msg/header.h"

struct smtp_generic {
	struct arena arena, scratch;
	struct smtp_profile *profile;  /* the try's */
	struct router *router;
	struct str sender;
	struct rcpt *rcpts;            /* one for each of the job's */
	struct buf text;               /* the header as it is in the queue, of which what stands before `at` has been done */
	size_t at;
	struct buf header;             /* what is sent in the place of the first header_size bytes of the content */
	uint64_t header_size;
	uint64_t spent;                /* on addresses, as of struct rewrite: past LIMIT_REWRITE_STEPS they stay as they are */
	struct reply failed;           /* code != 0: a table cannot be read, nothing can be sent now */
};
/* smtp_generic_new - for a delivery; NULL: the transport has no such tables. probe: nothing but the envelope. The header is done by
 * smtp_generic_go_on */
struct smtp_generic *smtp_generic_new(struct deliver *d, struct smtp_profile *p, const struct delivery *job, bool probe);
/* smtp_generic_go_on - with the next part of the header, a few milliseconds of work; false: it is done, or has failed */
bool smtp_generic_go_on(struct smtp_generic *g);
/* smtp_generic_field - a field as it is sent, put into out; false: failed says why not. Where the transport has checks of headers each
 * field passes them first, and header stays empty */
bool smtp_generic_field(struct smtp_generic *g, const struct header *h, struct buf *out);
void smtp_generic_free(struct smtp_generic *g);        /* NULL: nothing */

#endif
