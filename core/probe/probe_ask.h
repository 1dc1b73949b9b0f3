/* probe_ask - questions that a delivery would ask, up to RCPT and never further: core/deliver carries them out with its own
 * TLS policy, AUTH and order of hosts, and what its sessions tell becomes findings. Three modes: what an address's servers
 * say (rcpt), what the next hops of a configuration say (relay), and whether a server relays for anybody (open relay). */
#ifndef CORE_PROBE_PROBE_ASK_H
#define CORE_PROBE_PROBE_ASK_H

#include "core/probe/probe.h"
#include "core/deliver/deliver.h"

#define PROBE_ROUTES 1000              /* next hops of one configuration that are asked */
#define PROBE_ASK_PARALLEL 16          /* each has a deliverer of its own */

struct probe_route {
	const char *target;            /* "smtp:[relay]:587 (relayhost)": how it is called in the output */
	const struct master_transport *transport;
	struct str site, rcpt;         /* the next hop as written, whom to ask it for: an address, or a domain */
	struct str key;                /* of the table that names it; empty: a parameter does */
};
struct probe_setup {                   /* what all questions share */
	struct conf *conf;
	struct master master;
	struct router *router;
	struct deliver_profiles *profiles;
	const char *sender, *rcpt;     /* MAIL FROM, RCPT TO; NULL: postmaster of the domain that is asked */
	struct probe_route *routes;
	size_t n_routes;
	bool cut;                      /* there are more routes */
	struct arena arena;
};
/* probe_setup_open - read the configuration: directory (NULL: built-in defaults only) with `name=value` overrides.
 * 0, or -1 with why */
int probe_setup_open(struct probe_setup *s, const char *directory, const char *const *overrides, struct buf *why);
void probe_setup_close(struct probe_setup *s);
/* probe_routes_find - fill routes: relayhost, fallback relays, transport tables. why: tables that cannot be walked */
void probe_routes_find(struct probe_setup *s, struct buf *why);

/* for struct probe_list; target: an address, the name of a route, a host. p->exit_code: rcpt 1 refused, 75 later; open
 * relay 2 */
void probe_rcpt_start(struct probe *p, const struct probe_options *o, const char *target, void (*done)(struct probe *, void *), void *ctx);
void probe_relay_start(struct probe *p, const struct probe_options *o, const char *target, void (*done)(struct probe *, void *), void *ctx);
void probe_open_start(struct probe *p, const struct probe_options *o, const char *target, void (*done)(struct probe *, void *), void *ctx);

/* --- inside -------------------------------------------------------------------------------------------------------- */
struct ask {                           /* one question after the other, to one next hop */
	struct probe *probe;
	const struct probe_setup *setup;
	struct deliver *deliver;
	struct loop_timer timer;       /* until the sessions have said QUIT */
	struct loop_task task;
	usec give_up;
	struct arena arena;
	struct dest dest;
	struct qmsg msg;
	struct envelope envelope;
	struct rcpt rcpt;
	const struct rcpt *rcpts[1];
	struct delivery job;
	struct delivery_result result;
	size_t turn;                   /* which question */
	bool silent;                   /* sessions tell only what went wrong */
	unsigned lost;                 /* sessions that failed since RCPT was answered */
	bool catch_all;                /* open relay: any address at the server's own name is taken */
	void (*told)(struct ask *a, const struct deliver_step *s, int host, int address); /* RCPT was answered; may be NULL */
	void (*answered)(struct ask *a); /* the delivery is over: a->result. Then ask_put or ask_end */
};
/* ask_begin - a probe that is filled by asking; every: all addresses of the next hop, not only until one has answered */
struct ask *ask_begin(struct probe *p, const struct probe_options *o, const char *target, void (*done)(struct probe *, void *),
	void *ctx, bool every);
void ask_put(struct ask *a, const struct master_transport *t, struct str site, struct str sender, struct str rcpt);
void ask_end(struct ask *a);

#endif
