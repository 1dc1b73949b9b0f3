/* schedule_log - the queue manager's lines, in Postfix's words (docs/man/relaybox-log.5). */
#include "core/base/log.h"
#include "core/base/metric.h"
#include "core/schedule/schedule_private.h"

static const int64_t sizes[] = { 1000, 10000, 100000, 1000000, 10000000, 100000000, 1000000000 };
static const int64_t recipients[] = { 1, 2, 4, 8, 16, 32, 64, 128 };
METRIC_BUCKETS(inserted_size, "postfix_qmgr_messages_inserted_size_bytes", "Sizes of messages that became active.", METRIC_PLAIN, NULL, NULL, 1,
	sizes);
/* spelled as dashboards know it */
METRIC_BUCKETS(inserted_recipients, "postfix_qmgr_messages_inserted_receipients", "Recipients of messages that became active.", METRIC_PLAIN,
	NULL, NULL, 1, recipients);
METRIC_ONE(removed, "postfix_qmgr_messages_removed", "Messages that left the queue.");
METRIC_ONE(expired, "postfix_qmgr_messages_expired", "Messages returned for their age.");

void schedule_log_active(const struct qmsg *m, const struct envelope *e)
{
	char qid[QID_MAX];
	struct log_line l;

	metric_observe(&inserted_size, 0, (int64_t)m->size);
	metric_observe(&inserted_recipients, 0, m->n_rcpts);
	qid_format(qid, m->id);
	log_begin(&l, "qmgr", 0, qid);
	log_addr(&l, "from", e->sender);
	log_number(&l, "size", (int64_t)m->size);
	log_number(&l, "nrcpt", m->n_rcpts);
	buf_z(&l.text, " (queue active)");
	log_key(&l, "event", STR("active"));
	log_end(&l);
}

void schedule_log_removed(const struct qmsg *m)
{
	char qid[QID_MAX];
	struct log_line l;

	removed++;
	qid_format(qid, m->id);
	log_begin(&l, "qmgr", 0, qid);
	log_event_str(&l, LOG_SEV_INFO, "removed", STR("removed"));
	log_end(&l);
}

void schedule_log_expired(const struct qmsg *m, const struct envelope *e)
{
	char qid[QID_MAX];
	struct log_line l;

	expired++;
	qid_format(qid, m->id);
	log_begin(&l, "qmgr", 0, qid);
	log_addr(&l, "from", e->sender);
	log_str(&l, "status", str_of(m->flags & QMSG_EXPIRE ? "force-expired" : "expired"));
	buf_z(&l.text, ", returned to sender");
	log_key(&l, "event", STR("expired"));
	log_end(&l);
}

void schedule_log_error(const struct active *a, size_t rcpt, const struct reply *r, usec now)
{
	const struct rcpt *to = &a->env.rcpts[rcpt];
	const usec parts[LOG_DELAYS] = { a->active_at - a->m->arrival, now - a->active_at, 0, 0 };
	struct buf note;
	char qid[QID_MAX];
	struct log_line l;

	buf_init(&note, LIMIT_REPLY_TEXT + 64);
	qid_format(qid, a->m->id);
	log_begin(&l, "error", 0, qid);
	log_addr(&l, "to", to->addr);
	if (to->orig.n)
		log_addr(&l, "orig_to", to->orig);
	log_key(&l, "event", STR("delivery"));
	log_str(&l, "relay", STR("none"));
	log_delays(&l, now - a->m->arrival, parts);
	log_str(&l, "dsn", str_of(reply_dsn(r)));
	log_str(&l, "status", str_of(r->code >= 500 ? "bounced" : r->code >= 400 ? "deferred" : "sent"));
	buf_z(&note, r->text);
	log_note(&l, "%s", buf_cstr(&note));
	log_end(&l);
	buf_fini(&note);
}
