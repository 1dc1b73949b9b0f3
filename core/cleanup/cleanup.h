/* cleanup - the one entrance into the queue (Postfix's cleanup): whatever enters comes in here, from wherever it comes.
 *
 * Content arrives in CRLF lines. The header section is completed field by field as it comes in and stays in memory until the
 * commit (LIMIT_HEADER each; LIMIT_HEADERS_HELD all together, counted by cleanup.c); the body streams to the sink. At the
 * end the recipients are made what they will be in the queue (recipients.h), and the sink takes it all: the queue, or
 * memory. The first failure is remembered and told by cleanup_end as the reply; nothing half kept remains. */
#ifndef CORE_CLEANUP_CLEANUP_H
#define CORE_CLEANUP_CLEANUP_H

#include "core/cleanup/checks.h"
#include "core/cleanup/recipients.h"
#include "core/cleanup/sink.h"
#include "core/msg/action.h"
#include "core/route/route.h"

/* where a message comes from: what is done to it is a row in cleanup.c */
enum cleanup_source {
	CLEANUP_SMTP,       /* a session */
	CLEANUP_PICKUP,     /* a drop of a local program: sender and recipients as they were given */
	CLEANUP_NOTICE,     /* written by us */
	CLEANUP_FORWARD,    /* a message of the queue, to be queued once more */
	CLEANUP_DIRECT      /* sendmail without a daemon: the recipients were expanded before (recipients_become) */
};
struct cleanup_options {
	enum cleanup_source source;
	struct cleanup_sink sink;
	struct router *router;
	const struct conf *conf;
	bool local;                    /* header addresses are completed as local ones, and what is missing is added */
	const char *tls_note;          /* "TLSv1.3 with cipher X (256/256 bits)", NULL: none */
	const char *peer_note;         /* of the client's certificate (core/msg/received.h), NULL: none */
	struct str front;              /* fields that go behind the Received field: whole lines, borrowed for cleanup_begin */
	usec now;                      /* wall */
	/* what rules outside of the message want done with it: the list may grow until cleanup_end; NULL: nobody asked anything */
	struct action_wish *const *wishes;
	struct checks *checks;         /* of header and body; NULL: none */
	bool unchecked;                /* not even by strict_* parameters */
	bool unmapped;                 /* addresses are completed, no table rewrites or expands them, and no copies are made */
	/* where checks look things up; NULL: at once. With a pool, cleanup_add may leave it busy: then nothing is added, nor ended, before
	 * go_on is called */
	struct pool *pool;
	unsigned *users;               /* one more while the message is on its way in: router and conf stay so long. NULL: they stay longer */
	void (*go_on)(void *ctx);
	void *ctx;
};
struct cleanup;
/* fn - reply: 250 "Ok: queued as QID" with m durable (NULL in memory, and where a rule dropped it), or a refusal with m NULL. Strings of the envelope are
 * good until fn returns. */
typedef void (*cleanup_fn)(void *ctx, const struct reply *reply, struct qmsg *m);

/* cleanup_begin - NULL with errno (ENOSPC …). e: the envelope so far, for the Received field; borrowed until fn or abort, and
 * changed: flags, sender, recipients */
struct cleanup *cleanup_begin(const struct cleanup_options *o, struct envelope *e);
const char *cleanup_qid(const struct cleanup *c);
void cleanup_add(struct cleanup *c, struct str content);
bool cleanup_is_busy(const struct cleanup *c);
/* cleanup_end - all content was added. c stays alive until fn was called, maybe before this returns, and is freed then. */
void cleanup_end(struct cleanup *c, cleanup_fn fn, void *ctx);
void cleanup_abort(struct cleanup *c);
size_t cleanup_memory(const struct cleanup *c);        /* bytes that it holds, without what the sink has */
/* cleanup_refusal - the reply for an errno of cleanup_begin or of the store */
void cleanup_refusal(struct reply *r, int error);

#endif
