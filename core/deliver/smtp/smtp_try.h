/* smtp_try - one delivery on its way to a server that takes it; it has at most one session at a time. */
#ifndef CORE_DELIVER_SMTP_SMTP_TRY_H
#define CORE_DELIVER_SMTP_SMTP_TRY_H

#include "core/deliver/delivery_log.h"
#include "core/deliver/smtp/smtp_candidates.h"
#include "core/deliver/smtp/smtp_generic.h"
#include "core/deliver/smtp/smtp_policy.h"
#include "core/deliver/smtp/smtp_pool.h"

typedef void (*smtp_try_end)(struct deliver *d, struct delivery *job, struct delivery_facts *f);
struct smtp_try {
	struct list link;              /* deliver.tries */
	struct loop_task task;         /* to go on from the loop */
	struct smtp_park park;
	struct deliver *d;
	struct delivery *job;
	struct smtp_profile *profile;
	struct smtp_dest *dest;
	struct smtp_session *session;
	struct smtp_candidates candidates;
	struct smtp_target target;     /* being tried */
	struct smtp_policy policy;     /* … and what a session to it must have, which the session takes */
	struct smtp_generic *generic;  /* the addresses as they are sent; NULL: as they are */
	/* recipients */
	const struct rcpt **rcpts;     /* of the transaction that runs: a subset of the job's */
	size_t *rows;                  /* their rows in the job */
	bool *accepted;
	size_t n_tx, left;             /* left: recipients without an answer */
	struct reply why;              /* the last word on those */
	char why_relay[300], why_mta[256];
	bool why_answered;             /* … and is the server's about mail */
	bool dest_bad;                 /* that word means: no session could be had */
	bool login_failed;             /* … because the server refused the login that all mail of the destination has */
	bool stale;                    /* a kept session turned out to be closing */
	bool is_probe;                 /* only up to RCPT */
	smtp_try_end end;
	usec ready_at;                 /* wall */
	unsigned conn_use;
	bool starting, finish_due;
	bool plain;                    /* of the connection to make: without TLS */
};
/* smtp_try_start - end gets the job, whose recipients all have answers; never from inside. To smtp_start it is a delivery */
struct smtp_try *smtp_try_start(struct deliver *d, struct delivery *job, bool is_probe, smtp_try_end end);
void smtp_try_free(struct smtp_try *t);
static inline const char *smtp_try_service(const struct smtp_try *t)
{
	return t->profile->lmtp ? "lmtp" : "smtp";
}

#endif
