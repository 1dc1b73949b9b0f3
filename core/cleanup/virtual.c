/* virtual - see virtual.h. A work list: each address in it is replaced by the first of its results until it has none, the others are
 * put behind the end. */
#include "core/cleanup/virtual.h"

#include "core/base/limits.h"
#include "core/base/log.h"

/* an address of so many bytes is one that grows from step to step, and each byte of it counts as so many steps of a pattern */
enum { GROWN = 100, GROWN_COST = 32 };

struct expansion {
	struct router *router;
	const char *qid;
	struct buf *trace;
	struct arena *scratch;
	struct address_list v, done;   /* done: addresses that led to themselves, who are not asked for again */
	size_t room, done_room;
	uint64_t begun, grown;         /* map_spent then; what addresses that have grown cost beside it */
	bool failed;
};

void virtual_refusal(struct reply *r)
{
	reply_set(r, 451, "4.6.0", "Alias expansion error");
}

static void fail(struct expansion *x, const char *what, struct str which)
{
	x->failed = true;
	log_text(LOG_SEV_WARNING, "cleanup", 0, x->qid, "virtual_alias_maps: %s %.*s: the message is not accepted now", what,
		STR_ARG(str_head(which, 300)));
}

static bool add(struct expansion *x, struct address_list *l, size_t *room, struct str address)
{
	struct str *v;

	if (l->n == *room) {
		*room = *room ? 2 * *room : 8;
		v = ARENA_ARRAY(x->scratch, struct str, *room);
		if (!v) {
			x->failed = true;
			return false;
		}
		if (l->n)
			memcpy(v, l->v, l->n * sizeof(*v));
		l->v = v;
	}
	l->v[l->n++] = address;
	return true;
}

static bool is_done(const struct expansion *x, struct str address)
{
	for (size_t i = 0; i < x->done.n; i++)
		if (str_ieq(x->done.v[i], address))
			return true;
	return false;
}

/* take_results - in the place of the address at `at` */
static void take_results(struct expansion *x, size_t at, const struct address_list *to)
{
	struct str before = x->v.v[at];
	size_t longest = (size_t)x->router->conf->virtual_alias_address_length_limit;

	for (size_t i = 0; i < to->n && !x->failed; i++) {
		x->grown += to->v[i].n > GROWN ? GROWN_COST * to->v[i].n : 0;
		if (to->v[i].n > longest)
			fail(x, "unreasonable result", to->v[i]);
		else if (i == 0)
			x->v.v[at] = to->v[i];
		else
			add(x, &x->v, &x->room, to->v[i]);
		if (str_ieq(to->v[i], before))
			add(x, &x->done, &x->done_room, before);
	}
}

/* unreasonable - what is, after so many steps from one address to the next; NULL: nothing */
static const char *unreasonable(const struct expansion *x, int64_t steps)
{
	const struct conf *c = x->router->conf;

	if (steps >= c->virtual_alias_recursion_limit)
		return "unreasonable nesting for";
	if (x->v.n > (size_t)c->virtual_alias_expansion_limit)
		return "unreasonable expansion of";
	return map_spent() - x->begun + x->grown > LIMIT_REWRITE_STEPS ? "unreasonable cost of" : NULL;
}

static void expand_one(struct expansion *x, size_t at, struct str first)
{
	bool propagate = x->router->rewriting.propagate & EXTENSION_VIRTUAL;
	struct address_list to;

	for (int64_t steps = 0; !x->failed && !is_done(x, x->v.v[at]); steps++) {
		enum map_answer got;
		const char *wrong = unreasonable(x, steps);

		if (wrong) {
			fail(x, wrong, first);
			return;
		}
		got = address_map(x->router, x->scratch, &x->router->rewriting.virtual_alias, x->v.v[at], propagate, &to, x->trace);
		if (got == MAP_ERROR)
			fail(x, "lookup problem for", x->v.v[at]);
		if (got != MAP_FOUND)
			return;
		take_results(x, at, &to);
	}
}

void virtual_expand(const struct recipients_rules *rules, struct arena *scratch, const struct rcpt *r, struct recipients *out,
	struct reply *failed)
{
	struct expansion x = { .router = rules->router, .qid = rules->qid, .trace = rules->trace, .scratch = scratch, .begun = map_spent() };

	add(&x, &x.v, &x.room, r->addr);
	for (size_t i = 0; i < x.v.n && !x.failed; i++)
		expand_one(&x, i, r->addr);
	if (x.failed) {
		virtual_refusal(failed);
		return;
	}
	for (size_t i = 0; i < x.v.n; i++) {
		if (str_eq(x.v.v[i], r->addr))
			recipients_add(out, r);
		else
			recipients_add_instead(out, r, x.v.v[i]);
	}
}
