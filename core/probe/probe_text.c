/* probe_text - findings for a person: a block for each host and address; and one line for Nagios. */
#include "core/base/term.h"
#include "core/probe/probe.h"

static const char *const colours[] = { "32", "36", "33", "31" };

static void print_finding(const struct probe_finding *f, FILE *to, bool colour, int indent)
{
	if (colour)
		fprintf(to, "%*s\033[%sm%-7s\033[0m  %-11s %s\n", indent, "", colours[f->verdict], probe_verdict_word(f->verdict), f->check,
			f->text);
	else
		fprintf(to, "%*s%-7s  %-11s %s\n", indent, "", probe_verdict_word(f->verdict), f->check, f->text);
	if (f->advice && f->verdict != PROBE_OK)
		fprintf(to, "%*s%-7s  %-11s -> %s\n", indent, "", "", "", f->advice);
}

static void print_findings(const struct probe *p, FILE *to, bool colour, bool verbose, int host, int address, int indent)
{
	for (size_t i = 0; i < p->n_findings; i++) {
		const struct probe_finding *f = &p->findings[i];

		if (f->host == host && f->address == address && (verbose || f->verdict != PROBE_OK))
			print_finding(f, to, colour, indent);
	}
}

void probe_print_text(const struct probe *p, FILE *to, bool colour, bool verbose)
{
	fputs(colour ? "\033[1m" : "", to);
	term_print(to, str_of(p->target));
	fputs(colour ? "\033[0m\n" : "\n", to);
	print_findings(p, to, colour, verbose, -1, -1, 2);
	for (size_t h = 0; h < p->n_hosts; h++) {
		const struct probe_host *x = &p->hosts[h];

		if (p->literal || p->opt->setup || p->implicit_mx)
			fputs("  ", to);
		else
			fprintf(to, "  MX %u ", x->preference);
		term_print(to, str_of(x->name));
		fputc('\n', to);
		print_findings(p, to, colour, verbose, (int)h, -1, 4);
		for (size_t k = 0; k < x->n; k++) {
			fprintf(to, "    %s\n", x->v[k]->text);
			print_findings(p, to, colour, verbose, (int)h, (int)k, 6);
		}
	}
	for (enum probe_verdict v = PROBE_PROBLEM; v > PROBE_OK; v--)
		fprintf(to, "%s%zu %s%s", v == PROBE_PROBLEM ? "  " : ", ", p->count[v], probe_verdict_word(v), p->count[v] == 1 ? "" : "s");
	fputc('\n', to);
}

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
	if (!state)
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
