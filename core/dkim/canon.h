/* canon - relaxed canonicalisation of DKIM (RFC 6376 sections 3.4.2 and 3.4.4): what of a message counts, so that white space which
 * changes on the way does no harm. Pure: pieces of any size in, the same out whatever the pieces were. */
#ifndef CORE_DKIM_CANON_H
#define CORE_DKIM_CANON_H

#include "core/msg/header.h"

enum { DKIM_BODY_PIECE = 1024 };
struct dkim_body {
	/* canonical text, at most DKIM_BODY_PIECE bytes at a time */
	void (*give)(void *ctx, struct str text);
	void *ctx;
	/* its own */
	uint64_t ends;                 /* line ends since the last text: none counts unless more text comes */
	bool blank, cr;                /* white space, or a CR, that is judged by what follows */
	bool any;
	size_t n;
	char out[DKIM_BODY_PIECE];
};
void dkim_body_init(struct dkim_body *b, void (*give)(void *ctx, struct str text), void *ctx);
void dkim_body_add(struct dkim_body *b, struct str crlf);
/* dkim_body_end - a last line without its end gets one; an empty body stays empty */
void dkim_body_end(struct dkim_body *b);

/* dkim_header - one field: name in small letters, unfolded, each run of blanks and tabs one blank, none at the ends, and no line end */
void dkim_header(const struct header *h, struct buf *out);

#endif
