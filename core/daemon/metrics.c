/* metrics - see metrics.h. What is counted for ever is a row beside the code that counts; here is what is looked up at the time. */
#include "core/daemon/metrics.h"

#include "core/base/format.h"
#include "core/base/heap.h"
#include "core/base/mem.h"
#include "core/daemon/census.h"
#include "core/daemon/health.h"
#include "core/daemon/stats.h"

/* one - a gauge without labels, or with these */
static void one(struct metric_text *t, const char *name, const char *help, struct str labels, uint64_t value, enum metric_unit unit)
{
	const struct metric m = { .name = name, .help = help, .type = METRIC_GAUGE, .unit = unit };

	metric_family(t, &m);
	metric_sample(t, labels, value);
}

/* figures - those of relayctl stats, under their keys */
static void figures(struct relay *r, struct metric_text *t)
{
	struct figure f[STATS_FIGURES];
	size_t n = stats_figures(r, f);

	for (size_t i = 0; i < n; i++) {
		struct str label = str_of(f[i].names), key, micro = STR("_microseconds");
		char name[80], help[120];
		struct metric m = { .name = name, .help = help, .type = METRIC_GAUGE };

		str_cut(&label, '\t', &key);
		if (str_ends(key, STR("_total"))) {
			m.type = METRIC_COUNTER;
			key = str_head(key, key.n - 6);
		}
		if (str_ends(key, micro))
			m.unit = METRIC_MICROSECONDS;
		format_text(name, sizeof(name), "relaybox_%.*s%s", STR_ARG(str_head(key, m.unit ? key.n - micro.n : key.n)), m.unit ? "_seconds" : "");
		if (m.unit)
			label = str_head(label, label.n - micro.n + 1);
		format_text(help, sizeof(help), "%c%.*s%s.", ascii_upper(label.p[0]), STR_ARG(str_from(label, 1)), m.unit ? "seconds" : "");
		metric_family(t, &m);
		metric_sample(t, STR_EMPTY, f[i].value);
	}
}

static void of_service(struct relay *r, struct metric_text *t, struct buf *labels)
{
	const struct metric connects = { .name = "postfix_smtpd_connects", .help = "SMTP connections taken.", .n = 1, .values = &r->counts.connects };
	struct store_room room = { 0 };

	metric_put(t, &connects);
	metric_label(labels, "path", str_of(r->settings->conf->queue_directory));
	one(t, "postfix_up", "Whether the queue can be looked at: always.", buf_view(labels), 1, METRIC_PLAIN);
	buf_clear(labels);
	metric_label(labels, "version", STR(RELAYBOX_VERSION));
	one(t, "relaybox_build_info", "The version that runs.", buf_view(labels), 1, METRIC_PLAIN);
	buf_clear(labels);
	one(t, "process_start_time_seconds", "When relayd was started, in seconds since 1970.", STR_EMPTY, (uint64_t)r->started, METRIC_MICROSECONDS);
	one(t, "relaybox_healthy", "Whether /healthz says yes.", STR_EMPTY, !health_alive(r), METRIC_PLAIN);
	one(t, "relaybox_ready", "Whether /readyz says yes.", STR_EMPTY, !health_ready(r), METRIC_PLAIN);
	one(t, "relaybox_stopping", "Whether relayd is shutting down.", STR_EMPTY, r->stopping, METRIC_PLAIN);
	store_room(r->store, &room);
	one(t, "relaybox_room_bytes", "Bytes that the queue may still use on its volume.", STR_EMPTY, room.bytes, METRIC_PLAIN);
	one(t, "relaybox_room_kept_bytes", "Bytes of these below which new mail is refused.", STR_EMPTY, room.kept, METRIC_PLAIN);
	one(t, "relaybox_room_inodes", "Files that the queue may still make on its volume.", STR_EMPTY, room.inodes, METRIC_PLAIN);
	one(t, "relaybox_waiting_connections", "Clients that wait for a place.", STR_EMPTY, r->n_waiting, METRIC_PLAIN);
	one(t, "relaybox_sessions_limit", "SMTP sessions that this process may have.", STR_EMPTY, r->max_sessions, METRIC_PLAIN);
	one(t, "relaybox_verify_cache_entries", "Addresses that address verification remembers.", STR_EMPTY, verify_count(r->verify), METRIC_PLAIN);
}

static void of_dns(struct relay *r, struct metric_text *t)
{
	static const char *const uses[] = { "deliveries", "names", "restrictions" };
	const struct dns *dns[] = { r->dns, r->name_dns, r->judge_dns };
	uint64_t bytes[METRIC_COUNT(uses)], n[METRIC_COUNT(uses)];
	struct metric m = { .name = "relaybox_dns_cache_entries", .help = "Answers of DNS that are remembered, by what they were asked for.",
		.type = METRIC_GAUGE, .label = "use", .words = uses, .n = METRIC_COUNT(uses), .values = n };

	for (size_t i = 0; i < METRIC_COUNT(uses); i++) {
		size_t held;

		n[i] = dns_remembered(dns[i], &held);
		bytes[i] = held;
	}
	metric_put(t, &m);
	m.name = "relaybox_dns_cache_bytes";
	m.help = "Bytes that these hold.";
	m.values = bytes;
	metric_put(t, &m);
}

static void of_queue(struct relay *r, struct metric_text *t)
{
	struct census_sums *c = census_look(r);
	struct metric m = { .name = "relaybox_queue_messages", .help = "Messages in the queue, by state.", .type = METRIC_GAUGE, .label = "queue",
		.words = census_queues, .n = CENSUS_QUEUES, .values = c->messages };

	one(t, "relaybox_queue_oldest_seconds", "Age of the oldest message in the queue.", STR_EMPTY, (uint64_t)c->oldest, METRIC_MICROSECONDS);
	metric_put(t, &m);
	m = census_size;
	m.values = c->size;
	metric_put(t, &m);
	m = census_age;
	m.values = c->age;
	metric_put(t, &m);
}

/* --- destinations: the busiest have rows of their own, all others one together -------------------------------------------------- */

struct row {
	struct heap_node busy;
	struct schedule_dest_info d;
};
struct rows {
	struct heap busiest;           /* the least busy of them first */
	struct row *v;
	size_t n, most;
	struct schedule_dest_info others;
	size_t n_others, n_suspended;
};

/* busy_of - one that is suspended comes before all that work */
static int64_t busy_of(const struct schedule_dest_info *d)
{
	return (int64_t)(d->waiting + d->in_flight + d->messages) + (d->dead_until ? INT64_MAX / 2 : 0);
}

static void add_to_others(struct rows *x, const struct schedule_dest_info *d)
{
	x->others.waiting += d->waiting;
	x->others.in_flight += d->in_flight;
	x->others.messages += d->messages;
	x->others.window += d->window;
	x->others.dead_until += d->dead_until != 0;
	x->n_others++;
}

static void gather(struct relay *r, struct rows *x)
{
	struct schedule_dest_info d;
	size_t cursor = 0;

	while (schedule_each_dest(r->schedule, &cursor, &d)) {
		struct row *row = x->v + x->n;

		x->n_suspended += d.dead_until != 0;
		if (x->n == x->most) {
			row = x->n ? LIST_ITEM(heap_first(&x->busiest), struct row, busy) : NULL;
			if (!row || busy_of(&d) <= row->busy.key) {
				add_to_others(x, &d);
				continue;
			}
			add_to_others(x, &row->d);
		} else {
			x->n++;
		}
		row->d = d;
		heap_add(&x->busiest, &row->busy, busy_of(&d));
	}
}

static void label_destination(struct buf *labels, const char *transport, const char *nexthop)
{
	buf_clear(labels);
	metric_label(labels, "transport", str_of(transport));
	metric_label(labels, "nexthop", str_head(str_of(nexthop), LIMIT_METRIC_NAME));
}

static void of_destinations(struct relay *r, struct metric_text *t, struct buf *labels)
{
	static const struct metric families[] = {
		{ .name = "relaybox_destination_messages", .help = "Messages in the queue whose last try led there.", .type = METRIC_GAUGE },
		{ .name = "relaybox_destination_waiting", .help = "Deliveries that wait for their turn.", .type = METRIC_GAUGE },
		{ .name = "relaybox_destination_in_flight", .help = "Deliveries under way.", .type = METRIC_GAUGE },
		{ .name = "relaybox_destination_window", .help = "Deliveries that may be under way at once.", .type = METRIC_GAUGE },
		{ .name = "relaybox_destination_suspended", .help = "Whether it failed as a whole and is left alone for a while; of others: how many.",
			.type = METRIC_GAUGE },
	};
	struct rows x = { .most = (size_t)r->settings->conf->http_destination_limit };

	x.v = mem_array(NULL, x.most + 1, sizeof(*x.v));
	memset(x.v, 0, (x.most + 1) * sizeof(*x.v));
	gather(r, &x);
	one(t, "relaybox_destinations", "Destinations that are known now.", STR_EMPTY, x.n + x.n_others, METRIC_PLAIN);
	one(t, "relaybox_destinations_suspended", "Destinations that failed as a whole and are left alone for a while.", STR_EMPTY, x.n_suspended,
		METRIC_PLAIN);
	x.v[x.n].d = x.others;
	for (size_t k = 0; k < METRIC_COUNT(families); k++) {
		metric_family(t, &families[k]);
		for (size_t i = 0; i < x.n + (x.n_others != 0); i++) {
			const struct schedule_dest_info *d = &x.v[i].d;
			const size_t values[] = { d->messages, d->waiting, d->in_flight, d->window,
				i < x.n ? d->dead_until != 0 : (size_t)d->dead_until };

			label_destination(labels, i < x.n ? d->transport : "other", i < x.n ? d->nexthop : "other");
			metric_sample(t, buf_view(labels), values[k]);
		}
	}
	heap_fini(&x.busiest);
	mem_free(x.v);
}

void metrics_write(struct relay *r, struct buf *out, bool open)
{
	struct metric_text t = { .out = out, .open = open };
	struct buf labels;

	buf_init(&labels, 4 * LIMIT_METRIC_NAME);
	of_service(r, &t, &labels);
	figures(r, &t);
	metric_rows(&t);
	of_dns(r, &t);
	of_queue(r, &t);
	of_destinations(r, &t, &labels);
	metric_end(&t);
	buf_fini(&labels);
}
