/* addr_repair - see addr_repair.h. The text becomes a row of tokens, which is read from right to left, because what stands
 * before a "<" is known to be a phrase only after the address: that is what makes the reading Postfix's in the odd cases, too.
 * One pass each way, no recursion. */
#include "core/msg/addr_repair.h"

#include "core/base/limits.h"
#include "core/base/mem.h"
#include "core/msg/addr_token.h"

struct reader {
	struct arena *arena;
	struct addr_token *tokens;
	size_t n;
	struct addr_element *found;    /* from the last to the first */
	size_t n_found, room;
};

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
static bool gather(const struct addr_token *v, size_t n, struct buf *out)
{
	size_t at_signs = 0;

	for (size_t i = 0; i < n; i++) {
		switch (v[i].kind) {
		case ADDR_COMMENT:
			break;
		case ADDR_WORD:
		case ADDR_QUOTED:
			add_plain(out, v[i].raw);
			break;
		case ADDR_LITERAL:
			buf_str(out, v[i].raw);
			break;
		case ADDR_SIGN:
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
	buf_escaped(out, str_head(inside, n));
	buf_byte(out, '"');
	buf_str(out, str_from(inside, n));
}

static bool parse(struct arena *a, const struct addr_token *v, size_t n, struct addr *out)
{
	struct buf inside, quoted;
	bool good;

	/* @relay,@relay:user@host goes to user@host, as ever */
	if (n && addr_is_sign(&v[0], "@"))
		for (size_t i = 0; i < n; i++)
			if (addr_is_sign(&v[i], ":")) {
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
static struct str raw_text(const struct addr_token *first, const struct addr_token *last)
{
	return str_make(first->raw.p, (size_t)(last->raw.p + last->raw.n - first->raw.p));
}

/* found - the tokens from `from` up to `to` are an address; -1: nothing but comments or nothing at all. NULL then */
static struct addr_element *found(struct reader *r, size_t from, size_t to)
{
	struct addr_element *e;

	while (from < to && r->tokens[from].kind == ADDR_COMMENT)
		from++;
	while (from < to && r->tokens[to - 1].kind == ADDR_COMMENT)
		to--;
	if (from >= to || (to - from == 1 && r->tokens[from].kind == ADDR_QUOTED && r->tokens[from].raw.n < 3))
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

	while (close > 0 && addr_is_sign(&r->tokens[close - 1], ">"))
		close--;
	open = close;
	while (open > 0 && !addr_is_sign(&r->tokens[open - 1], "<"))
		open--;
	e = found(r, open, close);
	for (start = open; start > 0 && !addr_is_sign(&r->tokens[start - 1], ">;,:");)
		start--;
	for (name = start; name + 1 < open && addr_is_sign(&r->tokens[name], "<"); name++)
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
		const struct addr_token *t = &r->tokens[at - 1];

		if (t->kind == ADDR_COMMENT) {
			at--;
			continue;
		}
		if (addr_is_sign(t, ">")) {
			found(r, at, right);
			at = take_angle(r, at - 1);
			right = at ? at - 1 : 0;
			word_may = true;
			continue;
		}
		if (addr_is_sign(t, ":") && group) {
			found(r, at, right);
			/* the name of a group */
			while (at > 0 && !addr_is_sign(&r->tokens[at - 1], ","))
				at--;
			right = at;
			continue;
		}
		if (t->kind != ADDR_SIGN) {
			if (!word_may) {
				found(r, at, right);
				right = at;
			}
			word_may = false;
		} else {
			if (addr_is_sign(t, ";,")) {
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

	r.n = addr_tokens(list, &r.tokens);
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
