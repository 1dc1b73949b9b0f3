/* postconf - the options of Postfix's postconf on our files, so that recipes go through. What is printed is what relayd would use:
 * the environment is part of it. What is changed is main.cf. */
#include "applets/postconf.h"

#include <stdio.h>
#include <string.h>

#include "core/base/mem.h"
#include "core/conf/conf.h"
#include "core/map/map.h"

static int run(int argc, char **argv);
static const struct opt options[] = {
	{ 'n', 'n', NULL, OPT_NONE, NULL, "only parameters that are set" },
	{ 'd', 'd', NULL, OPT_NONE, NULL, "defaults instead of values" },
	{ 'x', 'x', NULL, OPT_NONE, NULL, "expand $names in values" },
	{ 'h', 'h', NULL, OPT_NONE, NULL, "values alone, without names" },
	{ 'e', 'e', NULL, OPT_NONE, NULL, "change main.cf: NAME=VALUE operands (which mean it by themselves, too)" },
	{ 'X', 'X', NULL, OPT_NONE, NULL, "take NAME out of main.cf" },
	{ 'M', 'M', NULL, OPT_NONE, NULL, "lines of master.cf; operands: SERVICE[/TYPE]" },
	{ 'P', 'P', NULL, OPT_NONE, NULL, "-o options in master.cf; operands: SERVICE[/TYPE[/NAME]]" },
	{ 'm', 'm', NULL, OPT_NONE, NULL, "types of lookup tables" },
	{ 'c', 'c', NULL, OPT_ARG, "DIR", "configuration directory" },
	{ 'o', 'o', NULL, OPT_ARG, "NAME=VALUE", "as if main.cf said so; may be repeated" },
	{ 'f', 'f', NULL, OPT_NONE, NULL, "nothing: lines are not folded" },
	{ 'p', 'p', NULL, OPT_NONE, NULL, "parameters of main.cf, which is the default" },
	{ 'v', 'v', NULL, OPT_NONE, NULL, "print warnings about the configuration" },
	{ OPT_HELP, 0, "help", OPT_NONE, NULL, "this text" },
	{ 0 },
};
const struct applet applet_postconf = {
	.name = "postconf", .summary = "print or change the configuration",
	.usage = "[-c DIR] [-o NAME=VALUE]... [-n | -d] [-x] [-h] [NAME...]\n[-c DIR] [-e] NAME=VALUE...\n[-c DIR] -X NAME...\n"
		"[-c DIR] -M | -P [-h] [SERVICE[/TYPE[/NAME]]...]\n-m",
	.options = options, .run = run,
};

struct job {
	const char *directory;
	const char **extra;
	int n_extra;
	enum conf_dump_what what;
	int source;                    /* 'M', 'P', 'm'; 0: main.cf */
	int edit;                      /* 'e', 'X'; 0: print */
	bool expanded, bare, verbose, chosen;
	char **operands;
	int n;
};

static int change(const struct job *j)
{
	struct conf_change *v = mem_array(NULL, (size_t)j->n + 1, sizeof(*v));
	struct buf why;
	int code = EX_OK;

	buf_init(&why, 4096);
	for (int i = 0; i < j->n && !code; i++)
		if (!conf_change_parse(j->operands[i], j->edit == 'X', &v[i], &why))
			code = applet_usage_error(&applet_postconf, "%s", buf_cstr(&why));
	if (!code && conf_edit(j->directory, v, (size_t)j->n, &why) < 0)
		code = applet_fail(EX_CONFIG, "%s", buf_cstr(&why));
	buf_fini(&why);
	mem_free(v);
	return code;
}

static void print_name(const struct job *j, const struct conf *c, const char *name)
{
	const char *text = conf_text(c, name, j->what, j->expanded);

	if (text)
		conf_print(name, text, j->bare, stdout);
	else if (!conf_is_name(name))
		applet_fail(0, "warning: %s: unknown parameter", name);
	else if (j->what != CONF_DUMP_SET)
		applet_fail(0, "warning: %s: relaybox has no such parameter, and nothing sets it", name);
}

/* print_main - also what is refused, with what is wrong on standard error */
static int print_main(const struct job *j)
{
	struct conf_diag diag;
	struct conf *c;

	conf_diag_init(&diag);
	c = conf_load_whole(j->directory, j->extra, &diag);
	conf_diag_locate(&diag, c);
	if (diag.errors || j->verbose)
		conf_diag_print(&diag, stderr, applet_name());
	if (!j->n)
		conf_dump(c, j->what, j->expanded, j->bare, stdout);
	for (int i = 0; i < j->n; i++)
		print_name(j, c, j->operands[i]);
	conf_diag_fini(&diag);
	conf_free(c);
	return EX_OK;
}

static int print_master(const struct job *j)
{
	enum master_form form = j->source == 'M' ? MASTER_LINES : j->bare ? MASTER_VALUES : MASTER_OPTIONS;
	struct buf why;
	int n = 0;

	buf_init(&why, 1024);
	for (int i = 0; n >= 0 && (i < j->n || !i); i++) {
		n = master_print(j->directory, j->n ? j->operands[i] : NULL, form, stdout, &why);
		if (!n && j->n)
			applet_fail(0, "warning: unmatched request: \"%s\"", j->operands[i]);
	}
	if (n < 0)
		applet_fail(0, "%s/master.cf: %s", j->directory, buf_cstr(&why));
	buf_fini(&why);
	return n < 0 ? EX_CONFIG : EX_OK;
}

static int do_job(struct job *j)
{
	for (int i = 0; i < j->n && !j->edit; i++)
		j->edit = strchr(j->operands[i], '=') ? 'e' : 0;
	if (j->edit && (j->source == 'M' || j->source == 'P'))
		return applet_usage_error(&applet_postconf, "master.cf is not changed from here: edit it by hand, or set a line with "
			"POSTFIXMASTER_service__type in the environment");
	if (j->edit && j->chosen)
		return applet_usage_error(&applet_postconf, "-n and -d print, -e and -X change: only one of them at a time");
	if (j->edit && !j->n)
		return applet_usage_error(&applet_postconf, "what shall be changed?");
	j->directory = conf_default_directory(j->directory);
	if (j->edit)
		return change(j);
	if (j->source == 'm')
		map_print_types(stdout);
	return applet_close_output(j->source == 'm' ? EX_OK : j->source ? print_master(j) : print_main(j));
}

/* take_option - 0, or why not */
static const char *take_option(struct job *j, int id, const char *arg)
{
	bool again = false;

	switch (id) {
	case 'c': j->directory = arg; break;
	case 'o': j->extra[j->n_extra++] = arg; break;
	case 'x': j->expanded = true; break;
	case 'h': j->bare = true; break;
	case 'v': j->verbose = true; break;
	case 'n': case 'd':
		again = j->chosen && j->what != (id == 'n' ? CONF_DUMP_SET : CONF_DUMP_DEFAULTS);
		j->what = id == 'n' ? CONF_DUMP_SET : CONF_DUMP_DEFAULTS;
		j->chosen = true;
		break;
	case 'e': case 'X':
		again = j->edit && j->edit != id;
		j->edit = id;
		break;
	case 'M': case 'P': case 'm':
		again = j->source && j->source != id;
		j->source = id;
		break;
	default: break;
	}
	return again ? "only one of -n and -d, of -e and -X, and of -M, -P and -m at a time" : NULL;
}

static int run(int argc, char **argv)
{
	struct job j = { .what = CONF_DUMP_ALL, .extra = mem_array(NULL, (size_t)argc + 1, sizeof(*j.extra)),
		.operands = mem_array(NULL, (size_t)argc + 1, sizeof(*j.operands)) };
	const char *wrong = NULL;
	struct opt_parse o;
	int id, code;

	opt_init(&o, options, argc, argv, j.operands);
	while (!wrong && (id = opt_next(&o)) != OPT_END && id != OPT_HELP)
		wrong = id == OPT_BAD ? o.error : take_option(&j, id, o.arg);
	j.extra[j.n_extra] = NULL;
	j.n = o.n_operands;
	code = wrong ? applet_usage_error(&applet_postconf, "%s", wrong) : id == OPT_HELP ? applet_help(&applet_postconf) : do_job(&j);
	mem_free(j.extra);
	mem_free(j.operands);
	return code;
}
