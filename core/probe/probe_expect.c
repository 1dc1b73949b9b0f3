/* probe_expect - what the caller asked for is a finding like any other, so every kind of output has it. */
#include "core/probe/probe_out.h"

usec probe_took(const struct probe_address *a)
{
	return a->connect_time + a->banner_time + a->ehlo_time + a->tls_time;
}

static void expect_of(struct probe *p, int h, int k)
{
	const struct probe_options *o = p->opt;
	const struct probe_address *a = p->hosts[h].v[k];
	usec took = probe_took(a);
	bool problem = o->slow_problem && took > o->slow_problem;

	if (problem || (o->slow_warning && took > o->slow_warning))
		probe_find(p, problem ? PROBE_PROBLEM : PROBE_WARNING, PROBE_ADDRESS(h, k), "time", "see which step takes so long", "slow: %.0f ms", (double)took / USEC_PER_MSEC);
	if (o->must_tls && a->stage == PROBE_FINISHED && !a->tls_done)
		probe_find(p, PROBE_PROBLEM, PROBE_ADDRESS(h, k), "tls", "offer STARTTLS: smtpd_tls_security_level = may", "no TLS, which --tls=must asks for");
}

void probe_expect(struct probe *p)
{
	for (size_t h = 0; h < p->n_hosts; h++)
		for (size_t k = 0; k < p->hosts[h].n; k++)
			expect_of(p, (int)h, (int)k);
}
