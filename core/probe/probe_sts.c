/* probe_sts - fetch an MTA-STS policy (RFC 8461 3.3), as deliveries do. */
#include "core/base/limits.h"
#include "core/net/fetch.h"
#include "core/probe/probe.h"

static void on_policy(void *ctx, const struct fetch_answer *a)
{
	struct probe *p = ctx;

	p->sts.fetched = a->status == 200;
	buf_str(&p->sts.text, a->body);
	snprintf(p->sts.type, sizeof(p->sts.type), "%.*s", STR_ARG(a->type));
	if (a->status)
		snprintf(p->sts.why, sizeof(p->sts.why), "the server answers %d", a->status);
	else
		snprintf(p->sts.why, sizeof(p->sts.why), "%s", a->why);
	probe_release(p);
}

void probe_sts_start(struct probe *p)
{
	struct fetch_options o = { .loop = p->opt->loop, .dns = p->opt->dns, .tls = p->opt->tls, .path = STR("/.well-known/mta-sts.txt"),
		.port = FETCH_HTTPS, .accept = "text/plain", .most = LIMIT_STS_POLICY, .time = p->opt->time, .families = p->opt->families,
		.names = DNS_ONLY };
	char host[300];

	p->sts.asked = true;
	snprintf(p->sts.why, sizeof(p->sts.why), "TLS is not used (--tls none)");
	if (!o.tls)
		return;
	snprintf(host, sizeof(host), "mta-sts.%s", p->target);
	o.host = str_of(host);
	probe_hold(p);
	fetch_start(&o, on_policy, p);
}
