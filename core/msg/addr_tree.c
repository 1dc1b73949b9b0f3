/* addr_tree - see addr_tree.h. The tokens are a list between two ends, in which the tokens of an address are gathered under one
 * node. As in addr_repair.c this is done from right to left: what stands before a "<" is known to be a phrase only after the
 * address. One pass, no recursion. */
#include "core/msg/addr_tree.h"

#include "core/base/limits.h"
#include "core/base/mem.h"
#include "core/msg/addr_chars.h"
#include "core/msg/addr_token.h"

#define FOLD 70                        /* Postfix's, a tab counted as one */

struct addr_node {
	struct addr_node *prev, *next;
	struct addr_node *head;        /* of an address: its tokens; their list ends with NULL */
	struct addr_token token;
	size_t place;                  /* of an address: its index in the tree, from 1; 0: none that can be understood */
	bool group;                    /* a ":" that begins a group */
};

struct reader {
	struct addr_tree *tree;
	struct addr_node *begin, *end; /* on either side of the list */
	size_t used, addresses;        /* nodes; of them, addresses */
	struct addr_node *last;        /* the address found last, the leftmost: they are a list by `prev` of their own */
};

/* --- the list --------------------------------------------------------------------------------------------------------- */

static void glue(struct addr_node *left, struct addr_node *right)
{
	left->next = right;
	right->prev = left;
}

static struct addr_node *add_node(struct reader *r, struct addr_node *left, const struct addr_token *t)
{
	struct addr_node *n = &r->tree->nodes[r->used++];

	*n = (struct addr_node){ .token = *t };
	glue(n, left->next);
	glue(left, n);
	return n;
}

static bool is_sign(const struct addr_node *n, const char *signs)
{
	return !n->head && addr_is_sign(&n->token, signs);
}

/* put_aside - a comment out of what may be an address, to the left of `right`; the new right end */
static struct addr_node *put_aside(struct addr_node *comment, struct addr_node *right)
{
	glue(comment->prev, comment->next);
	glue(right->prev, comment);
	glue(comment, right);
	return comment;
}

/* gather - what stands between the two becomes an address; comma: and a comma before it */
static void gather(struct reader *r, struct addr_node *left, struct addr_node *right, bool comma)
{
	static const struct addr_token sign = { .kind = ADDR_SIGN, .sign = ',' }, none = { .kind = ADDR_WORD };
	struct addr_node *first = left->next, *last = right->prev, *n;

	if (left == right || first == right)
		return;
	glue(left, right);
	n = add_node(r, left, &none);
	n->head = first;
	last->next = NULL;
	r->addresses++;
	if (comma)
		add_node(r, left, &sign);
}

/* take_angle - at a ">": the address before it; where reading goes on, which is the right end, too */
static struct addr_node *take_angle(struct reader *r, struct addr_node *close, struct addr_node *right)
{
	struct addr_node *at = close->prev;

	gather(r, close, right, true);
	right = close;
	while (at != r->begin && !is_sign(at, "<")) {
		struct addr_node *before = at->prev;

		if (at->token.kind == ADDR_COMMENT)
			right = put_aside(at, right);
		at = before;
	}
	gather(r, at, right, false);
	while (at != r->begin && !is_sign(at, ">;,:"))
		at = at->prev;
	return at;
}

static void read_list(struct reader *r)
{
	struct addr_node *right = r->end, *at = r->end->prev, *before;
	bool group = false, word_may = true;           /* a word may join what stands right of it */

	while (at != r->begin) {
		before = at->prev;
		if (at->token.kind == ADDR_COMMENT) {
			right = put_aside(at, right);
		} else if (is_sign(at, ";")) {
			gather(r, at, right, true);
			right = at;
			group = word_may = true;
		} else if (is_sign(at, ":") && group) {
			at->group = true;
			gather(r, at, right, false);
			while (at != r->begin && !is_sign(at, ","))
				at = at->prev;
			right = at;
			continue;
		} else if (is_sign(at, ">")) {
			right = at = take_angle(r, at, right);
			word_may = true;
			continue;
		} else if (at->token.kind != ADDR_SIGN) {
			if (!word_may) {
				gather(r, at, right, true);
				right = at->next;
			}
			word_may = false;
		} else {
			if (is_sign(at, ",")) {
				gather(r, at, right, false);
				right = at;
			}
			word_may = true;
		}
		at = before;
	}
	gather(r, r->begin, right, false);
}

/* --- tokens as text --------------------------------------------------------------------------------------------------- */

/* put_quoted - text without its backslashes, and new ones before what needs them; white space, line ends too, is blanks */
static void put_quoted(struct buf *out, struct str s, const char *signs)
{
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] == '\\' && i + 1 < s.n)
			i++;
		if (s.p[i] == '\r')
			continue;
		if (ascii_is_one_of(s.p[i], signs))
			buf_byte(out, '\\');
		buf_byte(out, ascii_is_space(s.p[i]) ? ' ' : s.p[i]);
	}
}

/* inner - what stands between the marks of a string or literal; the closing one may be missing */
static struct str inner(struct str raw, char close)
{
	size_t escaped = 0;

	raw = str_from(raw, 1);
	if (!raw.n || raw.p[raw.n - 1] != close)
		return raw;
	while (escaped + 1 < raw.n && raw.p[raw.n - 2 - escaped] == '\\')
		escaped++;
	return escaped % 2 ? raw : str_head(raw, raw.n - 1);
}

/* put_word - an atom; what a backslash stood before needs quotes instead, if it needs anything */
static void put_word(struct buf *out, struct str raw)
{
	bool special = false;

	for (size_t i = 0; i + 1 < raw.n && !special; i++)
		if (raw.p[i] == '\\')
			special = !!memchr(" \t\r\n|\"(),.:;<>@[]!%", raw.p[++i], 20);
	if (special)
		buf_byte(out, '"');
	put_quoted(out, raw, special ? "\"\\" : "");
	if (special)
		buf_byte(out, '"');
}

static void put_token(struct buf *out, const struct addr_token *t)
{
	switch (t->kind) {
	case ADDR_SIGN:
		buf_byte(out, t->sign);
		break;
	case ADDR_WORD:
		put_word(out, t->raw);
		break;
	case ADDR_QUOTED:
		buf_byte(out, '"');
		put_quoted(out, inner(t->raw, '"'), "\"\\");
		buf_byte(out, '"');
		break;
	case ADDR_LITERAL:
		buf_byte(out, '[');
		put_quoted(out, inner(t->raw, ']'), "\\");
		buf_byte(out, ']');
		break;
	case ADDR_COMMENT:
		/* as it is; a line end in it is one of the field's */
		for (size_t i = 0; i < t->raw.n; i++)
			if (t->raw.p[i] != '\r')
				buf_byte(out, t->raw.p[i]);
		break;
	}
}

/* --- the addresses ---------------------------------------------------------------------------------------------------- */

/* canonical - of an address as it is written; a route before it (@a,@b:user@host) is of no use any more */
static bool canonical(struct arena *a, struct str text, struct addr *out)
{
	return text.n && addr_drop_route(&text) && addr_parse(a, text, out) && out->full.n;
}

static void find_places(struct addr_tree *t, struct arena *a)
{
	struct addr address;
	struct buf text;

	buf_init(&text, LIMIT_ADDRESS);
	for (struct addr_node *i = t->first; i; i = i->next) {
		if (!i->head)
			continue;
		buf_clear(&text);
		for (struct addr_node *k = i->head; k; k = k->next)
			put_token(&text, &k->token);
		if (text.overflow || !canonical(a, buf_view(&text), &address))
			continue;
		t->v[t->n] = (struct addr_place){ .was = arena_str(a, buf_view(&text)), .is = address.full,
			.rooted = address.domain.n && text.p[text.n - 1] == '.' };
		i->place = ++t->n;
	}
	buf_fini(&text);
}

/* looked_at - how many of the tokens: all, or those before the last comma within the bound */
static size_t looked_at(const struct addr_token *v, size_t n)
{
	size_t at = n > LIMIT_FIELD_TOKENS ? LIMIT_FIELD_TOKENS : n;

	while (at < n && at && !addr_is_sign(&v[at], ","))
		at--;
	return at;
}

void addr_tree_init(struct addr_tree *t, struct arena *a, struct str value)
{
	static const struct addr_token none = { .kind = ADDR_SIGN };
	struct reader r = { .tree = t };
	struct addr_token *v;
	size_t all = addr_tokens(value, &v), n = looked_at(v, all);

	/* each token may be an address of its own, with a comma before it */
	*t = (struct addr_tree){ .nodes = mem_array(NULL, 3 * n + 2, sizeof(*t->nodes)) };
	r.begin = &t->nodes[r.used++];
	r.end = &t->nodes[r.used++];
	*r.begin = *r.end = (struct addr_node){ .token = none };
	glue(r.begin, r.end);
	for (size_t i = 0; i < n; i++)
		add_node(&r, r.end->prev, &v[i]);
	if (n < all)
		t->rest = str_from(value, (size_t)(v[n].raw.p - value.p));
	mem_free(v);
	read_list(&r);
	if (r.begin->next != r.end) {
		t->first = r.begin->next;
		r.end->prev->next = NULL;
	}
	t->v = mem_array(NULL, r.addresses + 1, sizeof(*t->v));
	find_places(t, a);
}

void addr_tree_fini(struct addr_tree *t)
{
	mem_free(t->nodes);
	mem_free(t->v);
}

bool addr_tree_is_changed(const struct addr_tree *t)
{
	for (size_t i = 0; i < t->n; i++)
		if (!str_eq(t->v[i].was, t->v[i].is))
			return true;
	return false;
}

/* --- writing ---------------------------------------------------------------------------------------------------------- */

static bool is_word(const struct addr_node *n)
{
	return n->head || n->token.kind != ADDR_SIGN;
}

static bool needs_blank(const struct addr_node *n)
{
	return n->next && (n->group || is_sign(n->next, "<") || (is_word(n) && is_word(n->next)));
}

static void put_address(struct buf *out, const struct addr_tree *t, const struct addr_node *n)
{
	if (n->place) {
		buf_str(out, t->v[n->place - 1].is);
		return;
	}
	/* none that can be understood */
	for (const struct addr_node *i = n->head; i; i = i->next) {
		put_token(out, &i->token);
		if (needs_blank(i))
			buf_byte(out, ' ');
	}
}

/* put_list - on one line, but for a line end behind each comma */
static void put_list(struct buf *out, const struct addr_tree *t)
{
	for (const struct addr_node *n = t->first; n; n = n->next) {
		if (n->head)
			put_address(out, t, n);
		else
			put_token(out, &n->token);
		if (is_sign(n, ","))
			buf_byte(out, '\n');
		else if (needs_blank(n))
			buf_byte(out, ' ');
	}
}

/* put_rest - as it stands, from its comma on */
static void put_rest(struct buf *out, struct str rest)
{
	struct str line;

	for (bool first = true; str_cut(&rest, '\n', &line); first = false)
		buf_printf(out, "%s%.*s", first ? "" : "\n", STR_ARG(str_ends(line, STR("\r")) ? str_head(line, line.n - 1) : line));
}

void addr_tree_format(const struct addr_tree *t, struct str name, struct buf *out)
{
	struct buf text;
	struct str rest, line;
	size_t width = 0;

	buf_init(&text, LIMIT_HEADER);
	buf_printf(&text, "%.*s: ", STR_ARG(name));
	put_list(&text, t);
	put_rest(&text, t->rest);
	out->overflow = out->overflow || text.overflow;
	rest = buf_view(&text);
	for (bool first = true; str_cut(&rest, '\n', &line); first = false) {
		if (!first && width + 1 + line.n < FOLD) {
			buf_byte(out, ' ');
			width += 1 + line.n;
		} else {
			if (!first)
				buf_z(out, line.n && (line.p[0] == ' ' || line.p[0] == '\t') ? "\r\n" : "\r\n\t");
			width = line.n;
		}
		buf_str(out, line);
	}
	buf_z(out, "\r\n");
	buf_fini(&text);
}
