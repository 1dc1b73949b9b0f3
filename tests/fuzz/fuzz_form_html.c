/* fuzz_form_html.c - the page: its tags are ours, however many < strangers write. */
#include "tests/fuzz/probe_forms.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static size_t count(const char *text, char c)
{
	size_t n = 0;

	for (; *text; text++)
		n += *text == c;
	return n;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t n, plain_n;
	char *text = forms_print(data, size, probe_print_html, &n), *plain = forms_print((const uint8_t *)"x", 1, probe_print_html, &plain_n);

	forms_check(text, n);
	if (size && data[0] && (count(text, '<') != count(plain, '<') || count(text, '>') != count(plain, '>') || count(text, '"') != count(plain, '"')))
		abort();
	free(text);
	free(plain);
	return 0;
}
