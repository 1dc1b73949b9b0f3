/* json_read - see json_read.h. A reader goes along the text; each step takes one piece off its front, or says no. */
#include "core/base/json_read.h"

#include <string.h>

#include "core/base/limits.h"

struct reader { struct str in; struct arena *arena; unsigned depth; };

static void skip_blanks(struct reader *r)
{
	while (r->in.n && strchr(" \t\r\n", *r->in.p) && *r->in.p)
		r->in = str_from(r->in, 1);
}

static bool take(struct reader *r, char c)
{
	skip_blanks(r);
	if (!r->in.n || *r->in.p != c)
		return false;
	r->in = str_from(r->in, 1);
	return true;
}

/* --- strings ------------------------------------------------------------------------------------------------------- */

/* four hexadecimal digits, or -1 */
static long code_unit(struct str s)
{
	long high = str_hex_byte(s, 0), low = str_hex_byte(s, 2);

	return high < 0 || low < 0 ? -1 : high << 8 | low;
}

static size_t put_utf8(char *to, unsigned long c)
{
	if (c < 0x80) {
		to[0] = (char)c;
		return 1;
	}
	if (c < 0x800) {
		to[0] = (char)(0xc0 | c >> 6);
		to[1] = (char)(0x80 | (c & 0x3f));
		return 2;
	}
	if (c < 0x10000) {
		to[0] = (char)(0xe0 | c >> 12);
		to[1] = (char)(0x80 | (c >> 6 & 0x3f));
		to[2] = (char)(0x80 | (c & 0x3f));
		return 3;
	}
	to[0] = (char)(0xf0 | c >> 18);
	to[1] = (char)(0x80 | (c >> 12 & 0x3f));
	to[2] = (char)(0x80 | (c >> 6 & 0x3f));
	to[3] = (char)(0x80 | (c & 0x3f));
	return 4;
}

/* a \u escape, its partner included: bytes taken of s, which begins behind the "u"; 0: wrong. NUL is no text */
static size_t take_unicode(struct str s, char *to, size_t *n)
{
	long high = code_unit(s), low = 0;
	bool pair = high >= 0xd800 && high < 0xdc00;

	if (high <= 0 || (high >= 0xdc00 && high < 0xe000))
		return 0;
	if (!pair) {
		*n += put_utf8(to + *n, (unsigned long)high);
		return 4;
	}
	if (s.n > 6 && s.p[4] == '\\' && s.p[5] == 'u')
		low = code_unit(str_from(s, 6));
	if (low < 0xdc00 || low >= 0xe000)
		return 0;
	*n += put_utf8(to + *n, 0x10000 + ((unsigned long)(high - 0xd800) << 10) + (unsigned long)(low - 0xdc00));
	return 10;
}

static size_t take_escape(struct str s, char *to, size_t *n)
{
	static const char names[] = "\"\\/bfnrt", bytes[] = "\"\\/\b\f\n\r\t";
	const char *found = s.n && *s.p ? strchr(names, *s.p) : NULL;
	size_t more;

	if (found) {
		to[(*n)++] = bytes[found - names];
		return 1;
	}
	if (!s.n || *s.p != 'u')
		return 0;
	more = take_unicode(str_from(s, 1), to, n);
	return more ? more + 1 : 0;
}

static bool take_string(struct reader *r, struct str *out)
{
	ptrdiff_t end = 0;
	char *to;
	size_t n = 0;

	if (!take(r, '"'))
		return false;
	/* what is decoded is never longer than what stands there */
	while ((size_t)end < r->in.n && r->in.p[end] != '"')
		end += r->in.p[end] == '\\' ? 2 : 1;
	if ((size_t)end >= r->in.n || !(to = arena_alloc(r->arena, (size_t)end + 1)))
		return false;
	while (*r->in.p != '"') {
		size_t taken = 1;

		if (*r->in.p == '\\')
			taken += take_escape(str_from(r->in, 1), to, &n);
		else
			to[n++] = *r->in.p;
		if ((*r->in.p == '\\' && taken == 1) || (unsigned char)*r->in.p < ' ')
			return false;
		r->in = str_from(r->in, taken);
	}
	r->in = str_from(r->in, 1);
	*out = str_make(to, n);
	return str_is_utf8(*out);
}

/* --- values -------------------------------------------------------------------------------------------------------- */

static size_t digits(struct str s)
{
	size_t n = 0;

	while (n < s.n && ascii_is_digit(s.p[n]))
		n++;
	return n;
}

static bool take_number(struct reader *r, struct str *out)
{
	struct str s = r->in;
	size_t n, before = s.n;

	if (s.n && *s.p == '-')
		s = str_from(s, 1);
	n = digits(s);
	if (!n || (n > 1 && *s.p == '0'))
		return false;
	s = str_from(s, n);
	if (s.n && *s.p == '.') {
		n = digits(str_from(s, 1));
		if (!n)
			return false;
		s = str_from(s, n + 1);
	}
	if (s.n && (*s.p == 'e' || *s.p == 'E')) {
		size_t sign = s.n > 1 && (s.p[1] == '+' || s.p[1] == '-');

		n = digits(str_from(s, 1 + sign));
		if (!n)
			return false;
		s = str_from(s, 1 + sign + n);
	}
	*out = str_head(r->in, before - s.n);
	r->in = s;
	return true;
}

static bool take_word(struct reader *r, struct str *out)
{
	static const char *const words[] = { "true", "false", "null" };

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (str_starts(r->in, str_of(words[i]))) {
			*out = str_head(r->in, strlen(words[i]));
			r->in = str_from(r->in, strlen(words[i]));
			return true;
		}
	return false;
}

static bool take_value(struct reader *r, struct json_member *m);

/* what is between brackets; fn NULL: nobody wants the members */
static bool take_nested(struct reader *r, char end, void (*fn)(void *, const struct json_member *), void *ctx)
{
	bool first = true, good = ++r->depth <= LIMIT_JSON_DEPTH;

	for (; good && !take(r, end); first = false) {
		struct json_member m = { .name = STR_EMPTY };

		good = first || take(r, ',');
		if (good && end == '}')
			good = take_string(r, &m.name) && take(r, ':');
		good = good && take_value(r, &m);
		if (good && fn)
			fn(ctx, &m);
	}
	r->depth--;
	return good;
}

static bool take_value(struct reader *r, struct json_member *m)
{
	const char *from;
	bool good;

	skip_blanks(r);
	from = r->in.p;
	if (!r->in.n)
		return false;
	if (*from == '"') {
		m->kind = JSON_STRING;
		return take_string(r, &m->value);
	}
	if (*from != '{' && *from != '[') {
		m->kind = *from == '-' || ascii_is_digit(*from) ? JSON_NUMBER : JSON_WORD;
		return m->kind == JSON_NUMBER ? take_number(r, &m->value) : take_word(r, &m->value);
	}
	m->kind = JSON_NESTED;
	r->in = str_from(r->in, 1);
	good = take_nested(r, *from == '{' ? '}' : ']', NULL, NULL);
	m->value = str_make(from, (size_t)(r->in.p - from));
	return good;
}

bool json_read_object(struct str text, struct arena *a, void (*fn)(void *ctx, const struct json_member *m), void *ctx)
{
	struct reader r = { .in = text, .arena = a };

	if (!take(&r, '{') || !take_nested(&r, '}', fn, ctx))
		return false;
	skip_blanks(&r);
	return r.in.n == 0;
}
