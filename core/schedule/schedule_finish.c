/* schedule_finish - the end of a try: what the sender must be told is queued first, then the message is removed, deferred
 * or held. A recipient that failed for good stays pending until the notice about it is durable: a crash in between costs
 * another try, never the notice. Which notices: RFC 3461 section 5.2 and Postfix's defaults. */
#include "core/base/format.h"
#include "core/schedule/schedule_private.h"


#include "core/base/log.h"
#include "core/base/mem.h"
#include "core/msg/dsn.h"


/* --- whom to tell what ---------------------------------------------------------------------------------------------- */

static bool wants(const struct rcpt *r, unsigned what, bool by_default)
{
	if (r->notify == DSN_NOTIFY_DEFAULT)
		return by_default;
	return !(r->notify & DSN_NOTIFY_NEVER) && r->notify & what;
}

static bool is_failed(const struct active *a, size_t i)
{
	return a->tries[i].outcome == OUTCOME_NEVER && a->states[i].status != RCPT_DONE && wants(&a->env.rcpts[i], DSN_NOTIFY_FAILURE, true);
}

static bool is_delivered(const struct active *a, size_t i)
{
	return a->tries[i].outcome == OUTCOME_DONE && !a->tries[i].silent && wants(&a->env.rcpts[i], DSN_NOTIFY_SUCCESS, false);
}

static bool is_relayed(const struct active *a, size_t i)
{
	return a->tries[i].outcome == OUTCOME_RELAYED && wants(&a->env.rcpts[i], DSN_NOTIFY_SUCCESS, false);
}

static bool is_late(const struct active *a)
{
	usec warn = a->s->conf->delay_warning_time;

	return warn > 0 && !a->s->drain_transport && !(a->m->flags & QMSG_WARNED) && a->env.sender.n && loop_wall(a->s->o.loop) >= a->m->arrival + warn;
}

static bool is_delayed(const struct active *a, size_t i)
{
	return a->tries[i].outcome == OUTCOME_LATER && is_late(a) && wants(&a->env.rcpts[i], DSN_NOTIFY_DELAY, true);
}

static const struct step {
	int kind;
	bool (*is)(const struct active *a, size_t i);
} steps[] = {
	{ DSN_FAILED, is_failed },
	{ DSN_DELIVERED, is_delivered },
	{ DSN_RELAYED, is_relayed },
	{ DSN_DELAYED, is_delayed },
};
enum { STEPS = sizeof(steps) / sizeof(steps[0]) };

/* --- the last of it --------------------------------------------------------------------------------------------------- */

static void removed(struct active *a)
{
	struct schedule *s = a->s;
	struct qmsg *m = a->m;

	schedule_log_removed(m);
	active_free(a);
	store_remove(s->o.store, m, NULL, NULL);
	schedule_wake(s);
}

static void wait_again(struct active *a, usec due)
{
	struct schedule *s = a->s;
	struct dest_private *d = a->congested;
	struct qmsg *m = a->m;
	enum schedule_kind kind = a->kind;
	bool park = d && !a->retry_soon, again = drain_again(a);

	active_free(a);
	if (m->flags & QMSG_HOLD || (!park && !again))
		return;
	/* those that had no room are as before: they wait in line, not for a date */
	if (park && dest_is_congested(d))
		dest_park(d, m, kind);
	else if (park)
		schedule_ready(s, m, kind);
	else if (s->drain_transport)
		schedule_ready(s, m, kind);
	else
		schedule_wait(s, m, due);
	schedule_wake(s);
}

static void settle(struct active *a)
{
	usec now = loop_wall(a->s->o.loop), due = drain_again(a) ? schedule_backoff(a->s, a->m, now) : a->m->due.key;
	size_t pending = 0, unexplained = 0;

	if (a->warned)
		a->m->flags |= QMSG_WARNED;
	for (size_t i = 0; i < a->env.n_rcpts; i++) {
		pending += a->states[i].status == RCPT_PENDING;
		unexplained += a->states[i].status == RCPT_PENDING && !a->states[i].last.code;
	}
	if (!pending || a->deleted) {
		removed(a);
		return;
	}
	/* a message may be put off unread once the queue can say why each recipient waits */
	a->m->dest = a->scattered || unexplained ? 0 : a->dest;
	if (a->flush)
		due = 0;
	else if (a->retry_soon)
		due = now + a->s->conf->minimal_backoff_time;
	if ((a->changed || !list_is_empty(&a->dirty)) && store_update(a->s->o.store, a->m, a->states, due, NULL, NULL) < 0)
		log_debug("qmgr", "a state could not be stored");
	wait_again(a, due);
}

/* --- notices ------------------------------------------------------------------------------------------------------------ */

static void fill_row(struct active *a, size_t i)
{
	struct delivery_result *r = &a->row_results[a->n_rows];
	const struct rcpt_state *st = &a->states[i];

	reply_set(&r->reply, st->last.code, st->last.enhanced, "%.*s", STR_ARG(st->last.text));
	format_text(r->relay, sizeof(r->relay), "%s", a->tries[i].relay ? a->tries[i].relay : "none");
	format_text(r->remote_mta, sizeof(r->remote_mta), "%s", a->tries[i].remote_mta ? a->tries[i].remote_mta : "");
	r->relayed = a->tries[i].outcome == OUTCOME_RELAYED;
	a->rows[a->n_rows++] = i;
}

/* collect - the next recipients that this step tells about */
static bool collect(struct active *a, const struct step *st)
{
	size_t n = 0;

	for (size_t i = a->from; i < a->env.n_rcpts && n < LIMIT_NOTICE_ROWS; i++)
		n += st->is(a, i);
	if (!n)
		return false;
	a->rows = mem_array(NULL, n, sizeof(*a->rows));
	a->row_results = mem_alloc(n * sizeof(*a->row_results));
	a->n_rows = 0;
	for (; a->from < a->env.n_rcpts && a->n_rows < n; a->from++)
		if (st->is(a, a->from))
			fill_row(a, a->from);
	return true;
}

static void next_notice(struct active *a)
{
	struct schedule *s = a->s;

	for (; a->step < STEPS; a->step++, a->from = 0)
		if (s->o.ops->notice && collect(a, &steps[a->step])) {
			s->o.ops->notice(s->o.ctx, a, steps[a->step].kind, a->m, &a->env, a->rows, a->row_results, a->n_rows);
			return;
		}
	settle(a);
}

static void told(struct active *a, int error)
{
	int kind = steps[a->step].kind;

	if (error) {
		/* no notice, no end: the recipients stay pending and the next try comes to the same point */
		a->retry_soon |= kind == DSN_FAILED;
		return;
	}
	for (size_t i = 0; kind == DSN_FAILED && i < a->n_rows; i++)
		a->states[a->rows[i]].status = RCPT_DONE;
	a->warned |= kind == DSN_DELAYED;
	a->changed = true;
}

void schedule_notice_done(void *ticket, int error)
{
	struct active *a = ticket;

	told(a, error);
	mem_free(a->rows);
	mem_free(a->row_results);
	a->rows = NULL;
	a->row_results = NULL;
	next_notice(a);
}

/* --- the beginning of the end ------------------------------------------------------------------------------------------- */

static bool is_too_old(const struct active *a)
{
	const struct conf *c = a->s->conf;
	usec life = a->m->flags & QMSG_BOUNCE || !a->env.sender.n ? c->bounce_queue_lifetime : c->maximal_queue_lifetime;

	return a->m->flags & QMSG_EXPIRE || (!a->s->drain_transport && loop_wall(a->s->o.loop) >= a->m->arrival + life);
}

void finish_begin(struct active *a)
{
	bool expires = false;

	if (a->deleted) {
		settle(a);
		return;
	}
	for (size_t i = 0; i < a->env.n_rcpts; i++) {
		struct rcpt_try *t = &a->tries[i];

		if (t->outcome == OUTCOME_LATER && is_too_old(a)) {
			t->outcome = OUTCOME_NEVER;
			expires = true;
		}
	}
	if (expires)
		schedule_log_expired(a->m, &a->env);
	/* nobody wants to hear of these */
	for (size_t i = 0; i < a->env.n_rcpts; i++)
		if (a->tries[i].outcome == OUTCOME_NEVER && !is_failed(a, i)) {
			a->changed |= a->states[i].status != RCPT_DONE;
			a->states[i].status = RCPT_DONE;
		}
	next_notice(a);
}
