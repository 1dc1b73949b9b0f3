/* probe - the frame: start everything, let the checks ask until they know enough, then let them tell. */
#include "core/probe/probe.h"

#include "core/base/mem.h"
#include "core/net/dns_files.h"
#include "core/probe/probe_out.h"
#include "core/probe/probe_seen.h"

/* something is known that was not: after the tick, so that what comes together counts once */
static void on_turn(struct loop_task *t)
{
	struct probe *p = LIST_ITEM(t, struct probe, turn);

	p->dry = true;
	probe_check(p);
	p->dry = false;
	if (p->pending || p->asking)
		return;
	probe_check(p);
	probe_expect(p);
	p->done(p, p->ctx);
}

struct asked { struct probe *probe; struct fact *fact; };

static void on_answer(void *ctx, const struct dns_answer *a)
{
	struct asked *q = ctx;

	facts_learn(&q->probe->facts, q->fact, a);
	q->probe->asking--;
	loop_defer(q->probe->opt->loop, &q->probe->turn);
	mem_free(q);
}

static void ask(void *ctx, struct fact *f)
{
	struct probe *p = ctx;
	struct asked *q = MEM_NEW(struct asked);
	struct dns_server at = { .loopback = false };

	*q = (struct asked){ p, f };
	p->asking++;
	if (f->at.family != AF_UNSPEC)
		at.n = ipaddr_to_sockaddr(&f->at, 53, &at.a);
	dns_ask_at(p->opt->dns, at.n ? &at : NULL, str_of(f->name), f->type, on_answer, q);
}

void probe_init(struct probe *p, const struct probe_options *o, const char *target, void (*done)(struct probe *p, void *ctx), void *ctx)
{
	memset(p, 0, sizeof(*p));
	p->opt = o;
	p->done = done;
	p->ctx = ctx;
	facts_init(&p->facts, ask, p);
	buf_init(&p->sts.text, LIMIT_STS_POLICY);
	loop_task_init(&p->turn, on_turn);
	p->port = o->port;
	p->wrapper = o->wrapper || (o->port == 465 && o->may_wrap);
	snprintf(p->target, sizeof(p->target), "%s", target);
}

void probe_start(struct probe *p, const struct probe_options *o, const char *target, void (*done)(struct probe *p, void *ctx), void *ctx)
{
	probe_init(p, o, target, done, ctx);
	probe_hold(p);
	probe_dns_start(p);
	/* dns never answers from inside its calls, so what was started is still pending here */
	probe_release(p);
}

void probe_fini(struct probe *p)
{
	for (size_t i = 0; i < p->n_hosts; i++)
		for (size_t k = 0; k < p->hosts[i].n; k++)
			probe_address_free(p->hosts[i].v[k]);
	mem_free(p->findings);
	p->findings = NULL;
	buf_fini(&p->sts.text);
	facts_fini(&p->facts);
}
