/* fuzz_form_json.c - the JSON form: one line, which is an object, and which --compare reads. */
#include "core/base/json_read.h"
#include "tests/fuzz/probe_forms.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void on_member(void *ctx, const struct json_member *m)
{
	(void)m;
	++*(size_t *)ctx;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static FILE *nowhere;
	size_t n, members = 0;
	char *text = forms_print(data, size, probe_print_json, &n);
	struct arena arena;

	arena_init(&arena, 1 << 20);
	if (forms_check(text, n) != 1 || !json_read_object(str_make(text, n - 1), &arena, on_member, &members) || members < 8)
		abort();
	if (probe_compare(str_make(text, n), str_make(text, n), stdout, false) != 0)
		abort();
	/* and a run of strangers' bytes is read or refused */
	if (!nowhere)
		nowhere = fopen("/dev/null", "w");
	probe_compare(str_make((const char *)data, size), STR_EMPTY, nowhere, false);
	arena_fini(&arena);
	free(text);
	return 0;
}
