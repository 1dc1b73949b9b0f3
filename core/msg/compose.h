/* compose - a new message from its parts: what mail(1) sends. RFC 5322, MIME (RFC 2045-2047, 2231), text in UTF-8.
 *
 * Date, Message-ID and a missing From are left to whoever takes the message (sendmail, relayd). The text stays 8bit where
 * lines allow it, so that it can be read on the wire; attachments are base64 and arrive byte for byte. */
#ifndef CORE_MSG_COMPOSE_H
#define CORE_MSG_COMPOSE_H

#include "core/base/arena.h"
#include "core/base/buf.h"

struct compose_file {
	const char *name;              /* as the reader shall see it, without folders */
	const char *type;              /* "application/pdf"; NULL: by name and content */
	struct str content;
};
struct compose {
	struct str from, reply_to;     /* address lists as written; empty: no such field */
	struct str to, cc;
	struct str subject;            /* UTF-8; empty: no such field */
	const struct str *fields;      /* further "Name: value" fields */
	size_t n_fields;
	struct str text;               /* CRLF lines */
	const char *charset;           /* of text that is not ASCII; NULL: utf-8, or unknown-8bit when it is not that */
	const struct compose_file *files;
	size_t n_files;
	const char *boundary;          /* unique text, used with files */
};
/* compose_message - append the message in CRLF lines; -1 with why for a field that cannot be written */
int compose_message(struct arena *a, struct buf *out, const struct compose *m, struct buf *why);
/* compose_fields - of it the address fields, Subject and the further fields that do not tell about the content */
int compose_fields(struct arena *a, struct buf *out, const struct compose *m, struct buf *why);
/* compose_type - media type of a file by its name, else by its content */
const char *compose_type(const char *name, struct str content);
/* compose_is_field - does s look like "Name: value"? (mail -a) */
bool compose_is_field(struct str s);

#endif
