/* mime_lines - a message as header_checks(5) and body_checks(5) of Postfix see it: whole header fields, single body lines.
 *
 * What counts as a header follows Postfix's parser: a field keeps the line ends inside it; a line that is neither field nor
 * empty ends the headers, and where they are the message's own, an empty body line is told before it. With `parse_mime`, the fields
 * of attachments and of attached messages are headers, too. Pure: lines in, calls out, and no line is refused; what strict_*
 * parameters would refuse is noted. */
#ifndef CORE_MSG_MIME_LINES_H
#define CORE_MSG_MIME_LINES_H

#include "core/base/buf.h"
#include "core/base/limits.h"

enum mime_line {
	MIME_LINE_BODY,
	MIME_LINE_HEADER,      /* a field of the message itself */
	MIME_LINE_PART,        /* … of a part of a multipart */
	MIME_LINE_NESTED,      /* … of an attached message */
};
/* the text is valid during the call; without a line end, but for those inside a field */
typedef void (*mime_lines_fn)(void *ctx, enum mime_line kind, struct str text);
/* what RFC 2045 does not allow; bits */
enum mime_fault {
	MIME_FAULT_NESTING = 1,        /* more multiparts in multiparts than max_open */
	MIME_FAULT_8BIT_HEADER = 2,
	MIME_FAULT_8BIT_BODY = 4,      /* where neither 8bit nor binary was said */
	MIME_FAULT_ENCODING = 8,       /* a multipart or attached message that is encoded */
};

struct mime_boundary {
	char *text;
	bool digest;           /* parts without a Content-Type are messages */
};
struct mime_lines {
	mime_lines_fn fn;
	void *ctx;
	bool parse_mime, in_body, past_first; /* past the message's own headers */
	enum mime_line section;        /* whose headers run, or ran last */
	unsigned faults;               /* enum mime_fault, of the field or line of this call */
	uint64_t offset;               /* bytes of this body before the line of this call, a line end counted once */
	size_t max_open, max_boundary; /* LIMIT_MIME_DEPTH and LIMIT_MIME_BOUNDARY, or less */
	/* for who rewrites parts; of the header section that runs, or the last one */
	bool typed, composite; /* it has a Content-Type; it is a multipart or an attached message */
	bool at_boundary;      /* the line of this call begins or ends a part */
	size_t field_max;      /* more of a field is dropped */
	enum { MIME_TEXT, MIME_OTHER, MIME_MULTIPART, MIME_MESSAGE } type; /* of the part whose headers these are */
	enum { MIME_7BIT, MIME_8BIT, MIME_ENCODED } encoding; /* … as its Content-Transfer-Encoding says */
	const char *encoded;           /* "base64" …, or NULL */
	bool in_field;                 /* the line before belongs to a field, so does a piece that goes on with it */
	struct buf field;
	struct mime_boundary open[LIMIT_MIME_DEPTH];
	size_t n_open;
};
void mime_lines_init(struct mime_lines *m, bool parse_mime, mime_lines_fn fn, void *ctx);
void mime_lines_add(struct mime_lines *m, struct str line);    /* one line without its end, or its first piece */
void mime_lines_more(struct mime_lines *m, struct str piece);  /* a further piece of the line before */
/* mime_lines_end_header - the message's own headers end here, whatever the next line looks like; faults are left in m */
void mime_lines_end_header(struct mime_lines *m, bool by_empty_line);
void mime_lines_end(struct mime_lines *m);                     /* the end of the message; frees what it holds */

#endif
