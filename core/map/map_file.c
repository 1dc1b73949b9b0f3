/* map_file - hash:, btree:, lmdb:, dbm:, cdb: and texthash:. The first five all mean NAME.cdb; where that is missing,
 * damaged or older than NAME, the text in NAME is loaded, and one warning says so (none if the text has no entry). */
#include <errno.h>
#include <unistd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/arena.h"
#include "core/base/hash.h"
#include "core/base/limits.h"
#include "core/base/log.h"
#include "core/base/mem.h"
#include "core/map/cdb.h"
#include "core/map/map_type.h"

struct value {
	size_t n;
	char p[];
};
struct file_table {
	char *spec, *path, *cdb_path;  /* cdb_path: NULL for texthash */
	struct stamp text_stamp, cdb_stamp;
	struct cdb_table *cdb;         /* or else the text: */
	struct table text;
	struct arena values;
	const char *builder;           /* the command that makes the cdb file of the text */
	bool warned;                   /* a failing lookup was logged */
};

/* --- the text ----------------------------------------------------------------------------------------------------- */

static void add_entry(struct file_table *t, const struct source *s, struct str key, struct str value)
{
	char *folded = str_dup(key);
	struct str fold = str_make(folded, key.n);
	struct value *v;

	for (size_t i = 0; i < fold.n; i++)
		folded[i] = ascii_lower(folded[i]);
	if (table_find(&t->text, fold)) {
		map_warn("%s, line %u: duplicate entry: \"%.*s\"", t->path, s->line, STR_ARG(fold));
	} else {
		v = arena_alloc(&t->values, sizeof(*v) + value.n + 1);
		if (v) {
			v->n = value.n;
			memcpy(v->p, value.p, value.n);
			table_add(&t->text, fold, v);
		}
	}
	mem_free(folded);
}

static int load_text(struct file_table *t, enum source_form form)
{
	struct buf text;
	struct source s;
	struct str key, value;
	struct stat st;
	int got = -1;

	buf_init(&text, LIMIT_MAP_TEXT);
	if (source_load(t->path, &text, &st) == 0) {
		stamp_from(&t->text_stamp, &st);
		source_init(&s, buf_view(&text), form);
		while ((got = source_next(&s, &key, &value)) != 0) {
			if (got < 0)
				map_warn("%s, line %u: %s", t->path, s.line, s.error);
			else
				add_entry(t, &s, key, value);
		}
		source_fini(&s);
		if (t->values.overflow) {
			errno = EFBIG;
			got = -1;
		}
	}
	buf_fini(&text);
	return got;
}

/* --- opening ------------------------------------------------------------------------------------------------------ */

static void file_close(void *state)
{
	struct file_table *t = state;

	cdb_table_close(t->cdb);
	table_fini(&t->text);
	arena_fini(&t->values);
	mem_free(t->spec);
	mem_free(t->path);
	mem_free(t->cdb_path);
	mem_free(t);
}

static struct file_table *file_new(const struct map_args *args)
{
	struct file_table *t = MEM_NEW(struct file_table);

	t->spec = mem_dupz(args->spec);
	t->path = mem_dupz(args->name);
	t->builder = args->form == SOURCE_ALIAS ? "mapgen --alias" : "mapgen";
	table_init(&t->text);
	arena_init(&t->values, 2 * (size_t)LIMIT_MAP_TEXT);
	stamp_take(&t->text_stamp, t->path);
	return t;
}

static void *texthash_open(const struct map_args *args, struct buf *why)
{
	struct file_table *t = file_new(args);

	if (load_text(t, args->form == SOURCE_ALIAS ? SOURCE_ALIAS_TEXT : args->form) == 0)
		return t;
	map_fail(args, why, "%s", strerror(errno));
	file_close(t);
	return NULL;
}

/* why the text is used instead of the cdb file; `cdb_errno` is what opening that gave, 0: it is older */
static void warn_fallback(const struct file_table *t, const struct map_args *args, int cdb_errno)
{
	if (args->again || !t->text.n)
		return;
	if (!cdb_errno)
		map_warn("%s: %s is older than %s; using the text, run \"%s %s\"", t->spec, t->cdb_path,
			t->path, t->builder, t->spec);
	else
		map_warn("%s: %s: %s; using the text in %s, run \"%s %s\"", t->spec, t->cdb_path,
			cdb_errno == EINVAL ? "not a cdb file" : strerror(cdb_errno), t->path, t->builder, t->spec);
}

/* neither file can be used: name the one that stands in the way, and what to do */
static void explain_failure(const struct file_table *t, const struct map_args *args, struct buf *why, int cdb_errno, int text_errno)
{
	bool no_cdb = cdb_errno == ENOENT, no_text = text_errno == ENOENT;
	bool hidden = cdb_errno == EACCES || (no_cdb && text_errno == EACCES);

	/* building it anew gives nobody the right to read it */
	if (hidden)
		map_fail(args, why, "%s: %s: it may not be read by uid %lu; let its group read it (chgrp, chmod 640), or have relayd send",
			cdb_errno == EACCES ? t->cdb_path : t->path, strerror(EACCES), (unsigned long)geteuid());
	else if (no_cdb && no_text)
		map_fail(args, why, "neither %s nor %s exists; write %s, then run \"%s %s\"", t->cdb_path, t->path, t->path,
			t->builder, t->spec);
	else if (no_cdb)
		map_fail(args, why, "%s: %s, and %s does not exist; make the text readable or run \"%s %s\"", t->path,
			strerror(text_errno), t->cdb_path, t->builder, t->spec);
	else
		map_fail(args, why, "%s: %s; run \"%s %s\"", t->cdb_path,
			cdb_errno == EINVAL ? "not a cdb file" : strerror(cdb_errno), t->builder, t->spec);
}

static void *cdb_open(const struct map_args *args, struct buf *why)
{
	struct file_table *t = file_new(args);
	size_t n = strlen(t->path) + sizeof(".cdb");
	int cdb_errno = 0;

	t->cdb_path = mem_alloc(n);
	snprintf(t->cdb_path, n, "%s.cdb", t->path);
	/* the stamp is older than what is read after it, so that a change in between is noticed at the next look */
	stamp_take(&t->cdb_stamp, t->cdb_path);
	t->cdb = cdb_table_open(t->cdb_path);
	if (!t->cdb)
		cdb_errno = errno;
	else if (!stamp_is_older(&t->cdb_stamp, &t->text_stamp))
		return t;
	if (load_text(t, args->form) == 0) {
		cdb_table_close(t->cdb);
		t->cdb = NULL;
		warn_fallback(t, args, cdb_errno);
		return t;
	}
	if (t->cdb) {
		map_warn("%s: %s is older than %s, which cannot be read: %s", t->spec, t->cdb_path, t->path, strerror(errno));
		return t;
	}
	if (cdb_errno == EINVAL && t->cdb_stamp.exists && !t->cdb_stamp.size && errno == ENOENT)
		return t;
	explain_failure(t, args, why, cdb_errno, errno);
	file_close(t);
	return NULL;
}

/* --- asking ------------------------------------------------------------------------------------------------------- */

/* Postfix's rule: the key as it is, then with a NUL after it, for tables made by programs that store one */
static int find_in_cdb(struct file_table *t, struct str key, struct buf *out)
{
	char with_nul[256];
	int got = cdb_table_find(t->cdb, key, out);

	if (got || key.n >= sizeof(with_nul))
		return got;
	memcpy(with_nul, key.p, key.n);
	with_nul[key.n] = '\0';
	got = cdb_table_find(t->cdb, str_make(with_nul, key.n + 1), out);
	if (got > 0 && out->n && out->p[out->n - 1] == '\0')
		buf_truncate(out, out->n - 1);
	return got;
}

static enum map_answer file_find(void *state, struct str key, struct buf *out)
{
	struct file_table *t = state;
	const struct value *v;
	int got;

	if (!key.n)
		return MAP_NONE;
	if (!t->cdb) {
		v = table_find(&t->text, key);
		if (v)
			buf_add(out, v->p, v->n);
		return v ? MAP_FOUND : MAP_NONE;
	}
	got = find_in_cdb(t, key, out);
	if (got < 0 && !t->warned) {
		t->warned = true;
		log_warn("map", "%s: %s: %s; run \"%s %s\"", t->spec, t->cdb_path,
			errno == EINVAL ? "the file is damaged" : strerror(errno), t->builder, t->spec);
	}
	return got < 0 ? MAP_ERROR : got ? MAP_FOUND : MAP_NONE;
}

static int file_each(void *state, int (*fn)(void *ctx, struct str key, struct str value), void *ctx)
{
	struct file_table *t = state;
	size_t cursor = 0;
	struct str key;
	void *value;
	int stop = 0;

	if (t->cdb)
		return cdb_table_each(t->cdb, fn, ctx);
	while (!stop && table_each(&t->text, &cursor, &key, &value)) {
		const struct value *v = value;

		stop = fn(ctx, key, str_make(v->p, v->n));
	}
	return stop;
}

static bool file_is_changed(void *state)
{
	struct file_table *t = state;

	return !stamp_is_current(&t->text_stamp, t->path) || (t->cdb_path && !stamp_is_current(&t->cdb_stamp, t->cdb_path));
}

const struct map_type map_type_cdb = {
	"cdb", MAP_FOLDS, cdb_open, file_find, file_each, file_is_changed, NULL, file_close, NULL,
};
const struct map_type map_type_texthash = {
	"texthash", MAP_FOLDS, texthash_open, file_find, file_each, file_is_changed, NULL, file_close, NULL,
};
