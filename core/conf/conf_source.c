/* conf_source - the raw settings: names, texts and places. A later setting of a name takes the place of the earlier. */
#include "core/base/limits.h"
#include "core/base/mem.h"
#include "core/conf/conf_private.h"

/* all texts of one conf: a full main.cf expanded several times over */
#define SOURCE_ARENA ((size_t)64 * LIMIT_CONF_VALUE)

/* in an overlay's index: of a name that base has, and the overlay has not */
static struct conf_entry taken_out;

struct conf_source *source_new(void)
{
	struct conf_source *s = MEM_NEW(struct conf_source);

	s->refs = 1;
	table_init(&s->index);
	table_init(&s->cache);
	arena_init(&s->arena, SOURCE_ARENA);
	return s;
}

static void entry_free(struct conf_entry *e)
{
	mem_wipe(e->raw, strlen(e->raw));
	mem_free(e->name);
	mem_free(e->raw);
	mem_free(e->file);
	mem_free(e);
}

void source_set_login(struct conf_source *s, const char *user, const char *password)
{
	mem_free_secret(s->relay_user);
	mem_free_secret(s->relay_password);
	s->relay_user = user ? mem_dupz(user) : NULL;
	s->relay_password = password ? mem_dupz(password) : NULL;
}

void source_free(struct conf_source *s)
{
	if (!s || --s->refs)
		return;
	source_free(s->base);
	mem_free(s->asked.v);
	mem_free(s->service);
	for (size_t i = 0; i < s->n; i++)
		entry_free(s->v[i]);
	mem_free(s->v);
	table_fini(&s->index);
	table_fini(&s->cache);
	arena_fini(&s->arena);
	mem_free_secret(s->relay_user);
	mem_free_secret(s->relay_password);
	mem_free_secret(s->smtpd_users);
	for (size_t i = 0; i < s->n_secrets; i++)
		mem_free(s->secrets[i].path);
	mem_free(s->secrets);
	mem_free(s);
}

struct conf_source *source_over(struct conf_source *s)
{
	struct conf_source *copy = source_new();
	size_t cursor = 0;
	struct str name;
	void *value;

	copy->base = s->base ? s->base : s;
	copy->base->refs++;
	for (size_t i = 0; i < s->n && s->base; i++) {
		const struct conf_entry *from = s->v[i];
		struct conf_entry *e = source_set(copy, str_of(from->name), str_of(from->raw), from->file, from->line);

		e->text = from->text;
		e->origin = from->origin;
	}
	while (s->base && table_each(&s->index, &cursor, &name, &value))
		if (value == &taken_out)
			table_add(&copy->index, name, &taken_out);
	memset(copy->changed, 0, sizeof(copy->changed));
	if (s->base)
		memcpy(copy->changed, s->changed, sizeof(copy->changed));
	copy->changed[0] |= 1 << ASKED_ANY;
	if (s->service)
		source_set_service(copy, s->service, s->program);
	copy->own_is_private = s->own_is_private;
	copy->relay_user = s->relay_user ? mem_dupz(s->relay_user) : NULL;
	copy->relay_password = s->relay_password ? mem_dupz(s->relay_password) : NULL;
	copy->smtpd_users = s->smtpd_users ? mem_dupz(s->smtpd_users) : NULL;
	return copy;
}

static bool has_changed(const struct conf_source *s, uint16_t place)
{
	return s->changed[place / 64] >> (place % 64) & 1;
}

/* find - most names are set nowhere, which their places tell */
static struct conf_entry *find(const struct conf_source *s, struct str name, uint16_t place)
{
	struct conf_entry *e = has_changed(s, place) ? table_find(&s->index, name) : NULL;

	if (!e && s->base)
		return find(s->base, name, place);
	return e == &taken_out ? NULL : e;
}

struct conf_entry *source_find(const struct conf_source *s, struct str name)
{
	return find(s, name, name_place(name));
}

struct conf_entry *source_ask(struct conf_source *s, struct str name)
{
	uint16_t place = name_place(name);

	source_asked(s, place);
	return find(s, name, place);
}

void source_asked(struct conf_source *s, uint16_t place)
{
	struct asked *a = &s->asked;

	if (!a->open)
		return;
	if (a->n == a->cap) {
		a->cap = a->cap ? a->cap * 2 : 1024;
		a->v = mem_array(a->v, a->cap, sizeof(a->v[0]));
	}
	a->v[a->n++] = place;
}

bool source_concerns(const struct conf_source *s, size_t *at)
{
	const uint16_t *place = s->base->asked.v + *at;
	bool is_changed = false;

	for (; *place != ASKED_END; place++)
		is_changed |= has_changed(s, *place);
	*at = (size_t)(place + 1 - s->base->asked.v);
	return is_changed;
}

static void note_change(struct conf_source *s, struct str name)
{
	uint16_t place = name_place(name);

	s->changed[place / 64] |= (uint64_t)1 << (place % 64);
}

void source_unset(struct conf_source *s, struct str name)
{
	struct conf_entry *e = source_find(s, name);
	size_t i = 0;

	if (!e)
		return;
	note_change(s, name);
	e = table_take(&s->index, name);
	if (s->base && table_find(&s->base->index, name))
		table_add(&s->index, name, &taken_out);
	if (!e)
		return;
	while (s->v[i] != e)
		i++;
	memmove(s->v + i, s->v + i + 1, (s->n - i - 1) * sizeof(s->v[0]));
	s->n--;
	entry_free(e);
}

struct conf_entry *source_set(struct conf_source *s, struct str name, struct str raw, const char *file, unsigned line)
{
	struct conf_entry *e = MEM_NEW(struct conf_entry);

	source_unset(s, name);
	note_change(s, name);
	*e = (struct conf_entry){ .name = str_dup(name), .raw = str_dup(raw), .file = file ? mem_dupz(file) : NULL,
		.line = line, .origin = "option" };
	if (s->n == s->cap) {
		s->cap = s->cap ? s->cap * 2 : 32;
		s->v = mem_array(s->v, s->cap, sizeof(s->v[0]));
	}
	s->v[s->n++] = e;
	table_add(&s->index, name, e);
	return e;
}

void source_set_service(struct conf_source *s, const char *service, const char *program)
{
	mem_free(s->service);
	s->service = mem_dupz(service);
	s->program = program;
	note_change(s, STR("service_name"));
	note_change(s, STR("process_name"));
}

const char *source_keep(struct conf_source *s, struct str text)
{
	return arena_z(&s->arena, text);
}
