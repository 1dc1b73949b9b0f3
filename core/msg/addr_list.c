/* addr_list - the header grammar: RFC 5322 section 3.4 with its obsolete forms, one mailbox per call.
 *
 * The text is read once from left to right. What may be an address is gathered without white space and comments (the
 * "squeezed" text) and judged by addr_parse; what turns out to be a display name is only kept as written. Comments are
 * counted, not recursed into; a group is its members, its name and its semicolon are separators (threats I3, C10). */
#include "core/base/limits.h"
#include "core/msg/addr.h"
#include "core/msg/addr_chars.h"

struct scan {
	struct str s;
	size_t at;
	struct buf squeezed;
	bool last_was_word;       /* the squeezed text ends with a word: another one makes it a phrase */
	bool phrase;              /* two words side by side: only a display name can look like that */
	bool any;                 /* something other than white space and comments was seen */
	bool broken;              /* a comment does not end */
};

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* over white space and comments; false: a comment that does not end */
static bool skip_blanks(struct scan *c)
{
	size_t depth = 0;

	for (; c->at < c->s.n; c->at++) {
		char b = c->s.p[c->at];

		if (b == '(')
			depth++;
		else if (depth && b == ')')
			depth--;
		else if (depth && b == '\\')
			c->at++;
		else if (!depth && !is_blank(b))
			break;
	}
	c->broken = c->broken || depth || c->at > c->s.n;
	return !c->broken;
}

/* a quoted string into the squeezed text, quotes and all */
static bool take_quoted(struct scan *c)
{
	size_t start = c->at++;

	for (; c->at < c->s.n && c->s.p[c->at] != '"'; c->at++)
		if (c->s.p[c->at] == '\\')
			c->at++;
	if (c->at >= c->s.n)
		return false;
	c->at++;
	buf_add(&c->squeezed, c->s.p + start, c->at - start);
	return true;
}

static bool take_literal(struct scan *c)
{
	const char *close = memchr(c->s.p + c->at, ']', c->s.n - c->at);
	size_t n = close ? (size_t)(close - c->s.p) + 1 - c->at : 0;

	buf_add(&c->squeezed, c->s.p + c->at, n);
	c->at += n;
	return n > 0;
}

static void take_atom(struct scan *c)
{
	size_t start = c->at;

	while (c->at < c->s.n && addr_is_atext(c->s.p[c->at]))
		c->at++;
	buf_add(&c->squeezed, c->s.p + start, c->at - start);
}

/* gather words, dots and at signs up to a byte that ends them; false: syntax */
static bool gather(struct scan *c, const char *more)
{
	while (skip_blanks(c) && c->at < c->s.n) {
		char b = c->s.p[c->at];
		bool word = b == '"' || b == '[' || addr_is_atext(b);

		if (!word && b != '.' && b != '@' && !strchr(more, b))
			return true;
		if (!b)
			return false;
		c->any = true;
		if (word && c->last_was_word)
			c->phrase = true;
		c->last_was_word = word;
		if (b == '"') {
			if (!take_quoted(c))
				return false;
		} else if (b == '[') {
			if (!take_literal(c))
				return false;
		} else if (word) {
			take_atom(c);
		} else {
			buf_byte(&c->squeezed, b);
			c->at++;
		}
	}
	return !c->broken;
}

/* whether an unquoted at sign is in the squeezed text */
static bool find_at_sign(struct str s)
{
	return addr_split(s).local.n < s.n;
}

static void begin(struct scan *c)
{
	buf_clear(&c->squeezed);
	c->last_was_word = c->phrase = c->any = false;
}

/* where an element may end: at a comma, a semicolon or the end of the text */
static bool is_at_end(struct scan *c)
{
	return skip_blanks(c) && (c->at >= c->s.n || c->s.p[c->at] == ',' || c->s.p[c->at] == ';');
}

/* <route-addr>, at its '<'. A display name that is itself an address must be the same one: else two programs may show
 * two different recipients (threats C10) */
static bool take_angle(struct arena *a, struct scan *c, struct mailbox *out)
{
	struct addr shown = { STR_EMPTY, STR_EMPTY, STR_EMPTY };
	struct str path;
	bool address_shown = !c->phrase && !c->squeezed.overflow && find_at_sign(buf_view(&c->squeezed));

	if (address_shown && !addr_parse(a, buf_view(&c->squeezed), &shown))
		return false;
	c->at++;
	begin(c);
	if (!gather(c, ",:") || c->at >= c->s.n || c->s.p[c->at] != '>' || c->phrase || c->squeezed.overflow)
		return false;
	c->at++;
	path = buf_view(&c->squeezed);
	if (!addr_drop_route(&path) || !addr_parse(a, path, &out->addr))
		return false;
	return is_at_end(c) && (!address_shown || str_ieq(shown.full, out->addr.full));
}

static int one_mailbox(struct arena *a, struct scan *c, struct mailbox *out)
{
	size_t start;

	/* separators: empty elements, ends of groups */
	while (skip_blanks(c) && c->at < c->s.n && (c->s.p[c->at] == ',' || c->s.p[c->at] == ';'))
		c->at++;
	for (;;) {
		if (!skip_blanks(c))
			return -1;
		if (c->at >= c->s.n)
			return 0;
		start = c->at;
		begin(c);
		if (!gather(c, ""))
			return -1;
		if (c->at >= c->s.n || c->s.p[c->at] != ':')
			break;
		/* the name of a group; its members follow */
		if (!c->any || find_at_sign(buf_view(&c->squeezed)))
			return -1;
		c->at++;
		while (skip_blanks(c) && c->at < c->s.n && (c->s.p[c->at] == ',' || c->s.p[c->at] == ';'))
			c->at++;
	}
	if (c->at < c->s.n && c->s.p[c->at] == '<') {
		out->name = str_trim(str_make(c->s.p + start, c->at - start));
		if (!take_angle(a, c, out))
			return -1;
	} else if (!c->any || c->phrase || c->squeezed.overflow || !is_at_end(c) || !addr_parse(a, buf_view(&c->squeezed), &out->addr)) {
		return -1;
	}
	out->raw = str_trim(str_make(c->s.p + start, c->at - start));
	return 1;
}

int addr_list_next(struct arena *a, struct str *rest, struct mailbox *out)
{
	struct scan c = { .s = *rest };
	int result;

	memset(out, 0, sizeof(*out));
	buf_init(&c.squeezed, LIMIT_ADDRESS);
	result = one_mailbox(a, &c, out);
	if (a->overflow)
		result = -1;
	buf_fini(&c.squeezed);
	if (result < 0)
		return -1;
	*rest = str_from(*rest, c.at);
	return result;
}
