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
	struct str sender;             /* for a missing From; "" = the null sender */
};
struct inject_rcpts {                  /* canonical addresses; the array is the arena's */
	struct str *v;
	size_t n, cap;
	const char *error;             /* an address list that could not be read, NULL: none */
};
struct inject_report {
	bool eight_bit;                /* bytes >= 0x80 in the body */
	bool utf8_header;              /* … in the header */
};

/* inject_skip_from_lines - the message without "From " and ">From " lines at its start */
struct str inject_skip_from_lines(struct str message);
/* inject_add_list - the addresses of an RFC 5322 list ("a, \"X Y\" <b>"); false: not a list, r->error says why */
bool inject_add_list(struct arena *a, struct inject_rcpts *r, struct str list);
/* inject_message - message in CRLF lines -> out, whole. Recipients of -t are added to r. -1: r->error */
int inject_message(struct arena *a, struct str message, const struct inject_options *o, struct buf *out,
	struct inject_rcpts *r, struct inject_report *report);

#endif
