/* smtp_policy - what stands between an address and its connection: what the server there must prove and how the session is to be
 * covered. It may have to be asked for, so its answer may come later; what parameters and tables say comes at once. */
#ifndef CORE_DELIVER_SMTP_SMTP_POLICY_H
#define CORE_DELIVER_SMTP_SMTP_POLICY_H

#include "core/deliver/smtp/smtp_tls.h"

struct smtp_policy {
	struct tls_demand *demand;     /* owned, until a session takes it */
	void (*go_on)(struct smtp_policy *q);  /* the answer has come */
	/* what is being asked, at level dane */
	struct dns *dns;
	const struct conf *conf;
	struct dane *dane;             /* owned; NULL: nothing is */
	struct dns_query *query;
};
/* smtp_policy_ask - true: q->demand is there; false: go_on is called. Whatever q had is forgotten */
bool smtp_policy_ask(struct smtp_policy *q, struct deliver *d, struct smtp_profile *p, const struct smtp_target *t);
void smtp_policy_fini(struct smtp_policy *q);          /* nobody is called any more */
void smtp_policy_free_demand(struct tls_demand *x);    /* NULL: nothing */
/* smtp_policy_believes - false with why: level is one that the DNS decides, and no name server of /etc/resolv.conf can be
 * believed about DNSSEC */
bool smtp_policy_believes(const struct tls_level *level, struct buf *why);

#endif
