/* opt - see opt.h. Written here because getopt_long is not in every libc the same way, has hidden state, and cannot
 * take an option whose argument must be attached. */
#include "core/base/opt.h"

void opt_init(struct opt_parse *o, const struct opt *table, int argc, char **argv, char **operands)
{
	*o = (struct opt_parse){ .table = table, .argc = argc, .argv = argv, .at = 1, .operands = operands };
}

static const struct opt *find_letter(const struct opt *table, char c)
{
	for (; table->id; table++)
		if (table->letter && table->letter == c)
			return table;
	return NULL;
}

static const struct opt *find_name(const struct opt *table, struct str name)
{
	for (; table->id; table++)
		if (table->name && str_eq(str_of(table->name), name))
			return table;
	return NULL;
}

static int next_long(struct opt_parse *o)
{
	const char *text = o->argv[o->at++] + 2;
	const char *eq = strchr(text, '=');
	struct str name = str_make(text, eq ? (size_t)(eq - text) : strlen(text));
	const struct opt *row = find_name(o->table, name);

	if (!row) {
		snprintf(o->error, sizeof(o->error), "unknown option --%.*s", STR_ARG(str_head(name, 80)));
		return OPT_BAD;
	}
	if (eq && row->arg == OPT_NONE) {
		snprintf(o->error, sizeof(o->error), "option --%s takes no argument", row->name);
		return OPT_BAD;
	}
	if (eq)
		o->arg = eq + 1;
	else if (row->arg == OPT_ARG && o->at < o->argc)
		o->arg = o->argv[o->at++];
	if (row->arg == OPT_ARG && !o->arg) {
		snprintf(o->error, sizeof(o->error), "option --%s needs an argument", row->name);
		return OPT_BAD;
	}
	return row->id;
}

static int next_letter(struct opt_parse *o)
{
	const char *word = o->argv[o->at];
	char c = word[o->in++];
	const struct opt *row = find_letter(o->table, c);
	const char *rest = word + o->in;

	if (!*rest || (row && row->arg != OPT_NONE)) {
		o->at++;
		o->in = 0;
	}
	if (!row) {
		snprintf(o->error, sizeof(o->error), "unknown option -%c", ascii_is_print(c) ? c : '?');
		return OPT_BAD;
	}
	if (row->arg == OPT_NONE)
		return row->id;
	if (*rest)
		o->arg = rest;
	else if (row->arg == OPT_ARG && o->at < o->argc)
		o->arg = o->argv[o->at++];
	if (row->arg == OPT_ARG && !o->arg) {
		snprintf(o->error, sizeof(o->error), "option -%c needs an argument", c);
		return OPT_BAD;
	}
	return row->id;
}

static void rest_are_operands(struct opt_parse *o)
{
	while (o->at < o->argc)
		o->operands[o->n_operands++] = o->argv[o->at++];
}

void opt_end(struct opt_parse *o)
{
	/* letters behind this one in the same word */
	o->at += o->in != 0;
	o->in = 0;
	rest_are_operands(o);
}

int opt_next(struct opt_parse *o)
{
	o->arg = NULL;
	if (o->in)
		return next_letter(o);
	while (o->at < o->argc) {
		const char *word = o->argv[o->at];

		if (!strcmp(word, "--")) {
			o->at++;
			break;
		}
		if (word[0] == '-' && word[1] == '-')
			return next_long(o);
		if (word[0] == '-' && word[1]) {
			o->in = 1;
			return next_letter(o);
		}
		if (o->posix)
			break;
		o->operands[o->n_operands++] = o->argv[o->at++];
	}
	rest_are_operands(o);
	return OPT_END;
}

static size_t format_row(char *out, size_t size, const struct opt *row)
{
	const char *arg = row->arg_name ? row->arg_name : "ARG";
	char letter[4] = "   ", value[40] = "";
	int n;

	if (row->letter)
		snprintf(letter, sizeof(letter), "-%c%s", row->letter, row->name ? "," : "");
	if (row->arg == OPT_ARG)
		snprintf(value, sizeof(value), "%s%s", row->name ? "=" : " ", arg);
	else if (row->arg == OPT_MAYBE)
		snprintf(value, sizeof(value), "[%s%s]", row->name ? "=" : "", arg);
	n = snprintf(out, size, "  %s%s%s%s", letter, row->name ? " --" : "", row->name ? row->name : "", value);
	return n < 0 ? 0 : (size_t)n;
}

void opt_print_help(FILE *to, const struct opt *table)
{
	char text[128];
	size_t width = 0;

	for (const struct opt *row = table; row->id; row++) {
		size_t n = row->help ? format_row(text, sizeof(text), row) : 0;

		if (n > width && n <= 34)
			width = n;
	}
	for (const struct opt *row = table; row->id; row++) {
		if (!row->help)
			continue;
		format_row(text, sizeof(text), row);
		fprintf(to, "%-*s  %s\n", (int)width, text, row->help);
	}
}
