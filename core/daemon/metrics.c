/* metrics - see metrics.h. What is counted for ever is a row beside the code that counts; here is what is looked up at the time. */
#include "core/daemon/metrics.h"

#include "core/base/format.h"
#include "core/daemon/busiest.h"
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
	one(t, "postfix_up", "Always 1.", buf_view(labels), 1, METRIC_PLAIN);
	buf_clear(labels);
	metric_label(labels, "version", STR(RELAYBOX_VERSION));
	one(t, "relaybox_build_info", "The version that runs.", buf_view(labels), 1, METRIC_PLAIN);
	buf_clear(labels);
	one(t, "process_start_time_seconds", "Start of relayd.", STR_EMPTY, (uint64_t)r->started, METRIC_MICROSECONDS);
	one(t, "relaybox_healthy", "Whether /healthz says yes.", STR_EMPTY, !health_alive(r), METRIC_PLAIN);
	one(t, "relaybox_ready", "Whether /readyz says yes.", STR_EMPTY, !health_ready(r), METRIC_PLAIN);
	one(t, "relaybox_stopping", "Whether it shuts down.", STR_EMPTY, r->stopping, METRIC_PLAIN);
	store_room(r->store, &room);
	one(t, "relaybox_room_bytes", "Bytes free for the queue.", STR_EMPTY, room.bytes, METRIC_PLAIN);
	one(t, "relaybox_room_kept_bytes", "Bytes free below which mail is refused.", STR_EMPTY, room.kept, METRIC_PLAIN);
	one(t, "relaybox_room_inodes", "Files free for the queue.", STR_EMPTY, room.inodes, METRIC_PLAIN);
	one(t, "relaybox_waiting_connections", "Clients that wait for a place.", STR_EMPTY, r->n_waiting, METRIC_PLAIN);
	one(t, "relaybox_sessions_limit", "SMTP sessions at most.", STR_EMPTY, r->max_sessions, METRIC_PLAIN);
	one(t, "relaybox_verify_cache_entries", "Addresses remembered.", STR_EMPTY, verify_count(r->verify), METRIC_PLAIN);
}

static void of_dns(struct relay *r, struct metric_text *t)
{
	static const char *const uses[] = { "deliveries", "names", "restrictions" };
	const struct dns *dns[] = { r->dns, r->name_dns, r->judge_dns };
	uint64_t bytes[METRIC_COUNT(uses)], n[METRIC_COUNT(uses)];
	struct metric m = { .name = "relaybox_dns_cache_entries", .help = "Answers remembered.",
		.type = METRIC_GAUGE, .label = "use", .words = uses, .n = METRIC_COUNT(uses), .values = n };

	for (size_t i = 0; i < METRIC_COUNT(uses); i++) {
		size_t held;

		n[i] = dns_remembered(dns[i], &held);
		bytes[i] = held;
	}
	metric_put(t, &m);
	m.name = "relaybox_dns_cache_bytes";
	m.help = "Bytes of answers remembered.";
	m.values = bytes;
	metric_put(t, &m);
}

static void of_queue(struct relay *r, struct metric_text *t)
{
	struct census_sums *c = census_look(r);
	struct metric m = { .name = "relaybox_queue_messages", .help = "Messages in the queue, by state.", .type = METRIC_GAUGE, .label = "queue",
		.words = census_queues, .n = CENSUS_QUEUES, .values = c->messages };

	one(t, "relaybox_queue_oldest_seconds", "Age of the oldest message.", STR_EMPTY, (uint64_t)c->oldest, METRIC_MICROSECONDS);
	metric_put(t, &m);
	m = census_size;
	m.values = c->size;
	metric_put(t, &m);
	m = census_age;
	m.values = c->age;
	metric_put(t, &m);
}

/* --- destinations: the busiest have rows of their own, all others one together -------------------------------------------------- */

static void label_destination(struct buf *labels, const char *transport, const char *nexthop)
{
	buf_clear(labels);
	metric_label(labels, "transport", str_of(transport));
	metric_label(labels, "nexthop", str_head(str_of(nexthop), LIMIT_METRIC_NAME));
}

static void of_destinations(struct relay *r, struct metric_text *t, struct buf *labels)
{
	static const struct metric families[] = {
		{ .name = "relaybox_destination_messages", .help = "Messages last tried there.", .type = METRIC_GAUGE },
		{ .name = "relaybox_destination_waiting", .help = "Deliveries that wait.", .type = METRIC_GAUGE },
		{ .name = "relaybox_destination_in_flight", .help = "Deliveries under way.", .type = METRIC_GAUGE },
		{ .name = "relaybox_destination_window", .help = "Deliveries at once, at most.", .type = METRIC_GAUGE },
		{ .name = "relaybox_destination_suspended", .help = "Whether it is left alone for a while.",
			.type = METRIC_GAUGE },
	};
	struct busiest x;

	busiest_find(&x, r->schedule, (size_t)r->settings->conf->http_destination_limit);
	one(t, "relaybox_destinations", "Destinations known now.", STR_EMPTY, x.n + x.n_others, METRIC_PLAIN);
	one(t, "relaybox_destinations_suspended", "Destinations left alone for a while.", STR_EMPTY, x.n_suspended,
		METRIC_PLAIN);
	for (size_t k = 0; k < METRIC_COUNT(families); k++) {
		metric_family(t, &families[k]);
		for (size_t i = 0; i < x.n + (x.n_others != 0); i++) {
			const struct schedule_dest_info *d = i < x.n ? &x.v[i].d : &x.others;
			const size_t values[] = { d->messages, d->waiting, d->in_flight, d->window,
				i < x.n ? d->dead_until != 0 : x.others_suspended };

			label_destination(labels, i < x.n ? d->transport : "other", i < x.n ? d->nexthop : "other");
			metric_sample(t, buf_view(labels), values[k]);
		}
	}
	busiest_fini(&x);
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
