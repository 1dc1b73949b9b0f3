/* where a header section ends: the same fields and the same body however the content is cut into pieces, nothing lost or made up */
#include <stdlib.h>

#include "core/base/mem.h"
#include "core/cleanup/section.h"
#include "core/msg/crlf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

struct seen { struct buf fields, body; };

static void on_field(void *ctx, const struct header *h)
{
	struct seen *s = ctx;

	if (!h->name.n || !h->raw.n || h->raw.p[h->raw.n - 1] != '\n' || h->value.p <= h->raw.p || h->value.n + 3 > h->raw.n)
		abort();
	buf_str(&s->fields, h->raw);
}

static void run(struct str content, size_t limit, size_t step, struct seen *out)
{
	struct section s;
	struct str body, rest;
	bool ended = false;

	buf_init(&out->fields, 2 * content.n + 4096);
	buf_init(&out->body, 2 * content.n + 4096);
	section_init(&s, limit, on_field, out);
	for (size_t at = 0; at < content.n; at += step) {
		char *piece = str_dup(str_head(str_from(content, at), step));
		struct str p = str_make(piece, content.n - at < step ? content.n - at : step);

		body = STR_EMPTY;
		rest = p;
		if (!ended) {
			ended = section_add(&s, p, &body, &rest);
			buf_str(&out->body, body);
		}
		if (ended)
			buf_str(&out->body, rest);
		mem_free(piece);
	}
	if (!ended) {
		section_end(&s, &body);
		buf_str(&out->body, body);
	}
	section_fini(&s);
}

static void fini(struct seen *s)
{
	buf_fini(&s->fields);
	buf_fini(&s->body);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static const size_t limits[] = { 100000, 1, 40 };
	struct crlf_clean clean;
	struct buf content;

	buf_init(&content, 2 * n + 2);
	crlf_clean_init(&clean);
	crlf_clean_add(&clean, &content, str_make((const char *)data, n));
	crlf_clean_end(&clean, &content, true);
	for (size_t i = 0; i < sizeof(limits) / sizeof(limits[0]); i++) {
		struct seen whole, pieces;

		run(buf_view(&content), limits[i], content.n + 1, &whole);
		run(buf_view(&content), limits[i], n % 7 + 1, &pieces);
		if (!str_eq(buf_view(&whole.fields), buf_view(&pieces.fields)) || !str_eq(buf_view(&whole.body), buf_view(&pieces.body)))
			abort();
		/* what was given is the body's end */
		if (!str_ends(buf_view(&content), buf_view(&whole.body)))
			abort();
		fini(&whole);
		fini(&pieces);
	}
	buf_fini(&content);
	return 0;
}
