/* judge - the restriction lists of an event, with what they ask of the network: DNS and address probes. Sessions judge with it, and
 * who asks what would be judged (explain.h): it is the same code.
 *
 * judge_begin, then access_next(&j->run) until it is done. ACCESS_ASK: judge_ask, and when that is true the answer comes later, by
 * j->wake; ACCESS_SLEEP is the owner's, who says judge_answer when the time is over. */
#ifndef CORE_DAEMON_JUDGE_H
#define CORE_DAEMON_JUDGE_H

#include "core/access/access.h"
#include "core/access/verify.h"
#include "core/net/dns.h"

struct judge {
	struct dns *dns;
	struct verify *verify;         /* NULL: nobody probes, and judge_ask is not asked to */
	struct arena *arena;           /* of the transaction */
	void (*wake)(struct judge *j); /* the question has its answer */
	struct access_request request;
	struct access_run run;
	struct reply *later[ACCESS_SENDER + 1]; /* put off at the connection, HELO and MAIL; NULL: nothing */
	struct dns_query *query;       /* for run's question */
	struct verify_wait *waiting;
	struct ipaddr *listed;         /* what a list of DNS gave; in the arena */
	size_t n_listed;
	struct access_host *hosts;     /* of a domain; in the arena */
	size_t n_hosts, host_at;
	struct str host_domain;        /* the one that is asked now: it or one above it */
};
/* judge_begin - set out to judge `event` for j->request; false: nothing is judged */
bool judge_begin(struct judge *j, const struct access_rules *rules, enum access_event event, struct reply *reply);
/* judge_done - after ACCESS_DONE: true: accepted. What was put off is kept for the recipients that follow */
bool judge_done(struct judge *j);
bool judge_ask(struct judge *j);
void judge_answer(struct judge *j, const struct access_answer *a);     /* and j->wake */
void judge_cancel(struct judge *j);
void judge_fini(struct judge *j);
/* judge_name - of dns_lookup_name's answer: how sure the client's name is; *name becomes "unknown" if it is not. reverse: what the address
 * says it is, another's name maybe */
enum access_name judge_name(enum dns_status status, const char **name, const char *why, struct str *reverse);
bool judge_ask_hosts(struct judge *j);         /* judge_hosts.c, for judge_ask */

#endif
