/* fuzz_form_prometheus.c - the metrics: each line is a comment or a sample, and what is between quotes ends where it should. */
#include "tests/fuzz/probe_forms.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void print(const struct probe *p, FILE *to)
{
	struct probe_metrics m;

	probe_metrics_init(&m);
	probe_metrics_add(&m, p);
	probe_metrics_print(&m, 1, to);
	probe_metrics_fini(&m);
}

static bool is_sample(struct str line)
{
	bool quoted = false;

	if (line.p[0] == '#')
		return str_starts(line, STR("# HELP mxcheck_")) || str_starts(line, STR("# TYPE mxcheck_"));
	for (size_t i = 0; i < line.n; i++)
		if (quoted && line.p[i] == '\\')
			i++;
		else if (line.p[i] == '"')
			quoted = !quoted;
	return str_starts(line, STR("mxcheck_")) && !quoted && ascii_is_digit(line.p[line.n - 1]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t n;
	char *text = forms_print(data, size, print, &n);
	struct str rest = str_make(text, n), line;

	forms_check(text, n);
	while (str_cut(&rest, '\n', &line))
		if (!line.n || !is_sample(line))
			abort();
	free(text);
	return 0;
}
