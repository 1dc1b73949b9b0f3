/* smtp_policy - what stands between an address and its connection: what the server there must prove and how the session is to be
 * covered. It may have to be asked for, so its answer may come later; what parameters and tables say comes at once. */
#ifndef CORE_DELIVER_SMTP_SMTP_POLICY_H
#define CORE_DELIVER_SMTP_SMTP_POLICY_H

#include "core/deliver/smtp/smtp_tls.h"

struct smtp_policy {
	struct tls_demand *demand;     /* owned, until a session takes it */
	void (*go_on)(struct smtp_policy *q);  /* the answer has come */
	/* what is being asked */
	struct deliver *d;
	struct smtp_profile *profile;
	const struct smtp_target *target;
	enum tls_wish wish;
	struct dane *dane;             /* owned; NULL: nothing is */
	struct dns_query *query;
	struct sts_wait *sts;
};
/* smtp_policy_wish - what the message wants of TLS, on its way to t by this transport: nothing of a socket in this machine's file system, and
 * nothing where its mailbox is on this machine */
enum tls_wish smtp_policy_wish(const struct smtp_profile *p, const struct delivery *job, const struct smtp_target *t);
/* smtp_policy_ask - true: q->demand is there; false: go_on is called. Whatever q had is forgotten */
bool smtp_policy_ask(struct smtp_policy *q, struct deliver *d, struct smtp_profile *p, const struct smtp_target *t, enum tls_wish wish);
/* smtp_policy_domain - the domain whose MX records lead there: a view of t's text; false: somebody wrote the host down */
bool smtp_policy_domain(const struct smtp_profile *p, const struct smtp_target *t, struct str *domain);
/* smtp_policy_doubt - a session that had this demand failed: what it rests on is looked up again soon */
void smtp_policy_doubt(struct deliver *d, const struct tls_demand *x);
/* smtp_policy_sts - what is known of the MTA-STS policy that counts for mail to t. False: none could, or nothing is known yet, and *asked
 * says that somebody is finding out */
bool smtp_policy_sts(struct deliver *d, struct smtp_profile *p, const struct smtp_target *t, struct sts_known *out, bool *asked);
void smtp_policy_fini(struct smtp_policy *q);          /* nobody is called any more */
void smtp_policy_free_demand(struct tls_demand *x);    /* NULL: nothing */
/* smtp_policy_believes - false with why: level is one that the DNS decides, and no name server of /etc/resolv.conf can be
 * believed about DNSSEC */
bool smtp_policy_believes(const struct tls_level *level, struct buf *why);

#endif
