/* schedule_private - what the files of the schedule share.
 *
 * schedule.c          who may become active next, and when; the public calls
 * schedule_active.c   one try of one message: loaded, routed, split into parts
 * schedule_finish.c   the end of a try: notices, then removed, deferred or held
 * schedule_dest.c     destinations: dead ones, who is given to the deliverer next
 * window.c            how many deliveries at once: arithmetic only
 * schedule_drain.c    giving the queue away before the end
 * schedule_control.c  hold, release, delete, requeue, expire, flush
 * schedule_log.c      qmgr's log lines */
#ifndef CORE_SCHEDULE_SCHEDULE_PRIVATE_H
#define CORE_SCHEDULE_SCHEDULE_PRIVATE_H

#include "core/base/arena.h"
#include "core/base/hash.h"
#include "core/base/heap.h"
#include "core/schedule/schedule.h"
#include "core/schedule/window.h"

enum schedule_kind { KIND_FRESH, KIND_DUE, KINDS }; /* new mail and old mail take turns */

/* what a transport's parameters say of each of its destinations, looked up once for all of them */
struct dest_rules {
	int64_t rcpt_limit, cohort_limit, limit, initial;
	usec rate_delay;
	struct feedback grow, shrink;
};

struct transport_queue {
	char *name;
	struct dest_rules rules;
	int64_t maxproc;               /* 0: no limit */
	size_t in_flight;
	bool per_rcpt;                 /* one recipient per delivery: then Postfix limits per recipient and not per nexthop */
	struct list ready;             /* destinations that have parts waiting, in turn */
};

struct dest_private {
	struct dest d;
	struct schedule *s;
	char *key, *nexthop;
	char *shown;                   /* the next hop, as it is told */
	uint32_t number;               /* what a message keeps to find it again; a new one when routes may have changed */
	size_t key_len;
	size_t users;                  /* messages that will wait here once their other recipients are done */
	struct transport_queue *tq;
	struct list ready;             /* in tq->ready */
	struct list waiting[KINDS];    /* parts */
	struct list parked[KINDS];     /* messages that wait for room in `waiting`; only their qmsg is in memory */
	size_t n_waiting, in_flight;
	size_t counted, messages;      /* of a count under way, of the last */
	unsigned turn, park_turn;      /* which kind is next */
	struct dest_window window;
	int64_t rcpt_limit;
	usec rate_delay;
	usec dead_until, next_start;   /* mono; 0: not dead, may start */
	usec dead_wall;
	uint64_t died;                 /* s->asked at its death */
	uint64_t put_off;              /* messages that its death put off unread */
	char why[300];
	struct loop_timer timer;
	usec idle_since;               /* mono; 0: in use */
};

/* some recipients of one message for one destination: what one delivery will carry */
struct part {
	struct list link;              /* at the destination while it waits */
	struct list mine;              /* in active->parts */
	struct active *a;
	struct dest_private *dest;
	size_t n;
	uint32_t rcpts[];
};

enum outcome { OUTCOME_NONE, OUTCOME_DONE, OUTCOME_RELAYED, OUTCOME_LATER, OUTCOME_NEVER };
struct rcpt_try {
	uint8_t outcome;               /* enum outcome of this try */
	bool silent;                   /* done without a delivery notice: the next server will send it */
	const char *relay, *remote_mta;
};

/* a message that is being tried */
struct active {
	struct schedule *s;
	struct qmsg *m;
	struct list link;              /* s->active */
	struct list dirty;             /* s->dirty: results that are not in the store yet */
	struct arena arena;
	struct envelope env;
	struct rcpt_state *states;
	struct rcpt_try *tries;        /* n_rcpts */
	struct list parts;
	size_t n_parts, in_flight;
	enum schedule_kind kind;
	struct dest_private *congested; /* some recipients were left out: it has no room for them */
	uint32_t dest;                 /* number of the destination of all recipients; 0: none yet */
	bool scattered;                /* they have several, or one has none */
	bool tried;                    /* somebody answered, or would have */
	bool changed;                  /* the store's state is not what is here */
	bool deleted;
	bool retry_soon;               /* a notice could not be queued */
	bool flush;                    /* asked for by hand meanwhile */
	bool warned;                   /* the delay notice is queued */
	bool before_drain;             /* it was begun before the queue was given away */
	usec active_at;                /* wall */
	/* while it ends */
	int step;                      /* notices asked so far */
	size_t from;                   /* recipients of this kind told so far */
	size_t *rows;
	struct delivery_result *row_results;
	size_t n_rows;
};

struct delivery_private {
	struct part *part;
	enum schedule_kind kind;
};

struct schedule {
	struct schedule_options o;
	const struct conf *conf;
	struct heap due;
	struct list ready[KINDS];      /* messages that may become active now */
	struct list active, dirty;
	size_t n_active, in_flight;
	unsigned turn;
	/* mail that was due by scanned (wall) may be tried; the next look at the queue is not before next_scan (mono) */
	usec scanned, next_scan;
	uint64_t asked;                /* requests by hand: what was dead before one does not keep its mail, what dies later does */
	/* mono: when new mail last came; until when old mail pauses, if new mail comes; what old mail took since its last pause */
	usec fresh_at, old_after, old_took;
	struct table dests, transports;
	struct idmap numbers;          /* of dests */
	uint32_t last_number;
	struct loop_task run;
	struct loop_timer due_timer, dirty_timer, site_timer;
	bool stopped;
	/* where the queue is given away; NULL: it is not */
	const struct master_transport *drain_transport;
	char *drain_nexthop;
	/* a flush by site that looks through a large queue in slices */
	char *site;
	size_t site_cursor;
};

/* schedule.c */
bool schedule_may_begin(const struct schedule *s);                      /* no delivery is begun while its result could not be stored */
void schedule_wake(struct schedule *s);                                 /* look for work at the end of this tick */
void schedule_wait(struct schedule *s, struct qmsg *m, usec due);       /* into the heap */
void schedule_unlink(struct schedule *s, struct qmsg *m);               /* out of the heap and every list */
void schedule_ready(struct schedule *s, struct qmsg *m, enum schedule_kind kind);
usec schedule_backoff(const struct schedule *s, const struct qmsg *m, usec now);
void schedule_mark_dirty(struct schedule *s, struct active *a);         /* somebody is done, others are not: store that soon */
void schedule_store_dirty(struct schedule *s, struct active *a);

/* schedule_active.c */
void active_begin(struct schedule *s, struct qmsg *m, enum schedule_kind kind);
void active_free(struct active *a);
void active_set(struct active *a, size_t i, const struct reply *r);      /* what is now known of recipient i */
void active_part_gone(struct part *p);                                   /* p had its answers; may end the try */
void active_suspend(struct part *p, const char *why);                    /* no try: the destination is dead */
void active_cancel(struct active *a);                                    /* takes back what still waits */

/* schedule_finish.c */
void finish_begin(struct active *a);

/* schedule_dest.c */
/* dest_get - where mail of this recipient waits; login: of the sender, or empty */
struct dest_private *dest_get(struct schedule *s, const struct master_transport *t, struct str nexthop, struct str login, struct str rcpt);
struct dest_private *dest_of(const struct schedule *s, const struct qmsg *m);  /* NULL: its envelope must tell */
void transport_configure(struct transport_queue *t, const struct conf *c);
void dest_reconfigure(struct dest_private *d, const struct master *m);
void dest_add(struct dest_private *d, struct part *p, enum schedule_kind kind);
/* dest_use - keep d until dest_unuse, though nothing waits there */
void dest_use(struct dest_private *d);
void dest_unuse(struct dest_private *d);
void dest_park(struct dest_private *d, struct qmsg *m, enum schedule_kind kind);
bool dest_is_congested(const struct dest_private *d);
bool dest_is_dead(const struct dest_private *d);
/* dest_is_dead_for - dead, and m was not asked for since */
bool dest_is_dead_for(const struct dest_private *d, const struct qmsg *m);
void dest_revive(struct dest_private *d);
void dest_check_idle(struct dest_private *d);
void dest_dispatch(struct schedule *s);
void dest_free(struct dest_private *d);
void transport_free(struct transport_queue *t);

/* schedule_drain.c */
bool drain_takes(const struct schedule *s, const struct schedule_route *route);
struct dest_private *drain_dest(struct schedule *s, struct str rcpt);
bool drain_again(const struct active *a);

/* schedule_control.c */
void schedule_site_slice(struct loop_timer *t);

/* schedule_log.c */
void schedule_log_active(const struct qmsg *m, const struct envelope *e);
void schedule_log_removed(const struct qmsg *m);
void schedule_log_expired(const struct qmsg *m, const struct envelope *e);
/* schedule_log_error - the line of Postfix's error(8): an answer without a delivery */
void schedule_log_error(const struct active *a, size_t rcpt, const struct reply *r, usec now);

#endif
