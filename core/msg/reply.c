/* reply - see reply.h. Text is made printable when it enters, so that nobody has to think about it later (threats C2,
 * J1): control bytes and broken UTF-8 become '?'. */
#include "core/msg/reply.h"
#include "core/base/format.h"

#include <stdarg.h>

#define REPLY_LINE 480                         /* text of one line on the wire; RFC 5321 section 4.5.3.1.5: 512 with code and CRLF */

static void make_printable(char *text)
{
	struct str s = str_of(text);

	for (size_t i = 0, n; i < s.n; i += n) {
		n = 1;
		if (ascii_is_print(text[i]) || text[i] == '\n')
			continue;
		n = str_visible_step(str_from(s, i));
		if (!n) {
			text[i] = '?';
			n = 1;
		}
	}
}

void reply_set(struct reply *r, int code, const char *enhanced, const char *fmt, ...)
{
	va_list ap;

	r->code = code;
	format_text(r->enhanced, sizeof(r->enhanced), "%s", enhanced);
	va_start(ap, fmt);
	format_vtext(r->text, sizeof(r->text), fmt, ap);
	va_end(ap);
	make_printable(r->text);
}

/* how much of a line too long for the wire goes first: up to a space if one is near, never inside a character */
static size_t break_at(struct str line)
{
	size_t n = REPLY_LINE;

	if (line.n <= REPLY_LINE)
		return line.n;
	for (size_t i = REPLY_LINE; i > REPLY_LINE / 2; i--)
		if (line.p[i] == ' ')
			return i;
	while (n > REPLY_LINE - 4 && ((unsigned char)line.p[n] & 0xc0) == 0x80)
		n--;
	return n;
}

static void put_code(struct buf *out, int code)
{
	const char digits[] = { (char)('0' + code / 100 % 10), (char)('0' + code / 10 % 10), (char)('0' + code % 10) };

	buf_add(out, digits, sizeof(digits));
}

void reply_format(struct buf *out, const struct reply *r)
{
	struct str rest = str_of(r->text);

	do {
		ptrdiff_t nl = str_chr(rest, '\n');
		struct str line = nl < 0 ? rest : str_head(rest, (size_t)nl);
		size_t n = break_at(line);
		bool last;

		line = str_head(line, n);
		rest = str_from(rest, n);
		if (rest.n && (rest.p[0] == '\n' || rest.p[0] == ' '))
			rest = str_from(rest, 1);
		last = !rest.n;
		put_code(out, r->code);
		buf_byte(out, last ? ' ' : '-');
		buf_z(out, r->enhanced);
		if (r->enhanced[0])
			buf_byte(out, ' ');
		buf_str(out, line);
		buf_add(out, "\r\n", 2);
	} while (rest.n);
}

void reply_line(struct buf *out, const struct reply *r)
{
	struct str rest = str_of(r->text), line;

	if (r->code)
		put_code(out, r->code);
	if (r->code && r->enhanced[0]) {
		buf_byte(out, ' ');
		buf_z(out, r->enhanced);
	}
	for (bool before = r->code != 0; str_cut(&rest, '\n', &line); before = true) {
		if (before)
			buf_byte(out, ' ');
		buf_str(out, line);
	}
}

void reply_soften(struct reply *r)
{
	if (r->code < 500)
		return;
	r->code -= 100;
	if (r->enhanced[0] == '5')
		r->enhanced[0] = '4';
}

void reply_fit(struct reply *r, enum reply_about about)
{
	static const struct { char given[3], sender[3], rcpt[3]; } rows[] = {
		{ "1", "7", "1" }, { "2", "8", "2" }, { "3", "7", "3" }, { "4", "7", "4" }, { "5", "0", "5" }, { "6", "7", "6" }, { "7", "7", "3" },
		{ "8", "8", "2" }, { "10", "0", "10" },
	};
	const char *is = "0";
	char *e = r->enhanced;

	if (!e[0])
		return;
	e[0] = (char)('0' + r->code / 100);
	if (strncmp(e + 1, ".1.", 3) || about == REPLY_ABOUT_OTHER)
		return;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (!strcmp(e + 4, rows[i].given))
			is = about == REPLY_ABOUT_SENDER ? rows[i].sender : rows[i].rcpt;
	memmove(e + 4, is, strlen(is) + 1);
}

enum verdict reply_verdict(const struct reply *r)
{
	if (r->code >= 200 && r->code < 400)
		return VERDICT_DONE;
	return r->code >= 500 && r->code < 600 ? VERDICT_NEVER : VERDICT_LATER;
}

const char *reply_dsn(const struct reply *r)
{
	static const char *const made[] = { [VERDICT_DONE] = "2.0.0", [VERDICT_LATER] = "4.0.0", [VERDICT_NEVER] = "5.0.0" };

	return r->enhanced[0] ? r->enhanced : made[reply_verdict(r)];
}
