/* recipients - see recipients.h. */
#include "core/cleanup/recipients.h"

#include "core/base/limits.h"

static bool grow(struct recipients *l)
{
	size_t cap = l->cap ? 2 * l->cap : 8;
	struct rcpt *v = ARENA_ARRAY(l->arena, struct rcpt, cap);

	if (!v)
		return false;
	if (l->n)
		memcpy(v, l->v, l->n * sizeof(*v));
	l->v = v;
	l->cap = cap;
	return true;
}

bool recipients_add(struct recipients *l, const struct rcpt *r)
{
	if (l->full || !l->room || l->n >= LIMIT_MESSAGE_RCPTS || (l->n == l->cap && !grow(l))) {
		l->full = true;
		return false;
	}
	l->room--;
	l->v[l->n++] = *r;
	return true;
}

bool recipients_add_instead(struct recipients *l, const struct rcpt *r, struct str addr)
{
	struct rcpt x = *r;

	x.orig = r->orig.n ? r->orig : r->addr;
	x.addr = arena_str(l->arena, addr);
	return recipients_add(l, &x);
}

void recipient_complete(struct router *r, struct arena *a, struct rcpt *to, bool local)
{
	struct str full = rewrite_address(r, a, to->addr, local);

	if (!str_eq(full, to->addr) && !to->orig.n)
		to->orig = to->addr;
	to->addr = full;
}

void recipients_complete(struct router *r, struct arena *a, struct envelope *e, bool local)
{
	for (size_t i = 0; i < e->n_rcpts; i++)
		recipient_complete(r, a, &e->rcpts[i], local);
}

static bool expand(struct arena *a, struct envelope *e, const struct recipients_expand *x, struct reply *failed)
{
	struct recipients l = { .arena = a };

	for (size_t i = 0; i < e->n_rcpts && !failed->code; i++) {
		l.room = LIMIT_RCPT_EXPANSION;
		x->fn(x->ctx, &l, &e->rcpts[i], failed);
		if (l.full && !failed->code)
			reply_set(failed, 554, "5.4.6", "Error: recipients that aliases make: more than %d of one, or %d of a message",
				LIMIT_RCPT_EXPANSION, LIMIT_MESSAGE_RCPTS);
	}
	if (failed->code)
		return false;
	e->rcpts = l.v;
	e->n_rcpts = l.n;
	return true;
}

void recipients_finish(struct arena *a, struct envelope *e, const struct recipients_expand *x, struct reply *failed)
{
	failed->code = 0;
	if (!x->fn || expand(a, e, x, failed))
		envelope_unique(e);
}
