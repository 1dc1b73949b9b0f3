/* reply - an SMTP reply as a value, and the three answers about mail. */
#ifndef CORE_MSG_REPLY_H
#define CORE_MSG_REPLY_H

#include "core/base/buf.h"
#include "core/base/limits.h"

enum verdict { VERDICT_DONE, VERDICT_LATER, VERDICT_NEVER };

struct reply {
	int code;                        /* 250; 0 = no reply */
	char enhanced[12];               /* "2.0.0"; "" = none */
	char text[LIMIT_REPLY_TEXT];     /* without code and enhanced code; lines separated by '\n'; printable */
};
void reply_set(struct reply *r, int code, const char *enhanced, const char *fmt, ...) __attribute__((format(printf, 4, 5)));
void reply_format(struct buf *out, const struct reply *r);          /* wire form: "250-2.0.0 text\r\n250 2.0.0 text\r\n" */
/* reply_line - one line for logs and bounces: "250 2.0.0 Ok: queued as X", lines joined by space */
void reply_line(struct buf *out, const struct reply *r);
/* reply_fit - the enhanced code, if it has one, with the class of its code, and a status about an address (RFC 3463, X.1.n) with whose it is:
 * one table may serve senders and recipients. The words are Postfix's */
enum reply_about { REPLY_ABOUT_OTHER, REPLY_ABOUT_SENDER, REPLY_ABOUT_RECIPIENT };
void reply_fit(struct reply *r, enum reply_about about);
/* reply_soften - permanent becomes temporary (soft_bounce) */
void reply_soften(struct reply *r);
enum verdict reply_verdict(const struct reply *r);                  /* 2xx, 3xx DONE; 4xx LATER; 5xx NEVER; 0 LATER */
/* reply_dsn - enhanced code for logs: the server's own, or one made from the code's class ("5.0.0") */
const char *reply_dsn(const struct reply *r);

#endif
