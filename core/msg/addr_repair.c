/* addr_repair - see addr_repair.h. The text becomes a row of tokens, which is read from right to left, because what stands
 * before a "<" is known to be a phrase only after the address: that is what makes the reading Postfix's in the odd cases, too.
 * One pass each way, no recursion. */
#include "core/msg/addr_repair.h"

#include "core/base/limits.h"
#include "core/base/mem.h"

#define SPECIALS "|\"(),.:;<>@[]!%"

enum kind { SIGN, WORD, QUOTED, LITERAL, COMMENT };
struct token {
	enum kind kind;
	char sign;                     /* of a SIGN */
	struct str raw;                /* as written, quotes and backslashes included */
};
struct reader {
	struct arena *arena;
	struct token *tokens;
	size_t n;
	struct addr_element *found;    /* from the last to the first */
	size_t n_found, room;
};

/* --- tokens --------------------------------------------------------------------------------------------------------- */

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* comment_end - the place behind a comment that begins at `at`: comments nest, and may lack their end */
static size_t comment_end(struct str s, size_t at)
{
	size_t depth = 0;

	for (; at < s.n; at++) {
		if (s.p[at] == '\\' && at + 1 < s.n)
			at++;
		else if (s.p[at] == '(')
			depth++;
		else if (s.p[at] == ')' && --depth == 0)
			return at + 1;
	}
	return s.n;
}

/* span_end - the place behind a quoted string or a literal */
static size_t span_end(struct str s, size_t at, char close)
{
	for (at++; at < s.n; at++) {
		if (s.p[at] == '\\' && at + 1 < s.n)
			at++;
		else if (s.p[at] == close)
			return at + 1;
	}
	return s.n;
}

static size_t word_end(struct str s, size_t at)
{
	for (; at < s.n && !is_blank(s.p[at]) && !ascii_is_one_of(s.p[at], SPECIALS); at++)
		if (s.p[at] == '\\' && at + 1 < s.n)
			at++;
	return at;
}

static struct token take_token(struct str s, size_t at, size_t *end)
{
	static const struct { char open, close; enum kind kind; } spans[] = { { '"', '"', QUOTED }, { '[', ']', LITERAL } };
	struct token t = { .kind = WORD };

	*end = 0;
	for (size_t i = 0; i < sizeof(spans) / sizeof(spans[0]); i++)
		if (s.p[at] == spans[i].open) {
			t.kind = spans[i].kind;
			*end = span_end(s, at, spans[i].close);
		}
	if (s.p[at] == '(') {
		t.kind = COMMENT;
		*end = comment_end(s, at);
	} else if (!*end && ascii_is_one_of(s.p[at], SPECIALS)) {
		t = (struct token){ .kind = SIGN, .sign = s.p[at] };
		*end = at + 1;
	} else if (!*end) {
		*end = word_end(s, at);
	}
	t.raw = str_make(s.p + at, *end - at);
	return t;
}

static void read_tokens(struct reader *r, struct str s)
{
	size_t room = 0, end;

	for (size_t at = 0; at < s.n; at = end) {
		end = at + 1;
		if (is_blank(s.p[at]))
			continue;
		if (r->n == room) {
			room = room ? 2 * room : 64;
			r->tokens = mem_array(r->tokens, room, sizeof(*r->tokens));
		}
		r->tokens[r->n++] = take_token(s, at, &end);
	}
}

static bool is_sign(const struct token *t, const char *signs)
{
	return t->kind == SIGN && ascii_is_one_of(t->sign, signs);
}

/* --- one address ---------------------------------------------------------------------------------------------------- */

/* add_plain - a word or string without its quotes and backslashes */
static void add_plain(struct buf *out, struct str s)
{
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] == '\\') {
			if (++i == s.n)
				break;
		} else if (s.p[i] == '"') {
			continue;
		}
		buf_byte(out, s.p[i]);
	}
}

/* gather - the tokens as Postfix has the address inside, without quotes; false: signs that no address has */
static bool gather(const struct token *v, size_t n, struct buf *out)
{
	size_t at_signs = 0;

	for (size_t i = 0; i < n; i++) {
		switch (v[i].kind) {
		case COMMENT:
			break;
		case WORD:
		case QUOTED:
			add_plain(out, v[i].raw);
			break;
		case LITERAL:
			buf_str(out, v[i].raw);
			break;
		case SIGN:
			at_signs += v[i].sign == '@';
			if (at_signs > 1 || !strchr("@.!|%", v[i].sign))
				return false;
			buf_byte(out, v[i].sign);
			break;
		}
	}
	return !out->overflow;
}

/* quote - the address as addr_parse takes it: what stands before its last at sign in quotes */
static void quote(struct str inside, struct buf *out)
{
	ptrdiff_t at = str_rchr(inside, '@');
	size_t n = at < 0 ? inside.n : (size_t)at;

	buf_byte(out, '"');
	for (size_t i = 0; i < n; i++) {
		if (inside.p[i] == '"' || inside.p[i] == '\\')
			buf_byte(out, '\\');
		buf_byte(out, inside.p[i]);
	}
	buf_byte(out, '"');
	buf_str(out, str_from(inside, n));
}

static bool parse(struct arena *a, const struct token *v, size_t n, struct addr *out)
{
	struct buf inside, quoted;
	bool good;

	/* @relay,@relay:user@host goes to user@host, as ever */
	if (n && is_sign(&v[0], "@"))
		for (size_t i = 0; i < n; i++)
			if (is_sign(&v[i], ":")) {
				v += i + 1;
				n -= i + 1;
				break;
			}
	buf_init(&inside, LIMIT_ADDRESS);
	buf_init(&quoted, 2 * LIMIT_ADDRESS + 2);
	good = gather(v, n, &inside);
	if (good) {
		quote(buf_view(&inside), &quoted);
		good = addr_parse(a, buf_view(&quoted), out);
	}
	buf_fini(&inside);
	buf_fini(&quoted);
	return good;
}

/* raw_text - what stands between two tokens, both included */
static struct str raw_text(const struct token *first, const struct token *last)
{
	return str_make(first->raw.p, (size_t)(last->raw.p + last->raw.n - first->raw.p));
}

/* found - the tokens from `from` up to `to` are an address; -1: nothing but comments or nothing at all. NULL then */
static struct addr_element *found(struct reader *r, size_t from, size_t to)
{
	struct addr_element *e;

	while (from < to && r->tokens[from].kind == COMMENT)
		from++;
	while (from < to && r->tokens[to - 1].kind == COMMENT)
		to--;
	if (from >= to || (to - from == 1 && r->tokens[from].kind == QUOTED && r->tokens[from].raw.n < 3))
		return NULL;
	if (r->n_found == r->room) {
		r->room = r->room ? 2 * r->room : 16;
		r->found = mem_array(r->found, r->room, sizeof(*r->found));
	}
	e = &r->found[r->n_found++];
	*e = (struct addr_element){ .mailbox.raw = raw_text(&r->tokens[from], &r->tokens[to - 1]) };
	e->good = parse(r->arena, r->tokens + from, to - from, &e->mailbox.addr);
	return e;
}

/* --- the list --------------------------------------------------------------------------------------------------------- */

/* take_angle - at the ">" before `close`: the address inside and the phrase before it; the place up to which all is taken. Brackets
 * around brackets are one pair: Postfix has the second ">" in the domain, where none can be */
static size_t take_angle(struct reader *r, size_t close)
{
	size_t last = close, open, start, name;
	struct addr_element *e;

	while (close > 0 && is_sign(&r->tokens[close - 1], ">"))
		close--;
	open = close;
	while (open > 0 && !is_sign(&r->tokens[open - 1], "<"))
		open--;
	e = found(r, open, close);
	for (start = open; start > 0 && !is_sign(&r->tokens[start - 1], ">;,:");)
		start--;
	for (name = start; name + 1 < open && is_sign(&r->tokens[name], "<"); name++)
		continue;
	if (e && open > 0) {
		if (name + 1 < open)
			e->mailbox.name = raw_text(&r->tokens[name], &r->tokens[open - 2]);
		e->mailbox.raw = raw_text(&r->tokens[start], &r->tokens[last]);
	}
	return start;
}

/* read_list - from right to left; `right` is the end of what is not taken yet */
static void read_list(struct reader *r)
{
	size_t right = r->n, at = r->n;
	bool group = false, word_may = true; /* a word may join what stands right of it */

	while (at > 0) {
		const struct token *t = &r->tokens[at - 1];

		if (t->kind == COMMENT) {
			at--;
			continue;
		}
		if (is_sign(t, ">")) {
			found(r, at, right);
			at = take_angle(r, at - 1);
			right = at ? at - 1 : 0;
			word_may = true;
			continue;
		}
		if (is_sign(t, ":") && group) {
			found(r, at, right);
			/* the name of a group */
			while (at > 0 && !is_sign(&r->tokens[at - 1], ","))
				at--;
			right = at;
			continue;
		}
		if (t->kind != SIGN) {
			if (!word_may) {
				found(r, at, right);
				right = at;
			}
			word_may = false;
		} else {
			if (is_sign(t, ";,")) {
				found(r, at, right);
				right = at - 1;
			}
			group = group || t->sign == ';';
			word_may = true;
		}
		at--;
	}
	found(r, 0, right);
}

size_t addr_repair(struct arena *a, struct str list, struct addr_element **out)
{
	struct reader r = { .arena = a };
	struct addr_element e;

	read_tokens(&r, list);
	read_list(&r);
	mem_free(r.tokens);
	for (size_t i = 0; i < r.n_found / 2; i++) {
		e = r.found[i];
		r.found[i] = r.found[r.n_found - 1 - i];
		r.found[r.n_found - 1 - i] = e;
	}
	*out = r.found;
	return r.n_found;
}
