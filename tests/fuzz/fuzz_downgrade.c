/*
 * fuzz_downgrade.c - 8-bit content in 7 bits: whatever comes, no 8-bit byte leaves a body, lines end in CRLF, and pieces give
 * the same as the whole.
 */
#include <stdlib.h>

#include "core/base/mem.h"
#include "core/msg/crlf.h"
#include "core/msg/downgrade.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static bool convert(struct str in, size_t step, struct buf *out)
{
	struct downgrade *d = downgrade_new();
	bool good = true;

	while (good && in.n > step) {
		good = downgrade_add(d, str_head(in, step), false, out);
		in = str_from(in, step);
	}
	good = good && downgrade_add(d, in, true, out);
	downgrade_free(d);
	return good;
}

static void check(struct str text)
{
	struct str line;
	bool body = false;

	while (str_cut(&text, '\n', &line)) {
		if (text.n && (!line.n || line.p[line.n - 1] != '\r'))
			BUG("a line without CR");
		body |= line.n == 1;
		/* header fields stay: only what follows the first empty line is looked at, and of that what is no field */
		for (size_t i = 0; body && i < line.n && str_chr(line, ':') < 0 && line.p[0] != ' ' && line.p[0] != '\t'; i++)
			if ((unsigned char)line.p[i] >= 0x80 && !str_starts(line, STR("--")))
				BUG("8 bits in a body");
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct crlf_clean clean;
	struct buf in, whole, pieces;
	bool good;

	buf_init(&in, SIZE_MAX / 4);
	buf_init(&whole, SIZE_MAX / 4);
	buf_init(&pieces, SIZE_MAX / 4);
	crlf_clean_init(&clean);
	crlf_clean_add(&clean, &in, str_make((const char *)data, n));
	crlf_clean_end(&clean, &in, true);
	good = convert(buf_view(&in), in.n + 1, &whole);
	if (convert(buf_view(&in), 3, &pieces) != good)
		BUG("pieces change the verdict");
	if (good && !str_eq(buf_view(&whole), buf_view(&pieces)))
		BUG("pieces change the text");
	if (good)
		check(buf_view(&whole));
	buf_fini(&in);
	buf_fini(&whole);
	buf_fini(&pieces);
	return 0;
}
