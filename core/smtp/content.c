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

/* is `end` at the front, or may it be once more comes? */
static enum content_result ends_with(struct str in, struct str end)
{
	if (in.n < end.n)
		return memcmp(in.p, end.p, in.n) == 0 ? CONTENT_MORE : CONTENT_PIECE;
	return memcmp(in.p, end.p, end.n) == 0 ? CONTENT_END : CONTENT_PIECE;
}

/* the line starts with a dot */
static enum content_result dot_in(struct content_in *c, struct str *in)
{
	struct str end = STR(".\r\n");
	enum content_result r = ends_with(*in, end);

	if (r == CONTENT_PIECE && c->double_cr) {
		end = STR(".\r\r\n");
		r = ends_with(*in, end);
	}
	if (r == CONTENT_END)
		take(in, end.n);
	if (r != CONTENT_PIECE)
		return r;
	take(in, 1);
	c->bol = false;
	return CONTENT_PIECE;
}

static struct str spaces(size_t n)
{
	static const char text[CONTENT_CRS + 1] = "                ";

	return str_make(text, n < CONTENT_CRS ? n : CONTENT_CRS);
}

/* CRs that ended the last chunk */
static enum content_result crs_before(struct content_in *c, struct str *in, struct str *piece)
{
	if (*in->p == '\r' && c->cr < CONTENT_CRS) {
		c->cr++;
		take(in, 1);
		return CONTENT_MORE;
	}
	c->bol = *in->p == '\n' && c->cr < CONTENT_CRS;
	*piece = c->bol ? STR("\r\n") : spaces(c->cr);
	c->cr = 0;
	take(in, c->bol);
	return CONTENT_PIECE;
}

/* a CR without LF behind it is at the front */
static enum content_result crs_in(struct content_in *c, struct str *in, bool final, struct str *piece)
{
	size_t n = 1;

	while (n < in->n && n < CONTENT_CRS && in->p[n] == '\r')
		n++;
	if (n == in->n && n < CONTENT_CRS) {
		if (!final)
			return CONTENT_MORE;
		take(in, n);
		c->cr = (unsigned)n;
		return CONTENT_MORE;
	}
	/* CR CR LF: the last CR and the LF are the line end */
	if (n < in->n && in->p[n] == '\n') {
		take(in, n - 1);
		*piece = STR_EMPTY;
		return CONTENT_PIECE;
	}
	c->bol = false;
	*piece = spaces(n);
	take(in, n);
	return CONTENT_PIECE;
}

enum content_result content_in_next(struct content_in *c, struct str *in, bool final, struct str *piece)
{
	while (in->n > 0) {
		enum content_result r;
		size_t n;

		if (c->cr) {
			r = crs_before(c, in, piece);
			if (r == CONTENT_PIECE)
				return r;
			continue;
		}
		n = plain_in(c, *in);
		if (n > 0) {
			*piece = take(in, n);
			return CONTENT_PIECE;
		}
		if (c->bol && c->dots && *in->p == '.') {
			r = dot_in(c, in);
			if (r != CONTENT_PIECE)
				return r;
			continue;
		}
		if (*in->p == '\r') {
			r = crs_in(c, in, final, piece);
			if (r == CONTENT_MORE || piece->n)
				return r;
			continue;
		}
		c->bol = false;
		c->bare_lf = true;
		*piece = STR("\r\n");
		take(in, 1);
		return CONTENT_PIECE;
	}
	return CONTENT_MORE;
}

struct str content_in_end(struct content_in *c)
{
	size_t n = c->cr;

	c->cr = 0;
	return n ? spaces(n) : STR_EMPTY;
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
	size_t text = find_eol(s.p, s.n), crs = 0;

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
	while (text + crs < s.n && crs < CONTENT_CRS && s.p[text + crs] == '\r')
		crs++;
	if (text + crs == s.n) {
		c->cr = (unsigned)crs;
		return s.n;
	}
	if (s.p[text + crs] != '\n' || crs == CONTENT_CRS) {
		put(c, out, spaces(crs).p, crs);
		return text + crs;
	}
	line_end(c, out);
	return text + crs + 1;
}

/* CRs that the last piece ended in: with LF they are a line end, else spaces */
static void settle_cr(struct content_out *c, struct buf *out, bool lf)
{
	if (lf)
		line_end(c, out);
	else
		put(c, out, spaces(c->cr).p, c->cr);
	c->cr = 0;
}

void content_out_add(struct content_out *c, struct buf *out, struct str piece)
{
	if (piece.n == 0)
		return;
	if (c->cr) {
		bool lf;

		for (; piece.n > 0 && *piece.p == '\r' && c->cr < CONTENT_CRS; piece = str_from(piece, 1))
			c->cr++;
		if (piece.n == 0)
			return;
		lf = *piece.p == '\n' && c->cr < CONTENT_CRS;
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
