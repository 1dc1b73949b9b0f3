/* schedule - who is delivered when: one queue per destination (transport + nexthop), exact concurrency, backoff.
 *
 * A message is idle (in the due heap, nothing in memory but its qmsg), or active (envelope loaded, recipients resolved and
 * waiting at their destinations or being delivered). When every recipient of a try has its answer the state is stored:
 * removed, or back to the heap with the next due time = now + clamp(age, minimal, maximal backoff). The heap is looked at
 * every queue_run_delay at most: who comes due in between waits for the next look. A destination that
 * failed as a whole is dead for minimal_backoff_time; its recipients are deferred without a try ("delivery temporarily
 * suspended: …"). New mail and due mail take turns, and no destination may fill the active set (threats H6).
 * Logs the qmgr lines. Decides nothing about routes, protocols or notices: those are the ops'. */
#ifndef CORE_SCHEDULE_SCHEDULE_H
#define CORE_SCHEDULE_SCHEDULE_H

#include "core/conf/conf.h"
#include "core/net/loop.h"
#include "core/store/store.h"

/* a destination as the ops resolve it; texts live as long as the schedule keeps the destination */
struct dest {
	const struct master_transport *transport;
	const char *nexthop;           /* "[h]:587", "example.com", "" for local */
	void *owner;                   /* the deliver room's: idle sessions of this destination */
	bool soft;                     /* the queue is given away there: a permanent no is a temporary one */
	bool by_login;                 /* all that goes there has the login of the sender, the same */
	/* the schedule's */
	struct dest_private *priv;
};

/* one try: one message, one destination, some recipients. Made by the schedule, filled and returned by the deliverer. */
struct delivery {
	struct dest *dest;
	struct qmsg *msg;
	const struct envelope *envelope;
	size_t n;
	const struct rcpt **rcpts;     /* n pointers into the envelope */
	struct delivery_result {
		struct reply reply;    /* 2xx done, 4xx later, 5xx never; code 0 is not allowed */
		char relay[300];       /* "host[ip]:port", "local", "none": for logs and notices */
		char remote_mta[256];  /* host that gave the reply; "" = our own words */
		bool relayed;          /* handed to a server that does not do DSN (a success notice says relayed) */
		bool answered;         /* the reply is a server's about this mail, not about the way to it */
		bool doubtful;         /* the connection went after all was sent: a copy may have been taken */
	} *results;                    /* n rows */
	usec active_at, start_at;      /* wall: became active, given to the deliverer (delays=a/b/…) */
	/* the deliverer says: the destination as a whole failed (no session could be had): counts against its concurrency */
	bool dest_failed;
	bool dest_hopeless;            /* … and would fail again: its login was refused. It is dead at once */
	char dest_why[300];
	void *ctx;                     /* the deliverer's */
	struct delivery_private *priv;
};

struct schedule;
struct schedule_route {
	const struct master_transport *transport;
	struct str nexthop;
	struct str person;                 /* where a transport takes one recipient at a time: whose limit counts, however he is written; empty: the address's own */
	struct str login;                  /* of the sender, where it has one of its own there: mail of each waits apart from all other; or empty */
	struct reply failed;               /* code != 0: no route, 4xx or 5xx */
	bool asked_only;                   /* mail of this transport waits until somebody flushes it */
};
struct schedule_ops {
	/* where does this recipient go? texts in the arena */
	void (*route)(void *ctx, struct arena *a, const struct envelope *e, const struct rcpt *r, struct schedule_route *out);
	/* start delivering; answer with schedule_done(d), never from inside this call */
	void (*deliver)(void *ctx, struct delivery *d);
	/* no delivery goes or waits there any more: drop what dest->owner holds */
	void (*dest_idle)(void *ctx, struct dest *d);
	/* tell the sender (or postmaster) about these recipients, then schedule_notice_done(ticket, error). DSN_DELAYED notices
	 * are asked once per message. env and rows stay valid until then. */
	void (*notice)(void *ctx, void *ticket, int dsn_kind, struct qmsg *m, const struct envelope *e, const size_t *rcpts,
		const struct delivery_result *results, size_t n);
};
struct schedule_options {
	const struct conf *conf;       /* replaced at reload by schedule_reconfigure */
	struct loop *loop;
	struct store *store;
	const struct schedule_ops *ops;
	void *ctx;
};
struct schedule *schedule_new(const struct schedule_options *o);
void schedule_free(struct schedule *s);
/* schedule_reconfigure - the new settings count from now on. A transport that m has not any more is used till its deliveries end */
void schedule_reconfigure(struct schedule *s, const struct conf *conf, const struct master *m);
bool schedule_uses(const struct schedule *s, const struct master *m);    /* is a transport of m still referred to? */
void schedule_reroute(struct schedule *s);                              /* tables have changed: no message knows its destination any more */
void schedule_add(struct schedule *s, struct qmsg *m, bool fresh);     /* fresh: just accepted, at once; else at m->due.key */
void schedule_done(struct delivery *d);                                 /* frees d */
void schedule_notice_done(void *ticket, int error);
/* schedule_next - one more delivery for this destination, for a connection that is about to be free; NULL: nothing waits, or others
 * have the right to be next. It does not count against any limit until schedule_begin, which takes the place of the
 * delivery before it on that connection; schedule_return gives it back untried instead. */
struct delivery *schedule_next(struct dest *d);
void schedule_begin(struct delivery *j);
void schedule_return(struct delivery *j);                              /* frees j */
/* control */
enum schedule_verb { SCHEDULE_FLUSH, SCHEDULE_HOLD, SCHEDULE_RELEASE, SCHEDULE_DELETE, SCHEDULE_REQUEUE, SCHEDULE_EXPIRE };
int schedule_control(struct schedule *s, enum schedule_verb v, struct qmsg *m); /* 0, or -1 with errno (EBUSY while in delivery: DELETE takes effect after) */
size_t schedule_flush_all(struct schedule *s);                          /* makes everything due, dead destinations too */
size_t schedule_flush_site(struct schedule *s, struct str domain);      /* by recipient domain or nexthop */
void schedule_stop(struct schedule *s);                                 /* start nothing new (shutdown) */
/* schedule_drain - all that is queued is tried once more, now, and what would leave through a transport of smtp goes to nexthop through t,
 * which must live as long as the schedule. What is not taken there stays as it was, whatever the answer */
void schedule_drain(struct schedule *s, const struct master_transport *t, struct str nexthop);
bool schedule_is_drained(const struct schedule *s);                     /* nothing more will be begun */
void schedule_save(struct schedule *s);                                 /* answers that the store does not have yet go there now */
size_t schedule_in_flight(const struct schedule *s);                    /* deliveries with the deliverer now */
bool schedule_is_active(const struct qmsg *m);
struct schedule_dest_info { const char *transport, *nexthop; size_t waiting, in_flight, window, messages /* by the last count */; usec dead_until; const char *why; };
/* schedule_count - m, that is in the queue, counts for the destination that its last try led to; after all were counted,
 * schedule_counted makes the sums those that are told */
void schedule_count(struct schedule *s, const struct qmsg *m);
void schedule_counted(struct schedule *s);
bool schedule_each_dest(const struct schedule *s, size_t *cursor, struct schedule_dest_info *out);

#endif
