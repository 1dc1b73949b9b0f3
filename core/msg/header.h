/* header - the header section as untouched bytes plus an index. Lines end in CRLF; the empty line is not part of it. */
#ifndef CORE_MSG_HEADER_H
#define CORE_MSG_HEADER_H

#include "core/base/buf.h"

struct header {
	struct str name;       /* without the colon */
	struct str value;      /* raw bytes after the colon, folding included, last CRLF excluded */
	struct str raw;        /* the whole field with its CRLF */
};
/* header_next - take the next field off *rest; 1 with out, 0 at the end, -1: this line is no header field (Postfix then
 * treats it as the start of the body) */
int header_next(struct str *rest, struct header *out);
/* header_name_length - of the field name at the front of a line, 0 if there is none. White space before the colon is tolerated,
 * as in Postfix; *colon = where the colon is */
size_t header_name_length(struct str line, size_t *colon);
bool header_find(struct str headers, const char *name, struct header *out);   /* first with that name, any case */
unsigned header_count(struct str headers, const char *name);
/* header_unfold - value as one line: CRLF before white space removed, ends trimmed */
void header_unfold(struct str value, struct buf *out);
/* header_body_split - index of the first body byte in a message that starts with headers: after the first empty line,
 * or at the first line that is no header field (RFC 5322 section 2.1) */
size_t header_body_split(struct str message);

#endif
