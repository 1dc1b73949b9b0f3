/* probe_changes - two rounds compared by their findings as lines of text. Times differ in every round and say nothing: a
 * last part in milliseconds does not count. */
#include "core/base/limits.h"
#include "core/base/mem.h"
#include "core/base/term.h"
#include "core/probe/probe_out.h"

void probe_change_line(struct buf *out, struct str verdict, struct str host, struct str address, struct str check, struct str text)
{
	if (str_ends(text, STR(" ms")))
		text = str_head(text, (size_t)(str_rchr(text, ',') < 0 ? 0 : str_rchr(text, ',')));
	buf_printf(out, "%-7.*s  %.*s%s%.*s%s%.*s: %.*s\n", STR_ARG(verdict), STR_ARG(host), host.n ? " " : "", STR_ARG(address), address.n ? " " : "",
		STR_ARG(check), STR_ARG(text));
}

/* same_line - but for how many days something lasts, which is another number every day */
static bool same_line(struct str a, struct str b)
{
	while (a.n && b.n) {
		if (ascii_is_digit(a.p[0]) && ascii_is_digit(b.p[0])) {
			struct str x = a, y = b;

			while (x.n && ascii_is_digit(x.p[0]))
				x = str_from(x, 1);
			while (y.n && ascii_is_digit(y.p[0]))
				y = str_from(y, 1);
			if (str_starts(x, STR(" day")) && str_starts(y, STR(" day"))) {
				a = x;
				b = y;
				continue;
			}
		}
		if (a.p[0] != b.p[0])
			return false;
		a = str_from(a, 1);
		b = str_from(b, 1);
	}
	return a.n == b.n;
}

static bool has_line(struct str text, struct str line)
{
	struct str one;

	while (str_cut(&text, '\n', &one))
		if (same_line(one, line))
			return true;
	return false;
}

/* to NULL: they are only counted */
static size_t print_missing(struct str lines, struct str from, char sign, const char *colour, FILE *to)
{
	struct str line;
	size_t n = 0;

	while (str_cut(&lines, '\n', &line)) {
		if (has_line(from, line))
			continue;
		n++;
		if (!to)
			continue;
		fprintf(to, "  %s%c ", colour, sign);
		term_print(to, line);
		fprintf(to, "%s\n", *colour ? "\033[0m" : "");
	}
	return n;
}

size_t probe_print_changes(const char *target, struct str before, struct str after, FILE *to, bool colour)
{
	size_t n = print_missing(before, after, '-', "", NULL) + print_missing(after, before, '+', "", NULL);

	if (!n)
		return 0;
	term_print(to, str_of(target));
	fputc('\n', to);
	print_missing(before, after, '-', colour ? "\033[36m" : "", to);
	print_missing(after, before, '+', colour ? "\033[33m" : "", to);
	return n;
}

size_t probe_changes(const struct probe *p, char **before, FILE *to, bool colour)
{
	struct buf now;
	size_t n = 0;

	buf_init(&now, LIMIT_PROBE_OUTPUT);
	for (size_t i = 0; i < p->n_findings; i++) {
		const struct probe_finding *f = &p->findings[i];

		probe_change_line(&now, str_of(probe_verdict_word(f->verdict)), str_of(f->host >= 0 ? p->hosts[f->host].name : ""),
			str_of(f->address >= 0 ? p->hosts[f->host].v[f->address]->text : ""), str_of(f->check), str_of(f->text));
	}
	if (*before)
		n = probe_print_changes(p->target, str_of(*before), buf_view(&now), to, colour);
	mem_free(*before);
	*before = mem_dupz(buf_cstr(&now));
	buf_fini(&now);
	return n;
}
