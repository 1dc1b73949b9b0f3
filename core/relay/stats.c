/* stats - one table of figures, two writers. */
#include "core/relay/stats.h"

#include <inttypes.h>

struct figure {
	const char *key;       /* JSON */
	const char *label;     /* people */
	uint64_t value;
};

static void json_text(struct buf *out, const char *s)
{
	for (; *s; s++) {
		if (*s == '"' || *s == '\\')
			buf_byte(out, '\\');
		if ((unsigned char)*s >= ' ')
			buf_byte(out, *s);
	}
}

static void destinations(struct relay *r, bool json, struct buf *out)
{
	struct schedule_dest_info d;
	size_t cursor = 0, n = 0;
	while (schedule_each_dest(r->schedule, &cursor, &d)) {
		bool dead = d.dead_until > loop_wall(r->loop);
		if (json) {
			buf_printf(out, "%s{\"transport\":\"%s\",\"nexthop\":\"", n ? "," : "", d.transport);
			json_text(out, d.nexthop);
			buf_printf(out, "\",\"waiting\":%zu,\"in_flight\":%zu,\"window\":%zu,\"dead\":%s,\"why\":\"", d.waiting, d.in_flight,
				d.window, dead ? "true" : "false");
			json_text(out, d.why ? d.why : "");
			buf_z(out, "\"}");
		} else {
			if (!n)
				buf_printf(out, "\n%-40s %8s %8s %8s  %s\n", "destination", "waiting", "sending", "limit", "state");
			buf_printf(out, "%s:%-*s %8zu %8zu %8zu  %s\n", d.transport, (int)(39 - strlen(d.transport) > 0 ? 39 - strlen(d.transport) : 1),
				d.nexthop, d.waiting, d.in_flight, d.window, dead ? (d.why ? d.why : "suspended") : "ok");
		}
		n++;
	}
}

void stats_format(struct relay *r, bool json, struct buf *out)
{
	struct store_stats q;
	store_stats(r->store, &q);
	const struct figure figures[] = {
		{"uptime_seconds", "up for seconds", (uint64_t)((loop_wall(r->loop) - r->started) / USEC_PER_SEC)},
		{"queued_messages", "messages in the queue", store_count(r->store)},
		{"sessions", "SMTP sessions now", r->n_sessions},
		{"outbound_connections", "outbound connections now", deliver_sessions(r->deliver)},
		{"deliveries_in_flight", "deliveries in flight", schedule_in_flight(r->schedule)},
		{"connects_total", "connections taken", r->counts.connects},
		{"silent_connects_total", "of these without a word", r->counts.silent_connects},
		{"rejects_total", "commands refused", r->counts.rejects},
		{"messages_total", "messages accepted", r->counts.messages},
		{"submissions_total", "of these submitted locally", r->counts.submissions},
		{"finished_total", "messages finished", q.messages_out},
		{"flushes_total", "disk flushes", q.flushes},
		{"last_flush_microseconds", "last flush took microseconds", (uint64_t)q.last_flush_us},
		{"segments", "log segments", q.segments},
		{"live_bytes", "bytes in use in the log", q.live_bytes},
		{"dead_bytes", "bytes to be freed", q.dead_bytes},
		{"corrupt_records", "damaged records set aside", q.corrupt},
	};
	if (json)
		buf_byte(out, '{');
	for (size_t i = 0; i < sizeof figures / sizeof *figures; i++)
		buf_printf(out, json ? "\"%s\":%" PRIu64 "," : "%-30s %12" PRIu64 "\n", json ? figures[i].key : figures[i].label, figures[i].value);
	if (json)
		buf_z(out, "\"destinations\":[");
	destinations(r, json, out);
	if (json)
		buf_z(out, "]}\n");
}
