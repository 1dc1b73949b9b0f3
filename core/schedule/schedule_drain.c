/* schedule_drain - giving the queue away before the end: all of it is due, and what would leave this host goes to one relay.
 *
 * Each message is tried once more. What the relay does not take keeps its due time and stays for the next start: its no is about us
 * and not about the mail, so nobody is told of it, and nothing gets too old meanwhile. When the relay as a whole fails, no more is begun. */
#include "core/schedule/schedule_private.h"

#include "core/base/mem.h"

/* take_back - what waits at destinations of its own is routed anew */
static void take_back(struct schedule *s)
{
	size_t cursor = 0;
	struct str key;
	void *v;

	LIST_EACH(&s->active, it, next) {
		struct active *a = LIST_ITEM(it, struct active, link);

		a->before_drain = true;
		if (a->n_parts)
			active_cancel(a);
	}
	while (table_each(&s->dests, &cursor, &key, &v))
		for (int k = 0; k < KINDS; k++)
			list_append_all(&s->ready[k], &((struct dest_private *)v)->parked[k]);
}

void schedule_drain(struct schedule *s, const struct master_transport *t, struct str nexthop)
{
	s->drain_transport = t;
	s->drain_nexthop = str_dup(nexthop);
	schedule_reroute(s);
	take_back(s);
	schedule_wake(s);
}

bool drain_takes(const struct schedule *s, const struct schedule_route *route)
{
	return s->drain_transport && route->transport->program == MASTER_SMTP;
}

struct dest_private *drain_dest(struct schedule *s, struct str rcpt)
{
	struct dest_private *d = dest_get(s, s->drain_transport, str_of(s->drain_nexthop), STR_EMPTY, rcpt);

	if (!d->d.soft && dest_is_dead(d))
		dest_revive(d);
	d->d.soft = true;
	return d;
}

/* drain_again - a try is over and something waits still; false: it stays for the next start */
bool drain_again(const struct active *a)
{
	return !a->s->drain_transport || a->before_drain;
}

static bool is_parked(const struct schedule *s)
{
	size_t cursor = 0;
	struct str key;
	void *v;

	while (table_each(&s->dests, &cursor, &key, &v))
		for (int k = 0; k < KINDS; k++)
			if (!list_is_empty(&((struct dest_private *)v)->parked[k]))
				return true;
	return false;
}

bool schedule_is_drained(const struct schedule *s)
{
	bool waits = s->n_active || s->due.n;

	for (int k = 0; k < KINDS; k++)
		waits |= !list_is_empty(&s->ready[k]);
	return s->stopped || !(waits || is_parked(s));
}
