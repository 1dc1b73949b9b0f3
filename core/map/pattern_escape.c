/* pattern_escape - what a backslash begins, and bracket expressions: both end in sets of bytes (pcre2pattern(3), "Backslash",
 * "Square brackets and character classes"). Letters are those of ASCII. */
#include "core/map/pattern_private.h"

void pattern_set_fold(struct pattern_set *s)
{
	for (unsigned c = 'a'; c <= 'z'; c++) {
		unsigned upper = c - 32;

		if (pattern_set_has(s, (unsigned char)c) || pattern_set_has(s, (unsigned char)upper)) {
			pattern_set_add(s, c);
			pattern_set_add(s, upper);
		}
	}
}

void pattern_set_invert(struct pattern_set *s)
{
	for (size_t i = 0; i < PATTERN_SET_WORDS; i++)
		s->bits[i] = ~s->bits[i];
}

struct pattern_node *pattern_byte(struct pattern_text *t, unsigned char c)
{
	struct pattern_node *n = pattern_node(t, PATTERN_SET);

	if (!n)
		return NULL;
	pattern_set_add(&n->set, c);
	if (t->flags & PATTERN_ICASE)
		pattern_set_fold(&n->set);
	return n;
}

/* --- sets with a name --------------------------------------------------------------------------------------------------- */

static bool is_word(unsigned c) { return c < 128 && (ascii_is_alnum((char)c) || c == '_'); }
static bool is_digit(unsigned c) { return c < 128 && ascii_is_digit((char)c); }
static bool is_space(unsigned c) { return c < 128 && ascii_is_space((char)c); }
static bool is_blank(unsigned c) { return c == ' ' || c == '\t' || c == 0xa0; }
static bool is_vertical(unsigned c) { return (c >= '\n' && c <= '\r') || c == 0x85; }
static bool is_line_feed(unsigned c) { return c == '\n'; }
static bool is_alpha(unsigned c) { return c < 128 && ascii_is_alpha((char)c); }
static bool is_alnum(unsigned c) { return c < 128 && ascii_is_alnum((char)c); }
static bool is_ascii(unsigned c) { return c < 128; }
static bool is_tab_or_space(unsigned c) { return c == ' ' || c == '\t'; }
static bool is_control(unsigned c) { return c < 32 || c == 127; }
static bool is_graph(unsigned c) { return c > 32 && c < 127; }
static bool is_lower(unsigned c) { return c >= 'a' && c <= 'z'; }
static bool is_upper(unsigned c) { return c >= 'A' && c <= 'Z'; }
static bool is_print(unsigned c) { return c >= 32 && c < 127; }
static bool is_punct(unsigned c) { return is_graph(c) && !is_alnum(c); }
static bool is_hex(unsigned c) { return c < 128 && ascii_hex((char)c) >= 0; }

static const struct { char letter; bool (*has)(unsigned c); } lettered[] = {
	{ 'd', is_digit }, { 'w', is_word }, { 's', is_space }, { 'h', is_blank }, { 'v', is_vertical },
};
static const struct { const char *name; bool (*has)(unsigned c); } classes[] = {
	{ "alpha", is_alpha }, { "lower", is_lower }, { "upper", is_upper }, { "alnum", is_alnum }, { "ascii", is_ascii },
	{ "blank", is_tab_or_space }, { "cntrl", is_control }, { "digit", is_digit }, { "graph", is_graph }, { "print", is_print },
	{ "punct", is_punct }, { "space", is_space }, { "word", is_word }, { "xdigit", is_hex },
};

static void add_all(struct pattern_set *s, bool (*has)(unsigned c), bool without)
{
	for (unsigned c = 0; c < 256; c++)
		if (has(c) != without)
			pattern_set_add(s, c);
}

/* add_lettered - \d and its like; false: no such letter */
static bool add_lettered(struct pattern_set *s, char letter)
{
	for (size_t i = 0; i < sizeof(lettered) / sizeof(lettered[0]); i++)
		if (ascii_lower(letter) == lettered[i].letter) {
			add_all(s, lettered[i].has, letter != lettered[i].letter);
			return true;
		}
	return false;
}

/* --- single bytes ------------------------------------------------------------------------------------------------------- */

static bool take_number(struct pattern_text *t, unsigned base, size_t most, unsigned *value)
{
	size_t n = 0;

	for (*value = 0; n < most && n < t->rest.n; n++) {
		char c = t->rest.p[n];

		if (base == 8 ? c < '0' || c > '7' : !is_hex((unsigned char)c))
			break;
		*value = *value * base + (unsigned)ascii_hex(c);
	}
	t->rest = str_from(t->rest, n);
	return *value < 256;
}

/* take_hex - behind \x: two digits, or braces */
static bool take_hex(struct pattern_text *t, unsigned *value)
{
	ptrdiff_t end = str_chr(t->rest, '}');

	if (!t->rest.n || t->rest.p[0] != '{')
		return take_number(t, 16, 2, value);
	t->rest = str_from(t->rest, 1);
	if (end < 2 || !take_number(t, 16, 8, value) || !t->rest.n || t->rest.p[0] != '}')
		return false;
	t->rest = str_from(t->rest, 1);
	return true;
}

/* take_byte - an escape that is one byte, whose first letter c is taken; 1 yes, 0 it is none, -1 with why */
static int take_byte(struct pattern_text *t, char c, bool in_brackets, unsigned *value)
{
	static const struct { char letter, byte; } named[] = { { 't', '\t' }, { 'n', '\n' }, { 'r', '\r' }, { 'f', '\f' }, { 'a', '\a' }, { 'e', 27 } };

	for (size_t i = 0; i < sizeof(named) / sizeof(named[0]); i++)
		if (c == named[i].letter) {
			*value = (unsigned char)named[i].byte;
			return 1;
		}
	*value = (unsigned char)c;
	if (c == 'x') {
		if (take_hex(t, value))
			return 1;
		pattern_missing(t, "\\x needs two hexadecimal digits, or braces with a byte");
		return -1;
	}
	if (c == '0' || (in_brackets && c >= '1' && c <= '7')) {
		t->rest = str_make(t->rest.p - 1, t->rest.n + 1);
		if (take_number(t, 8, 3, value))
			return 1;
		pattern_missing(t, "an octal number above \\377 is no byte");
		return -1;
	}
	if (c == 'c' && t->rest.n && ascii_is_print(t->rest.p[0])) {
		*value = (unsigned char)ascii_upper(t->rest.p[0]) ^ 64u;
		t->rest = str_from(t->rest, 1);
		return 1;
	}
	if (in_brackets && c == 'b') {
		*value = '\b';
		return 1;
	}
	return !ascii_is_alnum(c);
}

/* --- outside brackets ---------------------------------------------------------------------------------------------------- */

static struct pattern_node *assertion(struct pattern_text *t, enum pattern_assert which)
{
	struct pattern_node *n = pattern_node(t, PATTERN_ASSERT);

	if (n)
		n->number = which;
	return n;
}

/* back - behind a backslash and its first digit: \1 to \9, and more digits where there are so many groups before it; else octal */
static struct pattern_node *back(struct pattern_text *t, char first)
{
	struct pattern_node *n = pattern_node(t, PATTERN_BACK);
	unsigned number = (unsigned)(first - '0'), octal;
	size_t digits = 0;

	for (; digits < t->rest.n && ascii_is_digit(t->rest.p[digits]) && number < PATTERN_GROUPS; digits++)
		number = number * 10 + (unsigned)(t->rest.p[digits] - '0');
	if (digits && number > t->groups) {
		t->rest = str_make(t->rest.p - 1, t->rest.n + 1);
		if (first > '7' || !take_number(t, 8, 3, &octal))
			return pattern_missing(t, "\\%u is neither a group nor an octal number of a byte", number);
		return pattern_byte(t, (unsigned char)octal);
	}
	t->rest = str_from(t->rest, digits);
	if (n) {
		n->number = number;
		n->fold = t->flags & PATTERN_ICASE;
	}
	t->backs = true;
	t->highest_back = number > t->highest_back ? number : t->highest_back;
	return n;
}

bool pattern_quote(struct pattern_text *t)
{
	ptrdiff_t end;

	if (!str_starts(t->rest, STR("\\Q")))
		return false;
	t->rest = str_from(t->rest, 2);
	end = str_find(t->rest, STR("\\E"));
	t->quoted = end < 0 ? t->rest : str_head(t->rest, (size_t)end);
	t->rest = str_from(t->rest, end < 0 ? t->rest.n : (size_t)end + 2);
	return true;
}

struct pattern_node *pattern_escape(struct pattern_text *t)
{
	static const struct { char letter; enum pattern_assert which; } asserts[] = {
		{ 'A', PATTERN_AT_START }, { 'z', PATTERN_AT_END }, { 'Z', PATTERN_AT_LAST_LINE }, { 'b', PATTERN_AT_WORD }, { 'B', PATTERN_NOT_AT_WORD },
	};
	struct pattern_set set = { { 0 } };
	struct pattern_node *n;
	unsigned value;
	int got;
	char c;

	if (!t->rest.n)
		return pattern_wrong(t, "\\ at the end");
	c = t->rest.p[0];
	t->rest = str_from(t->rest, 1);
	for (size_t i = 0; i < sizeof(asserts) / sizeof(asserts[0]); i++)
		if (c == asserts[i].letter)
			return assertion(t, asserts[i].which);
	if (c == 'N' && t->rest.n && t->rest.p[0] == '{')
		return pattern_missing(t, "\\N{...} is not done");
	if (c == 'N')
		add_all(&set, is_line_feed, true);
	if (c == 'N' || add_lettered(&set, c)) {
		n = pattern_node(t, PATTERN_SET);
		if (n)
			n->set = set;
		return n;
	}
	if (c >= '1' && c <= '9')
		return back(t, c);
	got = take_byte(t, c, false, &value);
	if (got > 0)
		return pattern_byte(t, (unsigned char)value);
	return got < 0 ? NULL : pattern_missing(t, "\\%c is not done", c);
}

/* --- brackets ------------------------------------------------------------------------------------------------------------ */

/* add_class - [:alpha:] or [:^alpha:] at the front of rest; 1 taken, 0 none, -1 with why */
static int add_class(struct pattern_text *t, struct pattern_set *set)
{
	ptrdiff_t end = str_find(t->rest, STR(":]"));
	struct str name;
	bool without;

	if (!str_starts(t->rest, STR("[")) || t->rest.n < 2 || !ascii_is_one_of(t->rest.p[1], ":.="))
		return 0;
	if (t->rest.p[1] != ':' && str_find(str_from(t->rest, 2), str_make((char[]){ t->rest.p[1], ']' }, 2)) >= 0) {
		pattern_missing(t, "[%c %c] is not done", t->rest.p[1], t->rest.p[1]);
		return -1;
	}
	if (end < 2)
		return 0;
	name = str_make(t->rest.p + 2, (size_t)end - 2);
	without = name.n && name.p[0] == '^';
	name = str_from(name, without);
	for (size_t i = 0; i < name.n; i++)
		if (!ascii_is_alpha(name.p[i]))
			return 0;
	for (size_t i = 0; i < sizeof(classes) / sizeof(classes[0]); i++)
		if (str_eq(name, str_of(classes[i].name))) {
			/* what has a case is folded before it is turned round */
			struct pattern_set one = { { 0 } };

			add_all(&one, classes[i].has, false);
			if (t->flags & PATTERN_ICASE)
				pattern_set_fold(&one);
			if (without)
				pattern_set_invert(&one);
			for (size_t b = 0; b < PATTERN_SET_WORDS; b++)
				set->bits[b] |= one.bits[b];
			t->rest = str_from(t->rest, (size_t)end + 2);
			return 1;
		}
	pattern_wrong(t, "there is no class [:%.*s:]", STR_ARG(str_head(name, 20)));
	return -1;
}

/* take_one - one element of a bracket expression: a byte (1), a set that was added (0), -1 with why */
static int take_one(struct pattern_text *t, struct pattern_set *set, unsigned *value)
{
	int got = add_class(t, set);
	char c;

	if (got)
		return got < 0 ? -1 : 0;
	*value = (unsigned char)t->rest.p[0];
	t->rest = str_from(t->rest, 1);
	if (*value != '\\')
		return 1;
	if (!t->rest.n) {
		pattern_wrong(t, "[ without ]");
		return -1;
	}
	c = t->rest.p[0];
	t->rest = str_from(t->rest, 1);
	if (add_lettered(set, c))
		return 0;
	got = take_byte(t, c, true, value);
	if (!got)
		pattern_missing(t, "\\%c in brackets is not done", c);
	return got > 0 ? 1 : -1;
}

static bool is_range(const struct pattern_text *t)
{
	return t->rest.n > 1 && t->rest.p[0] == '-' && t->rest.p[1] != ']';
}

static bool take_elements(struct pattern_text *t, struct pattern_set *set)
{
	bool begun = false;

	for (; t->rest.n && (t->rest.p[0] != ']' || !begun); begun = true) {
		unsigned from, to;
		int got = take_one(t, set, &from);

		if (got > 0 && is_range(t)) {
			t->rest = str_from(t->rest, 1);
			if (take_one(t, set, &to) <= 0 || to < from) {
				pattern_wrong(t, "a range in brackets that has no order");
				return false;
			}
			for (; from <= to; from++)
				pattern_set_add(set, from);
		} else if (got > 0) {
			pattern_set_add(set, from);
		} else if (got < 0) {
			return false;
		} else if (is_range(t)) {
			pattern_missing(t, "a class in brackets begins no range: put the - last");
			return false;
		}
	}
	return true;
}

struct pattern_node *pattern_bracket(struct pattern_text *t)
{
	struct pattern_node *n = pattern_node(t, PATTERN_SET);
	bool without = t->rest.n && t->rest.p[0] == '^';

	t->rest = str_from(t->rest, without);
	if (!n || !take_elements(t, &n->set))
		return NULL;
	if (!t->rest.n)
		return pattern_wrong(t, "[ without ]");
	t->rest = str_from(t->rest, 1);
	if (t->flags & PATTERN_ICASE)
		pattern_set_fold(&n->set);
	if (without)
		pattern_set_invert(&n->set);
	return n;
}
