/* rewrite - what cleanup makes of one address: completed, then mapped (sender_canonical_maps or recipient_canonical_maps, then
 * canonical_maps), then masqueraded, each where its *_classes say so; in the envelope, and in the address fields of a header. */
#ifndef CORE_CLEANUP_REWRITE_H
#define CORE_CLEANUP_REWRITE_H

#include "core/msg/header.h"
#include "core/route/route.h"

struct rewrite {
	struct router *router;
	const char *qid;               /* NULL: nothing is logged with one */
	bool local;                    /* header addresses are completed as local ones; else with remote_header_rewrite_domain */
	bool maps;                     /* tables count; else addresses are only completed */
	struct buf *trace;             /* a line for each key that is asked for; NULL: none */
	uint64_t spent;                /* on these addresses, in steps (map_spent); past LIMIT_REWRITE_STEPS those of a header stay as they are */
	bool told;                     /* … which was said */
	bool failed;                   /* a table could not be read: the message cannot be taken now */
};
/* rewrite_mapped - one complete address at its place */
struct str rewrite_mapped(struct rewrite *w, struct arena *a, struct str address, enum address_place place);
/* rewrite_field - an address field: true: an address in it changed, and all of it was written to out. False: it stays as it is */
bool rewrite_field(struct rewrite *w, struct arena *scratch, const struct header *h, enum address_place place, struct buf *out);
/* rewrite_refusal - the reply for `failed` */
void rewrite_refusal(struct reply *r);

#endif
