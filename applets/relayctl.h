/* relayctl - what the files of this applet share: its options as values, and the requests that are about mail in the queue. */
#ifndef APPLETS_RELAYCTL_H
#define APPLETS_RELAYCTL_H

#include "applets/applet.h"
#include "applets/relayctl_oauth.h"
#include "core/base/limits.h"
#include "core/conf/conf.h"
#include "core/view/queue_view.h"

extern const struct applet applet_relayctl;

struct relayctl {
	const struct conf *conf;
	struct queue_view view;
	bool json, ids, watch, chosen, remove;
	usec interval;
	const char *from, *client, *helo, *sasl, *port, *logs[LIMIT_TRACE_LOGS];
	size_t n_logs;
	const char *directory, **started; /* -o, until a NULL */
	size_t n_started;
	struct relayctl_oauth oauth;
	char **args;
	int n_args;
};

/* --- relayctl_queue.c --- rows of the table of requests; ctx: a struct relayctl */
int relayctl_queue(void *ctx, const struct applet_verb *verb);
int relayctl_show(void *ctx, const struct applet_verb *verb);
int relayctl_trace(void *ctx, const struct applet_verb *verb);
int relayctl_change(void *ctx, const struct applet_verb *verb);
int relayctl_flush(void *ctx, const struct applet_verb *verb);
int relayctl_stats(void *ctx, const struct applet_verb *verb);

#endif
