/* mime - see mime.h. Encoders never give out a byte that could end a line or a field by itself: what is not printable
 * ASCII is encoded or becomes a space (threats C6, K9). Decoders accept exactly what the RFC says and refuse the rest. */
#include "core/msg/mime.h"

void mime_code(struct buf *out, char mark, unsigned char c)
{
	static const char hex[] = "0123456789ABCDEF";
	char code[3] = { mark, hex[c >> 4], hex[c & 15] };

	buf_add(out, code, 3);
}

/* --- base64 (RFC 4648) -------------------------------------------------------------------------------------------- */

static const char base64[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

static void base64_group(char to[4], const unsigned char *p, size_t n)
{
	unsigned v = (unsigned)p[0] << 16 | (n > 1 ? (unsigned)p[1] << 8 : 0) | (n > 2 ? p[2] : 0);

	to[0] = base64[v >> 18];
	to[1] = base64[v >> 12 & 63];
	to[2] = n > 1 ? base64[v >> 6 & 63] : '=';
	to[3] = n > 2 ? base64[v & 63] : '=';
}

void mime_base64(struct buf *out, struct str in, size_t line)
{
	const unsigned char *p = (const unsigned char *)in.p;
	size_t column = 0;

	if (!buf_reserve(out, (in.n + 2) / 3 * 4 + (line ? (in.n / 3 + 1) * 4 / line * 2 + 2 : 0)))
		return;
	for (size_t i = 0; i < in.n; i += 3) {
		char group[4];

		base64_group(group, p + i, in.n - i);
		for (size_t k = 0; k < 4; k++) {
			if (line && column == line) {
				buf_add(out, "\r\n", 2);
				column = 0;
			}
			buf_byte(out, group[k]);
			column++;
		}
	}
	if (line && in.n)
		buf_add(out, "\r\n", 2);
}

static int base64_value(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (ascii_is_digit(c))
		return c - '0' + 52;
	return c == '+' ? 62 : c == '/' ? 63 : -1;
}

bool mime_base64_decode(struct buf *out, struct str in)
{
	if (in.n % 4 || !buf_reserve(out, in.n / 4 * 3))
		return false;
	for (size_t i = 0; i < in.n; i += 4) {
		const char *g = in.p + i;
		bool last = i + 4 == in.n;
		size_t pad = !last || g[3] != '=' ? 0 : g[2] != '=' ? 1 : 2;
		unsigned v = 0;
		char bytes[3];

		for (size_t k = 0; k < 4; k++) {
			int value = k < 4 - pad ? base64_value(g[k]) : 0;

			if (value < 0)
				return false;
			v = v << 6 | (unsigned)value;
		}
		/* bits that padding cuts off must be zero: one text has one encoding */
		if ((pad == 1 && v & 0xff) || (pad == 2 && v & 0xffff))
			return false;
		bytes[0] = (char)(v >> 16);
		bytes[1] = (char)(v >> 8 & 0xff);
		bytes[2] = (char)(v & 0xff);
		buf_add(out, bytes, 3 - pad);
	}
	return true;
}

/* --- quoted-printable (RFC 2045 section 6.7) ---------------------------------------------------------------------- */

#define QP_LINE 76

static bool is_crlf(struct str s, size_t i)
{
	return i + 1 < s.n && s.p[i] == '\r' && s.p[i + 1] == '\n';
}

/* whether the byte may stand for itself: not at the end of a line if blank, nor where a dot or From would be touched */
static bool qp_plain(struct str s, size_t i, size_t column)
{
	char c = s.p[i];

	if (c == ' ' || c == '\t')
		return i + 1 < s.n && !is_crlf(s, i + 1);
	if (!ascii_is_print(c) || c == '=')
		return false;
	if (column == 0 && c == '.')
		return false;
	return !(column == 0 && str_starts(str_from(s, i), STR("From ")));
}

void mime_quoted_printable(struct buf *out, struct str s)
{
	size_t column = 0;

	for (size_t i = 0; i < s.n; i++) {
		unsigned char c = (unsigned char)s.p[i];
		bool plain = qp_plain(s, i, column);
		size_t need = plain ? 1 : 3;

		if (is_crlf(s, i)) {
			buf_add(out, "\r\n", 2);
			i++;
			column = 0;
			continue;
		}
		/* one column stays free for the soft break, unless the line ends right after this byte */
		if (column + need > QP_LINE - 1 && !(column + need == QP_LINE && is_crlf(s, i + 1))) {
			buf_z(out, "=\r\n");
			column = 0;
			plain = qp_plain(s, i, column);
			need = plain ? 1 : 3;
		}
		if (plain)
			buf_byte(out, (char)c);
		else
			mime_code(out, '=', c);
		column += need;
	}
}

/* --- xtext (RFC 3461 section 4) ----------------------------------------------------------------------------------- */

void mime_xtext(struct buf *out, struct str in)
{
	for (size_t i = 0; i < in.n; i++) {
		unsigned char c = (unsigned char)in.p[i];

		if (c > ' ' && c < 127 && c != '+' && c != '=')
			buf_byte(out, (char)c);
		else
			mime_code(out, '+', c);
	}
}

bool mime_xtext_decode(struct buf *out, struct str in)
{
	for (size_t i = 0; i < in.n; i++) {
		int c = (unsigned char)in.p[i];

		if (c <= ' ' || c >= 127 || c == '=')
			return false;
		if (c == '+') {
			c = str_hex_byte(in, i + 1);
			i += 2;
		}
		if (c < ' ' || c == 127)
			return false;
		buf_byte(out, (char)c);
	}
	return !out->overflow;
}
