/* encodings: decode(encode(x)) is x, encoded text is printable ASCII in bounded lines; a message's lines: none is lost */
#include <stdlib.h>

#include "core/base/mem.h"
#include "core/msg/mime.h"
#include "core/msg/mime_lines.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void check_lines(struct str s, size_t most)
{
	struct str line;

	while (str_cut(&s, '\n', &line)) {
		if (s.n && (!line.n || line.p[line.n - 1] != '\r'))
			abort();
		if (line.n > most + 1)
			abort();
		for (size_t i = 0; i < line.n; i++)
			if (!ascii_is_print(line.p[i]) && line.p[i] != '\t' && !(line.p[i] == '\r' && i + 1 == line.n))
				abort();
	}
}

static void must_equal(struct buf *got, struct str want)
{
	if (!str_eq(buf_view(got), want))
		abort();
}

static void count_line(void *ctx, enum mime_line kind, struct str text)
{
	size_t *lines = ctx;

	++*lines;
	for (size_t i = 0; i < text.n; i++)
		*lines += text.p[i] == '\n';
	if (kind != MIME_LINE_BODY && str_chr(text, ':') <= 0)
		abort();
}

/* each line comes out once; an empty one may have been put behind the headers */
static void split(struct str in, bool parse_mime)
{
	size_t lines = 0, told = 0;
	struct mime_lines m;
	struct str line;

	mime_lines_init(&m, parse_mime, count_line, &told);
	for (; str_cut(&in, '\n', &line); lines++)
		mime_lines_add(&m, line);
	mime_lines_end(&m);
	if (told != lines && told != lines + 1)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	char *copy = mem_alloc(n);
	struct str in = str_make(copy, n);
	struct buf coded, plain;

	memcpy(copy, data, n);
	buf_init(&coded, 32 * n + 4096);
	buf_init(&plain, 32 * n + 4096);
	mime_base64(&coded, in, 0);
	if (!mime_base64_decode(&plain, buf_view(&coded)))
		abort();
	must_equal(&plain, in);
	buf_clear(&plain);
	if (mime_base64_decode(&plain, in)) {
		buf_clear(&coded);
		mime_base64(&coded, buf_view(&plain), 0);
		must_equal(&coded, in);
	}
	buf_clear(&coded);
	mime_base64(&coded, in, 76);
	check_lines(buf_view(&coded), 76);
	buf_clear(&coded);
	buf_clear(&plain);
	mime_xtext(&coded, in);
	if (mime_xtext_decode(&plain, buf_view(&coded)))
		must_equal(&plain, in);
	buf_clear(&plain);
	(void)mime_xtext_decode(&plain, in);
	buf_clear(&coded);
	mime_quoted_printable(&coded, in);
	check_lines(buf_view(&coded), 76);
	buf_clear(&coded);
	mime_header_text(&coded, in, 9);
	check_lines(buf_view(&coded), 998);
	buf_clear(&coded);
	mime_phrase(&coded, in, 6);
	check_lines(buf_view(&coded), 998);
	buf_clear(&coded);
	mime_parameter(&coded, "filename", in);
	check_lines(buf_view(&coded), 200);
	if (coded.overflow)
		abort();
	split(in, false);
	split(in, true);
	buf_fini(&coded);
	buf_fini(&plain);
	mem_free(copy);
	return 0;
}
