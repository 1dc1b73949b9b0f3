/* schedule_active - one try of one message: loaded, routed, split into parts, answered. See schedule_private.h. */
#include "core/schedule/schedule_private.h"

#include <errno.h>
#include <stdlib.h>

#include "core/base/log.h"
#include "core/base/mem.h"

/* where one recipient goes; kept for the time of the split only */
struct place { struct dest_private *dest; uint32_t rcpt; };

void active_free(struct active *a)
{
	if (a->congested)
		dest_unuse(a->congested);
	list_remove(&a->link);
	list_remove(&a->dirty);
	a->s->n_active--;
	a->m->active = NULL;
	mem_free(a->rows);
	mem_free(a->row_results);
	arena_fini(&a->arena);
	mem_free(a);
}

/* --- answers -------------------------------------------------------------------------------------------------------- */

void active_set(struct active *a, size_t i, const struct reply *r)
{
	static const uint8_t outcomes[] = { [VERDICT_DONE] = OUTCOME_DONE, [VERDICT_LATER] = OUTCOME_LATER, [VERDICT_NEVER] = OUTCOME_NEVER };
	struct rcpt_state *st = &a->states[i];

	a->tried = true;
	a->changed = true;
	a->tries[i].outcome = outcomes[reply_verdict(r)];
	st->last.code = r->code;
	memcpy(st->last.enhanced, r->enhanced, sizeof(st->last.enhanced));
	/* a success is not kept in memory; a failure is what the queue listing and the notice will say */
	st->last.text = arena_str(&a->arena, str_of(r->text));
	if (a->tries[i].outcome == OUTCOME_DONE)
		st->status = RCPT_DONE;
}

/* end_if_answered - the last part is gone */
static void end_if_answered(struct active *a)
{
	if (!a->n_parts)
		finish_begin(a);
}

void active_part_gone(struct part *p)
{
	struct active *a = p->a;
	bool done = false;

	for (size_t i = 0; i < p->n; i++)
		done |= a->states[p->rcpts[i]].status == RCPT_DONE;
	list_remove(&p->mine);
	a->n_parts--;
	if (done && a->n_parts)
		schedule_mark_dirty(a->s, a);
	end_if_answered(a);
}

void active_suspend(struct part *p, const char *why)
{
	struct active *a = p->a;
	usec now = loop_wall(a->s->o.loop);
	struct reply r;

	list_remove(&p->link);
	reply_set(&r, 450, "4.4.1", "delivery temporarily suspended: %s", why);
	for (size_t i = 0; i < p->n; i++) {
		bool known = a->states[p->rcpts[i]].last.code != 0, changed = a->changed;

		schedule_log_error(a, p->rcpts[i], &r, now);
		active_set(a, p->rcpts[i], &r);
		/* what the store has is as good: a dead destination with a long queue costs no writes */
		if (known)
			a->changed = changed;
	}
	active_part_gone(p);
}

void active_cancel(struct active *a)
{
	LIST_EACH(&a->parts, it, next) {
		struct part *p = LIST_ITEM(it, struct part, mine);

		if (list_is_empty(&p->link))
			continue;
		list_remove(&p->link);
		p->dest->n_waiting--;
		list_remove(&p->mine);
		a->n_parts--;
		dest_check_idle(p->dest);
	}
	end_if_answered(a);
}

/* --- routing ---------------------------------------------------------------------------------------------------------- */

static void add_part(struct active *a, struct dest_private *d, const struct place *v, size_t n)
{
	struct part *p = arena_alloc(&a->arena, sizeof(*p) + n * sizeof(p->rcpts[0]));

	if (!p)
		die("a message has too many recipients for one try");
	p->a = a;
	p->n = n;
	for (size_t i = 0; i < n; i++)
		p->rcpts[i] = v[i].rcpt;
	list_append(&a->parts, &p->mine);
	a->n_parts++;
	dest_add(d, p, a->kind);
}

static void answer_now(struct active *a, size_t i, struct reply *r)
{
	if (a->s->conf->soft_bounce)
		reply_soften(r);
	schedule_log_error(a, i, r, loop_wall(a->s->o.loop));
	active_set(a, i, r);
}

/* place_rcpt - false: it has its answer already, or no room */
static bool place_rcpt(struct active *a, struct arena *scratch, size_t i, struct place *out)
{
	struct schedule *s = a->s;
	struct schedule_route route = { 0 };
	struct dest_private *d;

	s->o.ops->route(s->o.ctx, scratch, &a->env, &a->env.rcpts[i], &route);
	if (!route.failed.code && !route.transport)
		reply_set(&route.failed, 451, "4.3.5", "mail transport unavailable");
	if (route.asked_only && !(a->m->flags & QMSG_URGENT))
		reply_set(&route.failed, 451, "4.3.2", "deferred transport");
	if (route.failed.code) {
		a->scattered = true;
		answer_now(a, i, &route.failed);
		return false;
	}
	d = drain_takes(s, &route) ? drain_dest(s, a->env.rcpts[i].addr) :
		dest_get(s, route.transport, route.nexthop, route.login, route.person.n ? route.person : a->env.rcpts[i].addr);
	a->scattered |= a->dest && a->dest != d->number;
	a->dest = d->number;
	if (dest_is_dead(d) && !dest_is_dead_for(d, a->m))
		dest_revive(d);
	if (dest_is_congested(d) && !dest_is_dead(d)) {
		if (!a->congested) {
			a->congested = d;
			dest_use(d);
		}
		return false;
	}
	*out = (struct place){ d, (uint32_t)i };
	return true;
}

static int by_dest(const void *x, const void *y)
{
	const struct place *a = x, *b = y;

	if (a->dest != b->dest)
		return (uintptr_t)a->dest < (uintptr_t)b->dest ? -1 : 1;
	return a->rcpt < b->rcpt ? -1 : a->rcpt > b->rcpt;
}

/* deliverable - recipients in groups of one destination, at most its recipient limit each */
static void split(struct active *a, struct place *v, size_t n)
{
	bool sorted = true;

	for (size_t i = 1; i < n; i++)
		sorted &= v[i].dest == v[0].dest;
	if (!sorted)
		qsort(v, n, sizeof(*v), by_dest);
	for (size_t i = 0; i < n;) {
		struct dest_private *d = v[i].dest;
		size_t most = d->rcpt_limit > 0 ? (size_t)d->rcpt_limit : n, k = 0;

		while (i + k < n && v[i + k].dest == d && k < most)
			k++;
		add_part(a, d, v + i, k);
		i += k;
	}
}

static void suspend_dead(struct active *a)
{
	LIST_EACH(&a->parts, it, next) {
		struct part *p = LIST_ITEM(it, struct part, mine);

		if (dest_is_dead(p->dest)) {
			p->dest->n_waiting--;
			active_suspend(p, p->dest->why);
		}
	}
}

/* --- the beginning ----------------------------------------------------------------------------------------------------- */

/* unreadable - a damaged message ends here: what is left of it was set aside; anything else is tried again */
static void unreadable(struct schedule *s, struct qmsg *m, int error)
{
	char qid[QID_MAX];

	qid_format(qid, m->id);
	if (error == EILSEQ && !store_remove(s->o.store, m, NULL, NULL))
		return;
	log_text(LOG_SEV_WARNING, "qmgr", 0, qid, "cannot read the message: %s", strerror(error));
	schedule_wait(s, m, loop_wall(s->o.loop) + s->conf->minimal_backoff_time);
}

/* hold_strange - a later version put something into the envelope that may not be passed by: the message stays as it is, and a
 * version that knows the field delivers it after its start */
static void hold_strange(struct schedule *s, struct qmsg *m, struct str field)
{
	char qid[QID_MAX];

	qid_format(qid, m->id);
	m->flags |= QMSG_STRANGE;
	m->flags &= ~(uint32_t)QMSG_URGENT;
	log_text(LOG_SEV_WARNING, "qmgr", 0, qid, ENVELOPE_UNKNOWN_WHY, STR_ARG(field));
}

static struct active *load(struct schedule *s, struct qmsg *m, enum schedule_kind kind)
{
	struct active *a = MEM_NEW(struct active);

	*a = (struct active){ .s = s, .m = m, .kind = kind, .active_at = loop_wall(s->o.loop) };
	arena_init(&a->arena, 4 * (size_t)LIMIT_STORE_ENVELOPE);
	list_init(&a->parts);
	list_init(&a->dirty);
	if (store_envelope(s->o.store, m, &a->arena, &a->env) < 0 || store_states(s->o.store, m, &a->arena, &a->states) < 0) {
		int error = errno;

		arena_fini(&a->arena);
		mem_free(a);
		unreadable(s, m, error);
		return NULL;
	}
	if (a->env.unknown.n) {
		hold_strange(s, m, a->env.unknown);
		arena_fini(&a->arena);
		mem_free(a);
		return NULL;
	}
	a->tries = ARENA_ARRAY(&a->arena, struct rcpt_try, m->n_rcpts);
	list_append(&s->active, &a->link);
	s->n_active++;
	m->active = a;
	return a;
}

/* give_up - relayctl expire: nobody is asked again, the last word stands */
static void give_up(struct active *a)
{
	for (size_t i = 0; i < a->env.n_rcpts; i++) {
		struct rcpt_state *st = &a->states[i];
		struct reply r;

		if (st->status == RCPT_DONE)
			continue;
		if (st->last.code)
			reply_set(&r, st->last.code, st->last.enhanced, "%.*s", STR_ARG(st->last.text));
		else
			reply_set(&r, 450, "4.7.0", "message is administratively expired");
		active_set(a, i, &r);
	}
	finish_begin(a);
}

void active_begin(struct schedule *s, struct qmsg *m, enum schedule_kind kind)
{
	struct active *a = load(s, m, kind);
	struct place *v;
	struct arena scratch;
	size_t n = 0;

	if (!a)
		return;
	if (m->flags & QMSG_EXPIRE) {
		schedule_log_active(m, &a->env);
		give_up(a);
		return;
	}
	arena_init(&scratch, 4 * (size_t)LIMIT_STORE_ENVELOPE);
	v = mem_array(NULL, a->env.n_rcpts + 1, sizeof(*v));
	for (size_t i = 0; i < a->env.n_rcpts; i++)
		if (a->states[i].status != RCPT_DONE && place_rcpt(a, &scratch, i, &v[n]))
			n++;
	/* a message that can do nothing but wait for room is not worth a line in the log */
	if (n || !a->congested)
		schedule_log_active(m, &a->env);
	m->flags &= ~(uint32_t)QMSG_URGENT;
	/* held until all parts exist: an answer to the first must not end the try */
	a->n_parts++;
	split(a, v, n);
	mem_free(v);
	arena_fini(&scratch);
	suspend_dead(a);
	a->n_parts--;
	end_if_answered(a);
}
