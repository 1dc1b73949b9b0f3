/* notice - a message that we write ourselves enters the queue: one recipient, who is never told of its fate. */
#ifndef CORE_CLEANUP_NOTICE_H
#define CORE_CLEANUP_NOTICE_H

#include "core/cleanup/cleanup.h"

struct cleanup_notice {
	struct store *store;
	struct router *router;
	const struct conf *conf;
	struct str sender, to;         /* completed here */
	struct str text;               /* whole, CRLF lines; Received and Message-Id are added */
	bool requiretls;               /* what it tells of had that, and so has it (RFC 8689 section 5) */
	bool smtputf8;                 /* its header or its addresses need it */
	usec now;                      /* wall */
};
/* cleanup_notice - all is borrowed for the call; fn is called once, maybe before it returns */
void cleanup_notice(const struct cleanup_notice *n, cleanup_fn fn, void *ctx);

#endif
