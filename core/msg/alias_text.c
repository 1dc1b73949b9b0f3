/* alias_text - see alias_text.h. An element is found in two looks: how far the run of words reaches and what ends it (a `<`
 * makes the run a display name, a `:` the name of a group), then, if neither does, the first address of the run: words
 * glued by dots and at signs, whatever white space and comments stand between. */
#include "core/msg/alias_text.h"

#include "core/base/limits.h"
#include "core/msg/addr.h"
#include "core/msg/addr_chars.h"

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r';
}

static bool is_separator(char c)
{
	return c == ',' || c == ';' || c == '\n';
}

/* after - where what begins at i ends: a quoted string, a comment, an escaped byte, or one byte; 0: it does not end, or is too long */
static size_t after(struct str s, size_t i)
{
	char open = s.p[i];
	size_t depth = 0;

	if (open == '\\')
		return i + 2 <= s.n ? i + 2 : s.n;
	if (open != '"' && open != '(')
		return i + 1;
	for (size_t end = i + LIMIT_ALIAS_WORDS; i < s.n && i < end; i++) {
		if (s.p[i] == '\\')
			i++;
		else if (s.p[i] == '"' && open == '"' && ++depth == 2)
			return i + 1;
		else if (s.p[i] == '(' && open == '(')
			depth++;
		else if (s.p[i] == ')' && open == '(' && --depth == 0)
			return i + 1;
	}
	return 0;
}

/* to_separator - length of s up to a separator, whatever is in it: what cannot be understood ends there */
static size_t to_separator(struct str s)
{
	size_t i = 0;

	while (i < s.n && !is_separator(s.p[i]))
		i++;
	return i;
}

/* is_cut - was the run longer than what is looked at? Then it is words, whatever may come */
static bool is_cut(size_t run)
{
	return run >= LIMIT_ALIAS_WORDS;
}

/* run_length - of the words up to a separator, `<`, a `:` that ends the name of a group, the end, or where it is cut; s.n + 1: a quote
 * or comment in it does not end */
static size_t run_length(struct str s)
{
	bool at_sign = false;
	size_t i = 0;

	while (i < s.n && !is_cut(i)) {
		char c = s.p[i];

		if (is_separator(c) || c == '<' || (c == ':' && !at_sign && (i + 1 == s.n || is_blank(s.p[i + 1]))))
			return i;
		at_sign = at_sign || c == '@';
		i = after(s, i);
		if (!i)
			return s.n + 1;
	}
	return i;
}

/* unquoted - the inside of a quoted string, without its escapes */
static struct str unquoted(struct arena *a, struct str s)
{
	char *p = arena_alloc(a, s.n + 1);
	size_t n = 0;

	if (!p)
		return STR_EMPTY;
	for (size_t i = 1; i + 1 < s.n; i++) {
		if (s.p[i] == '\\' && i + 2 < s.n)
			i++;
		p[n++] = s.p[i];
	}
	return str_make(p, n);
}

static bool is_quoted(struct str s)
{
	return s.n >= 2 && s.p[0] == '"' && after(s, 0) == s.n;
}

/* squeezed - without white space, comments and backslashes between words */
static struct str squeezed(struct arena *a, struct str s)
{
	char *p = arena_alloc(a, s.n + 1);
	size_t n = 0, end;

	if (!p)
		return STR_EMPTY;
	for (size_t i = 0; i < s.n; i = end) {
		end = after(s, i);
		if (!end)
			return STR_EMPTY;
		if (is_blank(s.p[i]) || s.p[i] == '(')
			continue;
		if (s.p[i] == '\\' && end - i == 2) {
			p[n++] = s.p[i + 1];
		} else if (s.p[i] != '\\') {
			memcpy(p + n, s.p + i, end - i);
			n += end - i;
		}
	}
	return str_make(p, n);
}

/* judge - raw is what was written for one address, words is that without display name and brackets */
static void judge(struct arena *a, struct str raw, struct str words, struct alias_target *out)
{
	struct str text = squeezed(a, words);
	struct addr addr;

	/* the quotes of "joe@example.com" belong to the alias file, not to the address */
	if (is_quoted(text) && (str_chr(text, '@') >= 0 || text.p[1] == '\\'))
		text = squeezed(a, unquoted(a, text));
	while (text.n && text.p[text.n - 1] == '.')
		text.n--;
	if (text.n && addr_drop_route(&text) && addr_parse(a, text, &addr) && addr.full.n && addr.local.n &&
	    text.p[text.n - 1] != '@')
		*out = (struct alias_target){ .kind = ALIAS_ADDRESS, .text = addr.full };
	else
		*out = (struct alias_target){ .kind = ALIAS_BAD, .text = str_trim(raw) };
}

/* address_length - the first address of a run: up to white space that no dot or at sign glues */
static size_t address_length(struct str run)
{
	bool glued = true, gap = false;
	size_t i = 0, end = 0, next;

	for (; i < run.n; i = next) {
		char c = run.p[i];

		next = after(run, i);
		if (is_blank(c) || c == '(') {
			gap = true;
			continue;
		}
		if (gap && end && !glued && c != '.' && c != '@')
			return end;
		glued = c == '.' || c == '@';
		gap = false;
		end = next;
	}
	return end ? end : run.n;
}

static bool is_special(struct str s)
{
	return s.n && (s.p[0] == '|' || s.p[0] == '/' || str_istarts(s, STR(":include:")));
}

static void set_special(struct alias_target *out, struct str s)
{
	if (s.p[0] == '|')
		*out = (struct alias_target){ .kind = ALIAS_COMMAND, .text = str_trim(str_from(s, 1)) };
	else if (s.p[0] == '/')
		*out = (struct alias_target){ .kind = ALIAS_FILE, .text = s };
	else
		*out = (struct alias_target){ .kind = ALIAS_INCLUDE, .text = str_trim(str_from(s, 9)) };
}

/* take_special - a file, a command or a list at the front of s, quoted or not: its length; 0: none is there */
static size_t take_special(struct arena *a, struct str s, struct alias_target *out)
{
	size_t n = s.p[0] == '"' ? after(s, 0) : 0, next;
	bool quotes = s.p[0] == '|';

	if (n) {
		struct str inner = unquoted(a, str_head(s, n));

		if (!is_special(inner))
			return 0;
		set_special(out, inner);
		return n;
	}
	if (!is_special(s))
		return 0;
	/* a command has arguments, with quotes until one does not end; the others end at white space */
	while (n < s.n && !is_separator(s.p[n]) && (s.p[0] == '|' || !is_blank(s.p[n]) || str_ieq(str_head(s, n), STR(":include:")))) {
		next = quotes ? after(s, n) : n + 1;
		quotes = quotes && next;
		n = next ? next : n + 1;
	}
	set_special(out, str_trim(str_head(s, n)));
	return n;
}

/* take_angle - s is `name <address>`, the bracket at `open`: its length */
static size_t take_angle(struct arena *a, struct str s, size_t open, struct alias_target *out)
{
	struct str inner;
	size_t i = open + 1;

	while (i < s.n && s.p[i] != '>' && s.p[i] != '<' && s.p[i] != '\n' && after(s, i))
		i = after(s, i);
	if (i >= s.n || s.p[i] != '>') {
		i = open + to_separator(str_from(s, open));
		*out = (struct alias_target){ .kind = ALIAS_BAD, .text = str_trim(str_head(s, i)) };
		return i;
	}
	inner = str_trim(str_make(s.p + open + 1, i - open - 1));
	/* two addresses in one pair of brackets are none */
	judge(a, str_head(s, i + 1), address_length(inner) == inner.n ? inner : STR_EMPTY, out);
	return i + 1;
}

static size_t take_element(struct arena *a, struct str s, struct alias_target *out)
{
	size_t n = take_special(a, s, out), run;

	if (n)
		return n;
	run = run_length(s);
	if (run < s.n && !is_cut(run) && s.p[run] == '<')
		return take_angle(a, s, run, out);
	n = run > s.n ? run : address_length(str_head(s, run));
	if (run > s.n || (is_cut(n) && n < s.n)) {
		n = to_separator(s);
		*out = (struct alias_target){ .kind = ALIAS_BAD, .text = str_trim(str_head(s, n)) };
		return n;
	}
	judge(a, str_head(s, n), str_head(s, n), out);
	return n;
}

/* skip_between - over separators, white space, comments and names of groups */
static struct str skip_between(struct str s)
{
	while (s.n) {
		size_t run = 0;

		if (is_separator(s.p[0]) || is_blank(s.p[0])) {
			s = str_from(s, 1);
		} else if (s.p[0] == '(' && after(s, 0)) {
			s = str_from(s, after(s, 0));
		} else {
			run = is_special(s) ? s.n : run_length(s);
			if (run >= s.n || is_cut(run) || s.p[run] != ':')
				return s;
			s = str_from(s, run + 1);
		}
	}
	return s;
}

bool alias_text_next(struct arena *a, struct str *rest, struct alias_target *out)
{
	*rest = skip_between(*rest);
	if (!rest->n)
		return false;
	*rest = str_from(*rest, take_element(a, *rest, out));
	return true;
}

bool alias_text_line(struct str *rest, unsigned *number, struct str *line)
{
	while (str_cut(rest, '\n', line)) {
		++*number;
		*line = str_trim(*line);
		if (line->n && line->p[0] != '#')
			return true;
	}
	return false;
}
