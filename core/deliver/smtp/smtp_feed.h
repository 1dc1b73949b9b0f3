/* smtp_feed - the content of one transaction on its way to the server: read piece by piece as the connection drains, through the
 * transport's checks, to be signed first where there is a key, so that a slow server costs LIMIT_CLIENT_FEED bytes of memory and no more. */
#ifndef CORE_DELIVER_SMTP_SMTP_FEED_H
#define CORE_DELIVER_SMTP_SMTP_FEED_H

#include "core/deliver/smtp/smtp_generic.h"
#include "core/smtp/client.h"

struct smtp_feed;
/* what becomes of it; each may end the feed */
struct smtp_feed_ops {
	void (*over)(struct smtp_feed *f);             /* all of it is with the machine */
	void (*moved)(struct smtp_feed *f);            /* a piece came back after its time on the pool, and more may be sent */
	void (*failed)(struct smtp_feed *f, const char *why);  /* and ended: it cannot be read, checked or signed */
};
struct smtp_feed {
	const struct smtp_feed_ops *ops;
	struct deliver *d;
	const struct smtp_profile *profile;
	struct smtp_client *client;    /* where it goes */
	const struct delivery *job;    /* of which it is; set by start */
	struct smtp_generic *generic;  /* its addresses as others shall see them, or NULL */
	void *reader;                  /* of deliver_options.content; NULL: nothing is under way */
	uint64_t size, sent;           /* of the content */
	bool feeding;                  /* there is more to read */
	bool checking, waits;          /* a piece is with the checks or the signature, or the next has its own turn; … and comes back later */
	struct loop_task turn;         /* of a piece whose addresses were mapped */
	struct smtp_checks *checks;    /* that the content passes; NULL: none */
	struct smtp_sign *signing;     /* the content goes there first, and is sent the second time; NULL: no more, or never */
};
/* smtp_feed_start - at the machine's event BODY: job's content from its beginning. job, generic: until the end */
void smtp_feed_start(struct smtp_feed *f, const struct delivery *job, struct smtp_generic *generic);
void smtp_feed_more(struct smtp_feed *f);      /* the connection has room */
void smtp_feed_end(struct smtp_feed *f);       /* nothing is told afterwards; any number of times */

/* smtp_feed_is_busy - the server waits for content that is still to come */
static inline bool smtp_feed_is_busy(const struct smtp_feed *f)
{
	return f->feeding || f->checking;
}

#endif
