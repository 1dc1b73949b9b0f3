/* queries - see queries.h. */
#include "core/cleanup/queries.h"

#include "core/base/clock.h"
#include "core/base/limits.h"
#include "core/base/log.h"
#include "core/base/mem.h"

enum { KEPT_ITEMS = 64, KEPT_BYTES = 4096 };

_Static_assert(4 * LIMIT_HEADER <= UINT32_MAX, "places in texts have 32 bits");

struct item *queries_add(struct queries *b, enum item_kind kind, enum check_class class, struct str text)
{
	if (b->n == b->cap) {
		b->cap = b->cap ? 2 * b->cap : 64;
		b->v = mem_array(b->v, b->cap, sizeof(*b->v));
	}
	b->v[b->n] = (struct item){ .kind = (uint8_t)kind, .class = (uint8_t)class, .at = (uint32_t)b->text.n, .n = (uint32_t)text.n };
	buf_str(&b->text, text);
	return &b->v[b->n++];
}

struct str queries_text(const struct queries *b, const struct item *x)
{
	return str_head(str_from(buf_view(&b->text), x->at), x->n);
}

struct str queries_value(const struct queries *b, const struct item *x)
{
	return str_head(str_from(buf_view(&b->values), x->value_at), x->value_n);
}

/* --- asking --------------------------------------------------------------------------------------------------------------- */

static void ask_about(struct queries *b, struct item *x)
{
	struct str text = queries_text(b, x);
	enum map_answer m = checks_find(b->checks, x->class, text, &b->value);

	x->found = m == MAP_FOUND;
	x->failed = m == MAP_ERROR;
	if (!x->found)
		return;
	x->value_at = (uint32_t)b->values.n;
	x->value_n = (uint32_t)b->value.n;
	buf_str(&b->values, buf_view(&b->value));
}

/* ask_tables - for so long that others have their turn on this thread, too */
static void ask_tables(struct pool_job *j)
{
	struct queries *b = LIST_ITEM(j, struct queries, job);
	usec until = clock_mono() + LIMIT_CHECK_SLICE;

	log_aside(&b->said);
	for (; b->next < b->n; b->next++) {
		if (!b->v[b->next].asked)
			continue;
		ask_about(b, &b->v[b->next]);
		if (clock_mono() >= until)
			break;
	}
	b->next += b->next < b->n;
	log_aside(NULL);
}

static void finished(struct queries *b)
{
	void *owner = b->owner;

	b->owner = NULL;
	b->done(owner);
}

static void queries_free(struct queries *b)
{
	checks_unref(b->checks);
	buf_fini(&b->text);
	buf_fini(&b->values);
	buf_fini(&b->value);
	buf_fini(&b->said);
	mem_free(b->v);
	mem_free(b);
}

static void on_asked(struct pool_job *j)
{
	struct queries *b = LIST_ITEM(j, struct queries, job);
	struct checks *k;

	if (b->owner && b->next < b->n) {
		pool_run(b->pool, &b->job);
		return;
	}
	k = checks_ref(b->checks);
	if (b->owner)
		finished(b);
	else
		queries_free(b);
	checks_turn_over(k);
	checks_unref(k);
}

static void on_turn(struct checks_turn *t)
{
	struct queries *b = LIST_ITEM(t, struct queries, turn);

	b->job = (struct pool_job){ .work = ask_tables, .done = on_asked };
	pool_run(b->pool, &b->job);
}

void queries_ask(struct queries *b, void *owner)
{
	bool any = false;
	unsigned sifted = 0;

	for (size_t i = 0; i < b->n; i++) {
		b->v[i].asked &= checks_has(b->checks, b->v[i].class);
		if (b->v[i].asked && b->pool && sifted++ < LIMIT_CHECK_SIFT && checks_pass_by(b->checks, b->v[i].class, queries_text(b, &b->v[i])))
			b->v[i].asked = false;
		any |= b->v[i].asked;
	}
	b->owner = owner;
	b->next = 0;
	if (any && b->pool) {
		b->turn.go = on_turn;
		checks_wait(b->checks, &b->turn);
		return;
	}
	while (any && b->next < b->n)
		ask_tables(&b->job);
	finished(b);
}

/* --- life ----------------------------------------------------------------------------------------------------------------- */

struct queries *queries_new(struct checks *k, struct pool *pool, void (*done)(void *owner))
{
	struct queries *b = MEM_NEW(struct queries);

	b->checks = checks_ref(k);
	b->pool = pool;
	b->done = done;
	buf_init(&b->text, 2 * LIMIT_HEADER);
	buf_init(&b->values, 4 * LIMIT_HEADER);
	buf_init(&b->value, LIMIT_MAP_VALUE);
	buf_init(&b->said, LIMIT_LOG_BUFFER);
	return b;
}

void queries_leave(struct queries *b)
{
	if (b->owner)
		b->owner = NULL;
	else
		queries_free(b);
}

/* empty - a session that waits for more keeps no more than a few lines need */
static void empty(struct buf *b)
{
	buf_clear(b);
	if (b->cap > KEPT_BYTES)
		buf_shrink(b);
}

size_t queries_memory(const struct queries *b)
{
	return b->cap * sizeof(*b->v) + b->text.cap + (b->owner ? 0 : b->values.cap + b->value.cap);
}

void queries_clear(struct queries *b)
{
	struct str said = buf_view(&b->said), line;

	while (str_cut(&said, '\n', &line))
		log_warn("cleanup", "%.*s", STR_ARG(line));
	buf_clear(&b->said);
	b->n = 0;
	if (b->cap > KEPT_ITEMS) {
		mem_free(b->v);
		b->v = NULL;
		b->cap = 0;
	}
	empty(&b->text);
	empty(&b->values);
	empty(&b->value);
}
