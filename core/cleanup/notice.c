/* notice - see notice.h. */
#include "core/cleanup/notice.h"

#include <errno.h>

#include "core/base/mem.h"

/* what the message needs until the queue has it */
struct notice {
	struct envelope envelope;
	struct rcpt rcpt;
	cleanup_fn fn;
	void *ctx;
};

static void on_queued(void *ctx, const struct reply *reply, struct qmsg *m)
{
	struct notice *n = ctx;

	n->fn(n->ctx, reply, m);
	mem_free(n);
}

void cleanup_notice(const struct cleanup_notice *x, cleanup_fn fn, void *ctx)
{
	struct cleanup_options o = {
		.source = CLEANUP_NOTICE, .sink = cleanup_to_store(x->store), .router = x->router, .conf = x->conf, .local = true,
		.now = x->now,
	};
	struct notice *n = MEM_NEW(struct notice);
	struct cleanup *c;
	struct reply failed;

	n->fn = fn;
	n->ctx = ctx;
	n->rcpt = (struct rcpt){ .addr = x->to, .notify = x->sender.n ? DSN_NOTIFY_NEVER : 0 };
	n->envelope = (struct envelope){
		.sender = x->sender, .rcpts = &n->rcpt, .n_rcpts = 1, .arrival = x->now, .uid = -1,
		.flags = ENVELOPE_BOUNCE | ENVELOPE_LOCAL | (x->smtputf8 ? ENVELOPE_SMTPUTF8 : 0) |
			(x->requiretls ? ENVELOPE_REQUIRETLS : 0),
	};
	c = cleanup_begin(&o, &n->envelope);
	if (!c) {
		cleanup_refusal(&failed, errno);
		on_queued(n, &failed, NULL);
		return;
	}
	cleanup_add(c, x->text);
	cleanup_end(c, on_queued, n);
}
