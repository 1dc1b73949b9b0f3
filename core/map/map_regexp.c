/* map_regexp - regexp_table(5): /pattern/flags result, !/pattern/, if ... endif, $1 in results. POSIX expressions by
 * libc's regcomp; matching ignores case and uses the extended syntax unless flags say otherwise. */
#include <regex.h>
#include <string.h>

#include "core/base/limits.h"
#include "core/base/mem.h"
#include "core/map/map_type.h"

#define REGEXP_GROUPS 10               /* $0 is not allowed, $1 ... $9 are */

struct regexp_rule {
	regex_t re;
	bool compiled;
	bool negated;
	size_t skip_to;        /* an `if`: the rule after its endif */
	char *result;          /* NULL: an `if` */
};
struct regexp {
	struct regexp_rule *rules;
	size_t n;
	struct stamp stamp;
	char *path;
	struct buf subject;
};
struct regexp_load {
	struct regexp *t;
	const struct map_args *args;
	size_t *open_ifs;
	size_t depth;
};

static bool compile(struct regexp_load *l, unsigned line, struct str pattern, int flags, struct regexp_rule *r)
{
	char *z = str_dup(pattern), error[128];
	int code = regcomp(&r->re, z, flags);

	mem_free(z);
	r->compiled = code == 0;
	if (code) {
		regerror(code, &r->re, error, sizeof(error));
		rules_warn(l->args, line, "%s: skipping this rule", error);
	}
	return r->compiled;
}

/* take [!]/pattern/flags off *rest */
static bool take_pattern(struct regexp_load *l, unsigned line, struct str *rest, struct regexp_rule *r)
{
	struct str s = *rest;
	int flags = REG_EXTENDED | REG_ICASE;
	size_t end = 1;
	char delimiter;

	memset(r, 0, sizeof(*r));
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
		rules_warn(l->args, line, "no closing regexp delimiter \"%c\": skipping this rule", delimiter);
		return false;
	}
	*rest = str_from(s, end + 1);
	for (; rest->n && !ascii_is_space(rest->p[0]); *rest = str_from(*rest, 1)) {
		static const struct { char letter; int flag; } letters[] = { { 'i', REG_ICASE }, { 'm', REG_NEWLINE }, { 'x', REG_EXTENDED } };
		size_t i = 0;

		while (i < 3 && letters[i].letter != rest->p[0])
			i++;
		if (i == 3) {
			rules_warn(l->args, line, "unknown regexp option \"%c\": skipping this rule", rest->p[0]);
			return false;
		}
		flags ^= letters[i].flag;
	}
	*rest = str_trim(*rest);
	return compile(l, line, str_make(s.p + 1, end - 1), flags, r);
}

/* the number of a $1, ${1} or $(1) at p; -1: not one. *used = its length */
static int group_number(const char *p, size_t *used)
{
	char close = p[1] == '{' ? '}' : p[1] == '(' ? ')' : '\0';
	const char *digits = p + (close ? 2 : 1);

	if (!ascii_is_digit(digits[0]) || ascii_is_digit(digits[1]) || (close && digits[1] != close))
		return -1;
	*used = (size_t)(digits - p) + (close ? 2 : 1);
	return digits[0] - '0';
}

static bool check_result(struct regexp_load *l, unsigned line, const struct regexp_rule *r)
{
	bool fixed = l->args->form == SOURCE_ALIAS || l->args->form == SOURCE_ROUTE;

	for (const char *p = r->result; (p = strchr(p, '$')); ) {
		size_t used = 2;
		int n = p[1] == '$' ? 1 : group_number(p, &used);

		if (p[1] != '$' && r->negated) {
			rules_warn(l->args, line, "$number found in negative match replacement text: skipping this rule");
			return false;
		}
		/* or who writes the address would choose where it goes */
		if (p[1] != '$' && fixed) {
			rules_warn(l->args, line, "regular expression substitution is not allowed: skipping this rule");
			return false;
		}
		if (n < 1 || (p[1] != '$' && (size_t)n > r->re.re_nsub)) {
			rules_warn(l->args, line, "bad replacement syntax: skipping this rule");
			return false;
		}
		p += used;
	}
	return true;
}

static void rule_free(struct regexp_rule *r)
{
	if (r->compiled)
		regfree(&r->re);
	mem_free(r->result);
}

static void add_rule(struct regexp *t, struct regexp_rule r)
{
	t->rules = mem_array(t->rules, t->n + 1, sizeof(*t->rules));
	t->rules[t->n++] = r;
}

static bool starts_with_word(struct str text, struct str word)
{
	return str_istarts(text, word) && (text.n == word.n || !ascii_is_alnum(text.p[word.n]));
}

static void add_line(void *ctx, unsigned line, struct str text)
{
	struct regexp_load *l = ctx;
	struct regexp_rule r;

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
		rule_free(&r);
}

static void regexp_close(void *state)
{
	struct regexp *t = state;

	for (size_t i = 0; i < t->n; i++)
		rule_free(&t->rules[i]);
	mem_free(t->rules);
	mem_free(t->path);
	buf_fini(&t->subject);
	mem_free(t);
}

static void *regexp_open(const struct map_args *args, struct buf *why)
{
	struct regexp *t = MEM_NEW(struct regexp);
	struct regexp_load l = { .t = t, .args = args };
	int got;

	t->path = mem_dupz(args->name);
	buf_init(&t->subject, LIMIT_MAP_VALUE);
	got = rules_each(args, &t->stamp, why, add_line, &l);
	if (l.depth)
		rules_warn(args, 0, "IF has no matching ENDIF");
	while (l.depth)
		t->rules[l.open_ifs[--l.depth]].skip_to = t->n;
	mem_free(l.open_ifs);
	if (got == 0)
		return t;
	regexp_close(t);
	return NULL;
}

static void expand(const struct regexp_rule *r, const char *subject, const regmatch_t *m, struct buf *out)
{
	const char *p = r->result, *dollar;

	for (; (dollar = strchr(p, '$')); ) {
		size_t used = 2;
		int n;

		buf_add(out, p, (size_t)(dollar - p));
		if (dollar[1] == '$') {
			buf_byte(out, '$');
		} else {
			n = group_number(dollar, &used);
			if (m[n].rm_so >= 0)
				buf_add(out, subject + m[n].rm_so, (size_t)(m[n].rm_eo - m[n].rm_so));
		}
		p = dollar + used;
	}
	buf_z(out, p);
}

static enum map_answer regexp_find(void *state, struct str key, struct buf *out)
{
	struct regexp *t = state;
	regmatch_t m[REGEXP_GROUPS];

	buf_clear(&t->subject);
	if (!buf_str(&t->subject, key) || memchr(buf_cstr(&t->subject), '\0', t->subject.n))
		return MAP_NONE;
	for (size_t i = 0; i < t->n;) {
		const struct regexp_rule *r = &t->rules[i];
		int code = r->compiled ? regexec(&r->re, buf_cstr(&t->subject), REGEXP_GROUPS, m, 0) : REG_NOMATCH;
		bool hit = r->compiled && (code == 0) != r->negated;

		if (code && code != REG_NOMATCH)
			return MAP_ERROR;
		if (hit && r->result) {
			expand(r, buf_cstr(&t->subject), m, out);
			return MAP_FOUND;
		}
		i = !hit && !r->result ? r->skip_to : i + 1;
	}
	return MAP_NONE;
}

static bool regexp_is_changed(void *state)
{
	struct regexp *t = state;

	return t->stamp.exists && !stamp_is_current(&t->stamp, t->path);
}

const struct map_type map_type_regexp = { "regexp", MAP_WHOLE, regexp_open, regexp_find, NULL, regexp_is_changed, NULL, regexp_close };
