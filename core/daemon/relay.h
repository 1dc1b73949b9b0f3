/* relay - the daemon's shared state: one value that every file of this room is handed. All of it lives on the loop thread.
 *
 * Mail flows: listener -> session -> cleanup -> store -> schedule -> deliver. Reading order: start.c, session.c, cleanup.c. */
#ifndef CORE_DAEMON_RELAY_H
#define CORE_DAEMON_RELAY_H

#include "core/access/verify.h"
#include "core/deliver/deliver.h"
#include "core/access/clients.h"
#include "core/view/history.h"
#include "core/daemon/notify.h"
#include "core/daemon/sandbox.h"

struct inherited;
struct listener;
struct control_server;
struct pickup;

struct relay_counts {                  /* since start */
	uint64_t connects, silent_connects, rejects, submissions, memory_refusals;
	uint64_t mail[HISTORY_COLUMNS];    /* messages accepted; recipients sent, deferred, bounced: one a try */
};
struct relay {
	struct loop *loop;
	struct pool *pool;                 /* handshakes, in turn for each client */
	struct pool *file_pool;            /* deliveries into files as ourselves, which wait for others' locks */
	struct pool *store_pool;           /* the store's alone: a flush never waits behind what others control */
	struct pool *auth_pool;            /* password hashes, behind which nobody's handshake waits; NULL until the first */
	uint8_t auth_secret[32];           /* session_auth.c */
	bool has_auth_secret;
	struct loop_io hashed;             /* of auth_pool */
	struct dns *dns;                   /* of deliveries; the two below are separate so that no flood of clients' questions delays these */
	struct dns *name_dns, *judge_dns;  /* clients' names; what restrictions ask */
	const char *directory;             /* configuration directory */
	const char *const *extra;          /* name=value overrides of the command line */
	struct sandbox sandbox;
	struct settings *settings;         /* the generation in force */
	struct list generations;           /* all that are still referenced, newest first */
	struct store *store;
	struct schedule *schedule;
	struct deliver *deliver;
	struct verify *verify;
	struct list listeners;
	struct inherited *inherited;       /* sockets that others made */
	struct list sessions;
	size_t n_sessions, max_sessions;
	struct reply *spare_answer;        /* room for the next event's */
	size_t memory_system, memory_limit; /* bytes: what there is, what all may hold (pressure.c) */
	size_t promised;                   /* bytes that come back at the end of the tick that began at … */
	usec promised_at, pressure_warned;
	size_t n_waiting;                  /* accepted, without a session yet */
	struct loop_task places;           /* a session has ended while somebody waits */
	struct list visitors, answers;     /* who asks over HTTP, and what others may be told as well (web.c) */
	struct census *census;             /* what the queue is made of; NULL until somebody asks */
	unsigned next_pid;                 /* pseudo pids of sessions */
	struct clients clients;
	struct relay_counts counts;
	usec reported_at;                  /* mono: when the postmaster was last told of a session; 0: never */
	struct history history;
	struct control_server *control;
	struct pickup *pickup;
	struct notify notify;              /* of who supervises us */
	bool leaving;                      /* about to stop: /readyz says so, mail is still taken */
	bool stopping;
	bool handing_over;                 /* … because another relayd has the sockets now */
	usec last_call;                    /* mono: … until then who has just come may bring one message */
	usec stop_by;                      /* mono: … and then what is left is cut off */
	bool has_helper;
	bool in_foreground;                /* whoever started us waits for our end */
	struct loop_timer stop_timer;      /* the end of shutdown_delay, of the last call, of shutdown_timeout */
	usec started;                      /* wall */
};

/* relay_run - the daemon: serve until told to stop; a sysexits code. Takes settings over. */
struct relay_options {
	const char *directory;
	const char *const *extra;
	bool daemonise;
	bool takeover;                 /* from the relayd that runs on this queue, if one does */
	const struct conf_diag *found; /* what nobody was told yet: logged, once there is a log; or NULL */
};
int relay_run(struct settings *s, const struct relay_options *o);
/* relay_open_log - where the configuration says; 0, or -1 (said) */
int relay_open_log(const struct conf *c, bool background);
void relay_log_findings(const struct conf_diag *found);
/* relay_log_serves - "WORDS -- version V, configuration DIR" */
void relay_log_serves(const struct relay *r, const char *event, const char *words);
/* relay_stop - as TERM does: after shutdown_delay take no more mail, finish what is under way and give the queue to drain_relay within
 * shutdown_timeout; then relay_run returns. A second call ends the delay. why: for the log */
void relay_stop(struct relay *r, const char *why);
/* relay_hand_over - the same, without delay and drain: another process has the sockets and waits for the queue */
void relay_hand_over(struct relay *r);
void relay_stop_init(struct relay *r);
void relay_stop_check(void *r);        /* at the end of each tick: is all over? */
void relay_tell_stopping(const struct relay *r);       /* the supervisor, what is still under way */
/* relay_reload - a new generation from disk; false with a logged reason, the old one stays in force */
bool relay_reload(struct relay *r);
/* relay_look_at_secrets - a reload when a file that a _FILE variable names has changed; once a second */
void relay_look_at_secrets(struct relay *r);
/* relay_forget_settings - free the old generations that nobody uses any more; once a second */
void relay_forget_settings(struct relay *r);

#endif
