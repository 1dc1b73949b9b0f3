/* smtp_sign - content on its way out goes here before it is sent, piece by piece, in the form that this server will get, and comes out as
 * a DKIM signature (core/dkim/sign.h). The arithmetic is done on the pool.
 *
 * Only what comes from our own is signed: from this host, clients of mynetworks, and those who logged in. What a stranger wrote under
 * our name and an alias passes on is not. */
#ifndef CORE_DELIVER_SMTP_SMTP_SIGN_H
#define CORE_DELIVER_SMTP_SMTP_SIGN_H

#include "core/dkim/keys.h"
#include "core/msg/envelope.h"
#include "core/route/route.h"
#include "core/smtp/client.h"

/* OVER: nothing more is wanted, and field is the signature, or empty: it goes without one */
enum smtp_sign_step { SMTP_SIGN_MORE, SMTP_SIGN_OVER, SMTP_SIGN_FAILED };
struct smtp_sign;
struct smtp_sign_options {
	struct dkim_keys *keys;                /* counted */
	const struct router *router;           /* NULL: nobody but this host is our own */
	const struct smtp_client *client;      /* at its event BODY; not kept */
	struct pool *pool;                     /* NULL: everything at once */
	const struct envelope *envelope;
	/* about one piece; whoever is told OVER or FAILED may free us */
	void (*told)(void *ctx, enum smtp_sign_step step, struct str field);
	void *ctx;
};
/* smtp_sign_new - NULL: a message like this one is not signed */
struct smtp_sign *smtp_sign_new(const struct smtp_sign_options *o);
void smtp_sign_free(struct smtp_sign *x);              /* NULL: nothing. What the pool has at hand is forgotten when it is done */
/* smtp_sign_add - the next piece, copied; told is called once for it, maybe before this returns, and no other is added before */
void smtp_sign_add(struct smtp_sign *x, struct str piece, bool last);

#endif
