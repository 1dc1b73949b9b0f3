/* smtp_generic - smtp_generic_maps (lmtp_generic_maps): the addresses of a delivery as the next host shall see them, envelope and
 * header. What is in the queue, in the log and in notices stays as it was. */
#ifndef CORE_DELIVER_SMTP_SMTP_GENERIC_H
#define CORE_DELIVER_SMTP_SMTP_GENERIC_H

#include "core/deliver/smtp/smtp_profile.h"

struct smtp_generic {
	struct arena arena;
	struct str sender;
	struct rcpt *rcpts;            /* one for each of the job's */
	struct buf header;             /* what is sent in the place of the first header_size bytes of the content */
	uint64_t header_size;
	struct reply failed;           /* code != 0: a table cannot be read, nothing can be sent now */
};
/* smtp_generic_new - for a delivery; NULL: the transport has no such tables. probe: nothing but the envelope */
struct smtp_generic *smtp_generic_new(struct deliver *d, struct smtp_profile *p, const struct delivery *job, bool probe);
void smtp_generic_free(struct smtp_generic *g);        /* NULL: nothing */

#endif
