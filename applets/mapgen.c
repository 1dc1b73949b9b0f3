/* mapgen - builds, edits, queries and checks lookup tables: postmap and postalias, for cdb. */
#include <stdio.h>
#include <string.h>

#include "applets/applet.h"
#include "applets/mapgen_change.h"
#include "applets/mapgen_dkim.h"
#include "applets/mapgen_password.h"
#include "applets/mapgen_query.h"
#include "core/base/mem.h"
#include "core/base/term.h"
#include "core/map/mapcheck.h"

static int run(int argc, char **argv);
static const char *const aliases[] = { "postmap", "postalias", NULL };
enum { OPT_ALIAS = OPT_FIRST_OWN, OPT_CHECK, OPT_DKIM, OPT_PASSWORD, OPT_SCRAM };
static const struct opt options[] = {
	{ 'q', 'q', "query", OPT_ARG, "KEY", "print the value of KEY (\"-\": keys from standard input); 1 when not found" },
	{ 'b', 'b', "body", OPT_NONE, NULL, "with \"-q -\": the keys are the body lines of a message" },
	{ 'h', 'h', "headers", OPT_NONE, NULL, "with \"-q -\": the keys are the header fields of a message; alone: this text" },
	{ 'm', 'm', "mime", OPT_NONE, NULL, "with -b or -h: those of attachments, too" },
	{ 's', 's', "list", OPT_NONE, NULL, "print every key and value" },
	{ 'd', 'd', "delete", OPT_ARG, "KEY", "take KEY out (\"-\": keys from standard input); 1 when not there" },
	{ 'i', 'i', "update", OPT_NONE, NULL, "add entries from standard input" },
	{ 'r', 'r', "replace", OPT_NONE, NULL, "a later entry with the same key replaces the earlier one" },
	{ 'w', 'w', "no-warn", OPT_NONE, NULL, "say nothing about entries with the same key" },
	{ 'f', 'f', "keep-case", OPT_NONE, NULL, "do not fold keys to lower case" },
	{ 'F', 'F', "files", OPT_NONE, NULL, "values name files whose content is stored (query: printed) in base64" },
	{ 'j', 'j', "json", OPT_NONE, NULL, "with -q or -s: one {\"key\": \"value\"} object a line" },
	{ 'N', 'N', "nul", OPT_NONE, NULL, "keys and values end with a NUL byte" },
	{ 'n', 'n', "no-nul", OPT_NONE, NULL, "keys and values end without a NUL byte (the default)" },
	{ 'o', 'o', "own-rights", OPT_NONE, NULL, "as root: do not become the owner of the source file" },
	{ 'p', 'p', "default-mode", OPT_NONE, NULL, "the table gets mode 0644 instead of the source's" },
	{ 'u', 'u', "any-bytes", OPT_NONE, NULL, "keys and values need not be UTF-8" },
	{ 'U', 'U', NULL, OPT_NONE, NULL, NULL },
	{ OPT_ALIAS, 0, "alias", OPT_NONE, NULL, "the source is an aliases file, \"name: value\" (postalias)" },
	{ OPT_CHECK, 0, "check", OPT_NONE, NULL, "say what is wrong with a table; build nothing" },
	{ OPT_DKIM, 0, "dkim", OPT_NONE, NULL, "make a key that signs mail of a domain, and print its DNS record" },
	{ OPT_PASSWORD, 0, "password", OPT_NONE, NULL, "read a password from standard input and print what a table of users says of it" },
	{ OPT_SCRAM, 0, "scram", OPT_NONE, NULL, "with --password: an entry with which clients may log in by SCRAM-SHA-256, too" },
	{ 'c', 'c', "config", OPT_ARG, "DIR", "accepted for postmap's sake: no configuration is needed" },
	{ 'v', 'v', "verbose", OPT_NONE, NULL, "say what was done" },
	{ OPT_HELP, 0, "help", OPT_NONE, NULL, "this text" },
	{ 0 },
};
const struct applet applet_mapgen = {
	.name = "mapgen",
	.aliases = aliases,
	.summary = "build and query lookup tables",
	.usage = "[-fFnNoprsuvw] [--alias] [TYPE:]FILE...\n-q KEY [-bfFhjm] [TYPE:]FILE...\n-d KEY | -i [TYPE:]FILE\n"
		"--check [TYPE:]FILE...\n--dkim DOMAIN SELECTOR\n--password [--scram]",
	.options = options,
	.notes = "TYPE hash, btree, lmdb, dbm and cdb all build FILE.cdb; the default is cdb. -q and -s take every table type.\n"
		"-U is accepted and ignored.",
	.run = run,
};

struct mapgen_state {
	struct mapgen_change change;
	struct mapgen_query query;
	bool list, check, dkim, password, scram;
};

/* --- the check -------------------------------------------------------------------------------------------------- */

static void on_finding(void *ctx, enum mapcheck_level level, const char *file, unsigned line, const char *text)
{
	static const char *const words[] = { "note", "warning", "problem" };
	static const char *const colours[] = { "36", "33", "31" };
	bool colour = applet_colour(stdout);

	printf("%s:", file);
	if (line)
		printf("%u:", line);
	if (colour)
		printf(" \033[%sm%s\033[0m: ", colours[level], words[level]);
	else
		printf(" %s: ", words[level]);
	term_print(stdout, str_of(text));
	putchar('\n');
}

static int check(const struct mapgen_state *s, const char *spec)
{
	struct str type;
	const char *name;
	struct mapcheck_report r;

	mapgen_split(spec, &type, &name);
	mapcheck_run(type, name, s->change.build.form == SOURCE_ALIAS, on_finding, NULL, &r);
	printf("%s: %zu entries, %zu problems, %zu warnings, %zu notes\n", name, r.entries, r.count[MAPCHECK_PROBLEM],
		r.count[MAPCHECK_WARNING], r.count[MAPCHECK_NOTE]);
	return r.count[MAPCHECK_PROBLEM] ? 1 : EX_OK;
}

static int work(struct mapgen_state *s, char **specs, int n)
{
	int code = EX_OK;

	if (s->password)
		return mapgen_password(s->scram);
	if (s->dkim)
		return n == 2 ? mapgen_dkim(specs[0], specs[1]) : applet_usage_error(&applet_mapgen, "--dkim takes a domain and a selector");
	if (n == 0)
		return applet_usage_error(&applet_mapgen, "which table?");
	if (s->query.key)
		return mapgen_query(&s->query, specs, n);
	for (int i = 0; i < n; i++) {
		int r = s->check ? check(s, specs[i]) : s->list ? mapgen_list(&s->query, specs[i]) : mapgen_change(&s->change, specs[i]);

		code = code ? code : r;
	}
	return applet_close_output(code);
}

static int take_option(struct mapgen_state *s, int id, const char *arg)
{
	switch (id) {
	case 'q': s->query.key = arg; break;
	case 'b': s->query.bodies = true; break;
	case 'h': s->query.headers = true; break;
	case 'm': s->query.mime = true; break;
	case 'd': s->change.remove = arg; break;
	case 's': s->list = true; break;
	case 'i': s->change.update = true; break;
	case 'r': s->change.build.duplicates = CDB_DUP_REPLACE; break;
	case 'w': s->change.build.duplicates = CDB_DUP_SILENT_FIRST; break;
	case 'f': s->change.build.keep_case = true; break;
	case 'F': s->change.build.file_values = true; break;
	case 'j': s->query.json = true; break;
	case 'N': s->change.build.nul = true; break;
	case 'n': s->change.build.nul = false; break;
	case 'o': s->change.own_rights = true; break;
	case 'p': s->change.build.default_mode = true; break;
	case 'u': s->change.build.any_bytes = true; break;
	case OPT_ALIAS: s->change.build.form = SOURCE_ALIAS; break;
	case OPT_CHECK: s->check = true; break;
	case OPT_DKIM: s->dkim = true; break;
	case OPT_PASSWORD: s->password = true; break;
	case OPT_SCRAM: s->scram = true; break;
	case 'v': s->change.verbose = true; break;
	}
	return 0;
}

static int run(int argc, char **argv)
{
	struct mapgen_state s = { .list = false };
	struct opt_parse o;
	char **operands = mem_array(NULL, (size_t)argc, sizeof(char *));
	int id, code;

	s.change.build.form = !strcmp(applet_name(), "postalias") ? SOURCE_ALIAS : SOURCE_TABLE;
	opt_init(&o, options, argc, argv, operands);
	while ((id = opt_next(&o)) >= 0 && id != OPT_HELP)
		take_option(&s, id, o.arg);
	s.query.build = &s.change.build;
	/* -h has been postmap's for long; without a question it can only be meant as everywhere else */
	if (id == OPT_HELP || (s.query.headers && !s.query.key && !o.n_operands))
		code = applet_help(&applet_mapgen);
	else if (id == OPT_BAD)
		code = applet_usage_error(&applet_mapgen, "%s", o.error);
	else if (!!s.query.key + !!s.change.remove + s.list + s.change.update + s.check + s.dkim + s.password > 1)
		code = applet_usage_error(&applet_mapgen, "only one of -q, -s, -d, -i, --check, --dkim and --password at a time");
	else if (s.scram && !s.password)
		code = applet_usage_error(&applet_mapgen, "--scram goes with --password only");
	else if ((s.query.bodies || s.query.headers || s.query.mime) && (!s.query.key || strcmp(s.query.key, "-") != 0))
		code = applet_usage_error(&applet_mapgen, "-b, -h and -m go with \"-q -\" only");
	else
		code = work(&s, operands, o.n_operands);
	mem_free(operands);
	return code;
}
