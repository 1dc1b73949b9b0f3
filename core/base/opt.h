/* opt - command line options from a table; help, man-page lint and shell completion read the same table.
 *
 * getopt's rules: clustered short options, attached or separate arguments, `--long[=arg]`, `--` ends, operands stop
 * nothing (permute) unless `posix` is set. An option with OPT_MAYBE takes only an attached argument (-q, -qIid). */
#ifndef CORE_BASE_OPT_H
#define CORE_BASE_OPT_H

#include <stdio.h>

#include "core/base/str.h"

enum opt_arg { OPT_NONE, OPT_ARG, OPT_MAYBE };
struct opt {
	int id;               /* what opt_next returns; mostly the letter */
	char letter;          /* 0: none */
	const char *name;     /* long name, NULL: none */
	enum opt_arg arg;
	const char *arg_name; /* "FILE" in the help */
	const char *help;     /* one line; NULL hides the row from the help (tradition's ignored flags) */
};
struct opt_parse {
	const struct opt *table; /* ends with a row whose id is 0 */
	int argc;
	char **argv;
	int at;               /* next argv element */
	size_t in;            /* place inside a cluster of letters */
	const char *arg;      /* argument of the option just returned, NULL if none */
	bool posix;           /* the first operand ends the options */
	char **operands;      /* filled as found; room for argc pointers, given by the caller */
	int n_operands;
	char error[160];      /* what was wrong, when opt_next returned OPT_BAD */
};
#define OPT_END (-1)
#define OPT_BAD (-2)

void opt_init(struct opt_parse *o, const struct opt *table, int argc, char **argv, char **operands);
void opt_end(struct opt_parse *o);                     /* what follows is operands, as after "--" */
int opt_next(struct opt_parse *o);                     /* id, OPT_END or OPT_BAD */
void opt_print_help(FILE *to, const struct opt *table);/* aligned rows: `  -x, --xyz=ARG   help` */

#endif
