/* term - see term.h. The widths are those of wcwidth(3), whose tables musl and glibc hold in different editions; here are only
 * the blocks that addresses and replies of mail servers are likely to have. */
#include "core/base/term.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include "core/base/env.h"

static const struct range { uint32_t from, to; unsigned columns; } ranges[] = {
	{ 0x0300, 0x036f, 0 }, { 0x1100, 0x115f, 2 }, { 0x200b, 0x200f, 0 }, { 0x202a, 0x202e, 0 }, { 0x2e80, 0xa4cf, 2 },
	{ 0xac00, 0xd7a3, 2 }, { 0xf900, 0xfaff, 2 }, { 0xfe00, 0xfe0f, 0 }, { 0xfe30, 0xfe6f, 2 }, { 0xff00, 0xff60, 2 },
	{ 0xffe0, 0xffe6, 2 }, { 0x1f300, 0x1faff, 2 }, { 0x20000, 0x3fffd, 2 },
};

size_t term_width(int fd)
{
	struct winsize w;

	if (!isatty(fd))
		return 0;
	return ioctl(fd, TIOCGWINSZ, &w) == 0 && w.ws_col ? w.ws_col : 80;
}

bool term_is_utf8(void)
{
	static const char *const names[] = { "LC_ALL", "LC_CTYPE", "LANG" };

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		struct str v = str_of(env_get(names[i]));

		if (v.n)
			return str_iends(v, STR("utf-8")) || str_iends(v, STR("utf8"));
	}
	return false;
}

static unsigned columns_of(struct str sequence)
{
	static const unsigned char masks[] = { 0, 0x7f, 0x1f, 0x0f, 0x07 };
	uint32_t c = (unsigned char)sequence.p[0] & masks[sequence.n];

	for (size_t i = 1; i < sequence.n; i++)
		c = c << 6 | ((unsigned char)sequence.p[i] & 0x3f);
	for (size_t i = 0; i < sizeof(ranges) / sizeof(ranges[0]); i++)
		if (c >= ranges[i].from && c <= ranges[i].to)
			return ranges[i].columns;
	return 1;
}

/* is_steering - what does not show itself but changes how other text shows: controls, marks of direction */
static bool is_steering(struct str c)
{
	const unsigned char *u = (const unsigned char *)c.p;

	return c.n == 1 ? u[0] < 32 || u[0] == 127 : c.n == 2 ? u[0] == 0xc2 && u[1] < 0xa0 :
		c.n == 3 && u[0] == 0xe2 && ((u[1] == 0x80 && u[2] >= 0xaa && u[2] <= 0xae) || (u[1] == 0x81 && u[2] >= 0xa6 && u[2] <= 0xa9));
}

/* next_char - take one character off the front; what may not be shown is "?" */
static struct str next_char(struct str *s, unsigned *columns)
{
	size_t step = str_utf8_step(*s);
	struct str c = str_head(*s, step ? step : 1);

	*s = str_from(*s, c.n);
	*columns = 1;
	if (!step || is_steering(c))
		return STR("?");
	*columns = columns_of(c);
	return c;
}

size_t term_columns(struct str s)
{
	size_t total = 0;
	unsigned columns;

	while (s.n) {
		next_char(&s, &columns);
		total += columns;
	}
	return total;
}

void term_cell(struct buf *out, struct str s, size_t width)
{
	struct str more = term_is_utf8() ? STR("\xe2\x80\xa6") : STR(">");
	size_t need = term_columns(s), used = 0;
	bool cut = width && need > width;
	unsigned columns;

	while (s.n) {
		struct str c = next_char(&s, &columns);

		if (cut && used + columns > width - 1)
			break;
		buf_str(out, c);
		used += columns;
	}
	if (cut) {
		buf_str(out, more);
		used++;
	}
	for (; used < width; used++)
		buf_byte(out, ' ');
}

/* next_piece - take one character off the front: itself, or what is written for one byte, in `code` */
static struct str next_piece(struct str *s, char code[4])
{
	size_t step = str_utf8_step(*s);
	struct str c = str_head(*s, step ? step : 1);
	unsigned char byte = (unsigned char)c.p[0];

	if (step && (byte == '\t' || !is_steering(c))) {
		*s = str_from(*s, step);
		return c;
	}
	code[0] = '\\';
	code[1] = (char)('0' + (byte >> 6));
	code[2] = (char)('0' + (byte >> 3 & 7));
	code[3] = (char)('0' + (byte & 7));
	*s = str_from(*s, 1);
	return str_make(code, 4);
}

void term_text(struct buf *out, struct str s)
{
	char code[4];

	while (s.n)
		buf_str(out, next_piece(&s, code));
}

void term_print(FILE *to, struct str s)
{
	char code[4];

	while (s.n) {
		struct str piece = next_piece(&s, code);

		fwrite(piece.p, 1, piece.n, to);
	}
}

void term_cut(struct str s, char *out, size_t size)
{
	size_t n = 0, step;

	while (s.n) {
		step = str_utf8_step(s);
		step = step ? step : 1;
		if (n + step >= size)
			break;
		memcpy(out + n, *s.p ? s.p : "?", step);
		n += step;
		s = str_from(s, step);
	}
	out[n] = '\0';
}
