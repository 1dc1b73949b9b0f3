/* str - see str.h. Comparisons, searches and number parsing over borrowed views. */
#include "core/base/str.h"

#include "core/base/mem.h"

bool str_eq(struct str a, struct str b)
{
	return a.n == b.n && (!a.n || !memcmp(a.p, b.p, a.n));
}

bool str_ieq(struct str a, struct str b)
{
	if (a.n != b.n)
		return false;
	for (size_t i = 0; i < a.n; i++)
		if (ascii_lower(a.p[i]) != ascii_lower(b.p[i]))
			return false;
	return true;
}

int str_cmp(struct str a, struct str b)
{
	size_t n = a.n < b.n ? a.n : b.n;
	int c = n ? memcmp(a.p, b.p, n) : 0;

	if (c)
		return c;
	return a.n < b.n ? -1 : a.n > b.n;
}

bool str_starts(struct str s, struct str prefix)
{
	return s.n >= prefix.n && str_eq(str_head(s, prefix.n), prefix);
}

bool str_istarts(struct str s, struct str prefix)
{
	return s.n >= prefix.n && str_ieq(str_head(s, prefix.n), prefix);
}

bool str_ends(struct str s, struct str suffix)
{
	return s.n >= suffix.n && str_eq(str_from(s, s.n - suffix.n), suffix);
}

bool str_iends(struct str s, struct str suffix)
{
	return s.n >= suffix.n && str_ieq(str_from(s, s.n - suffix.n), suffix);
}

static bool is_trimmed(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

struct str str_trim(struct str s)
{
	while (s.n && is_trimmed(s.p[0]))
		s = str_from(s, 1);
	while (s.n && is_trimmed(s.p[s.n - 1]))
		s.n--;
	return s;
}

ptrdiff_t str_chr(struct str s, char c)
{
	const char *p = s.n ? memchr(s.p, c, s.n) : NULL;

	return p ? p - s.p : -1;
}

ptrdiff_t str_rchr(struct str s, char c)
{
	const char *p = s.n ? memrchr(s.p, c, s.n) : NULL;

	return p ? p - s.p : -1;
}

ptrdiff_t str_find(struct str s, struct str needle)
{
	const char *p;

	if (!needle.n)
		return 0;
	if (s.n < needle.n)
		return -1;
	p = memmem(s.p, s.n, needle.p, needle.n);
	return p ? p - s.p : -1;
}

bool str_cut(struct str *rest, char sep, struct str *piece)
{
	ptrdiff_t at;

	if (!rest->n)
		return false;
	at = str_chr(*rest, sep);
	if (at < 0) {
		*piece = *rest;
		*rest = str_from(*rest, rest->n);
		return true;
	}
	*piece = str_head(*rest, (size_t)at);
	*rest = str_from(*rest, (size_t)at + 1);
	return true;
}

bool str_word(struct str *rest, const char *seps, struct str *word)
{
	const struct str s = *rest;
	uint64_t is_sep[4] = { 0 };
	size_t from = 0, to;

	for (const char *z = seps; *z; z++)
		is_sep[(unsigned char)*z / 64] |= (uint64_t)1 << (unsigned char)*z % 64;
#define IS_SEP(c) (is_sep[(unsigned char)(c) / 64] >> (unsigned char)(c) % 64 & 1)
	while (from < s.n && IS_SEP(s.p[from]))
		from++;
	for (to = from; to < s.n && !IS_SEP(s.p[to]);)
		to++;
#undef IS_SEP
	*word = str_head(str_from(s, from), to - from);
	*rest = str_from(s, to);
	return to > from;
}

bool str_has_word(struct str list, const char *seps, struct str word)
{
	struct str one;

	while (str_word(&list, seps, &one))
		if (str_ieq(one, word))
			return true;
	return false;
}

bool str_to_u64(struct str s, uint64_t *out)
{
	uint64_t v = 0;

	if (!s.n)
		return false;
	for (size_t i = 0; i < s.n; i++) {
		if (!ascii_is_digit(s.p[i]))
			return false;
		if (__builtin_mul_overflow(v, 10u, &v) || __builtin_add_overflow(v, (uint64_t)(s.p[i] - '0'), &v))
			return false;
	}
	*out = v;
	return true;
}

bool str_to_i64(struct str s, int64_t *out)
{
	bool minus = s.n && s.p[0] == '-';
	uint64_t v;

	if (!str_to_u64(minus ? str_from(s, 1) : s, &v) || v > (uint64_t)INT64_MAX)
		return false;
	*out = minus ? -(int64_t)v : (int64_t)v;
	return true;
}

bool str_to_hex64(struct str s, uint64_t *out)
{
	uint64_t v = 0;

	if (!s.n || s.n > 16)
		return false;
	for (size_t i = 0; i < s.n; i++) {
		int d = ascii_hex(s.p[i]);

		if (d < 0)
			return false;
		v = v << 4 | (uint64_t)d;
	}
	*out = v;
	return true;
}

int str_hex_byte(struct str s, size_t at)
{
	int high = at + 1 < s.n ? ascii_hex(s.p[at]) : -1, low = high < 0 ? -1 : ascii_hex(s.p[at + 1]);

	return low < 0 ? -1 : high << 4 | low;
}

char *str_dup(struct str s)
{
	char *p = mem_realloc(NULL, s.n + 1);

	if (s.n)
		memcpy(p, s.p, s.n);
	p[s.n] = 0;
	return p;
}

/* utf8_length - bytes of the sequence at the front of s; 0 if it is not valid (RFC 3629) */
static size_t utf8_length(struct str s)
{
	const unsigned char *u = (const unsigned char *)s.p;
	/* bounds of the second byte exclude overlong forms, surrogates and what is past U+10FFFF */
	static const struct { unsigned char lo, hi, n, second_lo, second_hi; } rows[] = {
		{ 0x00, 0x7f, 1, 0, 0 },
		{ 0xc2, 0xdf, 2, 0x80, 0xbf },
		{ 0xe0, 0xe0, 3, 0xa0, 0xbf },
		{ 0xe1, 0xec, 3, 0x80, 0xbf },
		{ 0xed, 0xed, 3, 0x80, 0x9f },
		{ 0xee, 0xef, 3, 0x80, 0xbf },
		{ 0xf0, 0xf0, 4, 0x90, 0xbf },
		{ 0xf1, 0xf3, 4, 0x80, 0xbf },
		{ 0xf4, 0xf4, 4, 0x80, 0x8f },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		if (u[0] < rows[i].lo || u[0] > rows[i].hi)
			continue;
		if (rows[i].n > s.n)
			return 0;
		if (rows[i].n > 1 && (u[1] < rows[i].second_lo || u[1] > rows[i].second_hi))
			return 0;
		for (size_t k = 2; k < rows[i].n; k++)
			if ((u[k] & 0xc0) != 0x80)
				return 0;
		return rows[i].n;
	}
	return 0;
}

size_t str_utf8_step(struct str s)
{
	return s.n ? utf8_length(s) : 0;
}

bool str_is_utf8(struct str s)
{
	while (s.n) {
		size_t n = utf8_length(s);

		if (!n)
			return false;
		s = str_from(s, n);
	}
	return true;
}

bool str_is_token(struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		if (s.p[i] <= ' ' || s.p[i] > '~')
			return false;
	return s.n > 0;
}

bool str_is_ascii(struct str s)
{
	uint64_t all = 0, eight;
	size_t i;

	for (i = 0; i + 8 <= s.n; i += 8) {
		memcpy(&eight, s.p + i, 8);
		all |= eight;
	}
	for (; i < s.n; i++)
		all |= (unsigned char)s.p[i];
	return !(all & 0x8080808080808080u);
}
