/* grammar - the small grammars of SMTP that server and client share: command words, ESMTP parameters, BDAT arguments,
 * replies and the lines of an EHLO reply. Pure; every function accepts or refuses and repairs nothing. */
#ifndef CORE_SMTP_GRAMMAR_H
#define CORE_SMTP_GRAMMAR_H

#include "core/base/buf.h"
#include "core/msg/reply.h"

enum grammar_result { GRAMMAR_MORE, GRAMMAR_OK, GRAMMAR_BAD };

/* grammar_line - take a line off the front of *in: OK with line (without its CRLF, LF or CR CR LF), MORE, BAD past `limit` bytes
 * (nothing is taken then) */
enum grammar_result grammar_line(struct str *in, size_t limit, struct str *line);
bool grammar_is_text(struct str line);                 /* no control characters but tab */
struct str grammar_word(struct str *rest);             /* the next word; *rest: what follows it, leading blanks dropped */
bool grammar_has_word(const char *list, struct str word); /* list: words between blanks and commas; case folded */
/* grammar_param - take the next "NAME" or "NAME=value" off *rest: OK, BAD syntax, MORE = none left */
enum grammar_result grammar_param(struct str *rest, struct str *name, struct str *value, bool *has_value);
bool grammar_notify(struct str value, unsigned *notify);  /* NOTIFY=: bits of enum dsn_notify */
bool grammar_bdat(struct str args, uint64_t *size, bool *last);

/* what is known of a reply while its lines come in */
struct grammar_reply {
	unsigned lines;
	size_t text;           /* bytes of the reply's text so far */
	size_t taken;          /* bytes of the reply so far, with what was cut */
	bool cut, final;       /* the rest of a long line is passed over; of the last line */
};
/* grammar_reply - take lines of one reply off *in into r: OK when it is whole, MORE, BAD: why says what is wrong with it.
 * each (may be NULL) is given every line's text as it came. Text past its bound is dropped, as is the end of a long line:
 * a code counts however much is said about it, and of several the last (RFC 5321 section 4.2.1). Only the sum has a bound. Less than LIMIT_SMTP_REPLY_LINE bytes are left
 * in *in. Start with zeroed state; it is zeroed again after OK. */
enum grammar_result grammar_reply(struct grammar_reply *g, struct str *in, struct reply *r, const char **why,
	void (*each)(void *ctx, unsigned line, struct str text), void *ctx);

/* grammar_extension - an EHLO line: the enum smtp_extension bit, 0 if unknown; *arg: what follows the keyword */
unsigned grammar_extension(struct str line, struct str *arg);

#endif
