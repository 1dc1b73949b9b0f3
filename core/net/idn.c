/* idn - see idn.h. */
#include "core/net/idn.h"

#include <stdio.h>

enum { LABEL_MOST = 63, BASE = 36, T_LOW = 1, T_HIGH = 26, SKEW = 38, DAMP = 700, BIAS = 72, FIRST = 128 };

static uint32_t next_point(struct str *s)
{
	static const unsigned char masks[] = { 0, 0x7f, 0x1f, 0x0f, 0x07 };
	size_t step = str_utf8_step(*s);
	uint32_t c = step ? (unsigned char)s->p[0] & masks[step] : 0;

	for (size_t i = 1; i < step; i++)
		c = c << 6 | ((unsigned char)s->p[i] & 0x3f);
	*s = str_from(*s, step);
	return c;
}

/* the small letter: Latin, Greek, Cyrillic, Armenian; others have none, or are rare in names */
static uint32_t small(uint32_t c)
{
	static const struct { uint32_t from, to, add; } rows[] = { { 'A', 'Z', 32 }, { 0xc0, 0xd6, 32 }, { 0xd8, 0xde, 32 }, { 0x391, 0x3a9, 32 }, { 0x386, 0x386, 38 },
		{ 0x388, 0x38a, 37 }, { 0x38c, 0x38c, 64 }, { 0x38e, 0x38f, 63 }, { 0x400, 0x40f, 80 }, { 0x410, 0x42f, 32 }, { 0x531, 0x556, 48 }, { 0xff21, 0xff3a, 32 } };
	/* where each capital stands before its small letter: even, odd ones */
	static const struct { uint32_t from, to, odd; } pairs[] = { { 0x100, 0x137, 0 }, { 0x139, 0x148, 1 }, { 0x14a, 0x177, 0 }, { 0x179, 0x17e, 1 }, { 0x460, 0x481, 0 },
		{ 0x48a, 0x4bf, 0 }, { 0x4d0, 0x52f, 0 }, { 0x1e00, 0x1e95, 0 }, { 0x1ea0, 0x1eff, 0 } };

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (c >= rows[i].from && c <= rows[i].to)
			return c + rows[i].add;
	for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++)
		if (c >= pairs[i].from && c <= pairs[i].to)
			return c % 2 == pairs[i].odd ? c + 1 : c;
	return c;
}

static uint32_t adapt(uint32_t delta, uint32_t n, bool first)
{
	uint32_t k = 0;

	delta = first ? delta / DAMP : delta / 2;
	for (delta += delta / n; delta > (BASE - T_LOW) * T_HIGH / 2; k += BASE)
		delta /= BASE - T_LOW;
	return k + (BASE - T_LOW + 1) * delta / (delta + SKEW);
}

static char digit(uint32_t d)
{
	return (char)(d < 26 ? 'a' + d : '0' + d - 26);
}

/* Bootstring (RFC 3492 6.3); bytes written, 0: it does not fit */
static size_t encode(const uint32_t *v, size_t n, char *out)
{
	uint32_t code = FIRST, delta = 0, bias = BIAS;
	size_t at = 0, done;

	for (size_t i = 0; i < n; i++)
		if (v[i] < FIRST)
			out[at++] = (char)v[i];
	done = at;
	if (at)
		out[at++] = '-';
	for (size_t basic = done; done < n; delta++, code++) {
		uint32_t least = UINT32_MAX;

		for (size_t i = 0; i < n; i++)
			least = v[i] >= code && v[i] < least ? v[i] : least;
		delta += (least - code) * (uint32_t)(done + 1);
		code = least;
		for (size_t i = 0; i < n; i++) {
			uint32_t q = delta;

			delta += v[i] < code;
			if (v[i] != code)
				continue;
			q = delta;
			for (uint32_t k = BASE;; k += BASE) {
				uint32_t t = k <= bias ? T_LOW : k >= bias + T_HIGH ? T_HIGH : k - bias;

				if (at >= LABEL_MOST)
					return 0;
				out[at++] = digit(q < t ? q : t + (q - t) % (BASE - t));
				if (q < t)
					break;
				q = (q - t) / (BASE - t);
			}
			bias = adapt(delta, (uint32_t)done + 1, done == basic);
			delta = 0;
			done++;
		}
	}
	return at;
}

static bool add_label(const uint32_t *v, size_t n, bool plain, char out[256], size_t *at)
{
	char made[LABEL_MOST + 2];
	size_t length = n;

	if (!plain && !(length = encode(v, n, made)))
		return false;
	for (size_t i = 0; plain && i < n; i++)
		made[i] = (char)v[i];
	if (*at + length + 6 > 255)
		return false;
	*at += (size_t)snprintf(out + *at, 256 - *at, "%s%.*s", plain ? "" : "xn--", (int)length, made);
	return plain || length + 4 <= LABEL_MOST;
}

bool idn_to_ascii(struct str name, char out[256])
{
	uint32_t v[LABEL_MOST + 1];
	size_t n = 0, at = 0;
	bool plain = true;

	out[0] = 0;
	if (str_is_ascii(name) || !str_is_utf8(name)) {
		snprintf(out, 256, "%.*s", STR_ARG(name));
		return str_is_ascii(name) && name.n < 256;
	}
	while (name.n) {
		uint32_t c = next_point(&name);

		if (c == '.' || c == 0x3002 || c == 0xff0e || c == 0xff61) {
			if (!add_label(v, n, plain, out, &at))
				return false;
			out[at++] = '.';
			out[at] = 0;
			n = 0;
			plain = true;
			continue;
		}
		if (n == LABEL_MOST)
			return false;
		v[n++] = small(c);
		plain &= c < FIRST;
	}
	return add_label(v, n, plain, out, &at);
}
