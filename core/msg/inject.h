/* inject - what sendmail does to a message before it hands it on: leading From_ lines go, recipients are taken from the
 * header (-t), blind copies and other fields that must not travel are left out, a missing From is added where the name of
 * the sender is known. All else stays byte for byte. */
#ifndef CORE_MSG_INJECT_H
#define CORE_MSG_INJECT_H

#include "core/base/arena.h"
#include "core/base/buf.h"

struct inject_options {
	bool extract;                  /* -t: recipients from To, Cc, Bcc, or from their Resent- forms where one occurs */
	const char *drop;              /* names of fields to leave out, separated by spaces or commas */
	const char *full_name;         /* for a missing From; "" = none known */
	bool author;                   /* the message is new: a From is wanted even beside Resent- fields */
	struct str sender;             /* for a missing From; "" = the null sender */
};
struct inject_rcpts {                  /* canonical addresses; the array is the arena's */
	struct str *v;
	size_t n, cap;
	size_t n_bad;                  /* elements that are no addresses */
	const char *bad;               /* the first of them, with where they stood: "To: \"a@@x\", Cc: …"; NULL: none */
};
struct inject_report {
	bool eight_bit;                /* bytes >= 0x80 in the body */
	bool utf8_header;              /* … in the header */
};

/* inject_skip_from_lines - the message without "From " and ">From " lines at its start */
struct str inject_skip_from_lines(struct str message);
/* inject_add_list - the addresses of a list as addr_repair reads it; what is no address, or would be an option to a program that
 * is given it, is counted as bad and costs nothing but itself. `where`: the field or option, for messages */
void inject_add_list(struct arena *a, struct inject_rcpts *r, const char *where, struct str list);
/* inject_message - message in CRLF lines -> out, whole. Recipients of -t are added to r */
void inject_message(struct arena *a, struct str message, const struct inject_options *o, struct buf *out,
	struct inject_rcpts *r, struct inject_report *report);

#endif
