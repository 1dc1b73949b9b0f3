/* lines of content on their way out, at every limit: without one no line is folded, with one none is longer, and what was folded comes
 * back when the folds are taken out */
#include <stdio.h>
#include <string.h>

#include "core/base/buf.h"
#include "core/smtp/content.h"
#include "tests/unit/t.h"

static void send_line(size_t limit, const char *line, size_t n, size_t step, struct buf *out)
{
	struct content_out c;

	content_out_init(&c, true, limit);
	for (size_t at = 0; at < n; at += step)
		content_out_add(&c, out, str_make(line + at, n - at < step ? n - at : step));
	content_out_end(&c, out);
}

T(content_out_folds_only_where_there_is_a_limit)
{
	static const size_t limits[] = { 0, 1, 7, 8, 9, 20, 998, 2000, 5000 };
	static char line[5003];

	memset(line, 'x', 5000);
	memcpy(line + 5000, "\r\n", 3);
	for (size_t i = 0; i < sizeof(limits) / sizeof(limits[0]); i++) {
		/* a fold needs room for its space and a character of four bytes */
		size_t least = limits[i] && limits[i] < 8 ? 8 : limits[i];

		for (size_t step = 1; step < 6000; step = step * 7 + 3) {
			struct str rest, text;
			struct buf out, back;
			size_t longest = 0;

			ROW("limit %zu in pieces of %zu", limits[i], step);
			buf_init(&out, 20000);
			buf_init(&back, 20000);
			send_line(limits[i], line, 5002, step, &out);
			CHECK(str_ends(buf_view(&out), STR("\r\n.\r\n")));
			rest = str_head(buf_view(&out), out.n - 3);
			while (str_cut(&rest, '\n', &text) && text.n) {
				longest = text.n - 1 > longest ? text.n - 1 : longest;
				buf_str(&back, str_from(str_head(text, text.n - 1), back.n && text.p[0] == ' '));
			}
			CHECK_MEM(back.p, back.n, line, 5000);
			CHECK_INT(longest, !least || least > 5000 ? 5000 : least);
			buf_fini(&out);
			buf_fini(&back);
		}
	}
}
