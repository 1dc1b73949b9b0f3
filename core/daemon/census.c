/* census - see census.h. */
#include "core/daemon/census.h"

#include "core/base/mem.h"
#include "core/view/listing.h"

/* listing_queue's words: what relayctl calls them */
const char *const census_queues[CENSUS_QUEUES] = { "active", "deferred", "hold" };
static const int64_t sizes[] = { 1000, 10000, 100000, 1000000, 10000000, 100000000, 1000000000 };
static const int64_t ages[] = { 10 * USEC_PER_SEC, 60 * USEC_PER_SEC, 300 * USEC_PER_SEC, 900 * USEC_PER_SEC, 3600 * USEC_PER_SEC,
	4 * 3600 * USEC_PER_SEC, 12 * 3600 * USEC_PER_SEC, 24 * 3600 * USEC_PER_SEC, 48 * 3600 * USEC_PER_SEC, 120 * 3600 * USEC_PER_SEC };
const struct metric census_size = { .name = "postfix_showq_message_size_bytes", .help = "Sizes of messages in the queue.",
	.type = METRIC_HISTOGRAM, .label = "queue", .words = census_queues, .n = CENSUS_QUEUES, .bounds = sizes, .n_bounds = METRIC_COUNT(sizes) };
const struct metric census_age = { .name = "postfix_showq_message_age_seconds", .help = "Ages of messages in the queue.", .type = METRIC_HISTOGRAM,
	.label = "queue", .words = census_queues, .n = CENSUS_QUEUES, .unit = METRIC_MICROSECONDS, .bounds = ages, .n_bounds = METRIC_COUNT(ages) };

static enum census_queue queue_of(const struct qmsg *m)
{
	struct str word = str_of(listing_queue(m, schedule_is_active(m)));
	enum census_queue q = CENSUS_ACTIVE;

	while (q < CENSUS_HOLD && !str_eq(word, str_of(census_queues[q])))
		q++;
	return q;
}

static void walk(struct relay *r, struct census *c)
{
	struct metric size = census_size, old = census_age;
	usec now = loop_wall(r->loop);
	struct qmsg *m;
	size_t n = 0;
	bool more = false;

	size.values = c->under_way.size;
	old.values = c->under_way.age;
	c->walked_at = loop_now(r->loop);
	while (n++ < LIMIT_METRIC_WALK && (more = store_each(r->store, &c->cursor, &m))) {
		enum census_queue q = queue_of(m);
		usec age = now > m->arrival ? now - m->arrival : 0;

		c->under_way.messages[q]++;
		metric_observe(&size, q, (int64_t)m->size);
		metric_observe(&old, q, age);
		c->under_way.oldest = age > c->under_way.oldest ? age : c->under_way.oldest;
		schedule_count(r->schedule, m);
	}
	if (more)
		return;
	schedule_counted(r->schedule);
	c->last = c->under_way;
	c->walking = false;
}

struct census_sums *census_look(struct relay *r)
{
	if (!r->census)
		r->census = MEM_NEW(struct census);
	if (!r->census->walking) {
		r->census->under_way = (struct census_sums){ .oldest = 0 };
		r->census->cursor = 0;
		r->census->walking = true;
		walk(r, r->census);
	}
	return &r->census->last;
}

void census_go_on(struct relay *r)
{
	if (r->census && r->census->walking && loop_now(r->loop) - r->census->walked_at >= USEC_PER_SEC / 2)
		walk(r, r->census);
}
