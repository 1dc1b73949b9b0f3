/* stats - one table of figures; see stats.h. */
#include "core/daemon/stats.h"

#include "core/daemon/pressure.h"

#include <inttypes.h>

/* add_cell - text of strangers without what would end a cell or a line */
static void add_cell(struct buf *out, const char *s)
{
	buf_byte(out, '\t');
	for (; *s; s++)
		buf_byte(out, (unsigned char)*s < 32 || *s == 127 ? '?' : *s);
}

static struct store_stats stats_of_store(const struct relay *r)
{
	struct store_stats q;

	store_stats(r->store, &q);
	return q;
}

size_t stats_figures(struct relay *r, struct figure out[STATS_FIGURES])
{
	const struct store_stats queue = stats_of_store(r), *q = &queue;
	const struct loop_slices *slices = loop_slices(r->loop);
	const struct relay_counts *c = &r->counts;
	const struct figure figures[] = {
		{ "uptime_seconds\tup for seconds", (uint64_t)((loop_wall(r->loop) - r->started) / USEC_PER_SEC) },
		{ "queued_messages\tmessages in the queue", store_count(r->store) },
		{ "sessions\tSMTP sessions now", r->n_sessions },
		{ "memory_bytes\tbytes of memory held", pressure_used(r) },
		{ "memory_limit_bytes\tof so many", r->memory_limit },
		{ "outbound_connections\toutbound connections now", deliver_sessions(r->deliver) },
		{ "deliveries_in_flight\tdeliveries in flight", schedule_in_flight(r->schedule) },
		{ "loop_worst_slice_microseconds\tlongest step of the loop in microseconds", (uint64_t)slices->worst },
		{ "loop_worst_slice_events\tevents in it", slices->events },
		{ "loop_long_slices_total\tsteps longer than 50 milliseconds", slices->n_long },
		{ "connects_total\tconnections taken", c->connects },
		{ "silent_connects_total\tof these without a word", c->silent_connects },
		{ "rejects_total\tcommands refused", c->rejects },
		{ "memory_refusals_total\tsessions ended for want of memory", c->memory_refusals },
		{ "messages_total\tmessages accepted", c->mail[0] },
		{ "submissions_total\tof these submitted locally", c->submissions },
		{ "sent_total\trecipients delivered", c->mail[1] },
		{ "deferred_total\ttries deferred", c->mail[2] },
		{ "bounced_total\trecipients refused for good", c->mail[3] },
		{ "finished_total\tmessages finished", q->messages_out },
		{ "flushes_total\tdisk flushes", q->flushes },
		{ "last_flush_microseconds\tlast flush took microseconds", (uint64_t)q->last_flush_us },
		{ "segments\tlog segments", q->segments },
		{ "live_bytes\tbytes in use in the log", q->live_bytes },
		{ "dead_bytes\tbytes to be freed", q->dead_bytes },
		{ "corrupt_records\tdamaged records set aside", q->corrupt },
	};

	_Static_assert(sizeof(figures) <= STATS_FIGURES * sizeof(*figures), "STATS_FIGURES is too small");
	memcpy(out, figures, sizeof(figures));
	return sizeof(figures) / sizeof(*figures);
}

static void add_figures(struct relay *r, struct buf *out)
{
	struct figure figures[STATS_FIGURES];
	size_t n = stats_figures(r, figures);

	for (size_t i = 0; i < n; i++)
		buf_printf(out, "figure\t%s\t%" PRIu64 "\n", figures[i].names, figures[i].value);
}

static void add_destination(const struct schedule_dest_info *d, usec now, struct buf *out)
{
	bool dead = d->dead_until > now;

	buf_z(out, "destination");
	add_cell(out, d->transport);
	add_cell(out, d->nexthop);
	buf_printf(out, "\t%zu\t%zu\t%zu\t%d", d->waiting, d->in_flight, d->window, dead);
	add_cell(out, dead && d->why ? d->why : "");
	buf_byte(out, '\n');
}

bool stats_destination(struct relay *r, size_t *cursor, struct buf *out)
{
	struct schedule_dest_info d;
	bool more = schedule_each_dest(r->schedule, cursor, &d);

	if (more)
		add_destination(&d, loop_wall(r->loop), out);
	return more;
}

static void add_minutes(const struct relay *r, struct buf *out)
{
	const struct history *h = &r->history;

	for (unsigned i = h->n > HISTORY_MINUTES - 1 ? h->n - (HISTORY_MINUTES - 1) : 0; i <= h->n; i++) {
		buf_z(out, "minute");
		for (size_t k = 0; k < HISTORY_COLUMNS; k++)
			buf_printf(out, "\t%" PRIu64, i < h->n ? h->minutes[i % HISTORY_MINUTES][k] : r->counts.mail[k] - h->base[k]);
		buf_byte(out, '\n');
	}
}

static void add_event(const char *kind, const struct history_event *e, struct buf *out)
{
	char qid[QID_MAX] = "NOQUEUE";

	if (e->id)
		qid_format(qid, e->id);
	buf_printf(out, "%s\t%lld\t%s\t%d", kind, (long long)e->at, qid, e->final);
	add_cell(out, e->rcpt);
	add_cell(out, e->relay);
	add_cell(out, e->text);
	buf_byte(out, '\n');
}

static void add_events(const char *kind, const struct history_ring *h, struct buf *out)
{
	for (unsigned i = h ? h->n : 0; i > 0 && h->n - i < HISTORY_EVENTS; i--)
		add_event(kind, &h->v[(i - 1) % HISTORY_EVENTS], out);
}

void stats_rows(struct relay *r, struct buf *out)
{
	add_figures(r, out);
	add_minutes(r, out);
	add_events("error", &r->history.errors, out);
}

void stats_page_rows(struct relay *r, const struct busiest *b, struct buf *out)
{
	add_figures(r, out);
	for (size_t i = 0; i < b->n; i++)
		add_destination(&b->v[i].d, loop_wall(r->loop), out);
	add_minutes(r, out);
	add_events("error", &r->history.errors, out);
	add_events("sent", r->history.sent, out);
	add_events("refused", r->history.refused, out);
}
