/* completion - see completion.h. What an option or a request takes is told by the name of its argument: a|b|c, or ID for a
 * queue id; anything else may be a file. Where there are no requests, ID... at the end of the usage says the same of operands. */
#include "applets/completion.h"

#include <stdio.h>
#include <string.h>

static const struct shell { const char *name, *before, *after; } shells[] = {
	{ "bash",
		"_relaybox() {\n"
		"\tlocal rows cur=${COMP_WORDS[COMP_CWORD]#=} IFS=$'\\n'\n"
		"\tmapfile -t rows < <(relaybox --complete \"${COMP_WORDS[@]:0:COMP_CWORD+1}\" 2> /dev/null)\n"
		"\tCOMPREPLY=($(compgen -W \"${rows[*]%%$'\\t'*}\" -- \"$cur\"))\n"
		"\t[[ ${COMPREPLY-} != *= ]] || compopt -o nospace 2> /dev/null\n"
		"}\n"
		"complete -o bashdefault -o default -F _relaybox ", "\n" },
	{ "zsh", "#compdef ", "\n"
		"_relaybox() {\n"
		"\tlocal -a rows\n"
		"\trows=(${(f)\"$(relaybox --complete \"${(@Q)words[1,CURRENT]}\" 2> /dev/null)\"})\n"
		"\tif (( $#rows )); then compadd -l -d rows -- ${rows%%$'\\t'*}; else _files; fi\n"
		"}\n"
		"if [[ $funcstack[1] == _relaybox ]]; then _relaybox \"$@\"; else compdef _relaybox ${=${:-$(relaybox --list)}} relaybox; fi\n" },
	{ "fish",
		"function __relaybox\n"
		"\tset -l rows (relaybox --complete (commandline -opc) (commandline -ct) 2> /dev/null)\n"
		"\tif set -q rows[1]; string join \\n -- $rows; else; __fish_complete_path (commandline -ct); end\n"
		"end\n"
		"for name in ", "; complete -c $name -f -a '(__relaybox)'; end\n" },
};

bool completion_script(const char *shell, const char *names)
{
	for (size_t i = 0; i < sizeof(shells) / sizeof(shells[0]); i++)
		if (!strcmp(shells[i].name, shell))
			return printf("%s%s%s", shells[i].before, names, shells[i].after) > 0;
	return false;
}

/* option_of - the row that a word names, with in *value what is attached to it; NULL: none, or a cluster of letters without */
static const struct opt *option_of(const struct opt *table, const char *word, const char **value)
{
	size_t n = strcspn(word, "=");

	*value = NULL;
	if (word[0] != '-' || !word[1])
		return NULL;
	for (const struct opt *o = table; o->id; o++) {
		if (word[1] == '-' && o->name && strlen(o->name) + 2 == n && !strncmp(o->name, word + 2, n - 2)) {
			*value = word[n] ? word + n + 1 : NULL;
			return o;
		}
		/* of a cluster, the last letter is what may take the next word */
		if (word[1] != '-' && o->letter == word[strlen(word) - 1])
			return o;
	}
	return NULL;
}

/* put_values - "a|b|c" as lines; `before` stands in front of each */
static void put_values(struct str list, struct str before)
{
	struct str value;

	if (str_chr(list, '|') >= 0)
		while (str_cut(&list, '|', &value))
			printf("%.*s%.*s\n", STR_ARG(before), STR_ARG(value));
}

static bool put_options(const struct opt *o)
{
	for (; o->id; o++) {
		if (o->help && o->letter)
			printf("-%c\t%s\n", o->letter, o->help);
		if (o->help && o->name)
			printf("--%s%s\t%s\n", o->name, o->arg == OPT_ARG ? "=" : "", o->help);
	}
	return false;
}

static bool put_operands(const struct applet_verb *v, const char *verb)
{
	bool ids = false;

	for (; v && v->name; v++) {
		if (!verb)
			printf("%s\t%s\n", v->name, v->help);
		else if (!strcmp(v->name, verb))
			ids = strstr(v->args, "ID") != NULL;
	}
	return ids;
}

bool completion_answer(const struct applet *a, char **words, int n, const char **directory)
{
	const struct opt *last = NULL, *pending = NULL;
	const char *verb = NULL, *value, *now = words[n - 1];

	for (int i = 0; i < n - 1; i++) {
		if (!strcmp(words[i], "=")) {
			pending = last;
		} else if (pending) {
			*directory = pending->letter == 'c' ? words[i] : *directory;
			pending = NULL;
		} else if ((last = option_of(a->options, words[i], &value)) != NULL) {
			pending = last->arg == OPT_ARG && !value ? last : NULL;
			*directory = value && last->letter == 'c' ? value : *directory;
		} else if (words[i][0] != '-') {
			verb = verb ? verb : words[i];
		}
	}
	if (!strcmp(now, "="))
		pending = last;
	if (pending) {
		put_values(str_of(pending->arg_name), STR_EMPTY);
		return !strcmp(pending->arg_name, "ID");
	}
	last = option_of(a->options, now, &value);
	if (last && value) {
		put_values(str_of(last->arg_name), str_make(now, (size_t)(value - now)));
		return false;
	}
	if (*now == '-')
		return put_options(a->options);
	return a->verbs ? put_operands(a->verbs, verb) : str_ends(str_of(a->usage), STR("ID..."));
}
