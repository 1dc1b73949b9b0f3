/* probe_text - findings for a person: a block for each host and address; and one line for Nagios. */
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
	fprintf(to, colour ? "\033[1m%s\033[0m\n" : "%s\n", p->target);
	print_findings(p, to, colour, verbose, -1, -1, 2);
	for (size_t h = 0; h < p->n_hosts; h++) {
		const struct probe_host *x = &p->hosts[h];

		if (p->literal || p->opt->setup || p->implicit_mx)
			fprintf(to, "  %s\n", x->name);
		else
			fprintf(to, "  MX %u %s\n", x->preference, x->name);
		print_findings(p, to, colour, verbose, (int)h, -1, 4);
		for (size_t k = 0; k < x->n; k++) {
			fprintf(to, "    %s\n", x->v[k]->text);
			print_findings(p, to, colour, verbose, (int)h, (int)k, 6);
		}
	}
	fprintf(to, "  %zu problems, %zu warnings, %zu notes\n", p->count[PROBE_PROBLEM], p->count[PROBE_WARNING], p->count[PROBE_NOTE]);
}

int probe_print_nagios(const struct probe *p, FILE *to)
{
	static const char *const words[] = { "OK", "WARNING", "CRITICAL", "UNKNOWN" };
	int state = p->lost ? 3 : p->count[PROBE_PROBLEM] ? 2 : p->count[PROBE_WARNING] ? 1 : 0;
	enum probe_verdict shown = state >= 2 ? PROBE_PROBLEM : PROBE_WARNING;
	usec slowest = 0, expires = 0;
	bool first = true;

	fprintf(to, "MXCHECK %s - %s: ", words[state], p->target);
	for (size_t i = 0; state && i < p->n_findings; i++) {
		const struct probe_finding *f = &p->findings[i];

		if (f->verdict != shown)
			continue;
		fprintf(to, "%s%s%s%s: %s", first ? "" : "; ", f->host >= 0 ? p->hosts[f->host].name : "", f->host >= 0 ? " " : "", f->check,
			f->text);
		first = false;
	}
	if (!state)
		fprintf(to, "%zu hosts", p->n_hosts);
	for (size_t h = 0; h < p->n_hosts; h++)
		for (size_t k = 0; k < p->hosts[h].n; k++) {
			const struct probe_address *a = p->hosts[h].v[k];
			usec took = a->connect_time + a->banner_time + a->ehlo_time + a->tls_time;

			slowest = took > slowest ? took : slowest;
			if (a->tls.not_after && (!expires || a->tls.not_after < expires))
				expires = a->tls.not_after;
		}
	fprintf(to, " | time=%.3fs", (double)slowest / USEC_PER_SEC);
	if (expires)
		fprintf(to, " days=%lld", (long long)((expires - p->opt->now) / (86400 * USEC_PER_SEC)));
	fputc('\n', to);
	return state;
}
