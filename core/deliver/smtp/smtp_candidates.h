/* smtp_candidates - the servers that a delivery may be given to, one after the other: next hops in order, the addresses of each in
 * order, then the fallback relays. An address that just failed is put off to the end while others are left, so a dead first
 * relay costs its timeout once, not per message. */
#ifndef CORE_DELIVER_SMTP_SMTP_CANDIDATES_H
#define CORE_DELIVER_SMTP_SMTP_CANDIDATES_H

#include "core/deliver/smtp/smtp_hosts.h"
#include "core/deliver/smtp/smtp_target.h"

struct smtp_candidates {
	struct deliver *d;
	struct smtp_profile *profile;
	struct str domain;             /* of the recipients: a next hop that is another was written down by somebody */
	struct smtp_turn *turn;
	/* go_on - names were looked up: ask for the next one. failed - a next hop leads nowhere, and the next one is asked for */
	void (*go_on)(struct smtp_candidates *c);
	void (*failed)(struct smtp_candidates *c, const struct reply *r);
	struct str sites, fallbacks;   /* what is left of the lists */
	/* the next hop whose turn it is */
	char site[LIMIT_CLIENT_SITE];
	bool explicit, in_fallback, shared /* one of several equal addresses */;
	/* the rest is the iterator's */
	unsigned site_number;
	uint16_t port;
	struct smtp_hosts *hosts;      /* being looked up */
	struct smtp_candidate *v;      /* addresses of this site */
	size_t n, at, limit;
	unsigned sessions_left;
	bool had_session;              /* at this site */
	struct smtp_target *skipped;   /* known to fail, for the end */
	size_t n_skipped;
	unsigned best_failed;          /* rank of the best address that failed or was put off */
};
enum smtp_next { SMTP_NEXT_FOUND, SMTP_NEXT_WAIT /* go_on comes */, SMTP_NEXT_OVER };

/* smtp_candidates_start - d, profile, domain, turn, go_on and failed are set already */
void smtp_candidates_start(struct smtp_candidates *c, struct str nexthops, struct str fallbacks);
void smtp_candidates_fini(struct smtp_candidates *c);
enum smtp_next smtp_candidates_next(struct smtp_candidates *c, struct smtp_target *out);
bool smtp_candidates_is_last(const struct smtp_candidates *c); /* no other server would be asked after the one that is */
void smtp_candidates_note_failed(struct smtp_candidates *c, const struct smtp_target *t);
/* smtp_candidates_note_session - one of the sessions that smtp_mx_session_limit allows; good: it came to a transaction */
void smtp_candidates_note_session(struct smtp_candidates *c, const struct smtp_target *t, bool good);

#endif
