/* cdb files: what is written is found again, damage is noticed, the file appears whole or not at all */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "core/base/fs.h"
#include "core/map/cdb.h"
#include "tests/unit/t.h"

static const char *in_tmp(const char *name)
{
	static char path[4][300];
	static unsigned turn;

	turn = (turn + 1) % 4;
	snprintf(path[turn], sizeof(path[turn]), "%s/%s", t_tmpdir(), name);
	return path[turn];
}

static int add(struct cdb_builder *b, const char *key, const char *value, enum cdb_duplicates d)
{
	return cdb_builder_add(b, str_of(key), str_of(value), d);
}

static int find(const char *path, const char *key, struct buf *out)
{
	struct cdb_table *t = cdb_table_open(path);
	int got;

	if (!t)
		return -2;
	buf_clear(out);
	got = cdb_table_find(t, str_of(key), out);
	cdb_table_close(t);
	return got;
}

static int collect(void *ctx, struct str key, struct str value)
{
	return !buf_printf(ctx, "%.*s=%.*s;", STR_ARG(key), STR_ARG(value));
}

T(cdb_finds_what_was_added)
{
	const char *path = in_tmp("many.cdb");
	struct cdb_builder *b = cdb_builder_new(path, 0640);
	struct buf out;
	char key[32], value[32];
	struct stat st;

	REQUIRE(b != NULL);
	buf_init(&out, 1000);
	for (int i = 0; i < 5000; i++) {
		snprintf(key, sizeof(key), "key%d", i);
		snprintf(value, sizeof(value), "value %d", i * 7);
		CHECK_INT(add(b, key, value, CDB_DUP_WARN_FIRST), 1);
	}
	CHECK_INT(find(path, "key1", &out), -2);
	CHECK_INT(cdb_builder_finish(b), 0);
	CHECK(stat(path, &st) == 0 && (st.st_mode & 07777) == 0640);
	for (int i = 0; i < 5000; i += 13) {
		snprintf(key, sizeof(key), "key%d", i);
		snprintf(value, sizeof(value), "value %d", i * 7);
		CHECK_INT(find(path, key, &out), 1);
		CHECK_STR(buf_cstr(&out), value);
	}
	CHECK_INT(find(path, "key5000", &out), 0);
	CHECK_INT(find(path, "", &out), 0);
	buf_fini(&out);
}

T(cdb_keeps_first_or_replaces)
{
	static const struct { enum cdb_duplicates d; int second; const char *want, *all; } rows[] = {
		{ CDB_DUP_WARN_FIRST, 0, "1", "a=1;b=2;c=4;" },
		{ CDB_DUP_SILENT_FIRST, 0, "1", "a=1;b=2;c=4;" },
		{ CDB_DUP_REPLACE, 1, "3", "b=2;a=3;c=4;" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const char *path = in_tmp("dup.cdb");
		struct cdb_builder *b = cdb_builder_new(path, 0600);
		struct cdb_table *t;
		struct buf out;

		ROW("%d", rows[i].d);
		REQUIRE(b != NULL);
		buf_init(&out, 1000);
		CHECK_INT(add(b, "a", "1", rows[i].d), 1);
		CHECK_INT(add(b, "b", "2", rows[i].d), 1);
		CHECK_INT(add(b, "a", "3", rows[i].d), rows[i].second);
		CHECK_INT(add(b, "c", "4", rows[i].d), 1);
		CHECK_INT(cdb_builder_finish(b), 0);
		CHECK_INT(find(path, "a", &out), 1);
		CHECK_STR(buf_cstr(&out), rows[i].want);
		CHECK_INT(find(path, "c", &out), 1);
		t = cdb_table_open(path);
		REQUIRE(t != NULL);
		buf_clear(&out);
		CHECK_INT(cdb_table_each(t, collect, &out), 0);
		CHECK_STR(buf_cstr(&out), rows[i].all);
		cdb_table_close(t);
		buf_fini(&out);
	}
}

T(cdb_duplicate_can_be_an_error)
{
	const char *path = in_tmp("err.cdb");
	struct cdb_builder *b = cdb_builder_new(path, 0600);

	REQUIRE(b != NULL);
	CHECK_INT(add(b, "a", "1", CDB_DUP_ERROR), 1);
	CHECK_INT(add(b, "a", "1", CDB_DUP_ERROR), -1);
	CHECK_INT(errno, EEXIST);
	CHECK_INT(cdb_builder_finish(b), -1);
	CHECK(access(path, F_OK) != 0);
	CHECK(access(in_tmp("err.cdb.tmp"), F_OK) != 0);
}

static int fail_syncs(const char *call, const char *path)
{
	return strcmp(call, "fsync") == 0 ? EIO : 0;
}

T(cdb_old_file_stays_when_the_new_one_fails)
{
	const char *path = in_tmp("stay.cdb");
	struct cdb_builder *b = cdb_builder_new(path, 0600);
	struct buf out;

	buf_init(&out, 1000);
	REQUIRE(b != NULL);
	add(b, "a", "old", CDB_DUP_ERROR);
	CHECK_INT(cdb_builder_finish(b), 0);
	b = cdb_builder_new(path, 0600);
	REQUIRE(b != NULL);
	add(b, "a", "new", CDB_DUP_ERROR);
	fs_hook = fail_syncs;
	CHECK_INT(cdb_builder_finish(b), -1);
	fs_hook = NULL;
	CHECK_INT(find(path, "a", &out), 1);
	CHECK_STR(buf_cstr(&out), "old");
	buf_fini(&out);
}

T(cdb_planted_temporary_file_is_refused)
{
	const char *path = in_tmp("trap.cdb"), *temp = in_tmp("trap.cdb.tmp"), *victim = in_tmp("victim");

	REQUIRE(fs_replace(victim, 0600, STR("precious")) == 0);
	REQUIRE(symlink(victim, temp) == 0);
	CHECK(cdb_builder_new(path, 0600) == NULL);
	REQUIRE(unlink(temp) == 0 && link(victim, temp) == 0);
	CHECK(cdb_builder_new(path, 0600) == NULL);
	REQUIRE(unlink(temp) == 0);
}

T(cdb_truncated_file_is_an_error_not_a_crash)
{
	const char *path = in_tmp("cut.cdb");
	struct cdb_builder *b = cdb_builder_new(path, 0600);
	struct cdb_table *t;
	struct buf out;

	buf_init(&out, 1000);
	REQUIRE(b != NULL);
	add(b, "a", "1", CDB_DUP_ERROR);
	CHECK_INT(cdb_builder_finish(b), 0);
	t = cdb_table_open(path);
	REQUIRE(t != NULL);
	REQUIRE(truncate(path, 2050) == 0);
	CHECK_INT(cdb_table_find(t, STR("a"), &out), -1);
	CHECK_INT(errno, EIO);
	CHECK_INT(cdb_table_each(t, collect, &out), -1);
	cdb_table_close(t);
	CHECK_INT(find(path, "a", &out), -2);
	CHECK_INT(errno, EINVAL);
	buf_fini(&out);
}

/* a record length of 0xfffffff8 made tinycdb's own iterator stand still for ever (threats K1) */
T(cdb_lying_lengths_end_the_walk)
{
	const char *path = in_tmp("lie.cdb");
	struct cdb_builder *b = cdb_builder_new(path, 0600);
	unsigned char lie[8] = { 0xf8, 0xff, 0xff, 0xff, 0, 0, 0, 0 };
	struct cdb_table *t;
	struct buf out;
	int fd;

	buf_init(&out, 1000);
	REQUIRE(b != NULL);
	add(b, "a", "1", CDB_DUP_ERROR);
	CHECK_INT(cdb_builder_finish(b), 0);
	fd = fs_open(path, 1, 0);
	REQUIRE(fd >= 0 && fs_pwrite_all(fd, lie, 8, 2048) == 8);
	close(fd);
	t = cdb_table_open(path);
	REQUIRE(t != NULL);
	CHECK_INT(cdb_table_each(t, collect, &out), -1);
	CHECK_INT(errno, EINVAL);
	CHECK_INT(cdb_table_find(t, STR("a"), &out), -1);
	cdb_table_close(t);
	buf_fini(&out);
}

T(cdb_empty_table_is_a_table)
{
	const char *path = in_tmp("empty.cdb");
	struct cdb_builder *b = cdb_builder_new(path, 0600);
	struct buf out;

	buf_init(&out, 1000);
	REQUIRE(b != NULL);
	CHECK_INT(cdb_builder_finish(b), 0);
	CHECK_INT(find(path, "a", &out), 0);
	buf_fini(&out);
}
