/* pattern_parse - text to tree: alternatives of sequences of repeated items (pcre2pattern(3)). Depth and size are bounded; the tree is
 * in the caller's arena. */
#include <limits.h>
#include <stdarg.h>

#include "core/base/limits.h"
#include "core/map/pattern_private.h"

struct pattern_node *pattern_wrong(struct pattern_text *t, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	if (!t->why->n)
		buf_vprintf(t->why, fmt, ap);
	va_end(ap);
	return NULL;
}

struct pattern_node *pattern_missing(struct pattern_text *t, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	if (!t->why->n) {
		buf_vprintf(t->why, fmt, ap);
		t->missing = true;
	}
	va_end(ap);
	return NULL;
}

struct pattern_node *pattern_node(struct pattern_text *t, enum pattern_kind kind)
{
	struct pattern_node *n = ARENA_NEW(t->arena, struct pattern_node);

	if (!n)
		return pattern_missing(t, "the expression is too large");
	n->kind = kind;
	return n;
}

static struct pattern_node *parse_alternatives(struct pattern_text *t);

static bool take(struct pattern_text *t, char c)
{
	bool is_there = t->rest.n && t->rest.p[0] == c;

	t->rest = str_from(t->rest, is_there);
	return is_there;
}

/* skip - what does not count: comments, and blanks with PATTERN_SPACED */
static bool skip(struct pattern_text *t)
{
	while (!t->quoted.n && t->rest.n) {
		bool comment = str_starts(t->rest, STR("(?#"));
		ptrdiff_t end = comment ? str_chr(t->rest, ')') : 0;

		if (comment && end < 0) {
			pattern_wrong(t, "(?# without )");
			return false;
		}
		if (!comment && !(t->flags & PATTERN_SPACED))
			return true;
		if (!comment && t->rest.p[0] == '#')
			end = str_chr(t->rest, '\n') < 0 ? (ptrdiff_t)t->rest.n - 1 : str_chr(t->rest, '\n');
		else if (!comment && !ascii_is_space(t->rest.p[0]))
			return true;
		t->rest = str_from(t->rest, (size_t)end + 1);
	}
	return true;
}

/* --- groups -------------------------------------------------------------------------------------------------------------- */

/* take_flags - imsxU-imsx at the front of rest, up to ) or : */
static bool take_flags(struct pattern_text *t)
{
	static const struct { char letter; unsigned flag; } letters[] = {
		{ 'i', PATTERN_ICASE }, { 'm', PATTERN_LINES }, { 's', PATTERN_DOT_ALL }, { 'x', PATTERN_SPACED }, { 'U', PATTERN_LAZY },
	};
	bool off = false;

	for (; t->rest.n && !ascii_is_one_of(t->rest.p[0], ":)"); t->rest = str_from(t->rest, 1)) {
		char c = t->rest.p[0];
		size_t i = 0;

		while (i < sizeof(letters) / sizeof(letters[0]) && letters[i].letter != c)
			i++;
		if ((c == '-' && off) || (c != '-' && i == sizeof(letters) / sizeof(letters[0])) || str_starts(t->rest, STR("xx"))) {
			pattern_missing(t, "(?%c is not done", c);
			return false;
		}
		if (c == '-')
			off = true;
		else
			t->flags = off ? t->flags & ~letters[i].flag : t->flags | letters[i].flag;
	}
	return true;
}

/* take_name - of (?<name> and its like, up to `end` */
static bool take_name(struct pattern_text *t, char end)
{
	size_t n = 0;

	while (n < t->rest.n && (ascii_is_alnum(t->rest.p[n]) || t->rest.p[n] == '_'))
		n++;
	if (!n || n > 32 || ascii_is_digit(t->rest.p[0]) || n == t->rest.n || t->rest.p[n] != end) {
		pattern_wrong(t, "bad name of a group");
		return false;
	}
	t->rest = str_from(t->rest, n + 1);
	return true;
}

static struct pattern_node *inside(struct pattern_text *t, struct pattern_node *group)
{
	unsigned flags = t->flags;

	if (!group)
		return NULL;
	if (++t->depth > LIMIT_PATTERN_DEPTH)
		return pattern_missing(t, "groups are nested too deep");
	group->first = parse_alternatives(t);
	t->flags = flags;
	t->depth--;
	if (!group->first)
		return NULL;
	return take(t, ')') ? group : pattern_wrong(t, "( without )");
}

static struct pattern_node *capture(struct pattern_text *t)
{
	struct pattern_node *n = pattern_node(t, PATTERN_GROUP);

	if (t->groups + 1 >= PATTERN_GROUPS)
		return pattern_missing(t, "more than %d groups: use (?: )", PATTERN_GROUPS - 1);
	t->groups++;
	if (n)
		n->number = t->groups;
	return inside(t, n);
}

/* look_behind - each alternative begins at a distance of its own, so each becomes a look of its own */
static struct pattern_node *look_behind(struct pattern_text *t, bool negative)
{
	struct pattern_node *all = inside(t, pattern_node(t, PATTERN_CAT)), *out, **end, *next;
	size_t width;

	if (!all || !(out = pattern_node(t, negative ? PATTERN_CAT : PATTERN_ALT)))
		return NULL;
	end = &out->first;
	for (struct pattern_node *n = all->first->first; n; n = next) {
		struct pattern_node *look = pattern_node(t, PATTERN_LOOK);

		if (!look)
			return NULL;
		next = n->next;
		if (!pattern_width(n, &width))
			return pattern_wrong(t, "a look behind needs a fixed length");
		n->next = NULL;
		*look = (struct pattern_node){ .kind = PATTERN_LOOK, .first = n, .behind = true, .negative = negative, .least = (unsigned)width };
		*end = look;
		end = &look->next;
	}
	return out;
}

/* flags_group - (?i) holds to the end of the group around it, (?i: ) in itself */
static struct pattern_node *flags_group(struct pattern_text *t)
{
	unsigned flags = t->flags;
	struct pattern_node *n;

	if (!take_flags(t))
		return NULL;
	if (take(t, ')'))
		return pattern_node(t, PATTERN_EMPTY);
	if (!take(t, ':'))
		return pattern_wrong(t, "( without )");
	n = inside(t, pattern_node(t, PATTERN_CAT));
	t->flags = flags;
	return n;
}

/* special - behind "(?" */
static struct pattern_node *special(struct pattern_text *t)
{
	static const struct { const char *mark; enum pattern_kind kind; bool negative; } marks[] = {
		{ ":", PATTERN_CAT, false }, { ">", PATTERN_ATOMIC, false }, { "=", PATTERN_LOOK, false }, { "!", PATTERN_LOOK, true },
	};
	static const struct { const char *mark; char end; } names[] = { { "<", '>' }, { "P<", '>' }, { "'", '\'' } };

	for (size_t i = 0; i < sizeof(marks) / sizeof(marks[0]); i++)
		if (take(t, marks[i].mark[0])) {
			struct pattern_node *n = pattern_node(t, marks[i].kind);

			if (n)
				n->negative = marks[i].negative;
			return inside(t, n);
		}
	if (str_starts(t->rest, STR("<=")) || str_starts(t->rest, STR("<!"))) {
		bool negative = t->rest.p[1] == '!';

		t->rest = str_from(t->rest, 2);
		return look_behind(t, negative);
	}
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (str_starts(t->rest, str_of(names[i].mark))) {
			t->rest = str_from(t->rest, strlen(names[i].mark));
			return take_name(t, names[i].end) ? capture(t) : NULL;
		}
	if (t->rest.n && (ascii_is_alpha(t->rest.p[0]) || ascii_is_one_of(t->rest.p[0], "-)")))
		return flags_group(t);
	return pattern_missing(t, "(?%.*s is not done", STR_ARG(str_head(t->rest, 1)));
}

/* --- items and repeats --------------------------------------------------------------------------------------------------- */

static struct pattern_node *line_assertion(struct pattern_text *t, char c)
{
	struct pattern_node *n = pattern_node(t, PATTERN_ASSERT);
	bool lines = t->flags & PATTERN_LINES;

	if (!n)
		return NULL;
	if (c == '^')
		n->number = lines ? PATTERN_AT_LINE : PATTERN_AT_START;
	else
		n->number = lines ? PATTERN_AT_LINE_END : t->flags & PATTERN_DOLLAR_END ? PATTERN_AT_END : PATTERN_AT_LAST_LINE;
	return n;
}

static struct pattern_node *dot(struct pattern_text *t)
{
	struct pattern_node *n = pattern_node(t, PATTERN_SET);

	if (!n)
		return NULL;
	if (!(t->flags & PATTERN_DOT_ALL))
		pattern_set_add(&n->set, '\n');
	pattern_set_invert(&n->set);
	return n;
}

static bool take_count(struct str *s, unsigned *n)
{
	size_t digits = 0;

	for (*n = 0; digits < s->n && digits < 5 && ascii_is_digit(s->p[digits]); digits++)
		*n = *n * 10 + (unsigned)(s->p[digits] - '0');
	*s = str_from(*s, digits);
	return digits > 0;
}

/* take_braces - {n}, {n,} or {n,m}; anything else in braces is text */
static bool take_braces(struct pattern_text *t, unsigned *least, unsigned *most)
{
	struct str s = str_from(t->rest, 1);

	if (!take_count(&s, least) || !s.n)
		return false;
	*most = *least;
	if (s.p[0] == ',') {
		s = str_from(s, 1);
		if (!take_count(&s, most))
			*most = UINT_MAX;
	}
	if (!s.n || s.p[0] != '}')
		return false;
	t->rest = str_from(s, 1);
	return true;
}

static struct pattern_node *parse_item(struct pattern_text *t)
{
	unsigned least, most;
	char c;

	if (t->quoted.n) {
		c = t->quoted.p[0];
		t->quoted = str_from(t->quoted, 1);
		return pattern_byte(t, (unsigned char)c);
	}
	c = t->rest.p[0];
	if (c == '{' && take_braces(t, &least, &most))
		return pattern_wrong(t, "nothing before {%u that it could repeat", least);
	t->rest = str_from(t->rest, 1);
	switch (c) {
	case '\\':
		return pattern_escape(t);
	case '[':
		return pattern_bracket(t);
	case '.':
		return dot(t);
	case '^':
	case '$':
		return line_assertion(t, c);
	case '(':
		if (take(t, '?'))
			return special(t);
		return t->rest.n && t->rest.p[0] == '*' ? pattern_missing(t, "(* is not done") : capture(t);
	case '*':
	case '+':
	case '?':
		return pattern_wrong(t, "nothing before %c that it could repeat", c);
	default:
		return pattern_byte(t, (unsigned char)c);
	}
}

/* take_repeat - a repeat at the front of rest */
static bool take_repeat(struct pattern_text *t, unsigned *least, unsigned *most)
{
	char c = !t->quoted.n && t->rest.n ? t->rest.p[0] : '\0';

	*least = c == '+';
	*most = c == '?' ? 1 : UINT_MAX;
	if (c == '{')
		return take_braces(t, least, most);
	if (!ascii_is_one_of(c, "*+?") || !c)
		return false;
	t->rest = str_from(t->rest, 1);
	return true;
}

static struct pattern_node *repeated(struct pattern_text *t, struct pattern_node *item)
{
	struct pattern_node *n, *atomic;
	unsigned least, most;
	bool turned;

	if (item && skip(t) && take_repeat(t, &least, &most)) {
		if (item->kind == PATTERN_ASSERT || item->kind == PATTERN_LOOK || item->kind == PATTERN_EMPTY)
			return pattern_missing(t, "a place in the text is not repeated");
		if (least > LIMIT_PATTERN_REPEAT || (most != UINT_MAX && (most > LIMIT_PATTERN_REPEAT || most < least)))
			return pattern_missing(t, "{n,m}: n is above m, or one of them above %d", LIMIT_PATTERN_REPEAT);
		n = pattern_node(t, PATTERN_REPEAT);
		if (!n)
			return NULL;
		n->first = item;
		n->least = least;
		n->most = most;
		turned = take(t, '?');
		n->lazy = turned != !!(t->flags & PATTERN_LAZY);
		item = n;
		if (!turned && take(t, '+')) {
			n->lazy = false;
			atomic = pattern_node(t, PATTERN_ATOMIC);
			if (!atomic)
				return NULL;
			atomic->first = item;
			item = atomic;
		}
		if (take_repeat(t, &least, &most))
			return pattern_wrong(t, "a repeat of a repeat");
	}
	return t->why->n ? NULL : item;
}

static struct pattern_node *parse_sequence(struct pattern_text *t)
{
	struct pattern_node *all = pattern_node(t, PATTERN_CAT), **end;

	if (!all)
		return NULL;
	end = &all->first;
	for (;;) {
		if (!skip(t))
			return NULL;
		if (!t->quoted.n && pattern_quote(t))
			continue;
		if (!t->quoted.n && (!t->rest.n || ascii_is_one_of(t->rest.p[0], "|)")))
			return all;
		*end = repeated(t, parse_item(t));
		if (!*end)
			return NULL;
		end = &(*end)->next;
	}
}

static struct pattern_node *parse_alternatives(struct pattern_text *t)
{
	struct pattern_node *all = pattern_node(t, PATTERN_ALT), **end;

	if (!all)
		return NULL;
	end = &all->first;
	do {
		*end = parse_sequence(t);
		if (!*end)
			return NULL;
		end = &(*end)->next;
	} while (take(t, '|'));
	return all;
}

struct pattern_node *pattern_parse(struct pattern_text *t)
{
	struct pattern_node *all = parse_alternatives(t);

	if (all && t->rest.n)
		return pattern_wrong(t, ") without (");
	if (all && t->highest_back > t->groups)
		return pattern_wrong(t, "\\%u: there is no such group", t->highest_back);
	return all;
}
