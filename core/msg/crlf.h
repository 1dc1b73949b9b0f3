/* crlf - line ends and dots, as streams: feed chunks of any size, get the same bytes whatever the chunks were.
 *
 * Inside relaybox every line ends in CRLF and neither CR nor LF occurs alone; crlf_clean makes it so where text comes from
 * programs and files, crlf_to_lf makes the form of mailboxes (threats A1, A2, A4, A6). core/smtp/content.h has the rule for
 * the wire: there a bare LF is content, for no dot after it may end a message; here it is a line end like any other. */
#ifndef CORE_MSG_CRLF_H
#define CORE_MSG_CRLF_H

#include "core/base/buf.h"

/* any text -> CRLF lines: LF and CRLF end a line, a CR without LF becomes a space; all other bytes stay, NUL too */
struct crlf_clean {
	bool cr;               /* a CR waits for its LF */
	bool in_line;          /* the last line has not ended yet */
};
void crlf_clean_init(struct crlf_clean *c);
void crlf_clean_add(struct crlf_clean *c, struct buf *out, struct str chunk);
void crlf_clean_end(struct crlf_clean *c, struct buf *out, bool end_line);   /* end_line: add the CRLF that the last line lacks */

/* CRLF text -> LF lines for mailbox files; quote_from writes ">From " for "From " at the start of a line */
struct crlf_to_lf {
	bool quote_from;
	bool cr;
	size_t from;           /* bytes of "From " seen at the start of this line; FROM_NO: not at a start */
};
void crlf_to_lf_init(struct crlf_to_lf *c, bool quote_from);
void crlf_to_lf_add(struct crlf_to_lf *c, struct buf *out, struct str chunk);
void crlf_to_lf_end(struct crlf_to_lf *c, struct buf *out);

#endif
