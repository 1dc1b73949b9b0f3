/* map_cidr - cidr_table(5): rules in order, the first match wins; `!pattern`; if ... endif blocks that nest. An `if` row
 * knows where its block ends, so a lookup is one walk without a stack. */
#include <string.h>

#include "core/base/limits.h"
#include "core/base/mem.h"
#include "core/map/map_type.h"
#include "core/base/ipaddr.h"

struct cidr_rule {
	struct network net;
	bool negated;
	unsigned line;
	size_t skip_to;        /* an `if`: the rule after its endif; 0: an ordinary rule */
	char *result;
};
struct cidr {
	struct cidr_rule *rules;
	size_t n;
	struct stamp stamp;
	char *path;
	unsigned hit;          /* line of the last that was found */
};
struct cidr_load {
	struct cidr *t;
	const struct map_args *args;
	size_t *open_ifs;
	size_t depth;
};

static struct cidr_rule *add_rule(struct cidr *t)
{
	t->rules = mem_array(t->rules, t->n + 1, sizeof(*t->rules));
	memset(&t->rules[t->n], 0, sizeof(*t->rules));
	return &t->rules[t->n++];
}

static bool parse_pattern(struct cidr_load *l, unsigned line, struct str word, struct cidr_rule *r)
{
	struct buf why;
	bool good;

	*r = (struct cidr_rule){ .negated = word.n && word.p[0] == '!', .line = line };
	if (r->negated)
		word = str_trim(str_from(word, 1));
	buf_init(&why, 512);
	good = network_parse(word, &r->net, &why);
	if (!good)
		rules_warn(l->args, line, "%s: skipping this rule", buf_cstr(&why));
	buf_fini(&why);
	return good;
}

static void close_if(struct cidr_load *l)
{
	l->t->rules[l->open_ifs[--l->depth]].skip_to = l->t->n;
}

static void add_line(void *ctx, unsigned line, struct str text)
{
	struct cidr_load *l = ctx;
	struct str rest = text, word, value;
	struct cidr_rule r;

	str_word(&rest, " \t\r\n", &word);
	value = str_trim(rest);
	if (str_ieq(word, STR("endif"))) {
		if (!l->depth)
			rules_warn(l->args, line, "ignoring ENDIF without matching IF");
		else
			close_if(l);
		return;
	}
	if (str_ieq(word, STR("if"))) {
		/* a bad `if` must not let the rules of its block apply to everybody: it matches nothing */
		bool good = parse_pattern(l, line, value, &r);

		if (!good)
			r = (struct cidr_rule){ .net.net.family = AF_UNSPEC };
		l->open_ifs = mem_array(l->open_ifs, l->depth + 1, sizeof(*l->open_ifs));
		l->open_ifs[l->depth++] = l->t->n;
		*add_rule(l->t) = r;
		return;
	}
	if (str_eq(word, STR("!"))) {
		str_word(&rest, " \t\r\n", &word);
		value = str_trim(rest);
		word = str_make(text.p, (size_t)(word.p + word.n - text.p));
	}
	if (!value.n)
		rules_warn(l->args, line, "no lookup result: skipping this rule");
	else if (parse_pattern(l, line, word, &r)) {
		r.result = str_dup(value);
		*add_rule(l->t) = r;
	}
}

static void cidr_close(void *state)
{
	struct cidr *t = state;

	for (size_t i = 0; i < t->n; i++)
		mem_free(t->rules[i].result);
	mem_free(t->rules);
	mem_free(t->path);
	mem_free(t);
}

static void *cidr_open(const struct map_args *args, struct buf *why)
{
	struct cidr *t = MEM_NEW(struct cidr);
	struct cidr_load l = { .t = t, .args = args };

	t->path = mem_dupz(args->name);
	if (rules_each(args, &t->stamp, why, add_line, &l) < 0) {
		mem_free(l.open_ifs);
		cidr_close(t);
		return NULL;
	}
	if (l.depth)
		rules_warn(args, 0, "IF has no matching ENDIF");
	while (l.depth)
		close_if(&l);
	mem_free(l.open_ifs);
	return t;
}

static enum map_answer cidr_find(void *state, struct str key, struct buf *out)
{
	struct cidr *t = state;
	struct ipaddr a;

	/* [::1] is a pattern's way of writing, not a client's */
	if (!key.n || key.p[0] == '[' || !ipaddr_parse(key, &a))
		return MAP_NONE;
	for (size_t i = 0; i < t->n;) {
		const struct cidr_rule *r = &t->rules[i];
		/* a network says nothing about addresses of the other family, turned round or not */
		bool hit = r->net.net.family == a.family && network_has(&r->net, &a) != r->negated;

		if (hit && r->result) {
			buf_z(out, r->result);
			t->hit = r->line;
			return MAP_FOUND;
		}
		i = !hit && !r->result ? r->skip_to : i + 1;
	}
	return MAP_NONE;
}

static bool cidr_is_changed(void *state)
{
	struct cidr *t = state;

	return t->stamp.exists && !stamp_is_current(&t->stamp, t->path);
}

static unsigned cidr_line(void *state)
{
	return ((struct cidr *)state)->hit;
}

const struct map_type map_type_cidr = { "cidr", MAP_WHOLE, cidr_open, cidr_find, NULL, cidr_is_changed, NULL, cidr_close, cidr_line };
