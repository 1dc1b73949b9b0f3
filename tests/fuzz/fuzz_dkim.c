/*
 * fuzz_dkim.c - canonical forms of a body and of fields: pieces give the same as the whole, what is canonical stays so, and no line has
 * blanks in a row or at its end.
 */
#include "core/base/mem.h"
#include "core/dkim/canon.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void collect(void *ctx, struct str text)
{
	buf_str(ctx, text);
}

static void canonical(struct str in, size_t step, struct buf *out)
{
	struct dkim_body b;

	dkim_body_init(&b, collect, out);
	for (; in.n; in = str_from(in, step))
		dkim_body_add(&b, str_head(in, step));
	dkim_body_end(&b);
}

static void check(struct str s)
{
	if (str_find(s, STR("  ")) >= 0 || str_chr(s, '\t') >= 0 || str_find(s, STR(" \r\n")) >= 0)
		BUG("blanks are left");
	if (s.n && (!str_ends(s, STR("\r\n")) || str_eq(s, STR("\r\n")) || str_ends(s, STR("\r\n\r\n"))))
		BUG("the end is not one line end");
}

static void check_fields(struct str rest)
{
	struct buf once, twice;
	struct header h;

	buf_init(&once, SIZE_MAX / 4);
	buf_init(&twice, SIZE_MAX / 4);
	while (header_next(&rest, &h) == 1) {
		struct str text;

		buf_clear(&once);
		buf_clear(&twice);
		dkim_header(&h, &once);
		text = buf_view(&once);
		if (header_next(&text, &h) != 1)
			BUG("a field is none any more");
		dkim_header(&h, &twice);
		if (!str_eq(buf_view(&once), buf_view(&twice)) || str_find(buf_view(&once), STR("  ")) >= 0)
			BUG("a field is not canonical");
	}
	buf_fini(&once);
	buf_fini(&twice);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct str in = str_make((const char *)data, n);
	struct buf whole, pieces, again;

	buf_init(&whole, SIZE_MAX / 4);
	buf_init(&pieces, SIZE_MAX / 4);
	buf_init(&again, SIZE_MAX / 4);
	canonical(in, n + 1, &whole);
	canonical(in, 3, &pieces);
	canonical(buf_view(&whole), n + 1, &again);
	if (!str_eq(buf_view(&whole), buf_view(&pieces)))
		BUG("pieces change the text");
	if (!str_eq(buf_view(&whole), buf_view(&again)))
		BUG("canonical text is changed");
	check(buf_view(&whole));
	check_fields(in);
	buf_fini(&whole);
	buf_fini(&pieces);
	buf_fini(&again);
	return 0;
}
