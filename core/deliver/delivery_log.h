/* delivery_log - the one place that words the result of a recipient: in the log, and in relay= texts. */
#ifndef CORE_DELIVER_DELIVERY_LOG_H
#define CORE_DELIVER_DELIVERY_LOG_H

#include "core/schedule/schedule.h"

struct delivery_facts {
	const char *service;           /* "smtp", "local" … */
	const char *qid;
	unsigned conn_use;             /* deliveries on that connection, this one included; below 2 not told */
	usec ready_at;                 /* wall: connection and TLS stood; 0: there was none */
	usec now;                      /* wall */
	bool soft_bounce;
	bool probe;                    /* deliverable / undeliverable */
};
/* delivery_log - one line per recipient: "QID: to=<r>, relay=…, delay=…, delays=a/b/c/d, dsn=…, status=… (text)" */
void delivery_log(const struct delivery *job, const struct delivery_facts *f);
/* delivery_answer_all - give every recipient that has no answer yet this one */
void delivery_answer_all(struct delivery *job, const struct reply *r, const char *relay, const char *remote_mta);

#endif
