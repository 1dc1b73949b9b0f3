/* smtp_pool - sessions that wait for the next delivery of their destination.
 *
 * A destination here outlives the schedule's by the few seconds that an idle session is kept, so that a sender who
 * writes one message at a time finds its connection again. Sessions to a backup host serve only for a while: then one
 * delivery asks the better host again. */
#include "core/base/mem.h"
#include "core/deliver/deliver_private.h"
#include "core/deliver/smtp/smtp_pool.h"

#define PRIMARY_RETRY_TIME (5 * USEC_PER_SEC)

struct smtp_dest *smtp_dest_get(struct deliver *d, struct dest *dest)
{
	struct smtp_dest *x = dest->owner;
	struct buf key;

	if (x)
		return x;
	buf_init(&key, 4096);
	buf_printf(&key, "%s\n%s", dest->transport->name, dest->nexthop);
	x = table_find(&d->dests, buf_view(&key));
	if (!x) {
		x = MEM_NEW(struct smtp_dest);
		x->d = d;
		x->key = str_dup(buf_view(&key));
		list_init(&x->idle);
		list_init(&x->parked);
		table_add(&d->dests, buf_view(&key), x);
	}
	/* more than one after a reload, or when an address is probed */
	x->owners++;
	dest->owner = x;
	buf_fini(&key);
	return x;
}

void smtp_dest_release(struct smtp_dest *x)
{
	struct str key = str_of(x->key);

	if (x->owners || x->tries || x->open || !list_is_empty(&x->idle))
		return;
	table_take(&x->d->dests, key);
	mem_free(x->key);
	mem_free(x);
}

void smtp_dest_free_all(struct deliver *d)
{
	size_t cursor = 0;
	struct str key;
	void *value;

	while (table_each(&d->dests, &cursor, &key, &value)) {
		struct smtp_dest *x = value;

		mem_free(x->key);
		mem_free(x);
	}
}

static bool is_spent(const struct smtp_session *s)
{
	const struct conf *c = s->profile->conf;
	usec age = loop_now(s->d->o.loop) - s->connected_at;

	if (s->shared && s->uses >= LIMIT_CLIENT_TURN)
		return true;
	return age > c->smtp_connection_reuse_time_limit ||
		(c->smtp_connection_reuse_count_limit && s->uses >= c->smtp_connection_reuse_count_limit);
}

struct smtp_session *smtp_pool_take(struct smtp_dest *x, const struct smtp_profile *p, const struct delivery *job)
{
	usec now = loop_now(x->d->o.loop);
	struct smtp_session *backup = NULL;

	LIST_EACH(&x->idle, it, tmp) {
		struct smtp_session *s = LIST_ITEM(it, struct smtp_session, idle);

		if (s->profile != p || !smtp_session_suits(s, job))
			continue;
		/* what came while nothing was asked is no answer to what is asked now */
		if (conn_has_input(s->conn)) {
			smtp_session_drop(s);
			continue;
		}
		if (!s->backup) {
			list_remove(&s->idle);
			return s;
		}
		backup = backup ? backup : s;
	}
	if (!backup)
		return NULL;
	if (now >= x->primary_retry_at) {
		x->primary_retry_at = now + PRIMARY_RETRY_TIME;
		return NULL;
	}
	list_remove(&backup->idle);
	return backup;
}

bool smtp_pool_wants(const struct smtp_session *s)
{
	return s->profile->cache && list_is_empty(&s->dest->parked) && !list_is_empty(&s->profile->link) && !is_spent(s);
}

void smtp_pool_add(struct smtp_session *s)
{
	usec limit = s->profile->conf->smtp_connection_cache_time_limit;

	s->try = NULL;
	if (!smtp_pool_wants(s) || !smtp_client_is_reusable(&s->client)) {
		smtp_session_quit(s);
		return;
	}
	if (s->backup && s->uses == 1)
		s->dest->primary_retry_at = loop_now(s->d->o.loop) + PRIMARY_RETRY_TIME;
	s->state = SMTP_STATE_IDLE;
	s->idle_since = loop_now(s->d->o.loop);
	list_push(&s->dest->idle, &s->idle);
	conn_deadline(s->conn, loop_now(s->d->o.loop) + limit);
}

void smtp_pool_left(struct smtp_session *s)
{
	list_remove(&s->idle);
}

void smtp_dest_closed(struct smtp_dest *x)
{
	x->open--;
	if (!list_is_empty(&x->parked) && !x->d->closing) {
		struct smtp_park *first = LIST_ITEM(list_first(&x->parked), struct smtp_park, link);

		list_remove(&first->link);
		first->go(first);
	}
	smtp_dest_release(x);
}

void smtp_pool_make_room(struct smtp_dest *x)
{
	if (!list_is_empty(&x->idle))
		smtp_session_quit(LIST_ITEM(list_first(&x->idle), struct smtp_session, idle));
}

void smtp_pool_close_idle(struct deliver *d)
{
	LIST_EACH(&d->sessions, it, tmp) {
		struct smtp_session *s = LIST_ITEM(it, struct smtp_session, link);

		if (s->state == SMTP_STATE_IDLE)
			smtp_session_quit(s);
	}
}
