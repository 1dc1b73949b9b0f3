/* a table whose bytes are not what they were: a question has an answer or an error, and no length in the file is believed */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/base/fs.h"
#include "core/map/cdb.h"
#include "core/map/map.h"
#include "tests/unit/t.h"

/* put - without a flush: there are thousands */
static void put(const char *path, struct str text)
{
	FILE *f = fopen(path, "w");

	CHECK(f && fwrite(text.p, 1, text.n, f) == text.n);
	if (f)
		fclose(f);
}

static int count(void *ctx, struct str key, struct str value)
{
	size_t *n = ctx;

	*n += key.n + value.n;
	return 0;
}

/* ask_all - every key, often enough that a small table is held in memory; how many are found as they were */
static int ask_all(const char *path, int times)
{
	struct cdb_table *t = cdb_table_open(path);
	size_t n = 0;
	int good = 0;

	if (!t)
		return -1;
	for (int i = 0; i < times; i++) {
		for (int k = 0; k < 4; k++) {
			char key[20], value[40];
			struct buf out;
			int r;

			snprintf(key, sizeof(key), "key%d", k);
			snprintf(value, sizeof(value), "the value of key%d", k);
			buf_init(&out, 1000);
			r = cdb_table_find(t, str_of(key), &out);
			CHECK(r >= -1 && r <= 1);
			good += r == 1 && strcmp(buf_cstr(&out), value) == 0;
			buf_fini(&out);
		}
	}
	(void)cdb_table_each(t, count, &n);
	cdb_table_close(t);
	return good;
}

T(cdb_believes_no_length)
{
	static const unsigned char puts[] = { 0x00, 0x01, 0x7f, 0x80, 0xff };
	struct cdb_builder *b;
	struct buf whole;
	char path[300];

	snprintf(path, sizeof(path), "%s/table.cdb", t_tmpdir());
	b = cdb_builder_new(path, 0644);
	REQUIRE(b);
	for (int k = 0; k < 4; k++) {
		char key[20], value[40];

		snprintf(key, sizeof(key), "key%d", k);
		snprintf(value, sizeof(value), "the value of key%d", k);
		CHECK_INT(cdb_builder_add(b, str_of(key), str_of(value), CDB_DUP_ERROR), 1);
	}
	CHECK_INT(cdb_builder_finish(b), 0);
	buf_init(&whole, 100000);
	CHECK_INT(fs_read_file(path, &whole), 0);
	for (int held = 0; held < 2; held++) {
		cdb_hold_below(held ? 1 << 20 : 0);
		CHECK_INT(ask_all(path, 100), 400);
		for (size_t at = 0; at < whole.n; at++) {
			char was = whole.p[at];

			/* the table of tables is mostly alike: some of it stands for all */
			if (at >= 64 && at < 2048 && at % 61)
				continue;
			for (size_t i = 0; i < sizeof(puts); i++) {
				ROW("%zu is %02x%s", at, puts[i], held ? ", held" : "");
				whole.p[at] = (char)puts[i];
				put(path, buf_view(&whole));
				CHECK(ask_all(path, held ? 60 : 1) >= -1);
			}
			whole.p[at] = was;
		}
		/* and cut anywhere */
		for (size_t n = 0; n < whole.n; n += n < 2048 ? 97 : 1) {
			ROW("cut to %zu%s", n, held ? ", held" : "");
			put(path, str_make(whole.p, n));
			CHECK(ask_all(path, held ? 60 : 1) < 400);
		}
		put(path, buf_view(&whole));
	}
	cdb_hold_below(0);
	buf_fini(&whole);
}

/* --- files that may not be read -------------------------------------------------------------------------------------------- */

static const char *closed, *closed_too; /* how the names end of what may not be read */

static int on_call(const char *call, const char *path)
{
	(void)call;
	return path && (str_ends(str_of(path), str_of(closed)) || str_ends(str_of(path), str_of(closed_too))) ? EACCES : 0;
}

/* of a table and its text, the one that stands in the way is named */
T(table_that_may_not_be_read_is_named)
{
	char spec[320], path[300], want[400];

	for (int i = 0; i < 2; i++) {
		struct cdb_builder *b;
		struct maps m;
		struct buf why;

		ROW("%d", i);
		snprintf(path, sizeof(path), "%s/closed%d", t_tmpdir(), i);
		put(path, STR("a b\n"));
		snprintf(spec, sizeof(spec), "%s.cdb", path);
		if (i == 0) {
			b = cdb_builder_new(spec, 0644);
			REQUIRE(b);
			CHECK_INT(cdb_builder_finish(b), 0);
		}
		snprintf(want, sizeof(want), "%s%s: Permission denied", path, i ? "" : ".cdb");
		snprintf(spec, sizeof(spec), "hash:%s", path);
		closed = i ? "closed1" : "closed0";
		closed_too = i ? "closed1" : "closed0.cdb";
		fs_hook = on_call;
		buf_init(&why, 1000);
		(void)maps_open(&m, spec, &why);
		fs_hook = NULL;
		CHECK_STR(strstr(buf_cstr(&why), want) ? want : buf_cstr(&why), want);
		maps_close(&m);
		buf_fini(&why);
	}
}
