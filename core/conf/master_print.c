/* master_print - master.cf for a reader, in the form of postconf -M and -P. */
#include <errno.h>
#include <stdlib.h>

#include "core/base/fs.h"
#include "core/base/limits.h"
#include "core/conf/master_private.h"

struct wanted { struct str part[3]; };         /* service, type, name of an option; empty: any */

static struct wanted wanted_of(const char *text)
{
	struct str rest = str_of(text);
	struct wanted w = { { STR_EMPTY, STR_EMPTY, STR_EMPTY } };

	for (size_t i = 0; i < 3 && str_cut(&rest, '/', &w.part[i]); i++)
		if (str_eq(w.part[i], STR("*")))
			w.part[i] = STR_EMPTY;
	return w;
}

static bool is_part(struct str wanted, struct str text)
{
	return !wanted.n || str_eq(wanted, text);
}

static int print_line(const struct master_line *l, FILE *to)
{
	static const int widths[] = { 10, 5, 7, 7, 7, 7, 7, 0 };
	struct str rest = l->arguments, word;

	for (size_t i = 0; i < 8; i++)
		fprintf(to, "%s%-*.*s", i ? " " : "", widths[i], STR_ARG(l->field[i]));
	while (str_word(&rest, " \t\r\n", &word))
		fprintf(to, " %.*s", STR_ARG(word));
	fputc('\n', to);
	return 1;
}

static int by_name(const void *a, const void *b)
{
	struct str x = str_of(*(const char *const *)a), y = str_of(*(const char *const *)b);

	return str_cmp(str_head(x, (size_t)str_chr(x, '=')), str_head(y, (size_t)str_chr(y, '=')));
}

static int print_options(struct master_line *l, struct str wanted, bool bare, FILE *to)
{
	int printed = 0;

	qsort(l->overrides, l->n_overrides, sizeof(l->overrides[0]), by_name);
	for (size_t i = 0; i < l->n_overrides; i++) {
		struct str value = str_of(l->overrides[i]), name;

		str_cut(&value, '=', &name);
		if (!is_part(wanted, name))
			continue;
		if (!bare)
			fprintf(to, "%.*s/%.*s/%.*s =%s", STR_ARG(l->service), STR_ARG(l->type), STR_ARG(name), value.n ? " " : "");
		fprintf(to, "%.*s\n", STR_ARG(value));
		printed++;
	}
	return printed;
}

static int print_all(struct str text, const struct wanted *w, enum master_form form, FILE *to, struct buf *why)
{
	struct lines lines;
	struct str line;
	struct buf wrong;
	int printed = 0;

	buf_init(&wrong, 300);
	lines_init(&lines, text);
	while (!why->n && lines_next(&lines, &line)) {
		struct master_line l;

		if (!master_line_parse(line, lines.line, &l, &wrong))
			buf_printf(why, "line %u: %s", lines.line, buf_cstr(&wrong));
		else if (is_part(w->part[0], l.service) && is_part(w->part[1], l.type))
			printed += form == MASTER_LINES ? print_line(&l, to) : print_options(&l, w->part[2], form == MASTER_VALUES, to);
		master_line_fini(&l);
	}
	lines_fini(&lines);
	buf_fini(&wrong);
	return why->n ? -1 : printed;
}

int master_print(const char *directory, const char *wanted, enum master_form form, FILE *to, struct buf *why)
{
	struct wanted w = wanted_of(wanted ? wanted : "");
	struct buf path, text;
	int r = -1;

	buf_init(&path, LIMIT_CONF_VALUE);
	buf_init(&text, LIMIT_CONF_FILE);
	buf_printf(&path, "%s/master.cf", directory);
	if (fs_read_file(buf_cstr(&path), &text) < 0)
		buf_printf(why, "cannot read: %s", strerror(errno));
	else
		r = print_all(buf_view(&text), &w, form, to, why);
	buf_fini(&path);
	buf_fini(&text);
	return r;
}
