/* complete - a header section made whole: what RFC 5322 section 3.6 demands is added, unqualified addresses of local mail
 * are given their domain, fields that must not travel (message_drop_headers) are left out. All else stays byte for byte. */
#ifndef CORE_CLEANUP_COMPLETE_H
#define CORE_CLEANUP_COMPLETE_H

#include "core/msg/envelope.h"
#include "core/route/route.h"

struct complete {
	struct router *router;
	const struct conf *conf;
	const struct envelope *envelope;
	const char *qid;
	const char *tls_note;      /* "TLSv1.3 with cipher X (256/256 bits)", NULL: none */
	bool local;
	usec now;
};
/* complete_headers - in: the fields as received, CRLF lines, without the empty line. out: Received, the fields, what was
 * missing, still without the empty line. message_id: the value that is in force. hops: Received fields found. */
void complete_headers(const struct complete *c, struct arena *a, struct str in, struct buf *out, struct str *message_id, unsigned *hops);

#endif
