/* relay - the daemon's shared state: one value that every file of this room is handed. All of it lives on the loop thread.
 *
 * Mail flows: listener -> session -> cleanup -> store -> schedule -> deliver. Reading order: start.c, session.c, cleanup.c. */
#ifndef CORE_DAEMON_RELAY_H
#define CORE_DAEMON_RELAY_H

#include "core/access/verify.h"
#include "core/deliver/deliver.h"
#include "core/access/clients.h"
#include "core/view/history.h"
#include "core/daemon/settings.h"

struct listener;
struct control_server;
struct pickup;

struct relay_counts {                  /* since start */
	uint64_t connects, silent_connects, rejects, submissions;
	uint64_t mail[HISTORY_COLUMNS];    /* messages accepted; recipients sent, deferred, bounced: one a try */
};
struct relay {
	struct loop *loop;
	struct pool *pool;                 /* handshakes, deliveries into files as ourselves */
	struct pool *store_pool;           /* the store's alone: a flush never waits behind what others control */
	struct dns *dns;
	const char *directory;             /* configuration directory */
	const char *const *extra;          /* name=value overrides of the command line */
	struct settings *settings;         /* the generation in force */
	struct list generations;           /* all that are still referenced, newest first */
	struct store *store;
	struct schedule *schedule;
	struct deliver *deliver;
	struct verify *verify;
	struct list listeners;
	struct list sessions;
	size_t n_sessions, max_sessions;
	size_t n_http;
	unsigned next_pid;                 /* pseudo pids of sessions */
	struct clients clients;
	struct relay_counts counts;
	struct history history;
	struct control_server *control;
	struct pickup *pickup;
	bool stopping;
	usec started;                      /* wall */
};

/* relay_run - the daemon: serve until told to stop; a sysexits code. Takes settings over. */
struct relay_options {
	const char *directory;
	const char *const *extra;
	bool daemonise;
	const struct conf_diag *found; /* what nobody was told yet: logged, once there is a log; or NULL */
};
int relay_run(struct settings *s, const struct relay_options *o);
void relay_log_findings(const struct conf_diag *found);
/* relay_reload - a new generation from disk; false with a logged reason, the old one stays in force */
bool relay_reload(struct relay *r);
/* relay_forget_settings - free the old generations that nobody uses any more; once a second */
void relay_forget_settings(struct relay *r);

#endif
