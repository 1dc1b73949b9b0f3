/* map - see map.h. A type is one row in `types`; everything that all tables share (folding, refreshing, nesting, the
 * wording of errors) is here, so that a type only knows its own files. */
#include "core/map/map.h"

#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>

#include "core/base/limits.h"
#include "core/base/log.h"
#include "core/base/mem.h"
#include "core/base/row.h"
#include "core/map/map_pattern.h"
#include "core/map/map_type.h"
#include "core/map/words.h"

struct map {
	char *spec;
	char *shown;                  /* in messages */
	const char *name;             /* inside spec */
	const struct map_type *type;
	enum source_form form;
	void *state;
	struct buf key;               /* folded key */
	usec next_check;
	bool reload_failed;
	bool absent;                  /* its file was not there yet: no state, every lookup fails */
};

/* hash and its like are other names of one thing: NAME.cdb */
static const struct {
	const char *name;
	const struct map_type *type;
} types[] = {
	{ "hash", &map_type_cdb },         { "btree", &map_type_cdb },       { "lmdb", &map_type_cdb },
	{ "dbm", &map_type_cdb },          { "cdb", &map_type_cdb },         { "texthash", &map_type_texthash },
	{ "inline", &map_type_inline },    { "static", &map_type_static },   { "cidr", &map_type_cidr },
	{ "regexp", &map_type_regexp },    { "pcre", &map_type_pcre },       { "fail", &map_type_fail },
	{ "unionmap", &map_type_unionmap }, { "pipemap", &map_type_pipemap }, { "randmap", &map_type_randmap },
	{ "unix", &map_type_unix },
};

/* types that Postfix has and relaybox has not, with what to do instead */
static const struct {
	const char *name, *hint;
} absent[] = {
	{ "ldap", "export it to a text table" },
	{ "mysql", "export it to a text table" },
	{ "pgsql", "export it to a text table" },
	{ "sqlite", "export it to a text table" },
	{ "mongodb", "export it to a text table" },
	{ "memcache", "use the table behind it" },
	{ "socketmap", "use a text table" },
	{ "tcp", "use a text table" },
	{ "nis", "use a text table" },
	{ "nisplus", "use a text table" },
	{ "netinfo", "use a text table" },
	{ "environ", "use inline:" },
	{ "sdbm", "use cdb:" },
};

#define MAP_NESTING 10                 /* tables inside unionmap and pipemap */

static const struct map_type *find_type(struct str name, const char *spec, struct buf *why)
{
	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
		if (str_eq(name, str_of(types[i].name)))
			return types[i].type;
	buf_printf(why, "%.200s: unsupported map type \"%.*s\"", spec, STR_ARG(str_head(name, 40)));
	for (size_t i = 0; i < sizeof(absent) / sizeof(absent[0]); i++)
		if (str_eq(name, str_of(absent[i].name)))
			buf_printf(why, "; %s", absent[i].hint);
	return NULL;
}

void map_print_types(FILE *to)
{
	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
		fprintf(to, "%s\n", types[i].name);
	fputs("proxy\n", to);
}

bool map_is_type(struct str name)
{
	struct buf ignored;
	bool known;

	buf_init(&ignored, 1000);
	known = str_eq(name, STR("proxy")) || find_type(name, "", &ignored);
	buf_fini(&ignored);
	return known;
}

static bool nests_too_deep(const char *spec)
{
	int depth = 0;

	for (; *spec; spec++) {
		if (*spec == '{' && ++depth > 2 * MAP_NESTING)
			return true;
		depth -= *spec == '}';
	}
	return false;
}

/* shown_of - a table of passwords that are written in its name goes without them: "inline:…"; so does what is no table at all */
static char *shown_of(const char *spec, enum source_form form)
{
	struct str type = str_head(str_of(spec), strcspn(spec, ":{"));
	bool known = spec[type.n] == ':' && map_is_type(type);
	struct buf text;

	if ((form != SOURCE_SECRETS && form != SOURCE_LOGINS) || (known && !strchr(spec, '{') && !str_eq(type, STR("static"))))
		return mem_dupz(spec);
	buf_init(&text, LIMIT_CONF_VALUE);
	buf_printf(&text, "%.*s:…", (int)(spec[type.n] ? type.n : 0), spec);
	return buf_take(&text);
}

/* "proxy:hash:/x" is hash:/x, and a bare "/x" is hash:/x (default_database_type) */
static struct map *map_named(const char *spec, enum source_form form)
{
	struct map *m = MEM_NEW(struct map);
	const char *prefix = *spec == '/' ? "hash:" : "";
	struct buf text;

	while (!strncmp(spec, "proxy:", 6))
		spec += 6;
	buf_init(&text, LIMIT_CONF_VALUE);
	buf_printf(&text, "%s%s", prefix, spec);
	m->spec = mem_dupz(buf_cstr(&text));
	buf_fini(&text);
	m->shown = shown_of(m->spec, form);
	m->form = form;
	buf_init(&m->key, LIMIT_MAP_VALUE);
	return m;
}

/* is_absent - neither the text nor what is built of it is there */
static bool is_absent(const char *path)
{
	char built[4100];
	struct stat st;

	if (path[0] != '/' || (size_t)snprintf(built, sizeof(built), "%s.cdb", path) >= sizeof(built))
		return false;
	return stat(path, &st) < 0 && errno == ENOENT && stat(built, &st) < 0 && errno == ENOENT;
}

/* open_one - as map_open_form; with may_be_absent a table whose file is not there is opened as one that fails */
static struct map *open_one(const char *spec, enum source_form form, bool may_be_absent, struct buf *why)
{
	struct map *m = map_named(spec, form);
	ptrdiff_t colon = str_chr(str_of(m->spec), ':');
	struct map_args args = { .spec = m->shown, .form = form };

	if (colon < 0 || !m->spec[colon + 1]) {
		buf_printf(why, "%.200s: expected type:name", m->shown);
	} else if (nests_too_deep(m->spec)) {
		buf_printf(why, "%.100s…: tables are nested too deep", m->shown);
	} else {
		m->type = find_type(str_make(m->spec, (size_t)colon), m->shown, why);
		m->name = args.name = m->spec + colon + 1;
		m->absent = m->type && may_be_absent && is_absent(m->name);
		if (m->type && !m->absent)
			m->state = m->type->open(&args, why);
		if (m->state || m->absent)
			return m;
	}
	map_close(m);
	return NULL;
}

struct map *map_open_form(const char *spec, enum source_form form, struct buf *why)
{
	return open_one(spec, form, false, why);
}

struct map *map_open(const char *spec, struct buf *why)
{
	return map_open_form(spec, SOURCE_TABLE, why);
}

void map_close(struct map *m)
{
	if (!m)
		return;
	if (m->state)
		m->type->close(m->state);
	buf_fini(&m->key);
	mem_free(m->spec);
	mem_free(m->shown);
	mem_free(m);
}

static _Thread_local struct buf *watched;

void map_watch(struct buf *rows)
{
	watched = rows;
}

void map_tell(struct buf *rows, const char *parameter, struct map *m, struct str key, enum map_answer got, const struct buf *value)
{
	unsigned line = got == MAP_FOUND && m->type->line && m->name[0] == '/' ? m->type->line(m->state) : 0;
	bool secret = m->form == SOURCE_SECRETS || m->form == SOURCE_LOGINS;
	struct buf at;

	buf_init(&at, LIMIT_LOG_LINE);
	if (line)
		buf_printf(&at, "%s:%u", m->name, line);
	ROW_ADD(rows, "lookup", str_of(parameter), str_of(m->shown), key, got != MAP_FOUND || secret ? STR_EMPTY : str_trim(buf_view(value)),
		str_of(got == MAP_NONE ? "not found" : got == MAP_ERROR ? "cannot be read" : secret ? "found" : ""), buf_view(&at));
	buf_fini(&at);
}

unsigned map_line(struct str spec, struct str key)
{
	ptrdiff_t colon = str_chr(spec, ':');
	const struct map_type *type;
	unsigned line = 0;
	struct str k, value;
	struct buf text;
	struct source s;
	struct stat st;
	char *path;
	int got = 1;

	buf_init(&text, LIMIT_MAP_TEXT);
	type = colon > 0 ? find_type(str_head(spec, (size_t)colon), "", &text) : NULL;
	if (type != &map_type_cdb && type != &map_type_texthash) {
		buf_fini(&text);
		return 0;
	}
	buf_clear(&text);
	path = str_dup(str_from(spec, (size_t)colon + 1));
	if (source_load(path, &text, &st) == 0) {
		source_init(&s, buf_view(&text), SOURCE_TABLE);
		while (!line && (got = source_next(&s, &k, &value)) != 0)
			line = got > 0 && str_ieq(k, key) ? s.line : 0;
		source_fini(&s);
	}
	mem_free(path);
	buf_fini(&text);
	return line;
}

static enum map_answer find(struct map *m, struct str key, struct buf *out)
{
	enum map_answer answer;

	buf_clear(out);
	if (m->absent)
		return MAP_ERROR;
	if (m->type->flags & MAP_FOLDS) {
		buf_clear(&m->key);
		if (!buf_str(&m->key, key))
			return MAP_NONE;
		for (size_t i = 0; i < m->key.n; i++)
			m->key.p[i] = ascii_lower(m->key.p[i]);
		key = buf_view(&m->key);
	}
	answer = m->type->find(m->state, key, out);
	if (answer == MAP_FOUND && out->overflow) {
		log_warn("map", "%s: the value of \"%.*s\" is too long", m->shown, STR_ARG(key));
		return MAP_ERROR;
	}
	return answer;
}

enum map_answer map_find(struct map *m, struct str key, struct buf *out)
{
	enum map_answer answer = find(m, key, out);

	if (watched)
		map_tell(watched, "", m, key, answer, out);
	return answer;
}

static unsigned reloads;

unsigned map_reloads(void)
{
	return reloads;
}

static void reload(struct map *m)
{
	struct map_args args = { .spec = m->shown, .name = m->name, .form = m->form, .again = true };
	struct buf why;
	void *fresh;

	buf_init(&why, LIMIT_LOG_LINE);
	fresh = m->type->open(&args, &why);
	if (fresh) {
		if (m->state)
			m->type->close(m->state);
		m->state = fresh;
		m->absent = false;
		reloads++;
	} else if (!m->reload_failed) {
		log_warn("map", "%s; going on with the table as it was", buf_cstr(&why));
	}
	m->reload_failed = !fresh;
	buf_fini(&why);
}

void map_refresh(struct map *m, usec now_mono)
{
	if (m->type->refresh && !m->absent)
		m->type->refresh(m->state, now_mono);
	if (!m->type->is_changed || now_mono < m->next_check)
		return;
	m->next_check = now_mono + USEC_PER_SEC;
	if (m->absent ? !is_absent(m->name) : m->type->is_changed(m->state))
		reload(m);
}

const char *map_spec(const struct map *m)
{
	return m->shown;
}

bool map_is_whole(const struct map *m)
{
	return m->type->flags & MAP_WHOLE;
}

int map_each(struct map *m, int (*fn)(void *ctx, struct str key, struct str value), void *ctx)
{
	if (m->absent)
		errno = ENOENT;
	else if (m->type->each)
		return m->type->each(m->state, fn, ctx);
	else
		errno = ENOTSUP;
	return -1;
}

bool map_is_sifted_out(const struct map *m, struct str key)
{
	return !m->absent && (m->type == &map_type_regexp || m->type == &map_type_pcre) && map_pattern_is_sifted_out(m->state, key);
}

int map_each_rule(struct map *m, int (*fn)(void *ctx, unsigned line, struct str result), void *ctx)
{
	if (!m->absent && (m->type == &map_type_regexp || m->type == &map_type_pcre))
		return map_pattern_each(m->state, fn, ctx);
	errno = ENOTSUP;
	return -1;
}

/* --- lists of tables ---------------------------------------------------------------------------------------------- */

static int open_list(struct maps *ms, const char *list, enum source_form form, struct buf *missing, struct buf *why)
{
	struct str rest = str_of(list), word;
	int got;

	*ms = (struct maps){ NULL, 0 };
	while ((got = words_next(&rest, &word)) > 0) {
		char *spec = str_dup(word);
		struct map *m = open_one(spec, form, missing != NULL, why);

		mem_free(spec);
		if (!m) {
			maps_close(ms);
			return -1;
		}
		ms->v = mem_array(ms->v, ms->n + 1, sizeof(*ms->v));
		ms->v[ms->n++] = m;
		if (m->absent && missing)
			buf_printf(missing, "%s%.200s", missing->n ? ", " : "", m->name);
	}
	if (got < 0) {
		buf_printf(why, "unbalanced braces in \"%.200s\"", list);
		maps_close(ms);
	}
	return got;
}

int maps_open_form(struct maps *ms, const char *list, enum source_form form, struct buf *why)
{
	return open_list(ms, list, form, NULL, why);
}

int maps_open_absent(struct maps *ms, const char *list, enum source_form form, struct buf *missing, struct buf *why)
{
	return open_list(ms, list, form, missing, why);
}

int maps_open(struct maps *ms, const char *list, struct buf *why)
{
	return maps_open_form(ms, list, SOURCE_TABLE, why);
}

void maps_close(struct maps *ms)
{
	for (size_t i = 0; i < ms->n; i++)
		map_close(ms->v[i]);
	mem_free(ms->v);
	*ms = (struct maps){ NULL, 0 };
}

enum map_answer maps_find(struct maps *ms, struct str key, bool partial, struct buf *out, const struct map **which)
{
	for (size_t i = 0; i < ms->n; i++) {
		enum map_answer answer;

		if (partial && map_is_whole(ms->v[i]))
			continue;
		answer = map_find(ms->v[i], key, out);
		if (answer == MAP_NONE)
			continue;
		if (which)
			*which = ms->v[i];
		return answer;
	}
	return MAP_NONE;
}

void maps_refresh(struct maps *ms, usec now_mono)
{
	for (size_t i = 0; i < ms->n; i++)
		map_refresh(ms->v[i], now_mono);
}
