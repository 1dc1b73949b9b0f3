/* mime_lines - a message as header_checks(5) and body_checks(5) of Postfix see it: whole header fields, single body lines.
 *
 * What counts as a header follows Postfix's parser: a field keeps the line ends inside it; a line that is neither field nor
 * empty ends the headers, and where they are the message's own, an empty body line is told before it. With `parse_mime`, the fields of attachments and of
 * attached messages are headers, too. Pure: lines in, calls out, and no line is refused. */
#ifndef CORE_MSG_MIME_LINES_H
#define CORE_MSG_MIME_LINES_H

#include "core/base/buf.h"
#include "core/base/limits.h"

/* the text is valid during the call; without a line end, but for those inside a field */
typedef void (*mime_lines_fn)(void *ctx, bool is_header, struct str text);

struct mime_boundary {
	char *text;
	bool digest;           /* parts without a Content-Type are messages */
};
struct mime_lines {
	mime_lines_fn fn;
	void *ctx;
	bool parse_mime, in_body, past_first; /* past the message's own headers */
	/* for who rewrites parts; of the header section that runs, or the last one */
	bool typed, composite; /* it has a Content-Type; it is a multipart or an attached message */
	bool at_boundary;      /* the line of this call begins or ends a part */
	size_t field_max;      /* more of a field is dropped */
	enum { MIME_TEXT, MIME_OTHER, MIME_MULTIPART, MIME_MESSAGE } type; /* of the part whose headers these are */
	struct buf field;
	struct mime_boundary open[LIMIT_MIME_DEPTH];
	size_t n_open;
};
void mime_lines_init(struct mime_lines *m, bool parse_mime, mime_lines_fn fn, void *ctx);
void mime_lines_add(struct mime_lines *m, struct str line);    /* one line without its end */
void mime_lines_end(struct mime_lines *m);                     /* the end of the message; frees what it holds */

#endif
