/* map_inline - tables whose content is their name: inline:{k=v, {k = v w}}, static:value, randmap:{a, b}, fail:why. */
#include <errno.h>

#include "core/base/hash.h"
#include "core/base/limits.h"
#include "core/base/log.h"
#include "core/base/mem.h"
#include "core/base/random.h"
#include "core/map/map_type.h"
#include "core/map/words.h"

/* --- inline ------------------------------------------------------------------------------------------------------- */

struct inline_table {
	struct table entries;  /* lower-case key -> value (C string) */
};

static void inline_close(void *state)
{
	struct inline_table *t = state;
	size_t cursor = 0;
	struct str key;
	void *value;

	while (table_each(&t->entries, &cursor, &key, &value))
		mem_free(value);
	table_fini(&t->entries);
	mem_free(t);
}

/* one `key=value`, or `{ key = value with spaces }` */
static bool inline_add(struct inline_table *t, struct str word)
{
	struct str inner = word, key, value;
	char *folded;
	ptrdiff_t equals;

	if (word.p[0] == '{' && !words_unbrace(word, &inner))
		return false;
	equals = str_chr(inner, '=');
	if (equals < 0)
		return false;
	key = str_trim(str_head(inner, (size_t)equals));
	value = str_trim(str_from(inner, (size_t)equals + 1));
	if (!key.n)
		return false;
	folded = str_dup(key);
	for (size_t i = 0; i < key.n; i++)
		folded[i] = ascii_lower(folded[i]);
	/* of two entries with one key the last counts, unlike in a file */
	mem_free(table_take(&t->entries, str_make(folded, key.n)));
	table_add(&t->entries, str_make(folded, key.n), str_dup(value));
	mem_free(folded);
	return true;
}

static void *inline_open(const struct map_args *args, struct buf *why)
{
	struct inline_table *t = MEM_NEW(struct inline_table);
	struct str body, word;
	bool good = words_unbrace(str_of(args->name), &body);
	int got = -1;

	table_init(&t->entries);
	while (good && (got = words_next(&body, &word)) > 0)
		good = inline_add(t, word);
	if (good && got == 0)
		return t;
	map_fail(args, why, "bad syntax; need \"inline:{name=value, {name = value with spaces}}\"");
	inline_close(t);
	return NULL;
}

static enum map_answer inline_find(void *state, struct str key, struct buf *out)
{
	struct inline_table *t = state;
	const char *value = table_find(&t->entries, key);

	if (value)
		buf_z(out, value);
	return value ? MAP_FOUND : MAP_NONE;
}

static int inline_each(void *state, int (*fn)(void *ctx, struct str key, struct str value), void *ctx)
{
	struct inline_table *t = state;
	size_t cursor = 0;
	struct str key;
	void *value;
	int stop = 0;

	while (!stop && table_each(&t->entries, &cursor, &key, &value))
		stop = fn(ctx, key, str_of(value));
	return stop;
}

/* --- static ------------------------------------------------------------------------------------------------------- */

static void *static_open(const struct map_args *args, struct buf *why)
{
	struct str inner = str_of(args->name);

	if (inner.p[0] == '{' && !words_unbrace(inner, &inner)) {
		map_fail(args, why, "bad syntax; need \"static:value\" or \"static:{value with spaces}\"");
		return NULL;
	}
	return str_dup(inner);
}

static enum map_answer static_find(void *state, struct str key, struct buf *out)
{
	(void)key;
	buf_z(out, state);
	return MAP_FOUND;
}

/* --- randmap ------------------------------------------------------------------------------------------------------ */

struct choice {
	char **values;
	size_t n;
};

static void randmap_close(void *state)
{
	struct choice *t = state;

	for (size_t i = 0; i < t->n; i++)
		mem_free(t->values[i]);
	mem_free(t->values);
	mem_free(t);
}

static void *randmap_open(const struct map_args *args, struct buf *why)
{
	struct choice *t = MEM_NEW(struct choice);
	struct str body, word;
	int got = -1;

	if (words_unbrace(str_of(args->name), &body))
		while ((got = words_next(&body, &word)) > 0 && (word.p[0] != '{' || words_unbrace(word, &word))) {
			t->values = mem_array(t->values, t->n + 1, sizeof(*t->values));
			t->values[t->n++] = str_dup(word);
		}
	if (got == 0 && t->n)
		return t;
	map_fail(args, why, "bad syntax; need \"randmap:{value, {value with spaces}}\"");
	randmap_close(t);
	return NULL;
}

static enum map_answer randmap_find(void *state, struct str key, struct buf *out)
{
	struct choice *t = state;

	(void)key;
	buf_z(out, t->values[random_below((uint32_t)t->n)]);
	return MAP_FOUND;
}

/* --- fail --------------------------------------------------------------------------------------------------------- */

static void *fail_open(const struct map_args *args, struct buf *why)
{
	(void)why;
	return mem_dupz(args->name);
}

static enum map_answer fail_find(void *state, struct str key, struct buf *out)
{
	(void)state;
	(void)key;
	(void)out;
	return MAP_ERROR;
}

const struct map_type map_type_inline = { "inline", MAP_FOLDS, inline_open, inline_find, inline_each, NULL, NULL, inline_close, NULL };
const struct map_type map_type_static = { "static", 0, static_open, static_find, NULL, NULL, NULL, mem_free, NULL };
const struct map_type map_type_fail = { "fail", 0, fail_open, fail_find, NULL, NULL, NULL, mem_free, NULL };
const struct map_type map_type_randmap = { "randmap", 0, randmap_open, randmap_find, NULL, NULL, NULL, randmap_close, NULL };
