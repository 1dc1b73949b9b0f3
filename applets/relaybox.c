/* relaybox - the dispatcher: which applet is meant is told by argv[0], or by the first argument.
 *
 * applet_list.h is made by the build from config.mk: one APPLET(name) row each. */
#include <signal.h>
#include <stdio.h>

#include "applets/completion.h"
#include "applets/install.h"
#include "core/base/fs.h"
#include "core/base/mem.h"
#include "core/base/rights.h"

#define APPLET(name) extern const struct applet applet_##name;
#include "applet_list.h"
#undef APPLET

static const struct applet *const applets[] = {
#define APPLET(name) &applet_##name,
#include "applet_list.h"
#undef APPLET
	NULL,
};

enum { OPT_LIST = OPT_FIRST_OWN, OPT_INSTALL, OPT_UNINSTALL, OPT_SYMLINKS, OPT_REPLACE, OPT_COMPLETION, OPT_COMPLETE };
static const struct opt options[] = {
	{ OPT_LIST, 0, "list", OPT_NONE, NULL, "names that this binary answers to, one a line" },
	{ OPT_INSTALL, 0, "install", OPT_NONE, NULL, "make a link for each name in DIR (hard links)" },
	{ OPT_SYMLINKS, 's', "symbolic", OPT_NONE, NULL, "with --install: symbolic links" },
	{ OPT_REPLACE, 'f', "force", OPT_NONE, NULL, "with --install: replace what has the name already" },
	{ OPT_UNINSTALL, 0, "uninstall", OPT_NONE, NULL, "remove the links to this binary in DIR (where it is itself)" },
	{ OPT_COMPLETION, 0, "completion", OPT_ARG, COMPLETION_SHELLS, "print a script that completes command lines" },
	{ OPT_COMPLETE, 0, "complete", OPT_NONE, NULL, NULL }, /* between the scripts and us */
	{ OPT_HELP, 'h', "help", OPT_NONE, NULL, "this text" },
	{ OPT_VERSION, 'V', "version", OPT_NONE, NULL, "version" },
	{ 0 },
};
static int run(int argc, char **argv);
static const struct applet applet_relaybox = {
	.name = "relaybox",
	.summary = "the mail toolkit in one file",
	.usage = "APPLET [ARGUMENT...]\n--list | --install [-s] [-f] DIR | --uninstall [DIR] | --completion SHELL",
	.options = options,
	.run = run,
};

static const struct applet *find_applet(const char *name)
{
	for (size_t i = 0; applets[i]; i++) {
		if (!strcmp(applets[i]->name, name))
			return applets[i];
		for (const char *const *alias = applets[i]->aliases; alias && *alias; alias++)
			if (!strcmp(*alias, name))
				return applets[i];
		for (const struct applet *const *also = applets[i]->also; also && *also; also++)
			if (!strcmp((*also)->name, name))
				return *also;
	}
	return NULL;
}

/* each_name - every name and alias in table order; stops at the first non-zero answer */
static int each_name(int (*fn)(void *ctx, const char *name), void *ctx)
{
	int r = 0;

	for (size_t i = 0; applets[i] && !r; i++) {
		r = fn(ctx, applets[i]->name);
		for (const char *const *alias = applets[i]->aliases; alias && *alias && !r; alias++)
			r = fn(ctx, *alias);
		for (const struct applet *const *also = applets[i]->also; also && *also && !r; also++)
			r = fn(ctx, (*also)->name);
	}
	return r;
}

static int print_name(void *ctx, const char *name)
{
	puts(name);
	return 0;
}

static int help(void)
{
	applet_help(&applet_relaybox);
	printf("\napplets:\n");
	for (size_t i = 0; applets[i]; i++) {
		char names[80];
		int n = snprintf(names, sizeof(names), "%s", applets[i]->name);

		for (const char *const *alias = applets[i]->aliases; alias && *alias && n < (int)sizeof(names); alias++)
			n += snprintf(names + n, sizeof(names) - (size_t)n, ", %s", *alias);
		for (const struct applet *const *also = applets[i]->also; also && *also && n < (int)sizeof(names); also++)
			n += snprintf(names + n, sizeof(names) - (size_t)n, ", %s", (*also)->name);
		printf("  %-30s %s\n", names, applets[i]->summary);
	}
	return applet_close_output(EX_OK);
}

/* --- completion ---------------------------------------------------------------------------------------------------- */

static int add_name(void *ctx, const char *name)
{
	buf_printf(ctx, " %s", name);
	return 0;
}

static int completion(const char *shell)
{
	struct buf names;
	bool known;

	buf_init(&names, 1024);
	buf_z(&names, "relaybox");
	each_name(add_name, &names);
	known = completion_script(shell, buf_cstr(&names));
	buf_fini(&names);
	return known ? applet_close_output(EX_OK) : applet_usage_error(&applet_relaybox, "--completion is one of " COMPLETION_SHELLS);
}

static int put_name(void *ctx, const char *name)
{
	printf("%s\t%s\n", name, find_applet(name)->summary);
	return 0;
}

/* complete - words: a command line up to the word that is to be completed, its program's name first */
static int complete(char **words, int n)
{
	const struct applet *a = n > 1 ? find_applet(fs_name(words[0])) : NULL, *ctl = find_applet("relayctl");
	const char *directory = "";
	char queue[] = "queue", ids[] = "--ids", option[4096], *args[] = { words[0], option, queue, ids, NULL };

	if (n > 2 && !a && (a = find_applet(words[1])) != NULL)
		words++, n--;
	if (n == 2 && !a && *words[1] != '-')
		each_name(put_name, NULL);
	if (n < 2 || !completion_answer(a ? a : &applet_relaybox, words + 1, n - 1, &directory) || !ctl)
		return applet_close_output(EX_OK);
	puts("ALL");
	snprintf(option, sizeof(option), "-c%s", directory);
	if (!*directory)
		args[1] = ids;
	return ctl->run(4, args);
}

static int run_options(int argc, char **argv, char **operands)
{
	struct opt_parse o;
	bool wanted = false, away = false, symbolic = false, replace = false;
	int id;

	opt_init(&o, options, argc, argv, operands);
	while ((id = opt_next(&o)) != OPT_END) {
		switch (id) {
		case OPT_LIST:
			each_name(print_name, NULL);
			return applet_close_output(EX_OK);
		case OPT_INSTALL:
			wanted = true;
			break;
		case OPT_UNINSTALL:
			away = true;
			break;
		case OPT_SYMLINKS:
			symbolic = true;
			break;
		case OPT_REPLACE:
			replace = true;
			break;
		case OPT_COMPLETION:
			return completion(o.arg);
		case OPT_HELP:
			return help();
		case OPT_VERSION:
			return applet_version();
		default:
			return applet_usage_error(&applet_relaybox, "%s", o.error);
		}
	}
	if (wanted && o.n_operands == 1)
		return install_names(each_name, operands[0], symbolic, replace, argv[0]);
	if (away && !wanted && o.n_operands <= 1)
		return uninstall_names(each_name, o.n_operands ? operands[0] : NULL, argv[0]);
	return applet_usage_error(&applet_relaybox, away ? "--uninstall takes one DIR, or none" : wanted ? "--install needs one DIR" : "which applet?");
}

static int run(int argc, char **argv)
{
	const struct applet *a = argc > 1 ? find_applet(argv[1]) : NULL;
	char *operands[64];

	if (a) {
		applet_called(argv[1]);
		return a->run(argc - 1, argv + 1);
	}
	if (argc > 2 && !strcmp(argv[1], "--complete"))
		return complete(argv + 2, argc - 2);
	if (argc < 2) {
		help();
		return EX_USAGE;
	}
	if (argv[1][0] != '-')
		return applet_usage_error(&applet_relaybox, "no applet is called %s", argv[1]);
	return run_options(argc > 64 ? 64 : argc, argv, operands);
}

int main(int argc, char **argv)
{
	static char unnamed[] = "relaybox";
	const struct applet *a;

	if (argc < 1)
		return EX_USAGE;
	if (rights_keep_own() != 0)
		return EX_OSERR;
	/* a peer or a pager that goes away is an error of write(2), not a death */
	signal(SIGPIPE, SIG_IGN);
	mem_cache();
	argv[0] = argv[0] ? argv[0] : unnamed;
	a = find_applet(fs_name(argv[0]));
	applet_called(fs_name(argv[0]));
	return a ? a->run(argc, argv) : run(argc, argv);
}
