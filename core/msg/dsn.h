/* dsn - the text of delivery status notifications: RFC 3464 in an RFC 6522 multipart/report, worded as Postfix words it. */
#ifndef CORE_MSG_DSN_H
#define CORE_MSG_DSN_H

#include "core/msg/envelope.h"
#include "core/msg/reply.h"

enum dsn_kind { DSN_FAILED, DSN_DELAYED, DSN_DELIVERED, DSN_RELAYED };
struct dsn_rcpt {
	const struct rcpt *rcpt;
	const struct reply *reply;   /* the last word on this recipient */
	struct str remote_mta;       /* "mx.example.com", or empty when the reply is our own */
	struct str relay;            /* "mx.example.com[192.0.2.1]:25": who took it */
};
/* other words than the built-in ones (bounce(5)); a field that is empty: those */
struct dsn_template {
	struct str charset, from, subject, postmaster_subject;
	struct str text;             /* what the sender is told before the recipients, CRLF lines; its NULL: the built-in one */
};
struct dsn_request {
	enum dsn_kind kind;
	bool postmaster;             /* a copy for the postmaster, not for the sender */
	const char *hostname;        /* myhostname: Reporting-MTA */
	const char *mail_name;       /* "relaybox" */
	const char *qid;
	struct str to;               /* who gets it: the sender, or postmaster */
	const struct envelope *envelope;
	const struct dsn_rcpt *rcpts;
	size_t n_rcpts;
	struct str headers;          /* the message's header section (CRLF) */
	struct str body;             /* as much of the body as may be returned (ret, bounce_size_limit); empty: headers only */
	usec now;                    /* wall */
	usec will_retry_until;       /* DSN_DELAYED; 0 otherwise */
	const char *boundary;        /* unique text */
	const struct dsn_template *words; /* NULL: built-in */
};
void dsn_format(struct buf *out, const struct dsn_request *r);      /* complete message, CRLF lines, header first; Received and Message-Id are the queue's */

#endif
