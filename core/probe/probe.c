/* probe - the frame: start everything, wait until nothing is pending, judge, tell. */
#include "core/probe/probe.h"

#include <stdarg.h>

#include "core/base/mem.h"
#include "core/probe/probe_out.h"

const char *probe_verdict_word(enum probe_verdict v)
{
	static const char *const words[] = { "ok", "note", "warning", "problem" };

	return words[v];
}

void probe_hold(struct probe *p)
{
	p->pending++;
}

void probe_release(struct probe *p)
{
	if (--p->pending)
		return;
	if (!p->opt->setup)
		probe_judge(p);
	probe_expect(p);
	p->done(p, p->ctx);
}

void probe_find(struct probe *p, enum probe_verdict v, int host, int address, const char *check, const char *advice,
	const char *fmt, ...)
{
	struct probe_finding *f;
	va_list ap;

	if (p->n_findings == PROBE_FINDINGS)
		return;
	f = &p->findings[p->n_findings++];
	*f = (struct probe_finding){ .verdict = v, .host = host, .address = address, .check = check, .advice = advice };
	va_start(ap, fmt);
	vsnprintf(f->text, sizeof(f->text), fmt, ap);
	va_end(ap);
	p->count[v]++;
}

void probe_init(struct probe *p, const struct probe_options *o, const char *target, void (*done)(struct probe *p, void *ctx), void *ctx)
{
	memset(p, 0, sizeof(*p));
	p->opt = o;
	p->done = done;
	p->ctx = ctx;
	p->findings = mem_array(NULL, PROBE_FINDINGS, sizeof(*p->findings));
	snprintf(p->target, sizeof(p->target), "%s", target);
}

void probe_start(struct probe *p, const struct probe_options *o, const char *target, void (*done)(struct probe *p, void *ctx), void *ctx)
{
	probe_init(p, o, target, done, ctx);
	probe_hold(p);
	probe_dns_start(p);
	if (!o->server)
		probe_txt_start(p);
	/* dns never answers from inside its calls, so what was started is still pending here */
	probe_release(p);
}

void probe_fini(struct probe *p)
{
	for (size_t i = 0; i < p->n_hosts; i++)
		for (size_t k = 0; k < p->hosts[i].n; k++)
			mem_free(p->hosts[i].v[k]);
	mem_free(p->findings);
	p->findings = NULL;
}
