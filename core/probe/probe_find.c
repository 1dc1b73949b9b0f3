/* probe_find - what all who look for something tell the frame: that it goes on, that it ended, and what they found. */
#include <stdarg.h>

#include "core/base/mem.h"
#include "core/base/term.h"
#include "core/probe/probe.h"

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
	for (size_t i = 0; i < p->n_findings; i++) {
		const struct probe_finding *f = &p->findings[i];

		if (f->verdict == v && f->host == at.host && f->address == at.address && !strcmp(f->check, check) && str_eq(str_of(f->text), buf_view(&shown))) {
			buf_fini(&shown);
			return;
		}
	}
	if (p->n_findings == p->room) {
		p->room = p->room ? 2 * p->room : 32;
		p->findings = mem_array(p->findings, p->room, sizeof(*p->findings));
	}
	p->findings[p->n_findings++] = (struct probe_finding){ .verdict = v, .host = at.host, .address = at.address, .check = check,
		.advice = probe_advise(p, at.host, at.address, advice), .text = arena_z(&p->facts.arena, buf_view(&shown)) };
	buf_fini(&shown);
	p->count[v]++;
}
