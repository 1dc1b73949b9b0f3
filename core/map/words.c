/* words - see words.h. One pass with a depth counter: no recursion, whatever the nesting. */
#include "core/map/words.h"

static bool is_separator(char c)
{
	return c == ',' || ascii_is_space(c);
}

int words_next(struct str *rest, struct str *word)
{
	size_t depth = 0, end;

	while (rest->n && is_separator(rest->p[0]))
		*rest = str_from(*rest, 1);
	if (!rest->n)
		return 0;
	for (end = 0; end < rest->n; end++) {
		char c = rest->p[end];

		if (!depth && is_separator(c))
			break;
		if (c == '{')
			depth++;
		if (c == '}' && !depth--)
			return -1;
	}
	if (depth)
		return -1;
	*word = str_head(*rest, end);
	*rest = str_from(*rest, end);
	return 1;
}

bool words_unbrace(struct str s, struct str *inner)
{
	size_t depth = 0;

	s = str_trim(s);
	if (s.n < 2 || s.p[0] != '{')
		return false;
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] == '{')
			depth++;
		if (s.p[i] == '}' && !--depth) {
			*inner = str_trim(str_make(s.p + 1, s.n - 2));
			return i == s.n - 1;
		}
	}
	return false;
}
