/* map_nest - tables made of tables: unionmap:{a,b} joins all answers with commas, pipemap:{a,b} gives each answer to the
 * next table as its key. How deep they nest is bounded by map_open. */
#include "core/base/limits.h"
#include "core/base/mem.h"
#include "core/map/map_type.h"
#include "core/map/words.h"

struct nest {
	struct maps maps;
	struct buf key, part;
};

static void nest_close(void *state)
{
	struct nest *t = state;

	maps_close(&t->maps);
	buf_fini(&t->key);
	buf_fini(&t->part);
	mem_free(t);
}

static void *nest_open(const struct map_args *args, struct buf *why)
{
	struct nest *t = MEM_NEW(struct nest);
	struct str inner;
	char *list;
	int got = -1;

	buf_init(&t->key, LIMIT_MAP_VALUE);
	buf_init(&t->part, LIMIT_MAP_VALUE);
	if (words_unbrace(str_of(args->name), &inner) && inner.n) {
		list = str_dup(inner);
		got = maps_open_form(&t->maps, list, args->form, why);
		mem_free(list);
	} else {
		map_fail(args, why, "bad syntax; need \"{type:name, type:name}\"");
	}
	if (got == 0)
		return t;
	nest_close(t);
	return NULL;
}

static enum map_answer union_find(void *state, struct str key, struct buf *out)
{
	struct nest *t = state;
	bool found = false;

	for (size_t i = 0; i < t->maps.n; i++) {
		enum map_answer answer = map_find(t->maps.v[i], key, &t->part);

		if (answer == MAP_ERROR)
			return MAP_ERROR;
		if (answer == MAP_NONE)
			continue;
		if (found)
			buf_byte(out, ',');
		buf_str(out, buf_view(&t->part));
		found = true;
	}
	return found ? MAP_FOUND : MAP_NONE;
}

static enum map_answer pipe_find(void *state, struct str key, struct buf *out)
{
	struct nest *t = state;

	buf_clear(&t->key);
	buf_str(&t->key, key);
	for (size_t i = 0; i < t->maps.n; i++) {
		enum map_answer answer = map_find(t->maps.v[i], buf_view(&t->key), &t->part);

		if (answer != MAP_FOUND)
			return answer;
		buf_clear(&t->key);
		buf_str(&t->key, buf_view(&t->part));
	}
	buf_str(out, buf_view(&t->key));
	return MAP_FOUND;
}

static void nest_refresh(void *state, usec now_mono)
{
	struct nest *t = state;

	maps_refresh(&t->maps, now_mono);
}

const struct map_type map_type_unionmap = { "unionmap", 0, nest_open, union_find, NULL, NULL, nest_refresh, nest_close, NULL };
const struct map_type map_type_pipemap = { "pipemap", 0, nest_open, pipe_find, NULL, NULL, nest_refresh, nest_close, NULL };
