/* visible - str_visible_step: which characters show what they are. What does not can turn a line round, hide a part of it or look like a
 * space: it is no use in a log or on a terminal, and only good to deceive (threats J1). By the categories of Unicode 15: Cc, Cf, Co, Cn at
 * the ends of planes, Zs, Zl, Zp, and the fillers and selectors that are drawn as nothing. */
#include "core/base/str.h"

static const struct { uint32_t first, last; } hidden[] = {
	{ 0x0000, 0x001f }, { 0x007f, 0x00a0 }, { 0x00ad, 0x00ad }, { 0x034f, 0x034f }, { 0x0600, 0x0605 }, { 0x061c, 0x061c },
	{ 0x06dd, 0x06dd }, { 0x070f, 0x070f }, { 0x0890, 0x0891 }, { 0x08e2, 0x08e2 }, { 0x115f, 0x1160 }, { 0x1680, 0x1680 },
	{ 0x17b4, 0x17b5 }, { 0x180b, 0x180f }, { 0x2000, 0x200f }, { 0x2028, 0x202f }, { 0x205f, 0x206f }, { 0x2800, 0x2800 },
	{ 0x3000, 0x3000 }, { 0x3164, 0x3164 }, { 0xd800, 0xf8ff }, { 0xfe00, 0xfe0f }, { 0xfeff, 0xfeff }, { 0xffa0, 0xffa0 },
	{ 0xfff0, 0xfffb }, { 0xfffe, 0xffff }, { 0x110bd, 0x110bd }, { 0x110cd, 0x110cd }, { 0x13430, 0x1343f }, { 0x1bca0, 0x1bca3 },
	{ 0x1d173, 0x1d17a }, { 0x1fffe, 0x1ffff }, { 0x2fffe, 0x2ffff }, { 0x3fffe, 0x10ffff },
};

static uint32_t decode(const unsigned char *u, size_t n)
{
	static const unsigned char lead[] = { 0, 0x7f, 0x1f, 0x0f, 0x07 };
	uint32_t c = u[0] & lead[n];

	for (size_t i = 1; i < n; i++)
		c = c << 6 | (u[i] & 0x3f);
	return c;
}

size_t str_visible_step(struct str s)
{
	size_t n = str_utf8_step(s), low = 0, high = sizeof(hidden) / sizeof(hidden[0]);
	uint32_t c;

	if (!n)
		return 0;
	c = decode((const unsigned char *)s.p, n);
	while (low < high) {
		size_t middle = (low + high) / 2;

		if (c < hidden[middle].first)
			high = middle;
		else if (c > hidden[middle].last)
			low = middle + 1;
		else
			return 0;
	}
	return n;
}
