/* addr_token - see addr_token.h. */
#include "core/msg/addr_token.h"

#include "core/base/mem.h"

#define SPECIALS "|\"(),.:;<>@[]!%"

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

static struct addr_token take_token(struct str s, size_t at, size_t *end)
{
	static const struct { char open, close; enum addr_token_kind kind; } spans[] = { { '"', '"', ADDR_QUOTED }, { '[', ']', ADDR_LITERAL } };
	struct addr_token t = { .kind = ADDR_WORD };

	*end = 0;
	for (size_t i = 0; i < sizeof(spans) / sizeof(spans[0]); i++)
		if (s.p[at] == spans[i].open) {
			t.kind = spans[i].kind;
			*end = span_end(s, at, spans[i].close);
		}
	if (s.p[at] == '(') {
		t.kind = ADDR_COMMENT;
		*end = comment_end(s, at);
	} else if (!*end && ascii_is_one_of(s.p[at], SPECIALS)) {
		t = (struct addr_token){ .kind = ADDR_SIGN, .sign = s.p[at] };
		*end = at + 1;
	} else if (!*end) {
		*end = word_end(s, at);
	}
	t.raw = str_make(s.p + at, *end - at);
	return t;
}

size_t addr_tokens(struct str s, struct addr_token **out)
{
	struct addr_token *v = NULL;
	size_t n = 0, room = 0, end;

	for (size_t at = 0; at < s.n; at = end) {
		end = at + 1;
		if (is_blank(s.p[at]))
			continue;
		if (n == room) {
			room = room ? 2 * room : 64;
			v = mem_array(v, room, sizeof(*v));
		}
		v[n++] = take_token(s, at, &end);
	}
	*out = v;
	return n;
}

bool addr_is_sign(const struct addr_token *t, const char *signs)
{
	return t->kind == ADDR_SIGN && ascii_is_one_of(t->sign, signs);
}
