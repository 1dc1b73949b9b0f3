/*
 * test_smtp_content.c - message bytes both ways, against an automaton that takes one byte at a time (threats A1-A3, A6, A9).
 */
#include <stdlib.h>

#include "core/smtp/content.h"
#include "tests/unit/t.h"

enum { LONGEST = 7, SYMBOLS = 5, ROOM = 256 };
static const char symbols[SYMBOLS] = { '\r', '\n', '.', '\0', 'a' };

/* --- the reference -------------------------------------------------------------------------------------------------- */

struct reference {
	enum { BOL, DOT, DOT_CR, TEXT, CR, END } state;
	bool dots;
	char out[ROOM];
	size_t n;
	unsigned crs;          /* in a row, not yet judged */
};

static void put(struct reference *r, const char *z)
{
	while (*z)
		r->out[r->n++] = *z++;
}

static void put_crs(struct reference *r)
{
	for (; r->crs; r->crs--)
		put(r, " ");
}

/* one byte; CRs that turn out to be stray become spaces when the next byte is known, in front of CR LF they are nothing */
static void step(struct reference *r, char c)
{
	if (r->state == DOT && c == '\r') {
		r->state = DOT_CR;
		r->crs = 1;
		return;
	}
	if (r->state == DOT_CR || r->state == CR) {
		if (c == '\r') {
			r->crs++;
			return;
		}
		if (c == '\n') {
			bool end = r->state == DOT_CR && r->crs == 1;

			if (!end)
				put(r, "\r\n");
			r->crs = 0;
			r->state = end ? END : BOL;
			return;
		}
		put_crs(r);
		r->state = TEXT;
	}
	if (r->state == BOL && c == '.' && r->dots) {
		r->state = DOT;
		return;
	}
	r->state = c == '\r' ? CR : TEXT;
	r->crs = c == '\r';
	if (c == '\n')
		put(r, "\r\n");
	else if (c != '\r')
		r->out[r->n++] = c;
}

/* feed s; how many bytes were taken: all, or up to the end of data */
static size_t reference(struct reference *r, bool dots, struct str s)
{
	size_t i = 0;

	memset(r, 0, sizeof(*r));
	r->dots = dots;
	while (i < s.n && r->state != END)
		step(r, s.p[i++]);
	if (!dots && r->state == CR)
		put_crs(r);
	return i;
}

/* --- ours ----------------------------------------------------------------------------------------------------------- */

/* run the scanner over s in pieces of `size`; what it leaves comes again with the next piece, as an owner does it */
static size_t ours(struct buf *out, struct str s, size_t size)
{
	size_t given = 0, taken = 0;
	struct content_in c;

	content_in_init(&c, true);
	buf_clear(out);
	while (given < s.n) {
		struct str in, piece;
		enum content_result r;

		given = given + size < s.n ? given + size : s.n;
		in = str_make(s.p + taken, given - taken);
		while ((r = content_in_next(&c, &in, false, &piece)) == CONTENT_PIECE)
			buf_str(out, piece);
		taken = given - in.n;
		if (r == CONTENT_END)
			return taken;
		CHECK(in.n <= CONTENT_CRS + 1);
	}
	return taken;
}

/* the same bytes as BDAT chunks of `size` */
static void ours_chunks(struct buf *out, struct str s, size_t size)
{
	struct content_in c;

	content_in_init(&c, false);
	buf_clear(out);
	for (size_t at = 0; at < s.n; at += size) {
		struct str in = str_head(str_from(s, at), size), piece;

		while (content_in_next(&c, &in, true, &piece) == CONTENT_PIECE)
			buf_str(out, piece);
		CHECK_INT(in.n, 0);
	}
	buf_str(out, content_in_end(&c));
}

static void ours_out(struct buf *out, struct str s, size_t size, bool dots)
{
	struct content_out c;

	content_out_init(&c, dots, 0);
	buf_clear(out);
	for (size_t at = 0; at < s.n; at += size) {
		struct str piece = str_head(str_from(s, at), size);

		if (content_out_is_clean(&c, piece))
			piece.n > 0 ? buf_str(out, piece) : true;
		else
			content_out_add(&c, out, piece);
	}
	content_out_end(&c, out);
}

/* --- every string --------------------------------------------------------------------------------------------------- */

static struct buf got, again;

static void all_strings(void (*check)(struct str))
{
	char text[LONGEST + 5];
	unsigned digits[LONGEST];

	buf_init(&got, ROOM);
	buf_init(&again, ROOM);
	for (size_t n = 0; n <= LONGEST; n++) {
		size_t at = 0;

		memset(digits, 0, sizeof(digits));
		while (at < n || n == 0) {
			for (size_t i = 0; i < n; i++)
				text[i] = symbols[digits[i]];
			memcpy(text + n, "\r\n.\r\n", 5);
			check(str_make(text, n));
			for (at = 0; at < n && ++digits[at] == SYMBOLS; at++)
				digits[at] = 0;
			if (n == 0)
				break;
		}
	}
	buf_fini(&got);
	buf_fini(&again);
}

static void check_in(struct str s)
{
	struct str whole = str_make(s.p, s.n + 5);
	struct reference want;
	size_t taken = reference(&want, true, whole);

	for (size_t size = 1; size <= whole.n; size = size < 3 ? size + 1 : whole.n + (size == whole.n)) {
		ROW("pieces of %zu", size);
		CHECK_INT(ours(&got, whole, size), taken);
		CHECK_MEM(got.p, got.n, want.out, want.n);
	}
}

T(content_in_agrees_with_the_reference_on_every_string) { all_strings(check_in); }

static void check_chunks(struct str s)
{
	struct reference want;

	reference(&want, false, s);
	for (size_t size = 1; size <= s.n; size++) {
		ROW("chunks of %zu", size);
		ours_chunks(&got, s, size);
		CHECK_MEM(got.p, got.n, want.out, want.n);
	}
}

T(content_in_cleans_chunks_alike_wherever_they_are_cut) { all_strings(check_chunks); }

/* what goes out ends where it should and nowhere else, and comes back as the cleaned content */
static void check_out(struct str s)
{
	struct reference clean, back;

	reference(&clean, false, s);
	if (clean.n > 0 && !(clean.n >= 2 && memcmp(clean.out + clean.n - 2, "\r\n", 2) == 0)) {
		memcpy(clean.out + clean.n, "\r\n", 2);
		clean.n += 2;
	}
	/* CRs at the very end become a line end, not spaces: there is a line end to come anyway */
	for (size_t i = s.n; i > 0 && s.p[i - 1] == '\r' && clean.n >= 3 && clean.out[clean.n - 3] == ' '; i--) {
		memcpy(clean.out + clean.n - 3, "\r\n", 2);
		clean.n--;
	}
	for (size_t size = 1; size <= s.n; size++) {
		ROW("pieces of %zu", size);
		ours_out(&got, s, size, true);
		CHECK_INT(reference(&back, true, buf_view(&got)), got.n);
		CHECK(back.state == END);
		CHECK_MEM(back.out, back.n, clean.out, clean.n);
		for (size_t i = 0; i < got.n; i++) {
			CHECK(got.p[i] != '\r' || got.p[i + 1] == '\n');
			CHECK(got.p[i] != '\n' || (i > 0 && got.p[i - 1] == '\r'));
		}
	}
}

T(content_out_ends_once_and_comes_back_the_same) { all_strings(check_out); }

/* --- folding, bits -------------------------------------------------------------------------------------------------- */

T(content_out_folds_no_line_past_the_limit_at_any_split)
{
	static const char text[] = "0123456789ABCDEF\r\n.0123456789\r\n\r\n........\r\n\xc3\xbc\xc3\xbc\xc3\xbc\xc3\xbc\xc3\xbc\xc3\xbc\r\nend";
	struct str s = str_make(text, sizeof(text) - 1);

	buf_init(&got, 4096);
	buf_init(&again, 4096);
	for (size_t limit = 8; limit < 20; limit++) {
		struct content_out c;

		buf_clear(&again);
		content_out_init(&c, true, limit);
		content_out_add(&c, &again, s);
		content_out_end(&c, &again);
		for (size_t size = 1; size < s.n; size++) {
			size_t line = 0;

			ROW("limit %zu, pieces of %zu", limit, size);
			buf_clear(&got);
			content_out_init(&c, true, limit);
			for (size_t at = 0; at < s.n; at += size)
				content_out_add(&c, &got, str_head(str_from(s, at), size));
			content_out_end(&c, &got);
			for (size_t i = 0; i < got.n; i++) {
				line = got.p[i] == '\n' ? 0 : line + 1;
				/* its CR, and the dot that stuffing added */
				CHECK(line <= limit + 2);
			}
			CHECK_INT(str_find(buf_view(&got), STR("\r\n.\r\n")), got.n - 5);
		}
	}
	buf_fini(&got);
	buf_fini(&again);
}

T(content_has_8bit_sees_every_place)
{
	/* it looks at 64 bytes at a time, then at the rest */
	char text[200];

	for (size_t n = 0; n <= sizeof(text); n++) {
		memset(text, 'a', sizeof(text));
		CHECK(!content_has_8bit(str_make(text, n)));
		for (size_t i = 0; i < n; i++) {
			text[i] = (char)0x80;
			CHECK(content_has_8bit(str_make(text, n)));
			text[i] = 'a';
		}
	}
}
