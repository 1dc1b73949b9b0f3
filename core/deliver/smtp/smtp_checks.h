/* smtp_checks - content on its way out through smtp_header_checks, smtp_mime_header_checks, smtp_nested_header_checks and
 * smtp_body_checks: fields and lines are left out, changed, added and told in the log; nothing is refused. */
#ifndef CORE_DELIVER_SMTP_SMTP_CHECKS_H
#define CORE_DELIVER_SMTP_SMTP_CHECKS_H

#include "core/base/pool.h"
#include "core/cleanup/checks.h"
#include "core/msg/envelope.h"
#include "core/msg/header.h"

struct smtp_checks;
struct smtp_checks_options {
	const struct conf *conf;
	struct checks *checks;
	struct pool *pool;                     /* NULL: everything at once */
	const struct envelope *envelope;       /* copied */
	bool quiet;                            /* the content comes once more */
	const char *qid, *service;             /* for the log; qid is copied */
	/* NULL, or what is sent of a field of the message's own header that has passed; false: not now */
	bool (*field)(void *ctx, const struct header *h, struct buf *out);
	/* what becomes of one piece; failed: a table could not be asked, and nothing more is given */
	void (*give)(void *ctx, struct str content, bool last, bool failed);
	void *ctx;
};
/* smtp_checks_of - the tables of a transport; NULL: none, or what is wrong is in diag */
struct checks *smtp_checks_of(const struct conf *c, bool lmtp, struct conf_diag *diag);
struct smtp_checks *smtp_checks_new(const struct smtp_checks_options *o);
void smtp_checks_free(struct smtp_checks *x);          /* NULL: nothing */
/* smtp_checks_add - a piece of the content, which is the whole message in CRLF lines; give is called once for it, maybe before this
 * returns, and the next piece is not added before */
void smtp_checks_add(struct smtp_checks *x, struct str piece, bool last);

#endif
