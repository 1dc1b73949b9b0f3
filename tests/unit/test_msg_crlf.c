/* line ends and dots: every way of cutting the input gives the same output */
#include <stdio.h>
#include <stdlib.h>

#include "core/msg/crlf.h"
#include "tests/unit/t.h"

enum what { CLEAN, CLEAN_END, LF, LF_FROM };

/* feed s in up to three chunks, cut at i and k */
static void run(enum what what, struct str s, size_t i, size_t k, struct buf *out)
{
	struct str chunks[3] = { str_head(s, i), str_make(s.p + i, k - i), str_from(s, k) };
	struct crlf_clean c;
	struct crlf_to_lf l;

	buf_clear(out);
	crlf_clean_init(&c);
	crlf_to_lf_init(&l, what == LF_FROM);
	for (int n = 0; n < 3; n++) {
		if (what <= CLEAN_END)
			crlf_clean_add(&c, out, chunks[n]);
		else
			crlf_to_lf_add(&l, out, chunks[n]);
	}
	if (what <= CLEAN_END)
		crlf_clean_end(&c, out, what == CLEAN_END);
	else
		crlf_to_lf_end(&l, out);
}

static const struct { enum what what; struct str in, want; } rows[] = {
	{ CLEAN, STR(""), STR("") }, { CLEAN_END, STR(""), STR("") },
	{ CLEAN, STR("a\nb\n"), STR("a\r\nb\r\n") }, { CLEAN, STR("a\r\nb\r\n"), STR("a\r\nb\r\n") },
	{ CLEAN, STR("a\nb"), STR("a\r\nb") }, { CLEAN_END, STR("a\nb"), STR("a\r\nb\r\n") }, { CLEAN_END, STR("a\n"), STR("a\r\n") },
	{ CLEAN, STR("a\rb\r\n"), STR("a b\r\n") }, { CLEAN, STR("\r\r\n"), STR(" \r\n") }, { CLEAN, STR("\n\r"), STR("\r\n ") },
	{ CLEAN_END, STR("a\r"), STR("a \r\n") }, { CLEAN, STR("a\0b\n"), STR("a\0b\r\n") }, { CLEAN, STR("\n.\n"), STR("\r\n.\r\n") },
	{ CLEAN, STR("\r.\r\n.\r\r\n\n\r\n"), STR(" .\r\n. \r\n\r\n\r\n") }, { CLEAN, STR("\r\r\r"), STR("   ") },
	{ LF, STR("a\r\nb\r\n"), STR("a\nb\n") }, { LF, STR("From x\r\n"), STR("From x\n") }, { LF, STR("a\rb\r\n"), STR("a\rb\n") },
	{ LF_FROM, STR("From x\r\nb\r\n"), STR(">From x\nb\n") }, { LF_FROM, STR("Fro\r\nFrom\r\nFrom \r\n"), STR("Fro\nFrom\n>From \n") },
	{ LF_FROM, STR("a From x\r\n>From x\r\nFrom: y\r\n"), STR("a From x\n>From x\nFrom: y\n") },
	{ LF_FROM, STR("a\r\nFr"), STR("a\nFr") }, { LF_FROM, STR("a\r\n\r\nFrom z"), STR("a\n\n>From z") },
};

T(crlf_is_the_same_however_it_is_cut)
{
	struct buf out;

	buf_init(&out, 1000);
	for (size_t r = 0; r < sizeof(rows) / sizeof(rows[0]); r++) {
		for (size_t i = 0; i <= rows[r].in.n; i++) {
			for (size_t k = i; k <= rows[r].in.n; k++) {
				ROW("row %zu cut at %zu and %zu", r, i, k);
				run(rows[r].what, rows[r].in, i, k, &out);
				CHECK_MEM(out.p, out.n, rows[r].want.p, rows[r].want.n);
			}
		}
	}
	buf_fini(&out);
}

/* the same rule, said as simply as possible */
static void reference(struct str s, struct buf *out)
{
	buf_clear(out);
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] == '\n')
			buf_z(out, "\r\n");
		else if (s.p[i] != '\r')
			buf_byte(out, s.p[i]);
		else if (i + 1 == s.n || s.p[i + 1] != '\n')
			buf_byte(out, ' ');
	}
}

/* all strings of up to six bytes over the bytes that matter, cut in the middle (threats A9) */
T(crlf_clean_agrees_with_the_reference)
{
	static const char letters[] = { '\r', '\n', '.', '\0', 'a' };
	struct buf out, want;

	buf_init(&out, 100);
	buf_init(&want, 100);
	for (unsigned n = 0, count = 1; n <= 6; n++, count *= 5) {
		for (unsigned code = 0; code < count; code++) {
			char s[8];
			unsigned rest = code;

			for (unsigned i = 0; i < n; i++, rest /= 5)
				s[i] = letters[rest % 5];
			reference(str_make(s, n), &want);
			run(CLEAN, str_make(s, n), n / 3, n - n / 3, &out);
			if (out.n != want.n || memcmp(buf_cstr(&out), buf_cstr(&want), want.n))
				t_fail(__FILE__, __LINE__, "length %u code %u", n, code);
		}
	}
	buf_fini(&out);
	buf_fini(&want);
}
