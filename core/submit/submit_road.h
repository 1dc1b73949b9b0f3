/* submit_road - one message through core/deliver, with a loop of its own that runs until every recipient has an answer. What
 * relayd's deliveries do (hosts, TLS policy, AUTH, order of servers) is done here by the same code. */
#ifndef CORE_SUBMIT_SUBMIT_ROAD_H
#define CORE_SUBMIT_SUBMIT_ROAD_H

#include "core/deliver/deliver.h"
#include "core/submit/submit.h"

struct road_hop {                      /* where a recipient's mail goes */
	const struct master_transport *transport;
	struct str nexthop;            /* ends with a NUL */
	struct reply failed;           /* code != 0: nowhere, and this is why */
};
struct submit_road {
	const struct conf *conf;
	struct master *master;         /* the transports that hops name */
	struct router *router;         /* NULL where nothing is looked up */
	const struct submit_options *options;  /* may be NULL */
	struct str content;            /* CRLF lines */
	uint64_t id;                   /* queue id of the message, for the log */
	int socket;                    /* a connected one, taken over, that all goes to; -1: none */
};
/* submit_road_run - results has a row for each recipient of e, as hops has. 0, or -1 with why: the settings cannot be used */
int submit_road_run(struct submit_road *r, const struct envelope *e, const struct road_hop *hops, struct delivery_result *results,
	struct buf *why);

#endif
