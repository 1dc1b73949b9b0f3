/* mapgen - see mapgen.h. A cdb file cannot be changed in place, so -i and -d copy it; that is also what makes them safe
 * for readers. */
#include "core/map/mapgen.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "core/base/fs.h"
#include "core/base/hash.h"
#include "core/base/limits.h"
#include "core/base/mem.h"
#include "core/map/aliascheck.h"
#include "core/map/words.h"
#include "core/msg/mime.h"

#define ENTRY_TYPICAL 40               /* bytes of a source line */
#define PROGRESS_EVERY 65536           /* entries between two calls of progress */

struct job {
	const char *name;
	const struct mapgen_options *o;
	struct mapgen_report *report;
	struct buf *why;
	struct buf path;               /* NAME.cdb */
	struct cdb_builder *builder;
	struct buf key, value;         /* scratch */
	struct table keys;             /* mapgen_delete: keys to leave out */
	unsigned line;
	struct entry { uint32_t tag; unsigned line; struct buf key, value; } waiting[LIMIT_MAP_AHEAD];
	unsigned n_in, n_out;          /* entries that ever waited, and that went on into the table */
};

bool mapgen_is_indexed(struct str type)
{
	static const char *const types[] = { "cdb", "hash", "btree", "lmdb", "dbm" };

	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
		if (str_eq(type, str_of(types[i])))
			return true;
	return false;
}

static void warn(const struct job *j, unsigned line, const char *text)
{
	if (j->o->warn)
		j->o->warn(j->o->ctx, j->name, line, text);
}

static int fail(struct job *j, const char *what, const char *path)
{
	buf_printf(j->why, "cannot %s %s: %s", what, path, strerror(errno));
	return -1;
}

static void job_init(struct job *j, const char *name, const struct mapgen_options *o, struct mapgen_report *r, struct buf *why)
{
	*j = (struct job){ .name = name, .o = o, .report = r, .why = why };
	*r = (struct mapgen_report){ 0 };
	buf_init(&j->path, LIMIT_CONF_VALUE);
	buf_printf(&j->path, "%s.cdb", name);
	buf_init(&j->key, LIMIT_MAP_VALUE);
	buf_init(&j->value, LIMIT_CDB_RECORD);
	for (size_t i = 0; i < LIMIT_MAP_AHEAD; i++) {
		buf_init(&j->waiting[i].key, LIMIT_CDB_RECORD);
		buf_init(&j->waiting[i].value, LIMIT_CDB_RECORD);
	}
	table_init(&j->keys);
}

/* job_end - finish the table, or drop it when something failed */
static int job_end(struct job *j, int result)
{
	if (j->builder && result == 0) {
		result = cdb_builder_finish(j->builder);
		if (result < 0)
			fail(j, "write", buf_cstr(&j->path));
	} else if (j->builder) {
		cdb_builder_abort(j->builder);
	}
	table_fini(&j->keys);
	buf_fini(&j->path);
	buf_fini(&j->key);
	buf_fini(&j->value);
	for (size_t i = 0; i < LIMIT_MAP_AHEAD; i++) {
		buf_fini(&j->waiting[i].key);
		buf_fini(&j->waiting[i].value);
	}
	return result;
}

/* mode_of - read and write bits of the table: those it has already, else the source's */
static unsigned mode_of(const struct job *j)
{
	struct stat st;

	if (j->o->default_mode || (stat(buf_cstr(&j->path), &st) < 0 && stat(j->name, &st) < 0))
		return 0644;
	return (st.st_mode & 0666) | 0600;
}

static int job_begin(struct job *j)
{
	j->builder = cdb_builder_new(buf_cstr(&j->path), mode_of(j));
	return j->builder ? 0 : fail(j, "write", buf_cstr(&j->path));
}

/* folded - the key as it is stored; views the key itself when nothing has to change */
static struct str folded(struct job *j, struct str key)
{
	size_t i = 0;

	if (!j->o->keep_case)
		while (i < key.n && ascii_lower(key.p[i]) == key.p[i])
			i++;
	else
		i = key.n;
	if (i == key.n && !j->o->nul)
		return key;
	buf_clear(&j->key);
	buf_str(&j->key, key);
	for (; i < j->key.n; i++)
		j->key.p[i] = ascii_lower(j->key.p[i]);
	if (j->o->nul)
		buf_byte(&j->key, '\0');
	return buf_view(&j->key);
}

/* file_value - the content of the files that the value names, as base64; false: the entry is unusable */
static bool file_value(struct job *j, struct str names)
{
	struct buf content;
	struct str name;
	char path[4096];
	bool ok = true, first = true;

	buf_init(&content, LIMIT_CDB_RECORD / 2);
	while (ok && words_next(&names, &name) > 0) {
		snprintf(path, sizeof(path), "%.*s", STR_ARG(name));
		if (!first)
			buf_byte(&content, '\n');
		first = false;
		ok = fs_read_file(path, &content) == 0;
	}
	if (ok) {
		buf_clear(&j->value);
		mime_base64(&j->value, buf_view(&content), 0);
	} else {
		buf_printf(&j->value, "cannot read %s: %s", path, strerror(errno));
		warn(j, j->line, buf_cstr(&j->value));
	}
	buf_fini(&content);
	return ok && !j->value.overflow;
}

/* stored - the value as it is stored; p == NULL: the entry is unusable, and the warning is out */
static struct str stored(struct job *j, struct str value)
{
	buf_clear(&j->value);
	if (j->o->file_values) {
		if (!file_value(j, value))
			return STR_EMPTY;
		value = buf_view(&j->value);
	}
	if (!j->o->nul)
		return value;
	if (!j->o->file_values)
		buf_str(&j->value, value);
	buf_byte(&j->value, '\0');
	return buf_view(&j->value);
}

static bool is_text(const struct job *j, struct str s)
{
	return j->o->any_bytes || str_is_ascii(s) || str_is_utf8(s);
}

static void warn_duplicate(struct job *j, unsigned line, struct str key)
{
	char text[200];

	j->report->duplicates++;
	if (j->o->duplicates != CDB_DUP_WARN_FIRST)
		return;
	snprintf(text, sizeof(text), "duplicate entry: \"%.*s\"; the first one stays", STR_ARG(str_head(key, 120)));
	warn(j, line, text);
}

static void on_alias(void *ctx, const char *file, unsigned line, const char *text)
{
	const struct job *j = ctx;

	if (j->o->warn)
		j->o->warn(j->o->ctx, file, line, text);
}

/* put_first - the one that waits longest goes into the table; -1 when that cannot be written */
static int put_first(struct job *j)
{
	struct entry *e = &j->waiting[j->n_out++ % LIMIT_MAP_AHEAD];
	struct str key = buf_view(&e->key);
	int added = cdb_builder_put(j->builder, e->tag, key, buf_view(&e->value), j->o->duplicates);

	if (added < 0)
		return fail(j, "write", buf_cstr(&j->path));
	if (added)
		j->report->entries++;
	else
		warn_duplicate(j, e->line, key);
	return 0;
}

/* put_all - all that wait; before another warning, too, so that warnings come in the order of the lines */
static int put_all(struct job *j)
{
	int result = 0;

	while (result == 0 && j->n_out != j->n_in)
		result = put_first(j);
	return result;
}

/* let_wait - this entry, behind the others */
static int let_wait(struct job *j, struct str key, struct str value)
{
	struct entry *e = &j->waiting[j->n_in % LIMIT_MAP_AHEAD];

	if (j->n_in - j->n_out == LIMIT_MAP_AHEAD && put_first(j) < 0)
		return -1;
	j->n_in++;
	e->line = j->line;
	e->tag = cdb_builder_ask(j->builder, key);
	buf_clear(&e->key);
	buf_clear(&e->value);
	if (buf_str(&e->key, key) && buf_str(&e->value, value))
		return 0;
	errno = EFBIG;
	return fail(j, "write", buf_cstr(&j->path));
}

/* is_plain - nothing to be warned of but a duplicate */
static bool is_plain(const struct job *j, struct str key, struct str value)
{
	return j->o->form == SOURCE_TABLE && !j->o->file_values && key.p[key.n - 1] != ':' && is_text(j, key) && is_text(j, value);
}

/* add_entry - one usable or unusable line of the source; -1 when the table cannot be written */
static int add_entry(struct job *j, struct str key, struct str value)
{
	bool plain = is_plain(j, key, value);

	if (!plain && put_all(j) < 0)
		return -1;
	if (!plain && (!is_text(j, key) || !is_text(j, value))) {
		j->report->unusable++;
		warn(j, j->line, "not UTF-8 text; ignoring this entry (-u takes any bytes)");
		return 0;
	}
	if (j->o->form == SOURCE_TABLE && key.p[key.n - 1] == ':')
		warn(j, j->line, "record is in \"key: value\" format; is this an alias file?");
	if (j->o->form == SOURCE_ALIAS && j->o->warn)
		aliascheck_entry(j->name, j->line, key, value, on_alias, j);
	value = stored(j, value);
	if (!value.p) {
		j->report->unusable++;
		return 0;
	}
	return let_wait(j, folded(j, key), value);
}

/* add_entries - all of the source; `size` bytes of it, as far as is known, are for the progress */
static int add_entries(struct job *j, struct source *s, size_t size)
{
	struct str key, value;
	int got, result = 0;
	off_t at;

	while (result == 0 && (got = source_next(s, &key, &value)) != 0) {
		j->line = s->line;
		if (got < 0) {
			result = put_all(j);
			j->report->unusable++;
			warn(j, s->line, s->error);
			continue;
		}
		result = add_entry(j, key, value);
		if (j->o->progress && j->report->entries % PROGRESS_EVERY == 0) {
			at = s->fd < 0 ? 0 : lseek(s->fd, 0, SEEK_CUR);
			j->o->progress(j->o->ctx, j->report->entries, at > 0 && (size_t)at < size ? (size_t)at : size, size);
		}
	}
	if (result == 0)
		result = put_all(j);
	if (s->read_errno) {
		errno = s->read_errno;
		result = fail(j, "read", j->name);
	}
	source_fini(s);
	return result;
}

/* open_source - a pipe is waited for, but none that somebody else has put there: root follows nothing in a folder that is not its own */
static int open_source(const char *name)
{
	struct stat st;
	int fd = geteuid() == 0 ? fs_open_guarded(name, O_RDONLY, 0) : fs_open(name, O_RDONLY, 0);

	if (fd < 0 || geteuid() != 0 || fstat(fd, &st) < 0 || !S_ISFIFO(st.st_mode))
		return fd;
	fs_close(fd);
	return fs_open(name, O_RDONLY, 0);
}

static int add_file(struct job *j)
{
	int fd = open_source(j->name), result;
	struct source s;
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return fail(j, "read", j->name);
	cdb_builder_expect(j->builder, st.st_size > 0 ? (size_t)st.st_size / ENTRY_TYPICAL : 0);
	source_init_fd(&s, fd, j->o->form);
	result = add_entries(j, &s, (size_t)st.st_size);
	close(fd);
	return result;
}

int mapgen_build(const char *name, const struct mapgen_options *o, struct mapgen_report *r, struct buf *why)
{
	struct job j;
	int result = 0;

	job_init(&j, name, o, r, why);
	/* no table shall appear beside a source that is not there */
	if (access(name, F_OK) < 0)
		result = fail(&j, "read", name);
	if (result == 0)
		result = job_begin(&j);
	if (result == 0)
		result = add_file(&j);
	return job_end(&j, result);
}

static int copy_entry(void *ctx, struct str key, struct str value)
{
	struct job *j = ctx;

	if (j->keys.n && table_find(&j->keys, key)) {
		j->report->deleted++;
		return 0;
	}
	if (cdb_builder_add(j->builder, key, value, CDB_DUP_SILENT_FIRST) < 0)
		return fail(j, "write", buf_cstr(&j->path));
	j->report->entries++;
	return 0;
}

/* copy_table - the entries that NAME.cdb has now; one that is not there yet is empty when `may_lack` */
static int copy_table(struct job *j, bool may_lack)
{
	struct cdb_table *old = cdb_table_open(buf_cstr(&j->path));
	int r;

	if (!old)
		return may_lack && errno == ENOENT ? 0 : fail(j, "read", buf_cstr(&j->path));
	r = cdb_table_each(old, copy_entry, j);
	if (r < 0 && !j->why->n)
		fail(j, "read", buf_cstr(&j->path));
	cdb_table_close(old);
	return r;
}

int mapgen_update(const char *name, struct str text, const struct mapgen_options *o, struct mapgen_report *r, struct buf *why)
{
	struct job j;
	struct source s;
	int result;

	job_init(&j, name, o, r, why);
	result = job_begin(&j);
	if (result == 0)
		result = copy_table(&j, true);
	if (result == 0) {
		r->entries = 0;
		j.name = "standard input";
		source_init(&s, text, o->form);
		result = add_entries(&j, &s, text.n);
	}
	return job_end(&j, result);
}

int mapgen_delete(const char *name, const struct str *keys, size_t n, const struct mapgen_options *o, struct mapgen_report *r,
	struct buf *why)
{
	static char present[] = "x";
	struct job j;
	int result;

	job_init(&j, name, o, r, why);
	for (size_t i = 0; i < n; i++) {
		struct str key = folded(&j, keys[i]);

		table_add(&j.keys, key, present);
	}
	result = job_begin(&j);
	if (result == 0)
		result = copy_table(&j, false);
	if (result == 0 && !r->deleted) {
		/* nothing to change: the table stays as it is */
		cdb_builder_abort(j.builder);
		j.builder = NULL;
	}
	return job_end(&j, result);
}
