/* probe_nagios - one line for a plugin of Nagios and its kin: the state, what is wrong, and figures with their thresholds. */
#include "core/base/term.h"
#include "core/probe/probe.h"

/* what stands before the performance data: one line, without the bar that ends it */
static void put_plain(FILE *to, const char *z)
{
	struct buf clean;

	buf_init(&clean, 4096);
	term_text(&clean, str_of(z));
	for (size_t i = 0; i < clean.n; i++)
		fputc(clean.p[i] == '|' ? '/' : (unsigned char)clean.p[i] < ' ' ? ' ' : clean.p[i], to);
	buf_fini(&clean);
}

static void put_seconds(FILE *to, usec t)
{
	fputc(';', to);
	if (t)
		fprintf(to, "%.3f", (double)t / USEC_PER_SEC);
}

int probe_print_nagios(const struct probe *p, FILE *to)
{
	static const char *const words[] = { "OK", "WARNING", "CRITICAL", "UNKNOWN" };
	int state = p->lost ? 3 : p->count[PROBE_PROBLEM] ? 2 : p->count[PROBE_WARNING] ? 1 : 0;
	enum probe_verdict shown = state >= 2 ? PROBE_PROBLEM : PROBE_WARNING;
	usec slowest = 0, expires = 0;
	bool first = true;

	fprintf(to, "MXCHECK %s - ", words[state]);
	put_plain(to, p->target);
	fputs(": ", to);
	for (size_t i = 0; state && i < p->n_findings; i++) {
		const struct probe_finding *f = &p->findings[i];

		if (f->verdict != shown)
			continue;
		fputs(first ? "" : "; ", to);
		put_plain(to, f->host >= 0 ? p->hosts[f->host].name : "");
		fprintf(to, "%s%s: ", f->host >= 0 ? " " : "", f->check);
		put_plain(to, f->text);
		first = false;
	}
	if (!state && p->opt->keys)
		fprintf(to, "%zu fine", p->count[PROBE_OK]);
	else if (!state)
		fprintf(to, "%zu host%s", p->n_hosts, p->n_hosts == 1 ? "" : "s");
	for (size_t h = 0; h < p->n_hosts; h++)
		for (size_t k = 0; k < p->hosts[h].n; k++) {
			const struct probe_address *a = p->hosts[h].v[k];
			usec took = a->connect_time + a->banner_time + a->ehlo_time + a->tls_time;

			slowest = took > slowest ? took : slowest;
			if (a->tls.not_after && (!expires || a->tls.not_after < expires))
				expires = a->tls.not_after;
		}
	fprintf(to, " | time=%.3fs", (double)slowest / USEC_PER_SEC);
	put_seconds(to, p->opt->slow_warning);
	put_seconds(to, p->opt->slow_problem);
	fputs(";0", to);
	/* a range "21:" is left by what is below it */
	if (expires)
		fprintf(to, " days=%lld;%u:;%u:", (long long)((expires - p->opt->now) / (86400 * USEC_PER_SEC)), p->opt->warn_days, p->opt->problem_days);
	fputc('\n', to);
	return state;
}
