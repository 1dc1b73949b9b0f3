/* probe - the frame: start everything, let the checks ask until they know enough, then let them tell. */
#include "core/probe/probe.h"

#include <stdarg.h>

#include "core/base/mem.h"
#include "core/base/term.h"
#include "core/net/dns_files.h"
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
	p->pending--;
	loop_defer(p->opt->loop, &p->turn);
}

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

void probe_find(struct probe *p, enum probe_verdict v, struct probe_place at, const char *check, const char *advice,
	const char *fmt, ...)
{
	char text[600];
	struct buf shown;
	va_list ap;

	if (p->dry || p->n_findings == PROBE_FINDINGS)
		return;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	/* names, records and replies are text of strangers; from here on they are to be shown */
	buf_init(&shown, 4 * sizeof(text));
	term_text(&shown, str_of(text));
	if (p->n_findings == p->room) {
		p->room = p->room ? 2 * p->room : 32;
		p->findings = mem_array(p->findings, p->room, sizeof(*p->findings));
	}
	p->findings[p->n_findings++] = (struct probe_finding){ .verdict = v, .host = at.host, .address = at.address, .check = check,
		.advice = advice, .text = arena_z(&p->facts.arena, buf_view(&shown)) };
	buf_fini(&shown);
	p->count[v]++;
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
		for (size_t k = 0; k < p->hosts[i].n; k++) {
			mem_free(p->hosts[i].v[k]->chain);
			mem_free(p->hosts[i].v[k]);
		}
	mem_free(p->findings);
	p->findings = NULL;
	buf_fini(&p->sts.text);
	facts_fini(&p->facts);
}
