/* path_repair - see path_repair.h. Steps: find the end of the address by its brackets; take comments out; take what the innermost brackets
 * hold; take a group's name and semicolon off; close the gaps around dots and at signs. Quoted strings are passed over whole. */
#include "core/smtp/path_repair.h"

static bool is_blank(char c) { return c == ' ' || c == '\t'; }

/* the place behind the quoted string that begins at `at`; s.n if it does not end */
static size_t past_quoted(struct str s, size_t at)
{
	for (at++; at < s.n && s.p[at] != '"'; at++)
		at += s.p[at] == '\\';
	return at < s.n ? at + 1 : s.n;
}

/* the place behind the comment that begins at `at`; s.n + 1 if it does not end */
static size_t past_comment(struct str s, size_t at)
{
	size_t depth = 0;

	for (; at < s.n; at++) {
		if (s.p[at] == '\\')
			at++;
		else if (s.p[at] == '(')
			depth++;
		else if (s.p[at] == ')' && !--depth)
			return at + 1;
	}
	return s.n + 1;
}

/* where the address at the front of s ends: behind the bracket that closes the first, or at a blank; s.n + 1: brackets do not match */
static size_t end_of_path(struct str s)
{
	bool bracket = s.p[0] == '<';
	size_t depth = 0, at = 0;

	while (at < s.n) {
		char c = s.p[at];

		if (c == '"') {
			at = past_quoted(s, at);
			continue;
		}
		if (c == '(' && bracket) {
			at = past_comment(s, at);
			continue;
		}
		if (is_blank(c) && !bracket)
			return at;
		depth += c == '<' && bracket;
		at++;
		if (c == '>' && bracket && !--depth)
			return at;
	}
	return bracket || at > s.n ? s.n + 1 : at;
}

/* copy s without comments */
static bool drop_comments(struct arena *a, struct str s, struct str *out)
{
	char *p = arena_alloc(a, s.n + 1);
	size_t n = 0;

	for (size_t at = 0; p && at < s.n;) {
		size_t next = s.p[at] == '"' ? past_quoted(s, at) : s.p[at] == '(' ? past_comment(s, at) : at + 1;

		if (next > s.n)
			return false;
		if (s.p[at] != '(')
			for (size_t i = at; i < next; i++)
				p[n++] = s.p[i];
		at = next;
	}
	*out = str_make(p, n);
	return p;
}

static struct str trim(struct str s)
{
	while (s.n && is_blank(s.p[0]))
		s = str_from(s, 1);
	while (s.n && is_blank(s.p[s.n - 1]))
		s.n--;
	return s;
}

/* the place of the first byte of `set` outside quotes; -1 */
static ptrdiff_t find(struct str s, const char *set)
{
	for (size_t at = 0; at < s.n; at = s.p[at] == '"' ? past_quoted(s, at) : at + 1)
		if (ascii_is_one_of(s.p[at], set))
			return (ptrdiff_t)at;
	return -1;
}

/* Name <address>, or the address itself, as often as it is wrapped; two of them, or one behind the other, are no one address */
static bool unwrap(struct str *s)
{
	for (;;) {
		ptrdiff_t open = find(*s, "<"), close = -1;

		if (open < 0)
			return find(*s, ">") < 0;
		if (find(str_head(*s, (size_t)open), ",>") >= 0)
			return false;
		*s = trim(str_from(*s, (size_t)open + 1));
		for (size_t i = s->n; i-- > 0 && close < 0;)
			if (s->p[i] == '>')
				close = (ptrdiff_t)i;
		if (close < 0 || trim(str_from(*s, (size_t)close + 1)).n)
			return false;
		*s = trim(str_head(*s, (size_t)close));
	}
}

/* "name: address;" or "address;" */
static bool ungroup(struct str *s)
{
	ptrdiff_t colon;

	if (!s->n || s->p[s->n - 1] != ';')
		return true;
	*s = trim(str_head(*s, s->n - 1));
	colon = find(*s, ":");
	if (colon >= 0)
		*s = trim(str_from(*s, (size_t)colon + 1));
	return find(*s, ":;,") < 0;
}

/* blanks around dots and at signs go; others separate words, of which an address has one. In place: s is our copy */
static bool close_gaps(struct str *s)
{
	char *p = (char *)(uintptr_t)s->p;
	size_t n = 0;

	for (size_t at = 0; at < s->n;) {
		size_t next = at;

		if (s->p[at] == '"') {
			for (next = past_quoted(*s, at); at < next; at++)
				p[n++] = s->p[at];
			continue;
		}
		while (next < s->n && is_blank(s->p[next]))
			next++;
		if (next > at && n && !ascii_is_one_of(p[n - 1], ".@") && !(next < s->n && ascii_is_one_of(s->p[next], ".@")))
			return false;
		at = next;
		if (at < s->n && s->p[at] != '"')
			p[n++] = s->p[at++];
	}
	s->n = n;
	return n > 0;
}

bool path_repair(struct arena *a, struct str in, struct str *address, struct str *rest)
{
	struct str s = trim(in);
	size_t end;

	if (!s.n)
		return false;
	end = end_of_path(s);
	if (end > s.n)
		return false;
	/* "<a@b>>", "a@b>": a bracket too many closes nothing */
	*rest = str_from(s, end);
	while (rest->n && rest->p[0] == '>')
		*rest = str_from(*rest, 1);
	s = str_head(s, end);
	while (s.p[0] != '<' && s.n && s.p[s.n - 1] == '>')
		s.n--;
	if (rest->n && !is_blank(rest->p[0]))
		return false;
	if (s.n && s.p[0] == '<')
		s = str_make(s.p + 1, s.n - 2);
	if (!drop_comments(a, s, address))
		return false;
	*address = trim(*address);
	return unwrap(address) && ungroup(address) && close_gaps(address);
}
