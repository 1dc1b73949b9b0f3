/* mime - encodings: base64, quoted-printable, RFC 2047 words, RFC 2231 parameters, xtext (RFC 3461). Pure functions. */
#ifndef CORE_MSG_MIME_H
#define CORE_MSG_MIME_H

#include "core/base/buf.h"

void mime_base64(struct buf *out, struct str in, size_t line);      /* line: characters per line (0 = one line), CRLF between and at the end if line */
bool mime_base64_decode(struct buf *out, struct str in);            /* strict: padding, no other bytes; false = not base64 */
void mime_code(struct buf *out, char mark, unsigned char c);        /* "=2E": a byte in quoted-printable; xtext has +, parameters % */
void mime_quoted_printable(struct buf *out, struct str crlf_text);  /* lines <= 76, CRLF kept as line ends */
/* mime_header_text - field value as ASCII: RFC 2047 encoded words (UTF-8) where needed, folded at 76 with CRLF SP;
 * `used` = columns already taken by "Name: " */
void mime_header_text(struct buf *out, struct str utf8, size_t used);
/* mime_phrase - the same for a display name, not quoted */
void mime_phrase(struct buf *out, struct str utf8, size_t used);
void mime_parameter(struct buf *out, const char *name, struct str value); /* `; name="v"` or RFC 2231 `; name*=UTF-8''…` */
void mime_xtext(struct buf *out, struct str in);
bool mime_xtext_decode(struct buf *out, struct str in);             /* false: bad; control characters are refused */

#endif
