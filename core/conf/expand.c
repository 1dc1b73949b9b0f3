/* expand - main.cf's $name, ${name}, $(name), ${name?text}, ${name?{a}:{b}}, ${name:text}, ${{x} == {y} ? {a} : {b}}, $$.
 *
 * Depth, output and the number of steps are bounded: `a = $b$b`, `b = $c$c` … would else take for ever to make nothing.
 * In a value from the environment only $name, ${name} and $(name) of names that exist are replaced, so that a $ in a
 * password stays what it is. */
#include "core/base/limits.h"
#include "core/base/mem.h"
#include "core/conf/conf_private.h"

struct expander {
	const struct conf *conf;
	struct buf *out, *why;
	unsigned depth, steps;
};

static int expand(struct expander *x, struct str text, enum conf_text how);

static int fail(struct expander *x, const char *what, struct str at)
{
	if (!x->why->n)
		buf_printf(x->why, "%s near \"%.*s\"", what, STR_ARG(str_head(at, 60)));
	return -1;
}

/* find_value - raw text of a name; false if it has none (a computed default has `computed`) */
static bool find_value(const struct conf *c, struct str name, struct str *text, enum conf_text *how, const char **computed)
{
	const struct conf_entry *e = source_ask(c->source, name);
	const struct param *p = e ? NULL : param_find(name);
	const char *builtin = e || p ? NULL : builtin_value(c, name);

	*computed = NULL;
	*how = e ? e->text : CONF_TEXT_FULL;
	if (e)
		*text = str_of(e->raw);
	else if (p && p->dflt)
		*text = str_of(p->dflt);
	else if (p)
		*computed = p->name;
	else if (builtin && !*builtin)
		*computed = "own_networks";
	else if (builtin)
		*text = str_of(builtin);
	return e || p || builtin;
}

static int expand_name(struct expander *x, struct str name)
{
	enum conf_text how;
	const char *computed;
	struct str text;
	int r;

	if (++x->steps > LIMIT_CONF_STEPS)
		return fail(x, "too many $names", name);
	if (++x->depth > LIMIT_CONF_DEPTH)
		return fail(x, "$name refers to itself", name);
	if (!find_value(x->conf, name, &text, &how, &computed))
		r = 0;
	else if (computed)
		r = conf_default_of(x->conf, computed, x->out, x->why);
	else
		r = expand(x, text, how);
	x->depth--;
	return r;
}

/* expand_aside - expand into a buffer of its own (conditions); the caller frees it */
static int expand_aside(struct expander *x, struct str text, bool is_name, struct buf *aside)
{
	struct buf *out = x->out;
	int r;

	buf_init(aside, LIMIT_CONF_VALUE);
	x->out = aside;
	r = is_name ? expand_name(x, text) : expand(x, text, CONF_TEXT_FULL);
	x->out = out;
	return r;
}

static bool is_name_byte(char c)
{
	return ascii_is_alnum(c) || c == '_';
}

static struct str take_name(struct str *s)
{
	size_t n = 0;
	struct str name;

	while (n < s->n && is_name_byte(s->p[n]))
		n++;
	name = str_head(*s, n);
	*s = str_from(*s, n);
	return name;
}

static struct str skip_space(struct str s)
{
	while (s.n && ascii_is_space(s.p[0]))
		s = str_from(s, 1);
	return s;
}

/* take_balanced - s begins with `open`: the text up to the close that matches; false if there is none */
static bool take_balanced(struct str *s, char open, char close, struct str *inner)
{
	size_t level = 0;

	for (size_t i = 0; i < s->n; i++) {
		if (s->p[i] == open)
			level++;
		else if (s->p[i] == close && --level == 0) {
			*inner = str_make(s->p + 1, i - 1);
			*s = str_from(*s, i + 1);
			return true;
		}
	}
	return false;
}

static bool take_braces(struct str *s, struct str *inner)
{
	*s = skip_space(*s);
	if (!s->n || s->p[0] != '{' || !take_balanced(s, '{', '}', inner))
		return false;
	*inner = str_trim(*inner);
	return true;
}

/* choose - s follows '?' or ':': `text`, `{a}` or `{a}:{b}`; expand the part that `truth` picks */
static int choose(struct expander *x, struct str s, bool truth)
{
	struct str a, b = STR_EMPTY, rest = s;

	if (skip_space(s).n && skip_space(s).p[0] == '{') {
		if (!take_braces(&rest, &a))
			return fail(x, "missing } in conditional", s);
		rest = skip_space(rest);
		if (rest.n && rest.p[0] == ':') {
			rest = str_from(rest, 1);
			if (!take_braces(&rest, &b))
				return fail(x, "missing { } after : in conditional", s);
			rest = skip_space(rest);
		}
		if (rest.n)
			return fail(x, "unexpected text after conditional", rest);
	} else {
		a = s;
	}
	return expand(x, truth ? a : b, CONF_TEXT_FULL);
}

static int compare_levels(struct str a, struct str b)
{
	for (;;) {
		struct str x, y;
		uint64_t n = 0, m = 0;
		bool more_a = str_cut(&a, '.', &x), more_b = str_cut(&b, '.', &y);

		if (!more_a && !more_b)
			return 0;
		if (more_a)
			str_to_u64(x, &n);
		if (more_b)
			str_to_u64(y, &m);
		if (n != m)
			return n < m ? -1 : 1;
	}
}

static int compare(struct str a, struct str b, bool level)
{
	uint64_t n, m;

	if (level)
		return compare_levels(a, b);
	if (str_to_u64(a, &n) && str_to_u64(b, &m))
		return n < m ? -1 : n > m;
	return str_cmp(a, b);
}

/* is_true - the operators, longest first, as what they say about the comparison's sign */
static bool take_operator(struct str *s, bool *level, unsigned *accepts)
{
	enum { LESS = 1, EQUAL = 2, MORE = 4 };
	static const struct { struct str text; unsigned accepts; } rows[] = {
		{ { "==", 2 }, EQUAL }, { { "!=", 2 }, LESS | MORE }, { { "<=", 2 }, LESS | EQUAL },
		{ { ">=", 2 }, MORE | EQUAL }, { { "<", 1 }, LESS }, { { ">", 1 }, MORE },
	};

	*s = skip_space(*s);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		if (!str_starts(*s, rows[i].text))
			continue;
		*accepts = rows[i].accepts;
		*s = str_from(*s, rows[i].text.n);
		*level = str_starts(*s, STR("level"));
		if (*level)
			*s = str_from(*s, 5);
		return true;
	}
	return false;
}

/* expand_comparison - inner is `{x} op {y} ? …` */
static int expand_comparison(struct expander *x, struct str inner)
{
	struct str left, right, whole = inner;
	struct buf a, b;
	bool level, truth = false;
	unsigned accepts;
	int r, c;

	if (!take_braces(&inner, &left) || !take_operator(&inner, &level, &accepts) || !take_braces(&inner, &right))
		return fail(x, "expected {text} operator {text} ? {text} : {text}", whole);
	inner = skip_space(inner);
	if (!inner.n || inner.p[0] != '?')
		return fail(x, "expected ? after the comparison", whole);
	r = expand_aside(x, left, false, &a);
	if (expand_aside(x, right, false, &b) < 0)
		r = -1;
	if (!r) {
		c = compare(buf_view(&a), buf_view(&b), level);
		truth = accepts & (c < 0 ? 1u : c > 0 ? 4u : 2u);
	}
	buf_fini(&a);
	buf_fini(&b);
	return r ? r : choose(x, str_from(inner, 1), truth);
}

/* expand_group - inner is what stands between ${ and } */
static int expand_group(struct expander *x, struct str inner)
{
	struct str s = skip_space(inner), name;
	struct buf value;
	bool is_set;
	int r;

	if (s.n && s.p[0] == '{')
		return expand_comparison(x, s);
	name = take_name(&s);
	s = skip_space(s);
	if (!name.n)
		return fail(x, "expected a name after ${", inner);
	if (!s.n)
		return expand_name(x, name);
	if (s.p[0] != '?' && s.p[0] != ':')
		return fail(x, "expected }, ? or : after the name", inner);
	r = expand_aside(x, name, true, &value);
	is_set = value.n > 0;
	buf_fini(&value);
	if (r)
		return r;
	if (s.p[0] == '?')
		return choose(x, str_from(s, 1), is_set);
	return is_set ? 0 : choose(x, str_from(s, 1), true);
}

/* take_reference - *s begins with $: the text of the reference; false if it is not closed */
static bool take_reference(struct str *s, struct str *inner)
{
	struct str after = str_from(*s, 1);
	bool ok = true;

	if (after.n && after.p[0] == '{')
		ok = take_balanced(&after, '{', '}', inner);
	else if (after.n && after.p[0] == '(')
		ok = take_balanced(&after, '(', ')', inner);
	else
		*inner = take_name(&after);
	if (ok)
		*s = after;
	return ok;
}

/* expand_known - in a value from the environment: the reference if it names something, else its bytes */
static int expand_known(struct expander *x, struct str *s)
{
	struct str start = *s, inner = STR_EMPTY, name;
	enum conf_text how;
	const char *computed;
	struct str text;

	if (take_reference(s, &inner)) {
		name = str_trim(inner);
		if (name.n && find_value(x->conf, name, &text, &how, &computed))
			return expand_name(x, name);
	}
	*s = str_from(start, 1);
	buf_byte(x->out, '$');
	return 0;
}

static int expand_reference(struct expander *x, struct str *s)
{
	struct str start = *s, inner = STR_EMPTY;

	if (s->n > 1 && s->p[1] == '$') {
		*s = str_from(*s, 2);
		buf_byte(x->out, '$');
		return 0;
	}
	if (!take_reference(s, &inner))
		return fail(x, "missing closing bracket", start);
	if (!inner.n)
		return fail(x, "expected a name after $ (write $$ for the character itself)", start);
	return expand_group(x, inner);
}

static int expand(struct expander *x, struct str s, enum conf_text how)
{
	int r = 0;

	if (++x->depth > 2 * LIMIT_CONF_DEPTH)
		return fail(x, "nested too deeply", s);
	while (s.n && !r) {
		ptrdiff_t at = how == CONF_TEXT_LITERAL ? -1 : str_chr(s, '$');

		buf_str(x->out, at < 0 ? s : str_head(s, (size_t)at));
		if (at < 0)
			break;
		s = str_from(s, (size_t)at);
		if (++x->steps > LIMIT_CONF_STEPS)
			r = fail(x, "too many $names", s);
		else
			r = how == CONF_TEXT_FULL ? expand_reference(x, &s) : expand_known(x, &s);
	}
	x->depth--;
	if (!r && x->out->overflow)
		r = fail(x, "the value is too long", s);
	return r;
}

int expand_text(const struct conf *c, struct str text, enum conf_text how, struct buf *out, struct buf *why)
{
	struct expander x = { .conf = c, .out = out, .why = why };

	return expand(&x, text, how);
}

int expand_value(const struct conf *c, struct str name, struct buf *out, struct buf *why)
{
	struct expander x = { .conf = c, .out = out, .why = why };

	return expand_name(&x, name);
}

int conf_expand(const struct conf *c, struct str text, struct buf *out, struct buf *why)
{
	return expand_text(c, text, CONF_TEXT_FULL, out, why);
}
