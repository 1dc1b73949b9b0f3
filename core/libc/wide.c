/* wide - the wide characters that musl's regcomp asks about, of which there are 128 here.
 *
 * Nobody calls setlocale, so the locale is "C": a byte is a character, and those above 127 are no letters, have no case and
 * are no punctuation. musl answers for all of Unicode nevertheless, with 13 kB of tables. What stands here says the same about
 * every byte that mbtowc makes a wide character of (tests/unit/test_map_map.c).
 *
 * Only where the linker is asked for it (core/deps/toolchain); elsewhere nothing refers to this file and it is not linked. */
#include <stdbool.h>
#include <wctype.h>

static bool is_in(wint_t c, wint_t first, wint_t last)
{
	return c >= first && c <= last;
}

wint_t towlower(wint_t c)
{
	return is_in(c, 'A', 'Z') ? c + ('a' - 'A') : c;
}

wint_t towupper(wint_t c)
{
	return is_in(c, 'a', 'z') ? c - ('a' - 'A') : c;
}

int iswalpha(wint_t c)
{
	return is_in(towlower(c), 'a', 'z');
}

int iswpunct(wint_t c)
{
	return is_in(c, '!', '~') && !iswalpha(c) && !is_in(c, '0', '9');
}
