/* smtp_policy - see smtp_policy.h. */
#include "core/deliver/smtp/smtp_policy.h"

#include "core/base/mem.h"

void smtp_policy_free_demand(struct tls_demand *x)
{
	if (!x)
		return;
	tls_demand_fini(x);
	mem_free(x);
}

void smtp_policy_fini(struct smtp_policy *q)
{
	smtp_policy_free_demand(q->demand);
	q->demand = NULL;
}

bool smtp_policy_ask(struct smtp_policy *q, struct deliver *d, struct smtp_profile *p, const struct smtp_target *t)
{
	smtp_policy_fini(q);
	smtp_profile_refresh_all(d);
	q->demand = MEM_NEW(struct tls_demand);
	smtp_tls_find(p, t, q->demand, NULL);
	return true;
}
