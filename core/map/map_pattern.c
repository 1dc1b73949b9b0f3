/* map_pattern - see map_pattern.h. Rules in order, the first that matches wins; an `if` row knows where its block ends, so a look-up is
 * one walk without a stack. All rules of a look-up share one count of steps: past it the answer is "ask later". */
#include "core/map/map_pattern.h"

#include <string.h>

#include "core/base/limits.h"
#include "core/base/log.h"
#include "core/base/mem.h"

struct rule {
	void *expression;      /* NULL: never matches */
	bool negated;
	unsigned line;
	size_t skip_to;        /* an `if`: the rule after its endif */
	char *result;          /* NULL: an `if` */
};
struct table {
	const struct map_pattern_kind *kind;
	struct rule *rules;
	struct pattern_sieve *sieves; /* of the rules, side by side: most rules cannot match most texts */
	size_t n;
	struct stamp stamp;
	char *spec, *path;
	struct buf text;       /* the key with a NUL behind it */
	struct pattern_work work;
	bool warned;           /* a look-up that cost too much was logged */
	unsigned hit;          /* line of the last that was found */
};
struct load {
	struct table *t;
	const struct map_args *args;
	size_t *open_ifs;
	size_t depth;
	struct buf *why;       /* of a table that is refused */
	bool refused;
};

/* --- a rule ------------------------------------------------------------------------------------------------------------- */

static bool compile(struct load *l, unsigned line, struct str pattern, unsigned flags, struct rule *r)
{
	bool missing = false;
	struct buf why;

	buf_init(&why, 300);
	r->expression = l->t->kind->compile(pattern, flags, &missing, &why);
	/* a rule that is passed by can let mail through */
	if (!r->expression && missing && !l->refused) {
		l->refused = true;
		map_fail(l->args, l->why, "line %u: %s in \"%.*s\": write this rule in another way", line, buf_cstr(&why), STR_ARG(str_head(pattern, 100)));
	} else if (!r->expression && !missing) {
		rules_warn(l->args, line, "%s: skipping this rule", buf_cstr(&why));
	}
	buf_fini(&why);
	return r->expression;
}

static bool take_flags(struct load *l, unsigned line, struct str *rest, unsigned *flags)
{
	const struct map_pattern_kind *kind = l->t->kind;

	for (; rest->n && !ascii_is_space(rest->p[0]); *rest = str_from(*rest, 1)) {
		size_t i = 0;

		while (i < kind->n_letters && kind->letters[i].letter != rest->p[0])
			i++;
		if (i == kind->n_letters) {
			rules_warn(l->args, line, "unknown %s option \"%c\": skipping this rule", kind->word, rest->p[0]);
			return false;
		}
		*flags ^= kind->letters[i].flag;
	}
	return true;
}

/* take_pattern - [!]/pattern/flags off *rest */
static bool take_pattern(struct load *l, unsigned line, struct str *rest, struct rule *r)
{
	unsigned flags = l->t->kind->flags;
	struct str s = *rest;
	size_t end = 1;
	char delimiter;

	*r = (struct rule){ .line = line };
	while (s.n && (s.p[0] == '!' || ascii_is_space(s.p[0]))) {
		r->negated ^= s.p[0] == '!';
		s = str_from(s, 1);
	}
	if (!s.n || ascii_is_alnum(s.p[0])) {
		rules_warn(l->args, line, "expected /pattern/: skipping this rule");
		return false;
	}
	delimiter = s.p[0];
	while (end < s.n && s.p[end] != delimiter)
		end += s.p[end] == '\\' && end + 1 < s.n ? 2 : 1;
	if (end >= s.n) {
		rules_warn(l->args, line, "no closing %s delimiter \"%c\": skipping this rule", l->t->kind->word, delimiter);
		return false;
	}
	*rest = str_from(s, end + 1);
	if (!take_flags(l, line, rest, &flags))
		return false;
	*rest = str_trim(*rest);
	return compile(l, line, str_make(s.p + 1, end - 1), flags, r);
}

/* group_number - of a $1, ${1} or $(1) at p, as long as *used; 0: it is none */
static size_t group_number(const char *p, size_t *used)
{
	char close = p[1] == '{' ? '}' : p[1] == '(' ? ')' : '\0';
	const char *digits = p + (close ? 2 : 1);
	size_t n = 0, number = 0;

	for (; ascii_is_digit(digits[n]) && n < 3; n++)
		number = number * 10 + (size_t)(digits[n] - '0');
	if (close ? digits[n] != close : ascii_is_alnum(digits[n]) || digits[n] == '_')
		return 0;
	*used = (size_t)(digits - p) + n + (close != '\0');
	return number < PATTERN_GROUPS ? number : 0;
}

static bool check_result(struct load *l, unsigned line, const struct rule *r)
{
	bool fixed = l->args->form == SOURCE_ALIAS || l->args->form == SOURCE_ROUTE || l->args->form == SOURCE_LOGINS;

	for (const char *p = r->result; (p = strchr(p, '$')); ) {
		size_t used = 2, n = p[1] == '$' ? 0 : group_number(p, &used);
		const char *wrong = NULL;

		if (p[1] != '$' && r->negated)
			wrong = "$number found in negative match replacement text";
		/* or who writes the address would choose where it goes */
		else if (p[1] != '$' && fixed)
			wrong = "regular expression substitution is not allowed";
		else if (p[1] != '$' && (!n || n > l->t->kind->groups(r->expression)))
			wrong = "bad replacement syntax";
		if (wrong) {
			rules_warn(l->args, line, "%s: skipping this rule", wrong);
			return false;
		}
		p += used;
	}
	return true;
}

static void rule_free(struct table *t, struct rule *r)
{
	if (r->expression)
		t->kind->free(r->expression);
	mem_free(r->result);
}

static void add_rule(struct table *t, struct rule r)
{
	const struct pattern *p = r.expression ? t->kind->sieve(r.expression) : NULL;

	t->rules = mem_array(t->rules, t->n + 1, sizeof(*t->rules));
	t->sieves = mem_array(t->sieves, t->n + 1, sizeof(*t->sieves));
	t->sieves[t->n] = p ? pattern_sieve(p) : (struct pattern_sieve){ 0, UINT64_MAX };
	t->rules[t->n++] = r;
}

static bool starts_with_word(struct str text, struct str word)
{
	return str_istarts(text, word) && (text.n == word.n || !ascii_is_alnum(text.p[word.n]));
}

static void add_line(void *ctx, unsigned line, struct str text)
{
	struct load *l = ctx;
	struct rule r;

	if (starts_with_word(text, STR("endif"))) {
		if (!l->depth)
			rules_warn(l->args, line, "ignoring ENDIF without matching IF");
		else
			l->t->rules[l->open_ifs[--l->depth]].skip_to = l->t->n;
		return;
	}
	if (starts_with_word(text, STR("if"))) {
		/* a bad `if` stays as a rule that never matches, so that its block applies to nobody */
		text = str_from(text, 2);
		take_pattern(l, line, &text, &r);
		l->open_ifs = mem_array(l->open_ifs, l->depth + 1, sizeof(*l->open_ifs));
		l->open_ifs[l->depth++] = l->t->n;
		add_rule(l->t, r);
		return;
	}
	if (!take_pattern(l, line, &text, &r))
		return;
	if (!text.n)
		rules_warn(l->args, line, "no replacement text: using empty string");
	r.result = str_dup(text);
	if (check_result(l, line, &r))
		add_rule(l->t, r);
	else
		rule_free(l->t, &r);
}

/* --- the table ---------------------------------------------------------------------------------------------------------- */

void map_pattern_close(void *state)
{
	struct table *t = state;

	for (size_t i = 0; i < t->n; i++)
		rule_free(t, &t->rules[i]);
	mem_free(t->rules);
	mem_free(t->sieves);
	mem_free(t->spec);
	mem_free(t->path);
	buf_fini(&t->text);
	pattern_work_fini(&t->work);
	mem_free(t);
}

void *map_pattern_open(const struct map_pattern_kind *kind, const struct map_args *args, struct buf *why)
{
	struct table *t = MEM_NEW(struct table);
	struct load l = { .t = t, .args = args, .why = why };
	int got;

	t->kind = kind;
	t->spec = mem_dupz(args->spec);
	t->path = mem_dupz(args->name);
	buf_init(&t->text, LIMIT_MAP_VALUE);
	got = rules_each(args, &t->stamp, why, add_line, &l);
	if (l.depth)
		rules_warn(args, 0, "IF has no matching ENDIF");
	while (l.depth)
		t->rules[l.open_ifs[--l.depth]].skip_to = t->n;
	mem_free(l.open_ifs);
	if (got == 0 && !l.refused)
		return t;
	map_pattern_close(t);
	return NULL;
}

static void expand(const struct rule *r, struct str text, const struct pattern_span *groups, struct buf *out)
{
	const char *p = r->result, *dollar;

	for (; (dollar = strchr(p, '$')); ) {
		size_t used = 2, n;

		buf_add(out, p, (size_t)(dollar - p));
		if (dollar[1] == '$') {
			buf_byte(out, '$');
		} else {
			n = group_number(dollar, &used);
			if (groups[n].from >= 0)
				buf_add(out, text.p + groups[n].from, (size_t)(groups[n].to - groups[n].from));
		}
		p = dollar + used;
	}
	buf_z(out, p);
}

static enum map_answer too_dear(struct table *t, const struct rule *r)
{
	if (!t->warned)
		log_warn("map", "%s, line %u: the rules up to here cost too much for a text: who asked is put off", t->spec, r->line);
	t->warned = true;
	return MAP_ERROR;
}

static enum map_answer find(void *state, struct str key, struct buf *out)
{
	struct table *t = state;
	struct pattern_span groups[PATTERN_GROUPS];
	struct pattern_sieve sieve;

	buf_clear(&t->text);
	t->work.steps = LIMIT_MAP_STEPS;
	if (!buf_str(&t->text, key))
		return MAP_NONE;
	key = str_make(buf_cstr(&t->text), key.n);
	pattern_begin(&t->work, key, LIMIT_MAP_STEPS);
	sieve = pattern_sift(&t->work);
	for (size_t i = 0; i < t->n;) {
		const struct rule *r = &t->rules[i];
		enum pattern_answer answer = r->expression && pattern_may_match(t->sieves[i], sieve) ? t->kind->match(r->expression, &t->work, groups) : PATTERN_NONE;
		bool hit = r->expression && (answer == PATTERN_FOUND) != r->negated;

		if (answer == PATTERN_DEAR)
			return too_dear(t, r);
		if (hit && r->result) {
			expand(r, key, groups, out);
			t->hit = r->line;
			return MAP_FOUND;
		}
		i = !hit && !r->result ? r->skip_to : i + 1;
	}
	return MAP_NONE;
}

static _Thread_local uint64_t spent;

uint64_t map_spent(void)
{
	return spent;
}

enum map_answer map_pattern_find(void *state, struct str key, struct buf *out)
{
	enum map_answer got = find(state, key, out);

	spent += LIMIT_MAP_STEPS - ((struct table *)state)->work.steps;
	return got;
}

unsigned map_pattern_line(void *state)
{
	return ((struct table *)state)->hit;
}

bool map_pattern_is_sifted_out(const void *state, struct str key)
{
	const struct table *t = state;
	struct pattern_work work = { .steps = 0 };     /* t's own is for who asks */
	struct pattern_sieve sieve;

	if (t->n > LIMIT_MAP_SIFT)
		return false;
	pattern_begin(&work, key, 0);
	sieve = pattern_sift(&work);
	for (size_t i = 0; i < t->n; i++)
		if (t->rules[i].negated || pattern_may_match(t->sieves[i], sieve))
			return false;
	return true;
}

int map_pattern_each(void *state, int (*fn)(void *ctx, unsigned line, struct str result), void *ctx)
{
	const struct table *t = state;
	int got = 0;

	for (size_t i = 0; i < t->n && !got; i++)
		if (t->rules[i].result)
			got = fn(ctx, t->rules[i].line, str_of(t->rules[i].result));
	return got;
}

bool map_pattern_is_changed(void *state)
{
	struct table *t = state;

	return t->stamp.exists && !stamp_is_current(&t->stamp, t->path);
}
