/* forward - see forward.h. The mark is Postfix's: Delivered-To, with the address that led here. */
#include "core/cleanup/forward.h"

#include <errno.h>

#include "core/base/limits.h"
#include "core/base/mem.h"
#include "core/msg/header.h"

/* what the new message needs until the queue has it */
struct forward {
	struct arena arena;
	struct envelope envelope;
	cleanup_fn fn;
	void *ctx;
};

static bool fill_envelope(struct forward *f, const struct cleanup_forward *x)
{
	struct recipients l = { .arena = &f->arena, .room = LIMIT_RCPT_EXPANSION };
	struct rcpt r = { .addr = STR_EMPTY };

	for (size_t i = 0; i < x->n; i++) {
		r.addr = x->addresses[i];
		if (x->list)
			recipients_add(&l, &r);
		else
			recipients_add_instead(&l, x->rcpt, r.addr);
	}
	f->envelope = *x->old;
	f->envelope.sender = x->sender;
	/* the old one was held, and has been let go */
	f->envelope.flags &= ~(unsigned)ENVELOPE_HOLD;
	f->envelope.held = STR_EMPTY;
	f->envelope.rcpts = l.v;
	f->envelope.n_rcpts = l.n;
	f->envelope.arrival = x->now;
	return !l.full && !f->arena.overflow;
}

static void on_queued(void *ctx, const struct reply *reply, struct qmsg *m)
{
	struct forward *f = ctx;

	f->fn(f->ctx, reply, m);
	arena_fini(&f->arena);
	mem_free(f);
}

static int add_content(struct cleanup *c, const struct cleanup_forward *x)
{
	struct store_reader *r = store_read_open(x->store, x->m);
	uint64_t at, size = x->old->size;
	char *piece;
	ssize_t n = 1;

	if (!r)
		return -1;
	at = store_read_header(r).n;
	cleanup_add(c, store_read_header(r));
	piece = at < size ? mem_alloc(LIMIT_CLIENT_PIECE) : NULL;
	while (at < size && (n = store_read(r, at, piece, LIMIT_CLIENT_PIECE)) > 0) {
		cleanup_add(c, str_make(piece, (size_t)n));
		at += (uint64_t)n;
	}
	mem_free(piece);
	store_read_close(r);
	return n > 0 ? 0 : -1;
}

void cleanup_forward(const struct cleanup_forward *x, cleanup_fn fn, void *ctx)
{
	struct forward *f = MEM_NEW(struct forward);
	struct cleanup_options o = {
		.source = CLEANUP_FORWARD, .sink = cleanup_to_store(x->store), .router = x->router, .conf = x->conf,
		.local = x->old->flags & ENVELOPE_LOCAL, .now = x->now,
	};
	struct cleanup *c = NULL;
	struct reply failed;

	f->fn = fn;
	f->ctx = ctx;
	arena_init(&f->arena, LIMIT_FORWARD_ARENA);
	reply_set(&failed, 451, "4.3.0", "the queue takes no mail now");
	if (fill_envelope(f, x)) {
		o.front = arena_printf(&f->arena, "Delivered-To: %.*s\r\n", STR_ARG(arena_lower(&f->arena, x->rcpt->addr)));
		c = cleanup_begin(&o, &f->envelope);
	}
	if (c && add_content(c, x) == 0) {
		cleanup_end(c, on_queued, f);
		return;
	}
	if (c)
		cleanup_abort(c);
	on_queued(f, &failed, NULL);
}

bool cleanup_was_here(struct str header, struct str address)
{
	struct header h;

	while (header_next(&header, &h) == 1)
		if (str_ieq(h.name, STR("Delivered-To")) && str_ieq(str_trim(h.value), address))
			return true;
	return false;
}
