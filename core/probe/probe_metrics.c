/* probe_metrics - the text exposition format (version 0.0.4): "name{label="value"} number". Labels name the target, the
 * host and the address, so that a rule can tell one server from the next. */
#include "core/base/limits.h"
#include "core/base/term.h"
#include "core/probe/probe_out.h"

enum { FINDINGS, FINDING, REACHED, SECONDS, EXPIRES };
static const char *const metrics[PROBE_METRICS][2] = {
	[FINDINGS] = { "mxcheck_findings", "Findings of each verdict." },
	[FINDING] = { "mxcheck_finding", "1 for each check that is not fine." },
	[REACHED] = { "mxcheck_reached", "1 if the dialogue with the address came to its end." },
	[SECONDS] = { "mxcheck_step_seconds", "How long a step took." },
	[EXPIRES] = { "mxcheck_certificate_expires_timestamp_seconds", "When the certificate expires (Unix time)." },
};

void probe_metrics_init(struct probe_metrics *m)
{
	for (size_t i = 0; i < PROBE_METRICS; i++)
		buf_init(&m->rows[i], LIMIT_PROBE_OUTPUT);
}

void probe_metrics_fini(struct probe_metrics *m)
{
	for (size_t i = 0; i < PROBE_METRICS; i++)
		buf_fini(&m->rows[i]);
}

static void put_label(struct buf *b, const char *name, const char *value)
{
	struct buf clean;

	buf_init(&clean, 4096);
	term_text(&clean, str_of(value));
	buf_printf(b, "%s%s=\"", b->n && b->p[b->n - 1] == '{' ? "" : ",", name);
	for (size_t i = 0; i < clean.n; i++) {
		if (clean.p[i] == '"' || clean.p[i] == '\\')
			buf_byte(b, '\\');
		buf_byte(b, (unsigned char)clean.p[i] < ' ' ? ' ' : clean.p[i]);
	}
	buf_fini(&clean);
	buf_byte(b, '"');
}

/* begin - "name{target=…,host=…,address=…"; host and address -1: not about one */
static struct buf *begin(struct probe_metrics *m, int metric, const struct probe *p, int host, int address)
{
	struct buf *b = &m->rows[metric];

	buf_z(b, metrics[metric][0]);
	buf_byte(b, '{');
	put_label(b, "target", p->target);
	if (host >= 0)
		put_label(b, "host", p->hosts[host].name);
	if (address >= 0)
		put_label(b, "address", p->hosts[host].v[address]->text);
	return b;
}

static void add_address(struct probe_metrics *m, const struct probe *p, int h, int k)
{
	const struct probe_address *a = p->hosts[h].v[k];
	const struct { const char *name; usec took; } steps[] = {
		{ "connect", a->connect_time }, { "banner", a->banner_time }, { "ehlo", a->ehlo_time }, { "tls", a->tls_time },
	};

	buf_printf(begin(m, REACHED, p, h, k), "} %d\n", a->stage == PROBE_FINISHED);
	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		struct buf *b;

		if (!steps[i].took)
			continue;
		b = begin(m, SECONDS, p, h, k);
		put_label(b, "step", steps[i].name);
		buf_printf(b, "} %.6f\n", (double)steps[i].took / USEC_PER_SEC);
	}
	if (a->tls.not_after)
		buf_printf(begin(m, EXPIRES, p, h, k), "} %lld\n", (long long)(a->tls.not_after / USEC_PER_SEC));
}

/* several findings of one check must not become the same sample twice */
static bool is_repeated(const struct probe *p, size_t at)
{
	const struct probe_finding *f = &p->findings[at], *g;

	for (size_t i = 0; i < at; i++) {
		g = &p->findings[i];
		if (g->verdict == f->verdict && g->host == f->host && g->address == f->address && !strcmp(g->check, f->check))
			return true;
	}
	return false;
}

void probe_metrics_add(struct probe_metrics *m, const struct probe *p)
{
	struct buf *b;

	for (enum probe_verdict v = PROBE_OK; v < PROBE_VERDICTS; v++) {
		b = begin(m, FINDINGS, p, -1, -1);
		put_label(b, "verdict", probe_verdict_word(v));
		buf_printf(b, "} %zu\n", p->count[v]);
	}
	for (size_t i = 0; i < p->n_findings; i++) {
		const struct probe_finding *f = &p->findings[i];

		if (f->verdict == PROBE_OK || is_repeated(p, i))
			continue;
		b = begin(m, FINDING, p, f->host, f->address);
		put_label(b, "check", f->check);
		put_label(b, "verdict", probe_verdict_word(f->verdict));
		buf_z(b, "} 1\n");
	}
	for (size_t h = 0; h < p->n_hosts; h++)
		for (size_t k = 0; k < p->hosts[h].n; k++)
			add_address(m, p, (int)h, (int)k);
}

void probe_metrics_print(const struct probe_metrics *m, usec now_wall, FILE *to)
{
	static const char form[] = "# HELP %s %s\n# TYPE %s gauge\n";
	static const char run[] = "mxcheck_last_run_timestamp_seconds";

	for (size_t i = 0; i < PROBE_METRICS; i++) {
		if (!m->rows[i].n)
			continue;
		fprintf(to, form, metrics[i][0], metrics[i][1], metrics[i][0]);
		fwrite(m->rows[i].p, 1, m->rows[i].n, to);
	}
	fprintf(to, form, run, "When these were gathered (Unix time).", run);
	fprintf(to, "%s %lld\n", run, (long long)(now_wall / USEC_PER_SEC));
}
