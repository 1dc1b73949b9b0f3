/* tables - OpenDKIM's KeyTable, "name domain:selector:/path/of/key", and SigningTable, "pattern name" (opendkim.conf(5)). The first pattern
 * that fits an address decides. In a refile: `*` stands for anything; else the address is asked for itself, then its domain, the domains above
 * it as ".domain", "user@*" and "*". */
#include <errno.h>
#include <string.h>

#include "core/base/fs.h"
#include "core/base/limits.h"
#include "core/base/mem.h"
#include "core/dkim/keys.h"

/* --- reading ---------------------------------------------------------------------------------------------------------- */

struct table {
	struct dkim_keys *keys;
	const struct dkim_options *o;
	const char *path;
	unsigned line;
	struct buf *why;
};

static void wrong(const struct table *t, const char *what)
{
	buf_printf(t->why, "%s, line %u: %s", t->path, t->line, what);
}

char *dkim_lower(struct str s)
{
	char *z = str_dup(s);

	for (char *c = z; *c; c++)
		*c = ascii_lower(*c);
	return z;
}

static size_t find_name(const struct dkim_keys *k, struct str name)
{
	size_t i = 0;

	while (i < k->n && !str_eq(str_of(k->v[i].name), name))
		i++;
	return i;
}

/* take_key - "domain:selector:/path"; the domain % is the sender's */
static void take_key(struct table *t, struct str name, struct str value)
{
	struct dkim_keys *k = t->keys;
	struct str domain, selector;
	struct dkim_key key = { .name = NULL };
	bool any;

	if (!str_cut(&value, ':', &domain) || !str_cut(&value, ':', &selector) || !value.n) {
		wrong(t, "not NAME DOMAIN:SELECTOR:/PATH/OF/KEY");
		return;
	}
	any = str_eq(domain, STR("%"));
	if ((!any && !dkim_is_domain(domain)) || !dkim_is_domain(selector)) {
		wrong(t, "no domain, or no selector");
		return;
	}
	if (find_name(k, name) < k->n || k->n == LIMIT_DKIM_KEYS) {
		wrong(t, k->n == LIMIT_DKIM_KEYS ? "too many keys" : "a name that was there before");
		return;
	}
	key.path = str_dup(value);
	(void)dkim_key_read(&key, key.path, t->o, t->why);
	key.name = str_dup(name);
	key.domain = any ? NULL : dkim_lower(domain);
	key.selector = str_dup(selector);
	k->v = mem_array(k->v, k->n + 1, sizeof(*k->v));
	k->v[k->n++] = key;
}

/* take_rule - of several names the first signs: there is one signature */
static void take_rule(struct table *t, struct str pattern, struct str value)
{
	struct dkim_keys *k = t->keys;
	struct str name;
	size_t key = k->n;

	if (str_word(&value, ", \t", &name))
		key = find_name(k, name);
	if (key == k->n) {
		wrong(t, "the key table has no such name");
		return;
	}
	if (k->n_rules == LIMIT_DKIM_RULES) {
		wrong(t, "too many lines");
		return;
	}
	k->rules = mem_array(k->rules, k->n_rules + 1, sizeof(*k->rules));
	k->rules[k->n_rules++] = (struct dkim_rule){ dkim_lower(pattern), key };
}

static bool read_table(struct dkim_keys *k, const struct dkim_options *o, const char *path,
	void (*take)(struct table *t, struct str first, struct str rest), struct buf *why)
{
	struct table t = { .keys = k, .o = o, .path = path, .why = why };
	struct str rest, line, first;
	struct buf text;

	buf_init(&text, LIMIT_DKIM_TABLE);
	if (fs_read_file(path, &text) < 0)
		buf_printf(why, "%s: %s", path, strerror(errno));
	rest = buf_view(&text);
	while (!why->n && str_cut(&rest, '\n', &line)) {
		ptrdiff_t comment = str_chr(line, '#');

		t.line++;
		line = str_trim(comment < 0 ? line : str_head(line, (size_t)comment));
		if (str_word(&line, " \t", &first))
			take(&t, first, str_trim(line));
	}
	buf_fini(&text);
	return !why->n;
}

static const char *path_of(const char *name, bool *globs)
{
	*globs = !strncmp(name, "refile:", 7);
	return *globs ? name + 7 : !strncmp(name, "file:", 5) ? name + 5 : name;
}

bool dkim_tables_read(struct dkim_keys *k, const struct dkim_options *o, struct buf *why)
{
	bool ignored;

	if (!read_table(k, o, path_of(o->key_table, &ignored), take_key, why) ||
	    !read_table(k, o, path_of(o->signing_table, &k->globs), take_rule, why))
		return false;
	if (!k->n_rules)
		buf_printf(why, "%s: nobody's mail is signed by it", o->signing_table);
	return k->n_rules > 0;
}

/* --- finding ---------------------------------------------------------------------------------------------------------- */

/* fits - a glob of `*` alone; both in small letters */
static bool fits(const char *glob, struct str text)
{
	const char *star = NULL;
	size_t at = 0, back = 0;

	while (at < text.n) {
		if (*glob == '*') {
			star = glob++;
			back = at;
		} else if (*glob == text.p[at]) {
			glob++;
			at++;
		} else if (star) {
			glob = star + 1;
			at = ++back;
		} else {
			return false;
		}
	}
	while (*glob == '*')
		glob++;
	return !*glob;
}

static const struct dkim_rule *rule_of(const struct dkim_keys *k, struct str pattern)
{
	for (size_t i = 0; i < k->n_rules; i++)
		if (str_eq(str_of(k->rules[i].pattern), pattern))
			return &k->rules[i];
	return NULL;
}

static const struct dkim_rule *exact(const struct dkim_keys *k, struct str address, struct str domain)
{
	const struct dkim_rule *found = rule_of(k, address);
	char user[LIMIT_ADDRESS + 2];

	if (!found)
		found = rule_of(k, domain);
	for (ptrdiff_t dot; !found && (dot = str_chr(domain, '.')) >= 0; domain = str_from(domain, (size_t)dot + 1))
		found = rule_of(k, str_from(domain, (size_t)dot));
	if (!found && address.n < sizeof(user) - 2) {
		size_t n = (size_t)str_rchr(address, '@') + 1;

		memcpy(user, address.p, n);
		user[n] = '*';
		found = rule_of(k, str_make(user, n + 1));
	}
	return found ? found : rule_of(k, STR("*"));
}

const struct dkim_key *dkim_tables_find(const struct dkim_keys *k, struct str address)
{
	char *small = dkim_lower(address);
	struct str a = str_of(small);
	const struct dkim_rule *found = NULL;

	if (!k->globs)
		found = exact(k, a, str_from(a, (size_t)str_rchr(a, '@') + 1));
	for (size_t i = 0; k->globs && !found && i < k->n_rules; i++)
		if (fits(k->rules[i].pattern, a))
			found = &k->rules[i];
	mem_free(small);
	return found ? &k->v[found->key] : NULL;
}

/* the domain of a pattern may be a glob; ".domain" has all below it, a pattern without '@' is a domain itself */
bool dkim_tables_sign(const struct dkim_keys *k, size_t key, struct str domain)
{
	char *small = dkim_lower(domain);
	bool found = false;

	for (size_t i = 0; i < k->n_rules && !found; i++) {
		const char *at = strrchr(k->rules[i].pattern, '@'), *of = at ? at + 1 : k->rules[i].pattern;

		found = k->rules[i].key == key && (fits(of, str_of(small)) || (*of == '.' && str_ends(str_of(small), str_of(of))));
	}
	mem_free(small);
	return found;
}
