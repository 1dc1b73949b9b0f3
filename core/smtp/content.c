/* content - see content.h. The scanners stop at the first byte that is not plain and the callers handle that one byte; so
 * ordinary mail is one piece per read. CR and LF are looked for together, 16 bytes at a time: with two memchr of a plain C
 * library these scans would cost more than all else that is done to a message. */
#include "core/smtp/content.h"

/* --- scanning --------------------------------------------------------------------------------------------------------- */

typedef unsigned char lane __attribute__((vector_size(16)));

/* the first byte of m that is set, sizeof(m) if none is */
static size_t first_set(lane m)
{
	uint64_t half[2];

	memcpy(half, &m, sizeof(half));
	if (!(half[0] | half[1]))
		return sizeof(m);
	if (__BYTE_ORDER__ == __ORDER_BIG_ENDIAN__)
		return (size_t)(half[0] ? __builtin_clzll(half[0]) : 64 + __builtin_clzll(half[1])) / 8;
	return (size_t)(half[0] ? __builtin_ctzll(half[0]) : 64 + __builtin_ctzll(half[1])) / 8;
}

/* the first CR or LF of s, n if there is none */
static size_t find_eol(const char *p, size_t n)
{
	size_t i = 0;

	for (; i + sizeof(lane) <= n; i += sizeof(lane)) {
		size_t at;
		lane v;

		memcpy(&v, p + i, sizeof(v));
		at = first_set((lane)((v == '\r') | (v == '\n')));
		if (at < sizeof(v))
			return i + at;
	}
	while (i < n && p[i] != '\r' && p[i] != '\n')
		i++;
	return i;
}

/* --- in --------------------------------------------------------------------------------------------------------------- */

void content_in_init(struct content_in *c, bool dots)
{
	*c = (struct content_in){ .dots = dots, .bol = true };
}

/* how many bytes at the front are content as they are */
static size_t plain_in(struct content_in *c, struct str in)
{
	size_t at = 0;

	while (at < in.n) {
		size_t eol;

		if (c->bol && c->dots && in.p[at] == '.')
			break;
		eol = at + find_eol(in.p + at, in.n - at);
		if (eol + 1 < in.n && in.p[eol] == '\r' && in.p[eol + 1] == '\n') {
			at = eol + 2;
			c->bol = true;
			continue;
		}
		c->bol = c->bol && eol == at;
		return eol;
	}
	return at;
}

static struct str take(struct str *in, size_t n)
{
	struct str s = str_head(*in, n);

	*in = str_from(*in, n);
	return s;
}

/* the line starts with a dot */
static enum content_result dot_in(struct content_in *c, struct str *in)
{
	static const char end[] = ".\r\n";

	if (in->n < 3 && memcmp(in->p, end, in->n) == 0)
		return CONTENT_MORE;
	if (in->n >= 3 && memcmp(in->p, end, 3) == 0) {
		take(in, 3);
		return CONTENT_END;
	}
	take(in, 1);
	c->bol = false;
	return CONTENT_PIECE;
}

enum content_result content_in_next(struct content_in *c, struct str *in, bool final, struct str *piece)
{
	if (c->cr && in->n > 0) {
		c->cr = false;
		c->bol = *in->p == '\n';
		*piece = c->bol ? STR("\r\n") : STR(" ");
		take(in, c->bol);
		return CONTENT_PIECE;
	}
	while (in->n > 0) {
		size_t n = plain_in(c, *in);

		if (n > 0) {
			*piece = take(in, n);
			return CONTENT_PIECE;
		}
		if (c->bol && c->dots && *in->p == '.') {
			enum content_result r = dot_in(c, in);

			if (r != CONTENT_PIECE)
				return r;
			continue;
		}
		if (*in->p == '\r' && in->n == 1) {
			if (!final)
				return CONTENT_MORE;
			take(in, 1);
			c->cr = true;
			return CONTENT_MORE;
		}
		c->bol = false;
		*piece = *in->p == '\n' ? STR("\r\n") : STR(" ");
		take(in, 1);
		return CONTENT_PIECE;
	}
	return CONTENT_MORE;
}

struct str content_in_end(struct content_in *c)
{
	bool cr = c->cr;

	c->cr = false;
	return cr ? STR(" ") : STR_EMPTY;
}

/* --- out -------------------------------------------------------------------------------------------------------------- */

void content_out_init(struct content_out *c, bool dots, size_t limit)
{
	/* a fold needs room for its space and a character of four bytes */
	*c = (struct content_out){ .dots = dots, .bol = true, .limit = limit > 0 && limit < 8 ? 8 : limit };
}

static bool too_long(const struct content_out *c, size_t more) { return c->limit > 0 && c->column + more > c->limit; }

/* how many bytes at the front may be sent as they are; c moves past them */
static size_t plain_out(struct content_out *c, struct str s)
{
	size_t at = 0;

	while (at < s.n) {
		size_t line;

		if (c->bol && c->dots && s.p[at] == '.')
			break;
		line = find_eol(s.p + at, s.n - at);
		if (too_long(c, line))
			break;
		if (at + line + 1 < s.n && s.p[at + line] == '\r' && s.p[at + line + 1] == '\n') {
			at += line + 2;
			c->column = 0;
			c->bol = true;
			continue;
		}
		if (at + line < s.n)
			break;
		c->column += line;
		c->bol = false;
		return s.n;
	}
	return at;
}

bool content_out_is_clean(struct content_out *c, struct str piece)
{
	struct content_out before = *c;

	if (!c->cr && plain_out(c, piece) == piece.n)
		return true;
	*c = before;
	return false;
}

static void line_end(struct content_out *c, struct buf *out)
{
	buf_add(out, "\r\n", 2);
	c->column = 0;
	c->bol = true;
}

static void put(struct content_out *c, struct buf *out, const char *p, size_t n)
{
	buf_add(out, p, n);
	c->column += n;
	if (n > 0)
		c->bol = false;
}

/* send what fits in this line and begin the next with a space; how many bytes went */
static size_t fold(struct content_out *c, struct buf *out, struct str s)
{
	size_t room = c->column < c->limit ? c->limit - c->column : 0;

	/* not inside a UTF-8 character, where that can be had */
	for (int back = 0; back < 3 && room > 0 && ((unsigned char)s.p[room] & 0xc0) == 0x80; back++)
		room--;
	put(c, out, s.p, room);
	line_end(c, out);
	put(c, out, " ", 1);
	return room;
}

/* the line at the front of s is not plain: send up to where it is plain again; how many bytes went */
static size_t odd_out(struct content_out *c, struct buf *out, struct str s)
{
	size_t text = find_eol(s.p, s.n);

	if (c->bol && c->dots && *s.p == '.')
		buf_byte(out, '.');
	if (too_long(c, text))
		return fold(c, out, s);
	put(c, out, s.p, text);
	if (text == s.n)
		return text;
	if (s.p[text] == '\n') {
		line_end(c, out);
		return text + 1;
	}
	if (text + 1 == s.n) {
		c->cr = true;
		return text + 1;
	}
	if (s.p[text + 1] != '\n') {
		put(c, out, " ", 1);
		return text + 1;
	}
	line_end(c, out);
	return text + 2;
}

/* a CR that the last piece ended in: with LF it is a line end, else a space */
static void settle_cr(struct content_out *c, struct buf *out, bool lf)
{
	c->cr = false;
	if (lf)
		line_end(c, out);
	else
		put(c, out, " ", 1);
}

void content_out_add(struct content_out *c, struct buf *out, struct str piece)
{
	if (piece.n == 0)
		return;
	if (c->cr) {
		bool lf = *piece.p == '\n';

		settle_cr(c, out, lf);
		piece = str_from(piece, lf);
	}
	while (piece.n > 0) {
		size_t n = plain_out(c, piece);

		if (n > 0)
			buf_add(out, piece.p, n);
		piece = str_from(piece, n);
		if (piece.n > 0)
			piece = str_from(piece, odd_out(c, out, piece));
	}
}

void content_out_end(struct content_out *c, struct buf *out)
{
	if (c->cr)
		settle_cr(c, out, c->dots);
	if (!c->dots)
		return;
	if (!c->bol)
		line_end(c, out);
	buf_add(out, ".\r\n", 3);
}

bool content_has_8bit(struct str s)
{
	lane v[4], any = { 0 };
	unsigned char last = 0;
	uint64_t half[2];
	size_t i = 0;

	for (; i + sizeof(v) <= s.n; i += sizeof(v)) {
		memcpy(v, s.p + i, sizeof(v));
		any |= v[0] | v[1] | v[2] | v[3];
	}
	for (; i < s.n; i++)
		last |= (unsigned char)s.p[i];
	memcpy(half, &any, sizeof(half));
	return (half[0] | half[1] | last) & 0x8080808080808080u;
}
