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

/* compose - a letter and a mark behind it as the one letter that DNS knows (NFC, as RFC 5891 5.2 asks): Latin, Greek, Cyrillic, Kana, Hangul;
 * 0: they stay two. Some keyboards and the names of files keep them apart */
static uint32_t compose(uint32_t letter, uint32_t mark)
{
	/* letter and whole, in pairs */
	static const struct { uint32_t mark; const char *pairs; } rows[] = {
		{ 0x300, "a\u00e0e\u00e8i\u00eco\u00f2u\u00f9\u00fc\u01dcn\u01f9\u0113\u1e15\u014d\u1e51w\u1e81\u00e2\u1ea7\u0103\u1eb1\u00ea\u1ec1\u00f4\u1ed3\u01a1\u1edd\u01b0\u1eeby\u1ef3\u0435\u0450\u0438\u045d" },
		{ 0x301, "a\u00e1e\u00e9i\u00edo\u00f3u\u00fay\u00fdc\u0107l\u013an\u0144r\u0155s\u015bz\u017a\u00fc\u01d8g\u01f5\u00e5\u01fb\u00e6\u01fd\u00f8\u01ff\u00e7\u1e09\u0113\u1e17\u00ef\u1e2fk\u1e31m\u1e3f\u00f5\u1e4d\u014d\u1e53p\u1e55\u0169\u1e79w\u1e83\u00e2\u1ea5\u0103\u1eaf\u00ea\u1ebf\u00f4\u1ed1\u01a1\u1edb\u01b0\u1ee9\u03ca\u0390\u03b1\u03ac\u03b5\u03ad\u03b7\u03ae\u03b9\u03af\u03cb\u03b0\u03bf\u03cc\u03c5\u03cd\u03c9\u03ce\u0433\u0453\u043a\u045c" },
		{ 0x302, "a\u00e2e\u00eai\u00eeo\u00f4u\u00fbc\u0109g\u011dh\u0125j\u0135s\u015dw\u0175y\u0177z\u1e91\u1ea1\u1ead\u1eb9\u1ec7\u1ecd\u1ed9" },
		{ 0x303, "a\u00e3n\u00f1o\u00f5i\u0129u\u0169v\u1e7d\u00e2\u1eab\u0103\u1eb5e\u1ebd\u00ea\u1ec5\u00f4\u1ed7\u01a1\u1ee1\u01b0\u1eefy\u1ef9" },
		{ 0x304, "a\u0101e\u0113i\u012bo\u014du\u016b\u00fc\u01d6\u00e4\u01df\u0227\u01e1\u00e6\u01e3\u01eb\u01ed\u00f6\u022b\u00f5\u022d\u022f\u0231y\u0233g\u1e21\u1e37\u1e39\u1e5b\u1e5d\u0438\u04e3\u0443\u04ef" },
		{ 0x306, "a\u0103e\u0115g\u011fi\u012do\u014fu\u016d\u0229\u1e1d\u1ea1\u1eb7\u0438\u0439\u0443\u045e\u0436\u04c2\u0430\u04d1\u0435\u04d7" },
		{ 0x307, "c\u010be\u0117g\u0121z\u017ca\u0227o\u022fb\u1e03d\u1e0bf\u1e1fh\u1e23m\u1e41n\u1e45p\u1e57r\u1e59s\u1e61\u015b\u1e65\u0161\u1e67\u1e63\u1e69t\u1e6bw\u1e87x\u1e8by\u1e8f\u017f\u1e9b" },
		{ 0x308, "a\u00e4e\u00ebi\u00efo\u00f6u\u00fcy\u00ffh\u1e27\u00f5\u1e4f\u016b\u1e7bw\u1e85x\u1e8dt\u1e97\u03b9\u03ca\u03c5\u03cb\u0435\u0451\u0456\u0457\u0430\u04d3\u04d9\u04db\u0436\u04dd\u0437\u04df\u0438\u04e5\u043e\u04e7\u04e9\u04eb\u044d\u04ed\u0443\u04f1\u0447\u04f5\u044b\u04f9" },
		{ 0x309, "a\u1ea3\u00e2\u1ea9\u0103\u1eb3e\u1ebb\u00ea\u1ec3i\u1ec9o\u1ecf\u00f4\u1ed5\u01a1\u1edfu\u1ee7\u01b0\u1eedy\u1ef7" },
		{ 0x30a, "a\u00e5u\u016fw\u1e98y\u1e99" },
		{ 0x30b, "o\u0151u\u0171\u0443\u04f3" },
		{ 0x30c, "c\u010dd\u010fe\u011bl\u013en\u0148r\u0159s\u0161t\u0165z\u017ea\u01cei\u01d0o\u01d2u\u01d4\u00fc\u01dag\u01e7k\u01e9\u0292\u01efj\u01f0h\u021f" },
		{ 0x30f, "a\u0201e\u0205i\u0209o\u020dr\u0211u\u0215\u0475\u0477" },
		{ 0x311, "a\u0203e\u0207i\u020bo\u020fr\u0213u\u0217" },
		{ 0x31b, "o\u01a1u\u01b0" },
		{ 0x323, "b\u1e05d\u1e0dh\u1e25k\u1e33l\u1e37m\u1e43n\u1e47r\u1e5bs\u1e63t\u1e6dv\u1e7fw\u1e89z\u1e93a\u1ea1e\u1eb9i\u1ecbo\u1ecd\u01a1\u1ee3u\u1ee5\u01b0\u1ef1y\u1ef5" },
		{ 0x324, "u\u1e73" },
		{ 0x325, "a\u1e01" },
		{ 0x326, "s\u0219t\u021b" },
		{ 0x327, "c\u00e7g\u0123k\u0137l\u013cn\u0146r\u0157s\u015ft\u0163e\u0229d\u1e11h\u1e29" },
		{ 0x328, "a\u0105e\u0119i\u012fu\u0173o\u01eb" },
		{ 0x32d, "d\u1e13e\u1e19l\u1e3dn\u1e4bt\u1e71u\u1e77" },
		{ 0x32e, "h\u1e2b" },
		{ 0x330, "e\u1e1bi\u1e2du\u1e75" },
		{ 0x331, "b\u1e07d\u1e0fk\u1e35l\u1e3bn\u1e49r\u1e5ft\u1e6fz\u1e95h\u1e96" },
	};
	bool ha = (letter - 0x306f) % 96 <= 12 && letter % 3 == 0;

	if (mark >= 0x300 && mark < 0x340)
		for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
			for (struct str s = rows[i].mark == mark ? str_of(rows[i].pairs) : STR_EMPTY; s.n;) {
				uint32_t from = next_point(&s), whole = next_point(&s);

				if (from == letter)
					return whole;
			}
	/* voiced and half-voiced, Hiragana and 96 further Katakana */
	if (mark == 0x3099 && letter >= 0x304b && letter <= 0x30dc &&
	    (ha || ((letter - 0x304b) % 96 <= 22 && letter % 2) || ((letter - 0x3064) % 96 <= 4 && letter % 2 == 0)))
		return letter + 1;
	if (mark == 0x309a && letter >= 0x306f && letter <= 0x30dc && ha)
		return letter + 2;
	/* the parts of a syllable: 19 times 21 times 28 */
	if (letter - 0x1100 < 19 && mark - 0x1161 < 21)
		return 0xac00 + ((letter - 0x1100) * 21 + mark - 0x1161) * 28;
	if (letter - 0xac00 < 11172 && (letter - 0xac00) % 28 == 0 && mark - 0x11a8 < 27)
		return letter + mark - 0x11a7;
	return 0;
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
		uint32_t c = next_point(&name), whole = n ? compose(v[n - 1], c) : 0;

		if (whole) {
			v[n - 1] = whole;
			plain = false;
			continue;
		}
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
