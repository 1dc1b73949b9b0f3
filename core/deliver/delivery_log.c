/* delivery_log - see delivery_log.h. The text in parentheses is the server's own line for what was sent, and a sentence
 * for what was not ("host h[ip] said: …"): that is what analysers of Postfix logs expect. */
#include "core/deliver/delivery_log.h"

#include "core/base/format.h"
#include "core/base/log.h"
#include "core/base/metric.h"

enum { STAGES = 4 };
struct delays { usec total, queue, active, setup, transfer; };

/* the names and buckets of postfix_exporter, which dashboards know */
static const char *const stages[STAGES] = { "before_queue_manager", "queue_manager", "connection_setup", "transmission" };
static const char *const statuses[] = { [VERDICT_DONE] = "sent", [VERDICT_LATER] = "deferred", [VERDICT_NEVER] = "bounced" };
static const int64_t delay_times[] = { 1000, 10000, 100000, 1000000, 10000000, 60000000, 3600000000, 86400000000, 172800000000 };
#define STATUS_HELP "Recipients tried."
#define DELAY_HELP "Delays of recipients tried."
METRIC_MANY(smtp_status, "postfix_smtp_messages_processed", STATUS_HELP, "status", statuses);
METRIC_MANY(lmtp_status, "postfix_lmtp_messages_processed", STATUS_HELP, "status", statuses);
METRIC_MANY(local_status, "postfix_local_messages_processed", STATUS_HELP, "status", statuses);
METRIC_BUCKETS(smtp_delay, "postfix_smtp_delivery_delay_seconds", DELAY_HELP, METRIC_MICROSECONDS, "stage", stages, STAGES, delay_times);
METRIC_BUCKETS(lmtp_delay, "postfix_lmtp_delivery_delay_seconds", DELAY_HELP, METRIC_MICROSECONDS, "stage", stages, STAGES, delay_times);
METRIC_BUCKETS(local_delay, "postfix_local_delivery_delay_seconds", DELAY_HELP, METRIC_MICROSECONDS, "stage", stages, STAGES, delay_times);

static const struct service_metrics { const char *service; uint64_t *status; const struct metric *delay; } services[] = {
	{ "smtp", smtp_status, &smtp_delay }, { "lmtp", lmtp_status, &lmtp_delay }, { "local", local_status, &local_delay },
};

static usec since(usec from, usec to)
{
	return to > from ? to - from : 0;
}

static void split_delays(const struct delivery *job, const struct delivery_facts *f, struct delays *out)
{
	usec ready = f->ready_at ? f->ready_at : f->now;
	usec arrival = job->envelope->arrival;

	out->total = since(arrival, f->now);
	out->queue = since(arrival, job->active_at);
	out->active = since(job->active_at, job->start_at);
	out->setup = since(job->start_at, ready);
	out->transfer = since(ready, f->now);
}

static void count(const struct delivery *job, const struct delays *d, const struct delivery_facts *f)
{
	const usec parts[STAGES] = { d->queue, d->active, d->setup, d->transfer };

	for (size_t k = 0; k < sizeof(services) / sizeof(*services) && !f->probe; k++) {
		if (strcmp(services[k].service, f->service) != 0)
			continue;
		for (size_t i = 0; i < job->n; i++) {
			services[k].status[reply_verdict(&job->results[i].reply)]++;
			for (size_t stage = 0; stage < STAGES; stage++)
				metric_observe(services[k].delay, stage, parts[stage]);
		}
	}
}

static const char *status_word(enum verdict v, const struct delivery_facts *f)
{
	if (f->probe)
		return v == VERDICT_DONE ? "deliverable" : "undeliverable";
	if (v == VERDICT_DONE)
		return "sent";
	if (v == VERDICT_LATER)
		return "deferred";
	return f->soft_bounce ? "SOFTBOUNCE" : "bounced";
}

static void log_one(const struct delivery *job, size_t i, const struct delays *d, const struct delivery_facts *f)
{
	const struct rcpt *rcpt = job->rcpts[i];
	const struct delivery_result *r = &job->results[i];
	const usec parts[LOG_DELAYS] = { d->queue, d->active, d->setup, d->transfer };
	enum verdict v = reply_verdict(&r->reply);
	struct reply told = r->reply;
	struct log_line l;
	struct buf text;

	/* what the server said stays in the text */
	if (f->soft_bounce && !f->probe)
		reply_soften(&told);
	buf_init(&text, 2 * LIMIT_REPLY_TEXT);
	if (v == VERDICT_DONE && r->remote_mta[0])
		reply_line(&text, &r->reply);
	else
		buf_z(&text, r->reply.text);
	log_begin(&l, f->service, 0, f->qid);
	log_key(&l, "event", f->probe ? STR("probe") : STR("delivery"));
	log_addr(&l, "to", rcpt->addr);
	if (rcpt->orig.n && !str_ieq(rcpt->orig, rcpt->addr))
		log_addr(&l, "orig_to", rcpt->orig);
	log_str(&l, "relay", str_of(r->relay[0] ? r->relay : "none"));
	if (f->conn_use > 1)
		log_number(&l, "conn_use", f->conn_use);
	log_delays(&l, d->total, parts);
	log_str(&l, "dsn", str_of(reply_dsn(&told)));
	log_str(&l, "status", str_of(status_word(v, f)));
	log_note(&l, "%s", buf_cstr(&text));
	log_end(&l);
	buf_fini(&text);
}

void delivery_log(const struct delivery *job, const struct delivery_facts *f)
{
	struct delays d;

	split_delays(job, f, &d);
	count(job, &d, f);
	for (size_t i = 0; i < job->n; i++)
		log_one(job, i, &d, f);
}

void delivery_answer_all(struct delivery *job, const struct reply *r, const char *relay, const char *remote_mta)
{
	for (size_t i = 0; i < job->n; i++) {
		struct delivery_result *x = &job->results[i];

		if (x->reply.code)
			continue;
		x->reply = *r;
		format_text(x->relay, sizeof(x->relay), "%s", relay);
		format_text(x->remote_mta, sizeof(x->remote_mta), "%s", remote_mta);
	}
}
