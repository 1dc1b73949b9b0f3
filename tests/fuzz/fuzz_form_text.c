/* fuzz_form_text.c - the text form, as wide as it likes and wrapped: no text of strangers steers a terminal. */
#include "tests/fuzz/probe_forms.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void print(const struct probe *p, FILE *to)
{
	static const struct probe_style styles[] = { { .verbose = true }, { .width = 60 }, { .quiet = true } };

	for (size_t i = 0; i < sizeof(styles) / sizeof(styles[0]); i++)
		probe_print_text(p, to, &styles[i]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t n;
	char *text = forms_print(data, size, print, &n);

	forms_check(text, n);
	free(text);
	return 0;
}
