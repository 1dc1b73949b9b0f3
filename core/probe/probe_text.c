/* probe_text - findings for a person: first the verdict, one line for each target: how bad it is, the worst finding, and what to do;
 * then what else is wrong, by host and address; and all that is fine, when asked for. */
#include "core/base/term.h"
#include "core/probe/probe.h"

static const char *const colours[] = { "32", "36", "33", "31" };

/* lines that break between words, and go on below the place where they began */
struct page { FILE *to; size_t width, indent, at; };

static void put(struct page *g, const char *z)
{
	struct buf clean;
	bool first = true;

	buf_init(&clean, 1 << 16);
	term_text(&clean, str_of(z));
	for (struct str text = buf_view(&clean), word; text.n; first = false) {
		size_t length = 0, n;

		/* a TAB is a blank here: it would go where nobody counted */
		while (length < text.n && text.p[length] != ' ' && text.p[length] != '\t')
			length++;
		word = str_head(text, length);
		text = str_from(text, length + 1);
		n = term_columns(word);
		if (!first && g->width && g->at + 1 + n > g->width && g->at > g->indent) {
			fprintf(g->to, "\n%*s", (int)g->indent, "");
			g->at = g->indent;
		} else if (!first) {
			fputc(' ', g->to);
			g->at++;
		}
		fwrite(word.p, 1, word.n, g->to);
		g->at += n;
	}
	buf_fini(&clean);
}

/* begin - a line with a word in colour before it */
static struct page begin(FILE *to, const struct probe_style *s, int indent, enum probe_verdict v)
{
	struct page g = { .to = to, .width = s->width, .indent = (size_t)indent + 9, .at = (size_t)indent + 9 };
	const char *word = probe_verdict_word(v);

	if (s->colour)
		fprintf(to, "%*s\033[%sm%-7s\033[0m  ", indent, "", colours[v], word);
	else
		fprintf(to, "%*s%-7s  ", indent, "", word);
	/* a narrow terminal is better left alone than filled with single words */
	if (g.width < g.indent + 30)
		g.width = 0;
	return g;
}

static void print_finding(const struct probe_finding *f, FILE *to, const struct probe_style *s, int indent)
{
	struct page g = begin(to, s, indent, f->verdict);

	fprintf(to, "%-11s ", f->check);
	g.indent += 12;
	g.at += strlen(f->check) > 11 ? strlen(f->check) + 1 : 12;
	put(&g, f->text);
	fputc('\n', to);
	if (!f->advice || f->verdict == PROBE_OK)
		return;
	fprintf(to, "%*s-> ", (int)g.indent, "");
	g.at = g.indent + 3;
	put(&g, f->advice);
	fputc('\n', to);
}

/* is_shown - the worst one was told in the verdict */
static bool is_shown(const struct probe *p, const struct probe_style *s, const struct probe_finding *f, const struct probe_finding *worst)
{
	(void)p;
	return s->verbose || (f->verdict >= PROBE_WARNING && f != worst);
}

static size_t count_shown(const struct probe *p, const struct probe_style *s, const struct probe_finding *worst, int host, int address)
{
	size_t n = 0;

	for (size_t i = 0; i < p->n_findings; i++) {
		const struct probe_finding *f = &p->findings[i];

		n += f->host == host && (address < -1 || f->address == address) && is_shown(p, s, f, worst);
	}
	return n;
}

static void print_findings(const struct probe *p, FILE *to, const struct probe_style *s, const struct probe_finding *worst, int host, int address, int indent)
{
	for (size_t i = 0; i < p->n_findings; i++) {
		const struct probe_finding *f = &p->findings[i];

		if (f->host == host && f->address == address && is_shown(p, s, f, worst))
			print_finding(f, to, s, indent);
	}
}

static void print_hosts(const struct probe *p, FILE *to, const struct probe_style *s, const struct probe_finding *worst)
{
	for (size_t h = 0; h < p->n_hosts; h++) {
		const struct probe_host *x = &p->hosts[h];

		if (!s->verbose && !count_shown(p, s, worst, (int)h, -2))
			continue;
		if (p->literal || p->opt->setup || p->implicit_mx)
			fputs("  ", to);
		else
			fprintf(to, "  MX %u ", x->preference);
		put(&(struct page){ .to = to }, x->name);
		fputc('\n', to);
		print_findings(p, to, s, worst, (int)h, -1, 4);
		for (size_t k = 0; k < x->n; k++) {
			if (!s->verbose && !count_shown(p, s, worst, (int)h, (int)k))
				continue;
			fprintf(to, "    %s\n", x->v[k]->text);
			print_findings(p, to, s, worst, (int)h, (int)k, 6);
		}
	}
}

const struct probe_finding *probe_worst(const struct probe *p)
{
	const struct probe_finding *worst = NULL;

	for (size_t i = 0; i < p->n_findings; i++)
		if (p->findings[i].verdict >= PROBE_WARNING && (!worst || p->findings[i].verdict > worst->verdict))
			worst = &p->findings[i];
	return worst;
}

static void print_verdict(const struct probe *p, FILE *to, const struct probe_style *s, const struct probe_finding *worst)
{
	struct page g = begin(to, s, 0, worst ? worst->verdict : PROBE_OK);
	const struct probe_host *h = worst && worst->host >= 0 ? &p->hosts[worst->host] : NULL;
	struct buf line;

	buf_init(&line, 8192);
	buf_printf(&line, "%s%s%s%s: ", p->target, p->given[0] ? " (" : "", p->given, p->given[0] ? ")" : "");
	if (worst)
		buf_printf(&line, "%s%s%s%s%s%s: %s%s%s", worst->check, h ? " of " : "", h ? h->name : "", worst->address >= 0 ? " [" : "",
			worst->address >= 0 ? h->v[worst->address]->text : "", worst->address >= 0 ? "]" : "", worst->text, worst->advice ? " -> " : "",
			worst->advice ? worst->advice : "");
	else
		buf_printf(&line, "nothing wrong");
	put(&g, buf_cstr(&line));
	fputc('\n', to);
	buf_fini(&line);
}

void probe_print_text(const struct probe *p, FILE *to, const struct probe_style *s)
{
	const struct probe_finding *worst = probe_worst(p);

	if (s->quiet && !worst)
		return;
	print_verdict(p, to, s, worst);
	if (s->quiet)
		return;
	print_findings(p, to, s, worst, -1, -1, 2);
	print_hosts(p, to, s, worst);
	for (enum probe_verdict v = PROBE_PROBLEM; v > PROBE_OK; v--)
		fprintf(to, "%s%zu %s%s", v == PROBE_PROBLEM ? "  " : ", ", p->count[v], probe_verdict_word(v), p->count[v] == 1 ? "" : "s");
	fprintf(to, ", %zu fine%s\n", p->count[PROBE_OK], s->verbose ? "" : " (-v shows all)");
}
