/* mxcheck_papers - what needs no network: the rule behind a keyword, and what changed between two files that --json made. */
#include <errno.h>
#include <stdio.h>

#include "applets/applet.h"
#include "applets/mxcheck.h"
#include "core/base/fs.h"
#include "core/base/limits.h"
#include "core/probe/probe_out.h"

int mxcheck_explain(const char *word)
{
	size_t n, found = 0;
	const struct probe_rule *rules = probe_rules(&n);

	for (size_t i = 0; i < n; i++)
		if (!strcmp(word, "all") || !strcmp(word, rules[i].word)) {
			printf("%s%s\n  %s\n%s%s%s", found++ ? "\n" : "", rules[i].word, rules[i].rule, *rules[i].where ? "  " : "", rules[i].where,
				*rules[i].where ? "\n" : "");
		}
	if (found)
		return applet_close_output(EX_OK);
	return applet_usage_error(&applet_mxcheck, "%s: no keyword of a finding; --explain all shows them", word);
}

enum { DIFFERENT = 1 };
int mxcheck_compare(const struct mxcheck *k, char **files, int n)
{
	struct buf runs[2];
	int code = EX_OK;
	ptrdiff_t changes;

	if (n != 2)
		return applet_usage_error(&applet_mxcheck, "--compare wants two files");
	for (int i = 0; i < 2; i++) {
		buf_init(&runs[i], LIMIT_PROBE_OUTPUT);
		if (!code && fs_read_stream(files[i], &runs[i]) < 0)
			code = applet_fail(EX_NOINPUT, "cannot read %s: %s", files[i], strerror(errno));
	}
	changes = code ? 0 : probe_compare(buf_view(&runs[0]), buf_view(&runs[1]), stdout, applet_colour(stdout));
	if (changes < 0)
		code = applet_fail(EX_DATAERR, "one of them is not what --json prints");
	else if (!code && !k->quiet)
		printf("%td change%s\n", changes, changes == 1 ? "" : "s");
	for (int i = 0; i < 2; i++)
		buf_fini(&runs[i]);
	return applet_close_output(code ? code : changes ? DIFFERENT : EX_OK);
}
