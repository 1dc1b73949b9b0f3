/* delivery_log - see delivery_log.h. The text in parentheses is the server's own line for what was sent, and a sentence
 * for what was not ("host h[ip] said: …"): that is what analysers of Postfix logs expect. */
#include "core/deliver/delivery_log.h"


#include "core/base/format.h"
#include "core/base/log.h"

struct delays { usec total, queue, active, setup, transfer; };

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

static void add_delays(struct log_line *l, const struct delays *d)
{
	const usec parts[] = { d->queue, d->active, d->setup, d->transfer };
	struct buf b;

	buf_init(&b, 200);
	log_seconds(&b, d->total);
	log_str(l, "delay", buf_view(&b));
	buf_clear(&b);
	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
		if (i)
			buf_byte(&b, '/');
		log_seconds(&b, parts[i]);
	}
	log_str(l, "delays", buf_view(&b));
	buf_fini(&b);
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
	log_addr(&l, "to", rcpt->addr);
	if (rcpt->orig.n && !str_eq(rcpt->orig, rcpt->addr))
		log_addr(&l, "orig_to", rcpt->orig);
	log_str(&l, "relay", str_of(r->relay[0] ? r->relay : "none"));
	if (f->conn_use > 1)
		log_field(&l, "conn_use", "%u", f->conn_use);
	add_delays(&l, d);
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
