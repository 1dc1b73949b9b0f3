/* intake - one message on its way into the queue: headers completed, content written, committed (Postfix's cleanup).
 *
 * Content arrives in CRLF lines. The header section is gathered (LIMIT_HEADER), given its Received line and, for local
 * mail, what RFC 5322 demands; the body streams straight to the store. The first failure is remembered and told by
 * intake_commit as the reply; nothing half kept remains. */
#ifndef CORE_CLEANUP_INTAKE_H
#define CORE_CLEANUP_INTAKE_H

#include "core/store/store.h"
#include "core/route/route.h"

struct intake;
struct intake_options {
	struct store *store;
	struct router *router;
	const struct conf *conf;
	bool local;                    /* complete and rewrite headers; no client in the Received line */
	const char *tls_note;          /* "TLSv1.3 with cipher X (256/256 bits)", NULL: none */
	usec now;                      /* wall */
};
/* fn - reply: 250 "Ok: queued as QID" with m durable, or a refusal with m NULL */
typedef void (*intake_fn)(void *ctx, const struct reply *reply, struct qmsg *m);

/* intake_begin - NULL with errno (ENOSPC …). e: the envelope so far, for the Received line; borrowed until commit or abort */
struct intake *intake_begin(const struct intake_options *o, struct envelope *e);
const char *intake_qid(const struct intake *i);
void intake_add(struct intake *i, struct str content);
/* intake_commit - all content was added. i stays alive until fn was called and is freed then. */
void intake_commit(struct intake *i, intake_fn fn, void *ctx);
void intake_abort(struct intake *i);
/* intake_refusal - the reply for an errno of intake_begin or of the store */
void intake_refusal(struct reply *r, int error);

#endif
