/* schedule_dest - destinations: how many deliveries at once, which are dead, who is given to the deliverer next.
 *
 * How many at once is the arithmetic of window.c. A destination that it calls dead is that for minimal_backoff_time: what
 * waits there is deferred without a try.
 * Within a destination new mail and old mail take turns; within a transport the destinations do. */
#include "core/base/crc.h"
#include "core/base/format.h"
#include "core/schedule/schedule_private.h"

#include <stdlib.h>

#include "core/base/log.h"
#include "core/base/mem.h"

/* a destination that nobody uses is remembered this long: its window, and the deliverer's idle sessions */
#define IDLE_KEEP (30 * USEC_PER_SEC)

static void on_timer(struct loop_timer *t);
static void unpark(struct dest_private *d);

/* --- numbers: four bytes by which a message remembers where it waits ---------------------------------------------------- */

/* a number that comes again after four thousand million others may send a message to the wrong line once: its envelope,
 * read before anything is delivered, puts that right */
static void give_number(struct dest_private *d)
{
	struct schedule *s = d->s;

	do
		s->last_number++;
	while (!s->last_number || idmap_find(&s->numbers, s->last_number));
	d->number = s->last_number;
	idmap_add(&s->numbers, d->number, d);
}

struct dest_private *dest_of(const struct schedule *s, const struct qmsg *m)
{
	return idmap_find(&s->numbers, m->dest);
}

void schedule_reroute(struct schedule *s)
{
	struct str key;
	size_t cursor = 0;
	void *v;

	idmap_fini(&s->numbers);
	while (table_each(&s->dests, &cursor, &key, &v))
		give_number(v);
}

/* --- the table ------------------------------------------------------------------------------------------------------- */

void transport_configure(struct transport_queue *t, const struct conf *c)
{
	struct dest_rules *r = &t->rules;
	const char *name = t->name;

	r->rcpt_limit = conf_transport_int(c, name, "destination_recipient_limit");
	r->cohort_limit = conf_transport_int(c, name, "destination_concurrency_failed_cohort_limit");
	r->rate_delay = conf_transport_time(c, name, "destination_rate_delay");
	r->grow = feedback_parse(conf_transport_text(c, name, "destination_concurrency_positive_feedback"));
	r->shrink = feedback_parse(conf_transport_text(c, name, "destination_concurrency_negative_feedback"));
	/* a pause between deliveries only makes sense between one and the next */
	r->limit = r->rate_delay > 0 ? 1 : conf_transport_int(c, name, "destination_concurrency_limit");
	r->initial = conf_transport_int(c, name, "initial_destination_concurrency");
	t->per_rcpt = r->rcpt_limit == 1;
}

static struct transport_queue *transport_get(struct schedule *s, const char *name)
{
	struct transport_queue *t = table_find(&s->transports, str_of(name));

	if (t)
		return t;
	t = MEM_NEW(struct transport_queue);
	t->name = mem_dupz(name);
	list_init(&t->ready);
	transport_configure(t, s->conf);
	table_add(&s->transports, str_of(name), t);
	return t;
}

void transport_free(struct transport_queue *t)
{
	mem_free(t->name);
	mem_free(t);
}

static void dest_configure(struct dest_private *d)
{
	const struct dest_rules *r = &d->tq->rules;

	d->rcpt_limit = r->rcpt_limit;
	d->window.cohort_limit = r->cohort_limit;
	d->rate_delay = r->rate_delay;
	d->window.grow = r->grow;
	d->window.shrink = r->shrink;
	window_bound(&d->window, r->limit, r->initial);
}

void dest_reconfigure(struct dest_private *d, const struct master *m)
{
	const struct master_transport *t = master_find_transport(m, str_of(d->tq->name));

	dest_configure(d);
	/* the same name is another struct now */
	d->d.transport = t ? t : d->d.transport;
}

/* shown_as - destinations of one next hop are told apart by a number made of the login, whose name not everybody should see */
static char *shown_as(struct str nexthop, struct str login)
{
	struct buf text;

	buf_init(&text, 8192);
	buf_str(&text, nexthop);
	if (login.n)
		buf_printf(&text, " (login %08x)", crc32c(0, login.p, login.n));
	return buf_take(&text);
}

struct dest_private *dest_get(struct schedule *s, const struct master_transport *t, struct str nexthop, struct str login, struct str rcpt)
{
	struct transport_queue *tq = transport_get(s, t->name);
	struct dest_private *d;
	struct buf key;

	buf_init(&key, 8192);
	buf_z(&key, t->name);
	buf_byte(&key, '\0');
	for (size_t i = 0; i < nexthop.n; i++)
		buf_byte(&key, ascii_lower(nexthop.p[i]));
	buf_byte(&key, '\0');
	buf_str(&key, login);
	buf_byte(&key, '\0');
	if (tq->per_rcpt)
		buf_str(&key, rcpt);
	d = table_find(&s->dests, buf_view(&key));
	if (!d) {
		d = MEM_NEW(struct dest_private);
		d->s = s;
		d->key = str_dup(buf_view(&key));
		d->key_len = key.n;
		d->nexthop = str_dup(nexthop);
		d->shown = shown_as(nexthop, login);
		d->tq = tq;
		list_init(&d->ready);
		for (int k = 0; k < KINDS; k++) {
			list_init(&d->waiting[k]);
			list_init(&d->parked[k]);
		}
		loop_timer_init(&d->timer, on_timer);
		d->d = (struct dest){ .nexthop = d->nexthop, .by_login = login.n, .priv = d };
		table_add(&s->dests, buf_view(&key), d);
		give_number(d);
		dest_configure(d);
	}
	d->d.transport = t;
	d->tq->maxproc = t->maxproc;
	d->idle_since = 0;
	buf_fini(&key);
	return d;
}

void dest_free(struct dest_private *d)
{
	if (d->s->o.ops->dest_idle)
		d->s->o.ops->dest_idle(d->s->o.ctx, &d->d);
	loop_timer_cancel(d->s->o.loop, &d->timer);
	idmap_take(&d->s->numbers, d->number);
	for (int k = 0; k < KINDS; k++)
		LIST_EACH(&d->parked[k], it, next)
			list_remove(it);
	list_remove(&d->ready);
	mem_free(d->key);
	mem_free(d->nexthop);
	mem_free(d->shown);
	mem_free(d);
}

/* --- time ------------------------------------------------------------------------------------------------------------ */

bool dest_is_dead(const struct dest_private *d)
{
	return d->dead_until != 0;
}

bool dest_is_dead_for(const struct dest_private *d, const struct qmsg *m)
{
	return dest_is_dead(d) && !(m->flags & QMSG_URGENT && d->died < d->s->asked);
}

static bool is_parked(const struct dest_private *d)
{
	return !list_is_empty(&d->parked[KIND_FRESH]) || !list_is_empty(&d->parked[KIND_DUE]);
}

static bool is_empty(const struct dest_private *d)
{
	return !d->n_waiting && !d->in_flight && !d->users && !is_parked(d);
}

static void arm(struct dest_private *d)
{
	usec next = USEC_NEVER;

	if (d->dead_until)
		next = d->dead_until;
	else if (d->next_start && d->n_waiting)
		next = d->next_start;
	else if (d->idle_since)
		next = d->idle_since + IDLE_KEEP;
	else if (!d->n_waiting && !d->in_flight && is_parked(d))
		next = loop_now(d->s->o.loop) + USEC_PER_SEC;
	loop_timer_set(d->s->o.loop, &d->timer, next);
}

void dest_check_idle(struct dest_private *d)
{
	if (!is_empty(d) || d->idle_since)
		return;
	d->idle_since = loop_now(d->s->o.loop);
	arm(d);
}

static void make_ready(struct dest_private *d)
{
	if (!d->n_waiting || !list_is_empty(&d->ready))
		return;
	list_append(&d->tq->ready, &d->ready);
	schedule_wake(d->s);
}

void dest_revive(struct dest_private *d)
{
	if (d->put_off)
		log_info("qmgr", "%s:%s is tried again: while it was suspended %llu messages were put off unread (%s)", d->tq->name,
			d->nexthop, (unsigned long long)d->put_off, d->why);
	d->put_off = 0;
	d->dead_until = 0;
	window_reset(&d->window);
	d->why[0] = 0;
	make_ready(d);
	dest_check_idle(d);
	arm(d);
}

static void on_timer(struct loop_timer *t)
{
	struct dest_private *d = LIST_ITEM(t, struct dest_private, timer);
	usec now = loop_now(d->s->o.loop);

	if (d->dead_until && d->dead_until <= now)
		dest_revive(d);
	if (d->next_start && d->next_start <= now) {
		d->next_start = 0;
		make_ready(d);
	}
	if (!d->n_waiting && !d->in_flight)
		unpark(d);
	if (!d->dead_until && d->idle_since && d->idle_since + IDLE_KEEP <= now && is_empty(d)) {
		table_take(&d->s->dests, str_make(d->key, d->key_len));
		dest_free(d);
		return;
	}
	arm(d);
}

/* --- its death ----------------------------------------------------------------------------------------------------------- */

static void suspend(struct dest_private *d, struct part *p)
{
	d->n_waiting--;
	active_suspend(p, d->why);
}

/* die_now - what waits is answered without a try; parked messages get theirs when it is their turn */
static void die_now(struct dest_private *d)
{
	d->dead_until = loop_now(d->s->o.loop) + d->s->conf->minimal_backoff_time;
	d->dead_wall = loop_wall(d->s->o.loop) + d->s->conf->minimal_backoff_time;
	d->died = d->s->asked;
	d->s->stopped |= d->d.soft;
	list_remove(&d->ready);
	for (int k = 0; k < KINDS; k++) {
		LIST_EACH(&d->waiting[k], it, next)
			suspend(d, LIST_ITEM(it, struct part, link));
		/* they may be all of a large queue: not one by one */
		list_append_all(&d->s->ready[k], &d->parked[k]);
	}
	schedule_wake(d->s);
	arm(d);
}

static void failed(struct dest_private *d, const char *why, bool hopeless)
{
	format_text(d->why, sizeof(d->why), "%s", why[0] ? why : "unknown error");
	if (dest_is_dead(d))
		return;
	if (window_failed(&d->window) || hopeless)
		die_now(d);
}

/* --- what waits there ------------------------------------------------------------------------------------------------- */

void dest_add(struct dest_private *d, struct part *p, enum schedule_kind kind)
{
	p->dest = d;
	list_append(&d->waiting[kind], &p->link);
	d->n_waiting++;
	d->idle_since = 0;
	make_ready(d);
}

bool dest_is_congested(const struct dest_private *d)
{
	return d->n_waiting >= LIMIT_SCHEDULE_BACKLOG;
}

void dest_park(struct dest_private *d, struct qmsg *m, enum schedule_kind kind)
{
	d->idle_since = 0;
	list_append(&d->parked[kind], &m->link);
	arm(d);
}

/* unpark - one message for each that leaves, two while few wait; the kinds take turns */
static void unpark(struct dest_private *d)
{
	int n = d->n_waiting < LIMIT_SCHEDULE_BACKLOG / 2 ? 2 : 1;

	for (int missed = 0; n && missed < KINDS; d->park_turn++) {
		enum schedule_kind k = (enum schedule_kind)(d->park_turn % KINDS);
		struct list *l = list_first(&d->parked[k]);

		missed = l ? 0 : missed + 1;
		if (!l)
			continue;
		list_remove(l);
		schedule_ready(d->s, LIST_ITEM(l, struct qmsg, link), k);
		n--;
	}
}

void dest_use(struct dest_private *d)
{
	d->users++;
}

void dest_unuse(struct dest_private *d)
{
	d->users--;
	dest_check_idle(d);
}

/* --- giving it to the deliverer ----------------------------------------------------------------------------------------- */

/* a delivery in one piece; its recipients stand behind the results */
struct whole {
	struct delivery j;
	struct delivery_private priv;
	struct delivery_result results[];
};

/* prepare - the next part as a delivery that nobody counts yet; NULL if none waits */
static struct delivery *prepare(struct dest_private *d)
{
	struct whole *w;
	struct delivery *j;
	struct part *p = NULL;
	enum schedule_kind kind = KIND_FRESH;

	for (int i = 0; i < KINDS && !p; i++) {
		kind = (enum schedule_kind)(d->turn++ % KINDS);
		p = list_is_empty(&d->waiting[kind]) ? NULL : LIST_ITEM(list_first(&d->waiting[kind]), struct part, link);
	}
	if (!p)
		return NULL;
	list_remove(&p->link);
	d->n_waiting--;
	d->s->in_flight++;
	p->a->in_flight++;
	w = mem_alloc(sizeof(*w) + p->n * sizeof(w->results[0]) + p->n * sizeof(*j->rcpts));
	w->priv = (struct delivery_private){ p, kind };
	j = &w->j;
	*j = (struct delivery){ .dest = &d->d, .msg = p->a->m, .envelope = &p->a->env, .n = p->n, .active_at = p->a->active_at,
		.results = w->results, .rcpts = (const struct rcpt **)(void *)(w->results + p->n), .priv = &w->priv };
	for (size_t i = 0; i < p->n; i++)
		j->rcpts[i] = &p->a->env.rcpts[p->rcpts[i]];
	unpark(d);
	return j;
}

static void free_delivery(struct delivery *j)
{
	j->dest->priv->s->in_flight--;
	j->priv->part->a->in_flight--;
	mem_free(LIST_ITEM(j, struct whole, j));
}

void schedule_begin(struct delivery *j)
{
	struct dest_private *d = j->dest->priv;

	d->in_flight++;
	d->tq->in_flight++;
	d->idle_since = 0;
	j->start_at = loop_wall(d->s->o.loop);
}

static void start(struct dest_private *d)
{
	struct delivery *j = prepare(d);

	schedule_begin(j);
	d->s->o.ops->deliver(d->s->o.ctx, j);
}

/* others_wait - the transport's limit is reached, and the next place is another destination's */
static bool others_wait(const struct dest_private *d)
{
	const struct transport_queue *t = d->tq;

	if (t->maxproc <= 0 || (int64_t)t->in_flight < t->maxproc)
		return false;
	return t->ready.next != t->ready.prev || (t->ready.next != &d->ready && !list_is_empty(&t->ready));
}

struct delivery *schedule_next(struct dest *dest)
{
	struct dest_private *d = dest->priv;

	if (!d || !schedule_may_begin(d->s) || dest_is_dead(d) || d->rate_delay > 0 || others_wait(d))
		return NULL;
	return prepare(d);
}

void schedule_return(struct delivery *j)
{
	struct part *p = j->priv->part;
	struct dest_private *d = p->dest;
	enum schedule_kind kind = j->priv->kind;

	free_delivery(j);
	list_push(&d->waiting[kind], &p->link);
	d->n_waiting++;
	d->idle_since = 0;
	if (dest_is_dead(d))
		suspend(d, p);
	else
		make_ready(d);
}

static bool may_start(const struct dest_private *d)
{
	return d->n_waiting && (int64_t)d->in_flight < d->window.size && !d->dead_until && !d->next_start;
}

static void dispatch_transport(struct schedule *s, struct transport_queue *t)
{
	while (!list_is_empty(&t->ready) && (t->maxproc <= 0 || (int64_t)t->in_flight < t->maxproc)) {
		struct dest_private *d = LIST_ITEM(list_first(&t->ready), struct dest_private, ready);

		list_remove(&d->ready);
		if (!may_start(d)) {
			arm(d);
			continue;
		}
		start(d);
		/* to the end of the line: the next delivery is another destination's */
		if (d->n_waiting)
			list_append(&t->ready, &d->ready);
	}
}

void dest_dispatch(struct schedule *s)
{
	size_t cursor = 0;
	struct str key;
	void *v;

	while (!s->stopped && table_each(&s->transports, &cursor, &key, &v))
		dispatch_transport(s, v);
}

/* result - the answer for recipient i of the part; soft: permanent ones become temporary */
static void take_result(struct active *a, size_t i, struct delivery_result *r, bool soft)
{
	struct rcpt_try *t = &a->tries[i];
	struct reply reply = r->reply;

	if (soft)
		reply_soften(&reply);
	t->relay = arena_z(&a->arena, str_of(r->relay));
	t->remote_mta = arena_z(&a->arena, str_of(r->remote_mta));
	active_set(a, i, &reply);
	if (t->outcome == OUTCOME_DONE && r->relayed)
		t->outcome = OUTCOME_RELAYED;
}

/* tells_itself - another mail server took it and will send the delivery notice that was asked for */
static bool tells_itself(const struct master_transport *t)
{
	return t->program == MASTER_SMTP;
}

void schedule_done(struct delivery *j)
{
	struct part *p = j->priv->part;
	struct dest_private *d = p->dest;
	struct active *a = p->a;
	struct schedule *s = d->s;

	d->in_flight--;
	d->tq->in_flight--;
	for (size_t i = 0; i < p->n; i++) {
		a->tries[p->rcpts[i]].silent = tells_itself(d->d.transport);
		take_result(a, p->rcpts[i], &j->results[i], s->conf->soft_bounce || d->d.soft);
	}
	if (d->rate_delay > 0)
		d->next_start = loop_now(s->o.loop) + d->rate_delay;
	if (j->dest_failed)
		failed(d, j->dest_why, j->dest_hopeless);
	else
		window_succeeded(&d->window, d->in_flight);
	free_delivery(j);
	if (!d->n_waiting)
		unpark(d);
	make_ready(d);
	active_part_gone(p);
	dest_check_idle(d);
	arm(d);
	schedule_wake(s);
}
