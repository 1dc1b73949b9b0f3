/* smtp_dead - addresses that just failed, which every try puts off while others are left: a dead first relay costs its
 * timeout once and not once per message. A small ring for the whole process: what falls out is only asked again early. */
#include "core/deliver/deliver_private.h"
#include "core/deliver/smtp/smtp_target.h"

#define DEAD_MIN (5 * USEC_PER_SEC)
#define DEAD_MAX (60 * USEC_PER_SEC)

static struct smtp_dead *find(struct deliver *d, const struct ipaddr *address, uint16_t port)
{
	for (size_t i = 0; i < LIMIT_CLIENT_DEAD; i++)
		if (d->dead[i].until && d->dead[i].port == port && ipaddr_eq(&d->dead[i].address, address))
			return &d->dead[i];
	return NULL;
}

bool smtp_dead_is(struct deliver *d, const struct ipaddr *address, uint16_t port)
{
	const struct smtp_dead *slot = address->family == AF_UNSPEC ? NULL : find(d, address, port);

	return slot && slot->until > loop_now(d->o.loop);
}

void smtp_dead_mark(struct deliver *d, const struct smtp_target *x, usec took)
{
	struct smtp_dead *slot = find(d, &x->address, x->port);
	usec pause = took > DEAD_MAX / 2 ? DEAD_MAX : took * 2;

	if (!slot)
		slot = &d->dead[d->next_dead++ % LIMIT_CLIENT_DEAD];
	*slot = (struct smtp_dead){ x->address, x->port, loop_now(d->o.loop) + (pause < DEAD_MIN ? DEAD_MIN : pause) };
}

void smtp_dead_forget(struct deliver *d, const struct smtp_target *x)
{
	struct smtp_dead *slot = find(d, &x->address, x->port);

	if (slot)
		slot->until = 0;
}

void smtp_dead_forget_all(struct deliver *d)
{
	memset(d->dead, 0, sizeof(d->dead));
}
