/* probe_html - one page to hand on: all targets, each with its verdict and its findings, without anything from elsewhere. */
#include "core/base/term.h"
#include "core/msg/date.h"
#include "core/probe/probe_out.h"

static const char head[] =
	"<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\"><title>mxcheck</title>\n"
	"<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\"><style>\n"
	":root{color-scheme:light dark}body{font:15px/1.45 system-ui,sans-serif;margin:2em auto;max-width:62em;padding:0 1em}\n"
	"h2{margin:1.6em 0 .3em}table{border-collapse:collapse;width:60em;max-width:96vw}td{padding:.25em .7em .25em 0;vertical-align:top;border-top:1px solid #8884}\n"
	"td:first-child{width:6em}td:nth-child(2){width:7em}td{overflow-wrap:anywhere}small{opacity:.75;display:block}.what{margin:.2em 0 .8em}\n"
	"b{white-space:nowrap;border-radius:.3em;padding:.1em .5em;color:#fff;font-weight:600}.ok{background:#2a7d3b}.note{background:#33628f}.warning{background:#a76500}\n"
	".problem{background:#b3261e}h3{font-size:1em;margin:1em 0 .2em}</style></head><body><h1>mxcheck</h1>\n";

/* text as it may be shown, and as no tag */
static void put(FILE *to, const char *z)
{
	struct buf clean;

	buf_init(&clean, 1 << 16);
	term_text(&clean, str_of(z));
	for (size_t i = 0; i < clean.n; i++)
		switch (clean.p[i]) {
		case '&': fputs("&amp;", to); break;
		case '<': fputs("&lt;", to); break;
		case '>': fputs("&gt;", to); break;
		case '"': fputs("&quot;", to); break;
		default: fputc(clean.p[i] == '\t' ? ' ' : clean.p[i], to);
		}
	buf_fini(&clean);
}

static void put_verdict(FILE *to, enum probe_verdict v)
{
	fprintf(to, "<b class=\"%s\">%s</b>", probe_verdict_word(v), probe_verdict_word(v));
}

static void put_heading(FILE *to, const char *name, const char *address)
{
	fputs("<h3>", to);
	put(to, name);
	fputs(*address ? " [" : "", to);
	put(to, address);
	fputs(*address ? "]</h3>\n" : "</h3>\n", to);
}

static void put_rows(const struct probe *p, FILE *to, int host, int address)
{
	bool any = false;

	for (int v = PROBE_PROBLEM; v >= PROBE_OK; v--)
		for (size_t i = 0; i < p->n_findings; i++) {
			const struct probe_finding *f = &p->findings[i];

			if (f->host != host || f->address != address || (int)f->verdict != v)
				continue;
			if (!any && host >= 0)
				put_heading(to, p->hosts[host].name, address >= 0 ? p->hosts[host].v[address]->text : "");
			fputs(any ? "<tr><td>" : "<table><tr><td>", to);
			any = true;
			put_verdict(to, f->verdict);
			fputs("</td><td>", to);
			put(to, f->check);
			fputs("</td><td>", to);
			put(to, f->text);
			if (f->advice && f->verdict != PROBE_OK) {
				fputs("<small>", to);
				put(to, f->advice);
				fputs("</small>", to);
			}
			fputs("</td></tr>\n", to);
		}
	if (any)
		fputs("</table>\n", to);
}

void probe_html_begin(FILE *to, usec now)
{
	char time[40];

	date_rfc3339(time, now, 0);
	fprintf(to, "%s<p>%s, relaybox %s</p>\n", head, time, RELAYBOX_VERSION);
}

void probe_print_html(const struct probe *p, FILE *to)
{
	const struct probe_finding *worst = probe_worst(p);

	fputs("<section><h2>", to);
	put_verdict(to, worst ? worst->verdict : PROBE_OK);
	fputc(' ', to);
	put(to, p->target);
	fputs(p->given[0] ? " (" : "", to);
	put(to, p->given);
	fputs(p->given[0] ? ")</h2>\n<p class=\"what\">" : "</h2>\n<p class=\"what\">", to);
	put(to, worst ? worst->text : "nothing wrong");
	fputs(worst && worst->advice ? "<small>" : "", to);
	put(to, worst && worst->advice ? worst->advice : "");
	fputs(worst && worst->advice ? "</small>" : "", to);
	fprintf(to, "</p>\n<p>%zu problem%s, %zu warning%s, %zu note%s</p>\n", p->count[PROBE_PROBLEM], p->count[PROBE_PROBLEM] == 1 ? "" : "s",
		p->count[PROBE_WARNING], p->count[PROBE_WARNING] == 1 ? "" : "s", p->count[PROBE_NOTE], p->count[PROBE_NOTE] == 1 ? "" : "s");
	put_rows(p, to, -1, -1);
	for (size_t h = 0; h < p->n_hosts; h++) {
		put_rows(p, to, (int)h, -1);
		for (size_t k = 0; k < p->hosts[h].n; k++)
			put_rows(p, to, (int)h, (int)k);
	}
	fputs("</section>\n", to);
}

void probe_html_end(FILE *to)
{
	fputs("</body></html>\n", to);
}
