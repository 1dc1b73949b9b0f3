/* complete - a header section made whole, field by field: what RFC 5322 section 3.6 demands is added, addresses of local mail
 * are completed and rewritten (rewrite.h), fields that must not travel (message_drop_headers) are left out, white space before a colon goes.
 * All else stays byte for byte. Where a field of a resent message occurs, its Resent- fields are what is added. */
#ifndef CORE_CLEANUP_COMPLETE_H
#define CORE_CLEANUP_COMPLETE_H

#include "core/cleanup/rewrite.h"
#include "core/msg/envelope.h"
#include "core/msg/header.h"
#include "core/route/route.h"

struct completion {
	/* the owner's; */
	const struct conf *conf;
	const struct envelope *envelope;
	const char *qid;
	struct arena *scratch;         /* for the addresses of one field */
	struct rewrite rewrite;
	bool completes;                /* addresses, and what is missing: a client in local_header_rewrite_clients, or remote_header_rewrite_domain */
	usec now;
	/* what became of it */
	struct buf *out;               /* CRLF lines, without the empty line */
	/* the values in force, as parts of out; n 0: none */
	struct part { size_t at, n; } message_id, resent_message_id;
	unsigned hops;                 /* Received fields, ours included */
	uint32_t seen;                 /* enum field, a bit each */
	uint32_t dropped;              /* initials of message_drop_headers */
	bool resent;
	bool tls_not_required;         /* there is a field TLS-Required: No */
};
/* complete_place_of - where the addresses in a field of that name stand; 0: it has none */
unsigned complete_place_of(struct str name);
/* complete_begin - Received, which tells of `from`, then front: fields that go behind it. tls_note, peer_note: as in cleanup.h */
void complete_begin(struct completion *c, const struct envelope *from, const char *tls_note, const char *peer_note, struct str front);
void complete_field(struct completion *c, const struct header *h);
/* complete_end - what was missing */
void complete_end(struct completion *c);

#endif
