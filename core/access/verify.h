/* verify - what probes found out about recipients: a cache, and the clients that wait for it (Postfix's verify(8)).
 *
 * An answer that is known and not expired is given at once; one that is due for a refresh is given, too, while a new probe
 * runs. A refresh that fails does not replace a good answer: that one stays until it expires. Clients that ask for the
 * same address share one probe. Probes at work at the same time are bounded by default_destination_concurrency_limit,
 * further ones wait for their turn.
 *
 * address_verify_map names the file that survives a restart. The file is a help, never a duty: what cannot be read or
 * written is said once in the log, and the cache goes on in memory. */
#ifndef CORE_ACCESS_VERIFY_H
#define CORE_ACCESS_VERIFY_H

#include "core/conf/conf.h"
#include "core/msg/reply.h"
#include "core/net/loop.h"

struct verify;
struct verify_wait;
typedef void (*verify_fn)(void *ctx, const struct reply *r);

struct verify_options {
	struct loop *loop;
	const struct conf *conf;
	/* ask the network about rcpt; answer once with fn(fn_ctx, reply), never from inside */
	void (*probe)(void *ctx, struct str rcpt, verify_fn fn, void *fn_ctx);
	void *ctx;
};
struct verify *verify_new(const struct verify_options *o);     /* the file is read at the first question */
void verify_free(struct verify *v);                            /* nobody is told; no probe may answer after this */
void verify_reconfigure(struct verify *v, const struct conf *c); /* the file stays the one of the start */
/* verify_ask - NULL with *known filled when there is an answer at once, else fn is called once, later: with the probe's answer,
 * or after address_verify_poll_count and _delay with 450 4.1.1 "Address verification in progress" */
struct verify_wait *verify_ask(struct verify *v, struct str rcpt, struct reply *known, verify_fn fn, void *ctx);
void verify_cancel(struct verify_wait *w);                     /* fn is not called; the probe goes on */
size_t verify_count(const struct verify *v);                   /* addresses remembered or asked about */

#endif
