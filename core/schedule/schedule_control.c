/* schedule_control - what relayctl may do to a queued message. See schedule.h.
 *
 * A message that is being tried cannot be taken from the deliverer: what only waits is taken back at once, the rest has
 * its answer first, and the verb takes effect then (EBUSY). */
#include "core/schedule/schedule_private.h"

#include <errno.h>

#include "core/base/log.h"
#include "core/base/mem.h"
#include "core/msg/addr.h"

enum { SITE_SLICE = 256 };

/* store_flags - write the flags and the next due time; what is known of the recipients stays */
static int store_flags(struct schedule *s, struct qmsg *m, usec due)
{
	struct rcpt_state *states;
	struct arena a;
	int r;

	arena_init(&a, 2 * (size_t)LIMIT_STORE_ENVELOPE);
	r = store_states(s->o.store, m, &a, &states);
	if (!r)
		r = store_update(s->o.store, m, states, due, NULL, NULL);
	arena_fini(&a);
	return r;
}

static void retry_now(struct schedule *s, struct qmsg *m)
{
	schedule_unlink(s, m);
	m->flags |= QMSG_URGENT;
	schedule_wait(s, m, 0);
	schedule_wake(s);
}

/* ask_for - one message, by hand */
static void ask_for(struct schedule *s, struct qmsg *m)
{
	s->asked++;
	retry_now(s, m);
}

/* --- a message that waits ---------------------------------------------------------------------------------------------- */

static int flush_idle(struct schedule *s, struct qmsg *m)
{
	if (!(m->flags & QMSG_HELD))
		ask_for(s, m);
	return 0;
}

static int hold_idle(struct schedule *s, struct qmsg *m)
{
	schedule_unlink(s, m);
	m->flags |= QMSG_HOLD;
	return store_flags(s, m, m->due.key);
}

static int release_idle(struct schedule *s, struct qmsg *m)
{
	if (!(m->flags & QMSG_HELD))
		return 0;
	m->flags &= ~(uint32_t)QMSG_HELD;
	ask_for(s, m);
	return store_flags(s, m, 0);
}

static int delete_idle(struct schedule *s, struct qmsg *m)
{
	if (store_is_broken(s->o.store)) {
		errno = EIO;
		return -1;
	}
	schedule_unlink(s, m);
	return store_remove(s->o.store, m, NULL, NULL);
}

static int requeue_idle(struct schedule *s, struct qmsg *m)
{
	m->flags &= ~(uint32_t)QMSG_HELD;
	ask_for(s, m);
	return store_flags(s, m, 0);
}

static int expire_idle(struct schedule *s, struct qmsg *m)
{
	/* on hold it stays there; it is returned once it is released */
	m->flags |= QMSG_EXPIRE;
	if (!(m->flags & QMSG_HELD))
		ask_for(s, m);
	return store_flags(s, m, 0);
}

/* --- a message that is being tried ------------------------------------------------------------------------------------- */

static void flush_active(struct active *a)
{
	a->flush = true;
}

static void hold_active(struct active *a)
{
	a->m->flags |= QMSG_HOLD;
	a->changed = true;
}

static void release_active(struct active *a)
{
	a->m->flags &= ~(uint32_t)QMSG_HOLD;
	a->changed = true;
}

static void delete_active(struct active *a)
{
	a->deleted = true;
}

static void expire_active(struct active *a)
{
	a->m->flags |= QMSG_EXPIRE;
	a->changed = true;
	a->flush = true;
}

static const struct {
	int (*idle)(struct schedule *s, struct qmsg *m);
	void (*active)(struct active *a);
	bool cancel;            /* what is not with the deliverer yet is not given to it any more */
} verbs[] = {
	[SCHEDULE_FLUSH] = { flush_idle, flush_active, false },
	[SCHEDULE_HOLD] = { hold_idle, hold_active, true },
	[SCHEDULE_RELEASE] = { release_idle, release_active, false },
	[SCHEDULE_DELETE] = { delete_idle, delete_active, true },
	[SCHEDULE_REQUEUE] = { requeue_idle, flush_active, true },
	[SCHEDULE_EXPIRE] = { expire_idle, expire_active, true },
};

int schedule_control(struct schedule *s, enum schedule_verb v, struct qmsg *m)
{
	struct active *a = m->active;
	bool waits;

	if (!a)
		return verbs[v].idle(s, m);
	verbs[v].active(a);
	waits = a->in_flight || !a->n_parts;
	/* from here on `a` and, after a delete, `m` may be gone */
	if (verbs[v].cancel && a->n_parts)
		active_cancel(a);
	if (!waits || !verbs[v].cancel)
		return 0;
	errno = EBUSY;
	return -1;
}

/* --- many --------------------------------------------------------------------------------------------------------------- */

size_t schedule_flush_all(struct schedule *s)
{
	struct str key;
	size_t cursor = 0;
	void *d;

	s->asked++;
	while (table_each(&s->dests, &cursor, &key, &d))
		if (dest_is_dead(d))
			dest_revive(d);
	/* all keys alike: the order of a heap holds by itself */
	for (uint32_t i = 0; i < s->due.n; i++) {
		s->due.v[i]->key = 0;
		LIST_ITEM(s->due.v[i], struct qmsg, due)->flags |= QMSG_URGENT;
	}
	schedule_wake(s);
	return s->due.n;
}

static bool routed_to(struct schedule *s, struct arena *a, const struct envelope *e, const struct rcpt *r, struct str site)
{
	struct schedule_route route = { 0 };

	s->o.ops->route(s->o.ctx, a, e, r, &route);
	return !route.failed.code && str_ieq(route.nexthop, site);
}

/* goes_to - has a recipient in that domain, or one that goes to that nexthop? */
static bool goes_to(struct schedule *s, struct qmsg *m, struct str site)
{
	struct envelope e;
	struct arena a;
	bool yes = false;

	arena_init(&a, 2 * (size_t)LIMIT_STORE_ENVELOPE);
	if (!store_envelope(s->o.store, m, &a, &e))
		for (size_t i = 0; i < e.n_rcpts && !yes; i++)
			yes = str_ieq(addr_split(e.rcpts[i].addr).domain, site) || routed_to(s, &a, &e, &e.rcpts[i], site);
	arena_fini(&a);
	return yes;
}

static size_t site_slice(struct schedule *s)
{
	struct qmsg *m;
	size_t found = 0;

	for (int i = 0; i < SITE_SLICE; i++) {
		if (!store_each(s->o.store, &s->site_cursor, &m)) {
			mem_free(s->site);
			s->site = NULL;
			return found;
		}
		if (m->active || !m->due.pos || !goes_to(s, m, str_of(s->site)))
			continue;
		retry_now(s, m);
		found++;
	}
	return found;
}

void schedule_site_slice(struct loop_timer *t)
{
	struct schedule *s = LIST_ITEM(t, struct schedule, site_timer);

	site_slice(s);
	if (s->site && !s->stopped)
		loop_timer_set(s->o.loop, t, loop_now(s->o.loop) + USEC_PER_MSEC);
}

size_t schedule_flush_site(struct schedule *s, struct str domain)
{
	size_t found = 0;

	s->asked++;
	mem_free(s->site);
	s->site = str_dup(domain);
	s->site_cursor = 0;
	/* a short queue is done at once; a long one goes on in the background, the loop has other work */
	for (int i = 0; i < 8 && s->site; i++)
		found += site_slice(s);
	if (s->site)
		loop_timer_set(s->o.loop, &s->site_timer, loop_now(s->o.loop) + USEC_PER_MSEC);
	return found;
}
