/* diag - the list of what a configuration load found, in the order it was found. */
#include <stdarg.h>

#include "core/base/limits.h"
#include "core/base/mem.h"
#include "core/base/term.h"
#include "core/conf/conf_private.h"

void conf_diag_init(struct conf_diag *d)
{
	*d = (struct conf_diag){ 0 };
}

void conf_diag_part(struct conf_diag *part, const struct conf_diag *d)
{
	*part = (struct conf_diag){ .advice = d->advice };
}

void conf_diag_fini(struct conf_diag *d)
{
	for (size_t i = 0; i < d->n; i++) {
		mem_free(d->v[i].file);
		mem_free(d->v[i].text);
	}
	mem_free(d->v);
	conf_diag_init(d);
}

static bool same_finding(const struct conf_finding *a, const struct conf_finding *b)
{
	return a->severity == b->severity && a->line == b->line && !a->file == !b->file && (!a->file || !strcmp(a->file, b->file)) &&
		!strcmp(a->text, b->text);
}

/* is_known - a conf with overrides finds again what is wrong with the whole */
static bool is_known(const struct conf_diag *d, const struct conf_finding *f)
{
	for (size_t i = 0; i < d->n; i++)
		if (same_finding(f, &d->v[i]))
			return true;
	return false;
}

/* add - takes text */
static void add(struct conf_diag *d, enum conf_severity s, const char *file, unsigned line, struct buf *text)
{
	if (is_known(d, &(struct conf_finding){ s, (char *)(uintptr_t)file, line, (char *)(uintptr_t)buf_cstr(text) })) {
		buf_fini(text);
		return;
	}
	d->v = mem_array(d->v, d->n + 1, sizeof(d->v[0]));
	d->v[d->n++] = (struct conf_finding){ s, file ? mem_dupz(file) : NULL, line, buf_take(text) };
	d->errors += s == CONF_ERROR;
}

void conf_diag_add(struct conf_diag *d, enum conf_severity s, const char *file, unsigned line, const char *fmt, ...)
{
	struct buf text;
	va_list ap;

	buf_init(&text, LIMIT_CONF_VALUE);
	va_start(ap, fmt);
	buf_vprintf(&text, fmt, ap);
	va_end(ap);
	add(d, s, file, line, &text);
}

void conf_diag_locate(struct conf_diag *d, const struct conf *c)
{
	for (size_t i = 0; i < d->n; i++) {
		struct conf_finding *f = &d->v[i];
		struct str text = str_of(f->text);
		ptrdiff_t colon = str_chr(text, ':');
		const struct conf_entry *e = f->file || colon < 0 ? NULL : source_find(c->source, str_head(text, (size_t)colon));

		if (e && (e->file || e->origin)) {
			f->file = mem_dupz(e->file ? e->file : e->origin);
			f->line = e->line;
		}
	}
}

void conf_diag_take(struct conf_diag *d, struct conf_diag *from, const struct conf *c)
{
	conf_diag_locate(from, c);
	for (size_t i = 0; i < from->n; i++) {
		const struct conf_finding *f = &from->v[i];

		conf_diag_add(d, f->severity, f->file, f->line, "%s", f->text);
	}
	conf_diag_fini(from);
}

void conf_diag_print(const struct conf_diag *d, FILE *to, const char *program)
{
	static const char *const word[] = { "note: ", "warning: ", "" };

	for (size_t i = 0; i < d->n; i++) {
		const struct conf_finding *f = &d->v[i];

		fprintf(to, "%s: ", program);
		if (f->file)
			term_print(to, str_of(f->file));
		if (f->file && f->line)
			fprintf(to, ":%u", f->line);
		/* what is quoted may have been written by anybody: a list that an alias includes, a variable */
		fprintf(to, "%s%s", f->file ? ": " : "", word[f->severity]);
		term_print(to, str_of(f->text));
		fputc('\n', to);
	}
}

void conf_add_error(struct conf_diag *d, const struct conf_entry *e, enum conf_severity s, const char *fmt, ...)
{
	struct buf text;
	va_list ap;

	buf_init(&text, LIMIT_CONF_VALUE);
	va_start(ap, fmt);
	buf_vprintf(&text, fmt, ap);
	va_end(ap);
	add(d, s, e ? e->file ? e->file : e->origin : NULL, e ? e->line : 0, &text);
}
