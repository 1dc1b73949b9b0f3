/* match - see match.h. A list is a flat array of elements in the order they were written, files included; tables are
 * asked in their turn. Postfix: match_list(3), match_ops(3). */
#include "core/map/match.h"

#include <errno.h>
#include <stdlib.h>

#include "core/base/limits.h"
#include "core/base/log.h"
#include "core/base/mem.h"
#include "core/map/map_type.h"
#include "core/base/ipaddr.h"
#include "core/map/words.h"

struct element {
	bool negated;
	bool is_network;
	struct network network;
	struct map *map;       /* or else */
	char *name;            /* lower case */
};
struct file {
	char *path;
	struct stamp stamp;
};
struct match {
	enum match_kind kind;
	char *list;
	struct element *v;
	size_t n;
	struct file *files;    /* /file elements that were read */
	size_t n_files;
	struct buf value;
	usec next_check;
	bool reload_failed;
};

static int add_list(struct match *m, struct str list, bool negated, unsigned depth, struct buf *why);

static struct element *add_element(struct match *m, bool negated)
{
	m->v = mem_array(m->v, m->n + 1, sizeof(*m->v));
	m->v[m->n] = (struct element){ .negated = negated };
	return &m->v[m->n++];
}

static int add_table(struct match *m, struct str word, bool negated, struct buf *why)
{
	char *spec = str_dup(word);
	struct map *map = map_open(spec, why);

	mem_free(spec);
	if (!map)
		return -1;
	add_element(m, negated)->map = map;
	return 0;
}

static int add_file(struct match *m, struct str word, bool negated, unsigned depth, struct buf *why)
{
	struct file f = { .path = str_dup(word) };
	struct buf text;
	struct source s;
	struct str key, line;
	struct stat st;
	int got = 0;

	m->files = mem_array(m->files, m->n_files + 1, sizeof(*m->files));
	m->files[m->n_files++] = f;
	buf_init(&text, LIMIT_CONF_VALUE);
	if (source_load(f.path, &text, &st) < 0) {
		buf_printf(why, "%s: %s", f.path, strerror(errno));
		buf_fini(&text);
		return -1;
	}
	stamp_from(&m->files[m->n_files - 1].stamp, &st);
	source_init(&s, buf_view(&text), SOURCE_LINES);
	while (got == 0 && (got = source_next(&s, &key, &line)) != 0) {
		if (got < 0)
			buf_printf(why, "%s, line %u: %s", f.path, s.line, s.error);
		else
			got = add_list(m, line, negated, depth + 1, why);
	}
	source_fini(&s);
	buf_fini(&text);
	return got;
}

/* what can only be meant as an address: a name never has a slash, and never is digits and dots alone */
static bool looks_like_network(struct str word)
{
	bool digits = true;

	if (word.p[0] == '[' || str_chr(word, '/') >= 0)
		return true;
	for (size_t i = 0; i < word.n; i++)
		digits = digits && (ascii_is_digit(word.p[i]) || word.p[i] == '.');
	return digits;
}

static bool is_bare_v6(struct str word)
{
	struct ipaddr a;
	ptrdiff_t slash = str_chr(word, '/');

	return str_chr(word, ':') >= 0 && ipaddr_parse(slash < 0 ? word : str_head(word, (size_t)slash), &a);
}

static int add_word(struct match *m, struct str word, bool negated, unsigned depth, struct buf *why)
{
	bool bare_v6;
	struct element *e;

	while (word.n && word.p[0] == '!') {
		negated = !negated;
		word = str_from(word, 1);
	}
	if (!word.n) {
		buf_printf(why, "no pattern after \"!\"");
		return -1;
	}
	if (word.p[0] == '/')
		return add_file(m, word, negated, depth, why);
	bare_v6 = m->kind == MATCH_HOSTS && is_bare_v6(word);
	if (word.p[0] != '[' && str_chr(word, ':') >= 0 && !bare_v6)
		return add_table(m, word, negated, why);
	e = add_element(m, negated);
	if (m->kind == MATCH_HOSTS && (bare_v6 || looks_like_network(word))) {
		e->is_network = true;
		return network_parse(word, &e->network, why) ? 0 : -1;
	}
	e->name = str_dup(word);
	for (char *p = e->name; *p; p++)
		*p = ascii_lower(*p);
	return 0;
}

static int add_list(struct match *m, struct str list, bool negated, unsigned depth, struct buf *why)
{
	struct str word;
	int got;

	if (depth > 10) {
		buf_printf(why, "files include files more than ten deep");
		return -1;
	}
	while ((got = words_next(&list, &word)) > 0)
		if (add_word(m, word, negated, depth, why) < 0)
			return -1;
	if (got < 0)
		buf_printf(why, "unbalanced braces");
	return got;
}

static void forget(struct match *m)
{
	for (size_t i = 0; i < m->n; i++) {
		map_close(m->v[i].map);
		mem_free(m->v[i].name);
	}
	for (size_t i = 0; i < m->n_files; i++)
		mem_free(m->files[i].path);
	mem_free(m->v);
	mem_free(m->files);
	buf_fini(&m->value);
	mem_free(m->list);
}

struct match *match_open(enum match_kind kind, const char *list, struct buf *why)
{
	struct match *m = MEM_NEW(struct match);

	m->kind = kind;
	m->list = mem_dupz(list);
	buf_init(&m->value, LIMIT_MAP_VALUE);
	if (add_list(m, str_of(list), false, 0, why) == 0)
		return m;
	match_close(m);
	return NULL;
}

void match_close(struct match *m)
{
	if (!m)
		return;
	forget(m);
	mem_free(m);
}

/* --- asking ------------------------------------------------------------------------------------------------------- */

static bool name_matches(const struct match *m, struct str name, struct str pattern)
{
	if (str_ieq(name, pattern))
		return true;
	if (name.n <= pattern.n || !str_iends(name, pattern))
		return false;
	if (pattern.p[0] == '.')
		return true;
	return m->kind == MATCH_DOMAINS_PARENTS && name.p[name.n - pattern.n - 1] == '.';
}

/* a table is asked for the name, then for its parents: as `parent` with MATCH_DOMAINS_PARENTS, else as `.parent` */
static enum map_answer find_name(struct match *m, struct map *map, struct str name)
{
	enum map_answer answer = map_find(map, name, &m->value);
	ptrdiff_t dot;

	while (answer == MAP_NONE && !map_is_whole(map) && name.n && (dot = str_chr(str_from(name, 1), '.')) >= 0) {
		name = str_from(name, (size_t)dot + 1);
		if (m->kind == MATCH_DOMAINS_PARENTS)
			name = str_from(name, 1);
		answer = map_find(map, name, &m->value);
	}
	return answer;
}

static enum map_answer verdict(const struct element *e, enum map_answer answer)
{
	if (answer == MAP_FOUND && e->negated)
		return MAP_NONE;
	return answer;
}

enum map_answer match_domain(struct match *m, struct str domain)
{
	if (!domain.n)
		return MAP_NONE;
	for (size_t i = 0; i < m->n; i++) {
		const struct element *e = &m->v[i];
		enum map_answer answer = MAP_NONE;

		if (e->map)
			answer = find_name(m, e->map, domain);
		else if (!e->is_network && name_matches(m, domain, str_of(e->name)))
			answer = MAP_FOUND;
		if (answer != MAP_NONE)
			return verdict(e, answer);
	}
	return MAP_NONE;
}

enum map_answer match_address(struct match *m, const struct ipaddr *a)
{
	char text[46] = "";

	for (size_t i = 0; i < m->n; i++) {
		const struct element *e = &m->v[i];
		enum map_answer answer = MAP_NONE;

		if (e->map && !*text)
			ipaddr_format(a, text);
		if (e->map)
			answer = map_find(e->map, str_of(text), &m->value);
		else if (e->is_network && network_has(&e->network, a))
			answer = MAP_FOUND;
		if (answer != MAP_NONE)
			return verdict(e, answer);
	}
	return MAP_NONE;
}

/* --- reload ------------------------------------------------------------------------------------------------------- */

static void reload(struct match *m)
{
	struct buf why;
	struct match *fresh;

	buf_init(&why, LIMIT_LOG_LINE);
	fresh = match_open(m->kind, m->list, &why);
	if (fresh) {
		fresh->next_check = m->next_check;
		forget(m);
		*m = *fresh;
		mem_free(fresh);
	} else {
		if (!m->reload_failed)
			log_warn("map", "%s; going on with the list as it was", buf_cstr(&why));
		m->reload_failed = true;
	}
	buf_fini(&why);
}

void match_refresh(struct match *m, usec now_mono)
{
	bool changed = false;

	for (size_t i = 0; i < m->n; i++)
		if (m->v[i].map)
			map_refresh(m->v[i].map, now_mono);
	if (!m->n_files || now_mono < m->next_check)
		return;
	m->next_check = now_mono + USEC_PER_SEC;
	for (size_t i = 0; i < m->n_files; i++)
		changed = changed || !stamp_is_current(&m->files[i].stamp, m->files[i].path);
	if (changed)
		reload(m);
}
