/* bounce_template_file: whatever a file says, text comes in CRLF lines without control characters, or it is refused */
#include <stdlib.h>

#include "core/deliver/bounce_template.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void check(const struct dsn_template *t)
{
	struct str rest = t->text, line;
	const struct str heads[] = { t->charset, t->from, t->subject, t->postmaster_subject };

	while (str_cut(&rest, '\n', &line)) {
		if (!line.n || line.p[line.n - 1] != '\r')
			abort();
		for (size_t i = 0; i + 1 < line.n; i++)
			if ((unsigned char)line.p[i] < ' ' && line.p[i] != '\t')
				abort();
	}
	for (size_t i = 0; i < 4; i++)
		for (size_t k = 0; k < heads[i].n; k++)
			if (!ascii_is_print(heads[i].p[k]))
				abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static const char *const extra[] = { "myhostname=mx.example.jp", "compatibility_level=3.6", NULL };
	static struct conf *c;
	struct conf_diag diag;
	struct bounce_templates *t;

	conf_diag_init(&diag);
	if (!c && !(c = conf_load("/nonexistent", extra, &diag)))
		abort();
	t = bounce_templates_parse(c, "x", str_make((const char *)data, n), &diag);
	for (int i = 0; i < BOUNCE_TEXTS; i++)
		if (bounce_template(t, (enum bounce_text)i))
			check(bounce_template(t, (enum bounce_text)i));
	bounce_templates_free(t);
	conf_diag_fini(&diag);
	return 0;
}
