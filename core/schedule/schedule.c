/* schedule - who may become active next, and when. See schedule.h and schedule_private.h. */
#include "core/schedule/schedule_private.h"

#include "core/base/log.h"
#include "core/base/mem.h"

enum { ACTIVATE_PER_TICK = 128 };
/* when results could not be written, look again after this */
#define STUCK_DELAY (USEC_PER_SEC / 2)
#define TIGHT_DELAY (USEC_PER_SEC / 200)       /* a flush is under way */
/* results reach the store this much later, so that a try with many answers writes its state few times; with the store's
 * own delay this keeps the promise of one second */
#define DIRTY_DELAY (USEC_PER_SEC / 4)
/* a large queue that is due at once must not make new mail wait: while some came within FRESH_LATELY, the envelopes of old
 * mail are read for OLD_SLICE at a time, then not for OLD_PAUSE times as long */
#define FRESH_LATELY (USEC_PER_SEC / 10)
#define OLD_SLICE USEC_PER_MSEC
enum { OLD_PAUSE = 7 };

static void run(struct loop_task *t);
static void on_due(struct loop_timer *t);
static void on_dirty(struct loop_timer *t);

struct schedule *schedule_new(const struct schedule_options *o)
{
	struct schedule *s = MEM_NEW(struct schedule);

	s->o = *o;
	s->conf = o->conf;
	heap_init(&s->due);
	for (int k = 0; k < KINDS; k++)
		list_init(&s->ready[k]);
	list_init(&s->active);
	list_init(&s->dirty);
	table_init(&s->dests);
	table_init(&s->transports);
	idmap_init(&s->numbers);
	loop_task_init(&s->run, run);
	loop_timer_init(&s->due_timer, on_due);
	loop_timer_init(&s->dirty_timer, on_dirty);
	loop_timer_init(&s->site_timer, schedule_site_slice);
	return s;
}

void schedule_free(struct schedule *s)
{
	struct str key;
	size_t cursor = 0;
	void *v;

	if (!s)
		return;
	s->stopped = true;
	schedule_save(s);
	LIST_EACH(&s->active, it, next)
		active_free(LIST_ITEM(it, struct active, link));
	/* messages outlive the schedule: none may point at a list that goes */
	for (int k = 0; k < KINDS; k++)
		LIST_EACH(&s->ready[k], it, next)
			list_remove(it);
	while (table_each(&s->dests, &cursor, &key, &v))
		dest_free(v);
	cursor = 0;
	while (table_each(&s->transports, &cursor, &key, &v))
		transport_free(v);
	table_fini(&s->dests);
	table_fini(&s->transports);
	idmap_fini(&s->numbers);
	heap_fini(&s->due);
	loop_timer_cancel(s->o.loop, &s->due_timer);
	loop_timer_cancel(s->o.loop, &s->dirty_timer);
	loop_timer_cancel(s->o.loop, &s->site_timer);
	list_remove(&s->run.link);
	mem_free(s->site);
	mem_free(s->drain_nexthop);
	mem_free(s);
}

void schedule_reconfigure(struct schedule *s, const struct conf *conf, const struct master *m)
{
	size_t cursor = 0;
	struct str key;
	void *v;

	s->conf = conf;
	s->o.conf = conf;
	/* a shorter queue_run_delay counts at once */
	s->next_scan = 0;
	while (table_each(&s->transports, &cursor, &key, &v))
		transport_configure(v, conf);
	cursor = 0;
	while (table_each(&s->dests, &cursor, &key, &v))
		dest_reconfigure(v, m);
	schedule_reroute(s);
	schedule_wake(s);
}

bool schedule_uses(const struct schedule *s, const struct master *m)
{
	size_t cursor = 0;
	struct str key;
	void *v;

	while (table_each(&s->dests, &cursor, &key, &v))
		if (master_owns(m, ((struct dest_private *)v)->d.transport))
			return true;
	return false;
}

/* --- where a message waits ---------------------------------------------------------------------------------------- */

/* What cannot be recorded would be done again after a crash. Where the next write may find no room, no more is begun than one batch
 * of results. */
bool schedule_may_begin(const struct schedule *s)
{
	return !s->stopped && !store_is_broken(s->o.store) && !store_is_stuck(s->o.store) && !store_is_tight(s->o.store);
}

void schedule_wake(struct schedule *s)
{
	if (!s->stopped)
		loop_defer(s->o.loop, &s->run);
}

/* old_mail_from - mono: until then new mail has the time */
static usec old_mail_from(const struct schedule *s)
{
	usec quiet = s->fresh_at + FRESH_LATELY;

	return s->old_after < quiet ? s->old_after : quiet;
}

/* scan_delay - whoever asks for short waits only, and does not say how often the queue is looked at, means them */
static usec scan_delay(const struct conf *c)
{
	bool shorter = c->minimal_backoff_time < c->queue_run_delay && !conf_is_set(c, "queue_run_delay");

	return shorter ? c->minimal_backoff_time : c->queue_run_delay;
}

/* scan - look which old mail is due now, as often as queue_run_delay says and not before some is: a message that comes due
 * between two looks waits for the second, and the first to come due after a quiet time is tried to the second */
static void scan(struct schedule *s)
{
	struct heap_node *first = heap_first(&s->due);
	usec now = loop_now(s->o.loop), wall = loop_wall(s->o.loop);

	if (!first || first->key > wall || first->key <= s->scanned || now < s->next_scan)
		return;
	s->scanned = wall;
	s->next_scan = now + scan_delay(s->conf);
}

/* is_due - may it be tried now? A date that was set back must not make all mail due for ever */
static bool is_due(const struct schedule *s, const struct heap_node *first)
{
	return s->drain_transport || (first->key <= s->scanned && first->key <= loop_wall(s->o.loop));
}

/* next_due - mono: when old mail wants to be looked at; USEC_NEVER: none waits */
static usec next_due(struct schedule *s)
{
	struct heap_node *first = heap_first(&s->due);
	usec now = loop_now(s->o.loop), wait, from = old_mail_from(s);

	if (!list_is_empty(&s->ready[KIND_DUE]))
		return from;
	if (!first)
		return USEC_NEVER;
	if (!is_due(s, first) && from < s->next_scan)
		from = s->next_scan;
	/* due times are dates; the timer runs on the clock that nobody sets. A minute at most, so that a changed date counts */
	wait = first->key - loop_wall(s->o.loop);
	wait = wait < 0 || s->drain_transport ? 0 : wait > 60 * USEC_PER_SEC ? 60 * USEC_PER_SEC : wait;
	return now + wait > from ? now + wait : from;
}

static void arm(struct schedule *s)
{
	if (!s->stopped && store_is_stuck(s->o.store))
		loop_timer_set(s->o.loop, &s->due_timer, loop_now(s->o.loop) + STUCK_DELAY);
	else if (!s->stopped && store_is_tight(s->o.store))
		loop_timer_set(s->o.loop, &s->due_timer, loop_now(s->o.loop) + TIGHT_DELAY);
	else if (!s->stopped && s->n_active < (size_t)s->conf->qmgr_message_active_limit && !store_is_broken(s->o.store))
		loop_timer_set(s->o.loop, &s->due_timer, next_due(s));
	else
		loop_timer_cancel(s->o.loop, &s->due_timer);
}

void schedule_wait(struct schedule *s, struct qmsg *m, usec due)
{
	bool first;

	heap_add(&s->due, &m->due, due);
	first = heap_first(&s->due) == &m->due;
	if (first)
		arm(s);
}

void schedule_ready(struct schedule *s, struct qmsg *m, enum schedule_kind kind)
{
	list_append(&s->ready[kind], &m->link);
	schedule_wake(s);
}

void schedule_unlink(struct schedule *s, struct qmsg *m)
{
	heap_remove(&s->due, &m->due);
	list_remove(&m->link);
}

void schedule_add(struct schedule *s, struct qmsg *m, bool fresh)
{
	list_init(&m->link);
	if (m->flags & QMSG_HOLD)
		return;
	if (!fresh) {
		schedule_wait(s, m, m->due.key);
		return;
	}
	s->fresh_at = loop_now(s->o.loop);
	schedule_ready(s, m, KIND_FRESH);
}

usec schedule_backoff(const struct schedule *s, const struct qmsg *m, usec now)
{
	usec age = now - m->arrival;

	/* Postfix's rule: wait as long again as it has waited, within bounds */
	if (age < s->conf->minimal_backoff_time)
		age = s->conf->minimal_backoff_time;
	if (age > s->conf->maximal_backoff_time)
		age = s->conf->maximal_backoff_time;
	return now + age;
}

/* --- who is next ----------------------------------------------------------------------------------------------------- */

static struct qmsg *take_ready(struct schedule *s, enum schedule_kind kind)
{
	struct list *l = list_first(&s->ready[kind]);
	struct heap_node *first;

	if (l) {
		list_remove(l);
		return LIST_ITEM(l, struct qmsg, link);
	}
	first = kind == KIND_DUE ? heap_first(&s->due) : NULL;
	if (!first || !is_due(s, first))
		return NULL;
	heap_remove(&s->due, first);
	return LIST_ITEM(first, struct qmsg, due);
}

/* must_be_read - its last try, or a notice of its delay: those who wait for it are told, whatever its destination does */
static bool must_be_read(const struct schedule *s, const struct qmsg *m, usec now)
{
	const struct conf *c = s->conf;
	usec age = now - m->arrival;

	return m->flags & QMSG_EXPIRE || age >= c->maximal_queue_lifetime || age >= c->bounce_queue_lifetime ||
		(c->delay_warning_time > 0 && !(m->flags & QMSG_WARNED) && age >= c->delay_warning_time);
}

/* turned_away - where all of it goes is known to be dead, or full: it waits on, and nothing is read or written for it */
static bool turned_away(struct schedule *s, struct qmsg *m)
{
	struct dest_private *d = dest_of(s, m);
	usec now = loop_wall(s->o.loop);

	if (!d || must_be_read(s, m, now))
		return false;
	if (dest_is_dead_for(d, m)) {
		d->put_off++;
		m->flags &= ~(uint32_t)QMSG_URGENT;
		heap_add(&s->due, &m->due, schedule_backoff(s, m, now));
	} else if (!dest_is_dead(d) && dest_is_congested(d)) {
		dest_park(d, m, KIND_DUE);
	} else {
		return false;
	}
	return true;
}

static void try_old(struct schedule *s, struct qmsg *m)
{
	usec began = clock_mono(), now;

	if (!turned_away(s, m))
		active_begin(s, m, KIND_DUE);
	now = clock_mono();
	s->old_took += now - began;
	if (s->old_took < OLD_SLICE)
		return;
	s->old_after = now + OLD_PAUSE * s->old_took;
	s->old_took = 0;
}

static bool activate_one(struct schedule *s)
{
	for (int i = 0; i < KINDS; i++) {
		enum schedule_kind kind = (enum schedule_kind)(s->turn++ % KINDS);
		struct qmsg *m = kind == KIND_DUE && loop_now(s->o.loop) < old_mail_from(s) ? NULL : take_ready(s, kind);

		if (!m)
			continue;
		if (kind == KIND_DUE)
			try_old(s, m);
		else
			active_begin(s, m, kind);
		return true;
	}
	return false;
}

static void run(struct loop_task *t)
{
	struct schedule *s = LIST_ITEM(t, struct schedule, run);
	int n = 0;

	if (!schedule_may_begin(s)) {
		arm(s);
		return;
	}
	scan(s);
	while (n < ACTIVATE_PER_TICK && s->n_active < (size_t)s->conf->qmgr_message_active_limit && activate_one(s))
		n++;
	dest_dispatch(s);
	if (n == ACTIVATE_PER_TICK)
		schedule_wake(s);
	arm(s);
}

static void on_due(struct loop_timer *t)
{
	schedule_wake(LIST_ITEM(t, struct schedule, due_timer));
}

/* --- results on their way to the store --------------------------------------------------------------------------------- */

void schedule_store_dirty(struct schedule *s, struct active *a)
{
	list_remove(&a->dirty);
	/* due at once: after a crash what is still pending is tried again */
	if (store_update(s->o.store, a->m, a->states, 0, NULL, NULL) < 0)
		log_debug("qmgr", "a result could not be stored");
}

void schedule_save(struct schedule *s)
{
	LIST_EACH(&s->dirty, it, next)
		schedule_store_dirty(s, LIST_ITEM(it, struct active, dirty));
}

static void on_dirty(struct loop_timer *t)
{
	schedule_save(LIST_ITEM(t, struct schedule, dirty_timer));
}

void schedule_mark_dirty(struct schedule *s, struct active *a)
{
	if (!list_is_empty(&a->dirty))
		return;
	if (list_is_empty(&s->dirty))
		loop_timer_set(s->o.loop, &s->dirty_timer, loop_now(s->o.loop) + DIRTY_DELAY);
	list_append(&s->dirty, &a->dirty);
}

/* --- the deliverer's answers ------------------------------------------------------------------------------------------- */

void schedule_stop(struct schedule *s)
{
	s->stopped = true;
	loop_timer_cancel(s->o.loop, &s->due_timer);
}

size_t schedule_in_flight(const struct schedule *s)
{
	return s->in_flight;
}

bool schedule_is_active(const struct qmsg *m)
{
	return m->active != NULL;
}

void schedule_count(struct schedule *s, const struct qmsg *m)
{
	struct dest_private *d = dest_of(s, m);

	if (d)
		d->counted++;
}

void schedule_counted(struct schedule *s)
{
	struct str key;
	size_t cursor = 0;
	void *v;

	while (table_each(&s->dests, &cursor, &key, &v)) {
		struct dest_private *d = v;

		d->messages = d->counted;
		d->counted = 0;
	}
}

bool schedule_each_dest(const struct schedule *s, size_t *cursor, struct schedule_dest_info *out)
{
	struct str key;
	void *v;
	struct dest_private *d;

	if (!table_each(&s->dests, cursor, &key, &v))
		return false;
	d = v;
	*out = (struct schedule_dest_info){ .transport = d->tq->name, .nexthop = d->shown, .waiting = d->n_waiting,
		.in_flight = d->in_flight, .window = (size_t)d->window.size, .messages = d->messages, .dead_until = dest_is_dead(d) ? d->dead_wall : 0, .why = d->why };
	return true;
}
