/* fuzz_form_nagios.c - the plugin's form: one line, and one bar, behind which only our own figures stand. */
#include "tests/fuzz/probe_forms.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void print(const struct probe *p, FILE *to)
{
	if (probe_print_nagios(p, to) != 2)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t n;
	char *text = forms_print(data, size, print, &n);
	const char *bar = strchr(text, '|');

	if (forms_check(text, n) != 1 || !bar || strchr(bar + 1, '|') || strncmp(bar, "| time=", 7) != 0 || text[n - 1] != '\n')
		abort();
	free(text);
	return 0;
}
