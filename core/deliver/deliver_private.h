/* deliver_private - what the files of core/deliver share; nobody else includes it. `deliver` owns destinations, sessions and tries;
 * how these go together is in smtp/: hosts -> candidates -> policy -> session -> hello -> auth -> mail, a header each. */
#ifndef CORE_DELIVER_DELIVER_PRIVATE_H
#define CORE_DELIVER_DELIVER_PRIVATE_H

#include "core/base/hash.h"
#include "core/deliver/deliver.h"
#include "core/deliver/delivery_log.h"

struct helper_client;
struct oauth;
struct sts;
struct tls_report;

struct deliver {
	struct deliver_options o;
	struct table dests;            /* "transport\nnexthop" -> struct smtp_dest */
	struct list sessions;          /* struct smtp_session.link, all of them */
	struct list tries;             /* struct smtp_try.link */
	struct list local_jobs;        /* struct local_job.link */
	struct list simple_jobs;       /* struct simple_job.link */
	struct list probes;            /* struct probe.link */
	struct list notices;           /* struct notice.link */
	size_t n_sessions;
	struct smtp_dead {
		struct ipaddr address;
		uint16_t port;
		usec until;            /* mono */
	} dead[LIMIT_CLIENT_DEAD];
	unsigned next_dead;
	usec refresh_at;               /* mono: when tables are looked at again */
	struct oauth *oauth;
	struct tls_report *report;     /* NULL: nothing was counted */
	struct sts *sts;               /* NULL: nobody has wanted to know yet */
	struct helper_client *helper;  /* NULL: deliver as ourselves */
	uint64_t last_probe_id;
	char *scratch;                 /* LIMIT_CLIENT_PIECE bytes, for the loop thread */
	bool closing;                  /* deliver_free is at work: nobody is told any more */
};
/* deliver_finish - log a delivery whose recipients all have answers and give it back */
void deliver_finish(struct deliver *d, struct delivery *job, struct delivery_facts *f);
void deliver_qid(const struct delivery *job, char out[QID_MAX]);

/* --- programs ----------------------------------------------------------------------------------------------------- */
void simple_start(struct deliver *d, struct delivery *job);    /* error, retry, discard, and what is not supported */
void simple_free_all(struct deliver *d);
void local_start(struct deliver *d, struct delivery *job);
void local_free_all(struct deliver *d);
void bounce_forget_all(struct deliver *d);
void smtp_start(struct deliver *d, struct delivery *job);      /* smtp and lmtp */
void probe_free_all(struct deliver *d);
bool probe_uses(const struct deliver *d, const struct master *m);

#endif
