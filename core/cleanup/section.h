/* section - where the header section of a message ends, and its fields one after the other; see section.c. */
#ifndef CORE_CLEANUP_SECTION_H
#define CORE_CLEANUP_SECTION_H

#include "core/msg/header.h"

struct section {
	size_t limit;                  /* header_size_limit: bytes of one field, its last line end apart, a line end counted once */
	void (*field)(void *ctx, const struct header *h);
	void *ctx;
	/* its own: the field at work, whole lines first, then the beginning of a line */
	struct buf pending;
	size_t whole;                  /* bytes of whole lines */
	size_t text;                   /* … as limit counts them */
	bool begun;                    /* a line was seen that is no line of an mbox separator */
};
void section_init(struct section *s, size_t limit, void (*field)(void *ctx, const struct header *h), void *ctx);
void section_fini(struct section *s);
/* section_add - content in CRLF lines, in pieces of any length. True: the section has ended. *body: what comes before *rest in the
 * body although it was taken for the beginning of a field; good until section_fini. *rest: what follows in this piece. */
bool section_add(struct section *s, struct str content, struct str *body, struct str *rest);
/* section_end - there is no more content: what stands here was header, or *body */
void section_end(struct section *s, struct str *body);

#endif
