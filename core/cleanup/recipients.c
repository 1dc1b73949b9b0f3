/* recipients - see recipients.h. */
#include "core/cleanup/recipients.h"

#include "core/base/clock.h"
#include "core/base/limits.h"
#include "core/base/mem.h"
#include "core/cleanup/copies.h"
#include "core/cleanup/rewrite.h"
#include "core/cleanup/virtual.h"

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

static void becomes(struct rcpt *to, struct str addr)
{
	if (str_eq(addr, to->addr))
		return;
	if (!to->orig.n)
		to->orig = to->addr;
	to->addr = addr;
}

void recipient_complete(struct router *r, struct arena *a, struct rcpt *to)
{
	becomes(to, rewrite_address(r, a, to->addr, true));
}

/* --- the steps ---------------------------------------------------------------------------------------------------------- */

struct recipients_work {
	struct recipients_rules rules;
	struct envelope *envelope;
	size_t next;                   /* recipient of it */
	struct rewrite rewrite;
	struct arena *arena, *scratch;
	struct recipients list;
	struct reply *failed;
	bool changes;                  /* there is more to do than to complete */
};

/* keep - an address out of the scratch */
static struct str keep(struct recipients_work *w, struct str now, struct str before)
{
	return str_eq(now, before) ? before : arena_str(w->arena, now);
}

/* rewrite - completed and mapped */
static void rewrite(struct recipients_work *w, struct rcpt *r)
{
	struct str full = rewrite_address(w->rules.router, w->scratch, r->addr, true);

	w->rewrite.spent = 0;
	becomes(r, keep(w, rewrite_mapped(&w->rewrite, w->scratch, full, PLACE_ENVELOPE_RECIPIENT), r->addr));
	if (w->rewrite.failed)
		rewrite_refusal(w->failed);
}

/* take - one recipient into the list, and those in its place */
static void take(struct recipients_work *w, const struct rcpt *r)
{
	const struct conf *c = w->rules.router->conf;
	bool maps = w->rules.maps && w->rules.router->rewriting.virtual_alias.maps.n;

	w->list.room = maps && c->virtual_alias_expansion_limit > LIMIT_RCPT_EXPANSION ? (size_t)c->virtual_alias_expansion_limit :
		LIMIT_RCPT_EXPANSION;
	if (maps)
		virtual_expand(&w->rules, w->scratch, r, &w->list, w->failed);
	else
		recipients_add(&w->list, r);
}

/* take_copy - an address that a parameter or a table names: nobody hears of its fate (Postfix: NOTIFY=NEVER) */
static void take_copy(struct recipients_work *w, struct str to)
{
	struct rcpt r = { .addr = arena_str(w->arena, to), .notify = DSN_NOTIFY_NEVER };

	if (!to.n || w->failed->code)
		return;
	rewrite(w, &r);
	r.orig = STR_EMPTY;
	if (!w->failed->code)
		take(w, &r);
}

/* take_next - one of the envelope, and the copies of it */
static void take_next(struct recipients_work *w)
{
	const struct recipients_rules *x = &w->rules;
	struct rcpt r = w->envelope->rcpts[w->next++];
	struct str copy;

	rewrite(w, &r);
	if (!w->failed->code)
		take(w, &r);
	if (x->copies && copy_of(x->router, w->scratch, &x->router->rewriting.recipient_bcc, r.addr, &copy, x->trace, w->failed))
		take_copy(w, copy);
	arena_reset(w->scratch);
}

/* take_last - copies of the whole message */
static void take_last(struct recipients_work *w)
{
	const struct recipients_rules *x = &w->rules;
	struct str copy;

	if (!x->copies)
		return;
	if (copy_of(x->router, w->scratch, &x->router->rewriting.sender_bcc, w->envelope->sender, &copy, x->trace, w->failed))
		take_copy(w, copy);
	take_copy(w, str_of(x->router->conf->always_bcc));
	arena_reset(w->scratch);
}

/* changes - is there anything to do but to complete? */
static bool changes(const struct recipients_rules *x)
{
	const struct rewriting *w = &x->router->rewriting;

	return (x->maps && (w->any || w->virtual_alias.maps.n)) || (x->copies && copies_are_made(x->router));
}

struct recipients_work *recipients_begin(const struct recipients_rules *x, struct arena *a, struct arena *scratch, struct envelope *e,
	struct reply *failed)
{
	struct recipients_work *w = MEM_NEW(struct recipients_work);

	*w = (struct recipients_work){ .rules = *x, .envelope = e, .arena = a, .scratch = scratch, .list = { .arena = a }, .failed = failed,
		.rewrite = { .router = x->router, .qid = x->qid, .maps = x->maps, .trace = x->trace } };
	failed->code = 0;
	w->changes = changes(x);
	return w;
}

bool recipients_go_on(struct recipients_work *w, usec slice)
{
	usec until = slice == USEC_NEVER ? USEC_NEVER : clock_mono() + slice;

	while (w->changes && w->next < w->envelope->n_rcpts && !w->failed->code && !w->list.full) {
		take_next(w);
		if (until != USEC_NEVER && clock_mono() >= until)
			return w->next == w->envelope->n_rcpts;
	}
	return true;
}

/* replace - the envelope's recipients by those of the list */
static void replace(struct recipients_work *w)
{
	struct reply *failed = w->failed;

	take_last(w);
	if (w->list.full && !failed->code && w->list.n >= LIMIT_MESSAGE_RCPTS)
		reply_set(failed, 554, "5.4.6", "Error: more than %d recipients", LIMIT_MESSAGE_RCPTS);
	else if ((w->list.full || w->scratch->overflow) && !failed->code)
		virtual_refusal(failed);
	if (failed->code)
		return;
	w->envelope->rcpts = w->list.v;
	w->envelope->n_rcpts = w->list.n;
}

void recipients_end(struct recipients_work *w)
{
	const struct recipients_rules *x = &w->rules;

	if (w->changes)
		replace(w);
	for (size_t i = 0; i < w->envelope->n_rcpts && x->completes && !w->changes; i++)
		recipient_complete(x->router, w->arena, &w->envelope->rcpts[i]);
	if (!w->failed->code)
		envelope_unique(w->envelope, x->router->conf->enable_original_recipient);
	mem_free(w);
}

void recipients_become(const struct recipients_rules *x, struct arena *a, struct arena *scratch, struct envelope *e, struct reply *failed)
{
	struct recipients_work *w = recipients_begin(x, a, scratch, e, failed);

	(void)recipients_go_on(w, USEC_NEVER);
	recipients_end(w);
}
