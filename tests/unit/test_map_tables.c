/* Tables at their edges: large and empty entries, files that change or cannot be read, what a check says and does not say. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/fs.h"
#include "core/map/map.h"
#include "core/map/map_type.h"
#include "core/map/mapcheck.h"
#include "core/map/mapgen.h"
#include "tests/unit/t.h"

static const char *in_tmp(const char *name)
{
	static char path[4][300];
	static unsigned next;
	char *p = path[next++ % 4];

	snprintf(p, sizeof(path[0]), "%s/%s", t_tmpdir(), name);
	return p;
}

/* with a time of its own, so that a change is seen whatever the clock's grain */
static void put(const char *name, const char *text, time_t mtime)
{
	struct timespec ts[2] = { { mtime, 0 }, { mtime, 0 } };

	CHECK_INT(fs_replace(in_tmp(name), 0600, str_of(text)), 0);
	CHECK_INT(utimensat(AT_FDCWD, in_tmp(name), ts, 0), 0);
}

static int count_entry(void *ctx, struct str key, struct str value)
{
	*(size_t *)ctx += 1 + key.n + value.n;
	return 0;
}

T(cdb_keeps_entries_of_every_size)
{
	/* around the sizes at which the builder copies, fills its block and writes */
	static const size_t sizes[] = { 0, 1, 63, 64, 65, 4096, 65535, 65536, 65537, 131072, 300000, 1048576, 1048577 };
	enum { N = sizeof(sizes) / sizeof(sizes[0]) };
	struct cdb_builder *b = cdb_builder_new(in_tmp("sizes.cdb"), 0600);
	char *big = malloc(sizes[N - 1]);
	struct cdb_table *t;
	struct buf out;
	size_t sum = 0, want = 0;

	REQUIRE(b && big);
	for (size_t i = 0; i < sizes[N - 1]; i++)
		big[i] = (char)(i * 7 + i / 251);
	for (size_t i = 0; i < N; i++) {
		char key[20];

		snprintf(key, sizeof(key), "key%zu", i);
		CHECK_INT(cdb_builder_add(b, str_of(key), str_make(big, sizes[i]), CDB_DUP_ERROR), 1);
		want += 1 + strlen(key) + sizes[i];
	}
	REQUIRE(cdb_builder_finish(b) == 0);
	t = cdb_table_open(in_tmp("sizes.cdb"));
	REQUIRE(t);
	buf_init(&out, sizes[N - 1]);
	for (size_t i = 0; i < N; i++) {
		char key[20];

		snprintf(key, sizeof(key), "key%zu", i);
		ROW("%zu bytes", sizes[i]);
		buf_clear(&out);
		CHECK_INT(cdb_table_find(t, str_of(key), &out), 1);
		CHECK_MEM(out.p, out.n, big, sizes[i]);
	}
	CHECK_INT(cdb_table_each(t, count_entry, &sum), 0);
	CHECK_INT(sum, want);
	cdb_table_close(t);
	buf_fini(&out);
	free(big);
}

T(cdb_empty_key_and_value_are_an_entry)
{
	struct cdb_builder *b = cdb_builder_new(in_tmp("empty.cdb"), 0600);
	struct cdb_table *t;
	struct buf out;
	size_t sum = 0;

	REQUIRE(b);
	CHECK_INT(cdb_builder_add(b, STR("a"), STR("b"), CDB_DUP_ERROR), 1);
	CHECK_INT(cdb_builder_add(b, STR_EMPTY, STR_EMPTY, CDB_DUP_ERROR), 1);
	REQUIRE(cdb_builder_finish(b) == 0);
	t = cdb_table_open(in_tmp("empty.cdb"));
	REQUIRE(t);
	buf_init(&out, 10);
	CHECK_INT(cdb_table_find(t, STR_EMPTY, &out), 1);
	CHECK_INT(cdb_table_each(t, count_entry, &sum), 0);
	CHECK_INT(sum, 4);
	buf_fini(&out);
	cdb_table_close(t);
}

T(map_files_that_change_are_read_again)
{
	static const struct { const char *spec, *end, *before, *after, *key; } rows[] = {
		{ "texthash:", "", "k old\n", "k new\n", "k" }, { "cidr:", "", "1.2.3.4 old\n", "1.2.3.4 new\n", "1.2.3.4" },
		{ "regexp:", "", "/^k$/ old\n", "/^k$/ new\n", "k" },
		{ "unionmap:{texthash:", "}", "k old\n", "k new\n", "k" }, { "pipemap:{texthash:", "}", "k old\n", "k new\n", "k" },
	};
	struct buf why, out;

	buf_init(&why, 400);
	buf_init(&out, 400);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char spec[400], name[20];
		struct map *m;

		ROW("%s", rows[i].spec);
		snprintf(name, sizeof(name), "changing%zu", i);
		put(name, rows[i].before, 1000000000);
		snprintf(spec, sizeof(spec), "%s%s%s", rows[i].spec, in_tmp(name), rows[i].end);
		m = map_open(spec, &why);
		REQUIRE(m);
		map_refresh(m, 10 * USEC_PER_SEC);
		buf_clear(&out);
		CHECK_INT(map_find(m, str_of(rows[i].key), &out), MAP_FOUND);
		CHECK_STR(buf_cstr(&out), "old");
		put(name, rows[i].after, 1000000100);
		map_refresh(m, 20 * USEC_PER_SEC);
		buf_clear(&out);
		CHECK_INT(map_find(m, str_of(rows[i].key), &out), MAP_FOUND);
		CHECK_STR(buf_cstr(&out), "new");
		map_close(m);
	}
	buf_fini(&why);
	buf_fini(&out);
}

T(stamp_older_needs_two_files)
{
	struct stamp none = { .exists = false }, early = { .exists = true }, late = { .exists = true };

	early.mtime = (struct timespec){ 100, 5 };
	late.mtime = (struct timespec){ 100, 6 };
	CHECK(stamp_is_older(&early, &late));
	CHECK(!stamp_is_older(&late, &early));
	CHECK(!stamp_is_older(&early, &early));
	late.mtime = (struct timespec){ 101, 0 };
	CHECK(stamp_is_older(&early, &late));
	CHECK(!stamp_is_older(&late, &early));
	CHECK(!stamp_is_older(&none, &late));
	CHECK(!stamp_is_older(&early, &none));
	CHECK(!stamp_is_older(&none, &none));
	CHECK(stamp_eq(&none, &none));
	CHECK(!stamp_eq(&none, &early));
	CHECK(!stamp_eq(&early, &none));
	CHECK(stamp_eq(&early, &early));
	CHECK(!stamp_eq(&early, &late));
}

T(source_that_cannot_be_read_says_so)
{
	int fd = fs_open(t_tmpdir(), O_RDONLY | O_DIRECTORY, 0);
	struct source s;
	struct str key, value;

	REQUIRE(fd >= 0);
	source_init_fd(&s, fd, SOURCE_TABLE);
	CHECK_INT(source_next(&s, &key, &value), 0);
	CHECK_INT(s.read_errno, EISDIR);
	source_fini(&s);
	close(fd);
}

T(mapgen_knows_what_is_indexed)
{
	static const struct { const char *type; bool indexed; } rows[] = {
		{ "cdb", true }, { "hash", true }, { "btree", true }, { "lmdb", true }, { "dbm", true },
		{ "texthash", false }, { "cidr", false }, { "regexp", false }, { "", false }, { "CDB", false },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		ROW("%s", rows[i].type);
		CHECK_INT(mapgen_is_indexed(str_of(rows[i].type)), rows[i].indexed);
	}
}

T(mapgen_update_keeps_the_rest_and_replaces_by_order)
{
	const struct mapgen_options o = { .duplicates = CDB_DUP_REPLACE };
	struct mapgen_report r = { 0 };
	struct cdb_table *t;
	struct buf why, out;

	buf_init(&why, 300);
	buf_init(&out, 300);
	put("up", "a 1\nb 2\n", 1000000000);
	CHECK_INT(mapgen_build(in_tmp("up"), &o, &r, &why), 0);
	CHECK_INT(r.entries, 2);
	memset(&r, 0, sizeof(r));
	CHECK_INT(mapgen_update(in_tmp("up"), STR("b 3\nc 4\n"), &o, &r, &why), 0);
	CHECK_INT(r.entries, 2);
	t = cdb_table_open(in_tmp("up.cdb"));
	REQUIRE(t);
	for (const char *const *row = (const char *const[]){ "a1", "b3", "c4", NULL }; *row; row++) {
		ROW("%s", *row);
		buf_clear(&out);
		CHECK_INT(cdb_table_find(t, str_make(*row, 1), &out), 1);
		CHECK_STR(buf_cstr(&out), *row + 1);
	}
	cdb_table_close(t);
	/* where there is no table yet it is made */
	memset(&r, 0, sizeof(r));
	CHECK_INT(mapgen_update(in_tmp("fresh"), STR("x y\n"), &o, &r, &why), 0);
	CHECK_INT(r.entries, 1);
	CHECK_INT(access(in_tmp("fresh.cdb"), R_OK), 0);
	buf_fini(&why);
	buf_fini(&out);
}

struct said { char text[2000]; };

static void say(void *ctx, enum mapcheck_level level, const char *file, unsigned line, const char *text)
{
	struct said *s = ctx;
	size_t n = strlen(s->text);

	(void)file;
	snprintf(s->text + n, sizeof(s->text) - n, "%d:%u:%.40s\n", (int)level, line, text);
}

T(mapcheck_rights_of_files)
{
	static const struct { const char *name; mode_t mode; const char *want; } rows[] = {
		{ "passwd", 0600, "" }, { "passwd", 0640, "" }, { "passwd", 0644, "1:0:it holds passwords and anyone may read i\n" },
		{ "passwd", 0646, "2:0:anyone may write it; chmod o-w " }, { "plain", 0644, "" }, { "plain", 0642, "2:0:anyone may write it" },
		{ "plain", 0664, "" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct mapcheck_report r = { 0 };
		struct said s = { "" };

		ROW("%s %o", rows[i].name, rows[i].mode);
		put(rows[i].name, "k v:w\n", 1000000000);
		CHECK_INT(chmod(in_tmp(rows[i].name), rows[i].mode), 0);
		mapcheck_run(STR("texthash"), in_tmp(rows[i].name), false, say, &s, &r);
		CHECK_INT(strncmp(s.text, rows[i].want, strlen(rows[i].want)), 0);
		if (!*rows[i].want)
			CHECK_STR(s.text, "");
		CHECK_INT(r.entries, 1);
	}
}

T(mapcheck_rules_that_an_earlier_one_hides)
{
	static const struct { const char *text; bool hidden; } rows[] = {
		{ "10.0.0.0/8 a\n10.1.0.0/16 b\n", true }, { "10.1.0.0/16 a\n10.0.0.0/8 b\n", false }, { "10.0.0.0/8 a\n11.0.0.0/16 b\n", false },
		{ "10.0.0.1 a\n10.0.0.1 b\n", true }, { "10.0.0.1 a\n10.0.0.2 b\n", false }, { "10.0.0.0/31 a\n10.0.0.1 b\n", true },
		{ "2001:db8::/32 a\n2001:db8:1::/48 b\n", true }, { "2001:db8::1 a\n2001:db8::2 b\n", false },
		{ "2001:db8::1 a\n2001:db8::1 b\n", true }, { "0.0.0.0/0 a\n::1 b\n", false },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct mapcheck_report r = { 0 };
		struct said s = { "" };

		put("rules", rows[i].text, 1000000000);
		mapcheck_run(STR("cidr"), in_tmp("rules"), false, say, &s, &r);
		ROW("%s%s", rows[i].text, s.text);
		CHECK_INT(strstr(s.text, ":2:") != NULL, rows[i].hidden);
	}
}

static int stop_at_first(void *ctx, struct str key, struct str value)
{
	(void)key;
	(void)value;
	++*(size_t *)ctx;
	return 7;
}

T(map_inline_is_walked_until_told_to_stop)
{
	struct buf why;
	struct map *m;
	size_t sum = 0, calls = 0;

	buf_init(&why, 300);
	m = map_open("inline:{ab=c, d=efg}", &why);
	REQUIRE(m);
	CHECK_INT(map_each(m, count_entry, &sum), 0);
	CHECK_INT(sum, 2 + 3 + 4);
	CHECK_INT(map_each(m, stop_at_first, &calls), 7);
	CHECK_INT(calls, 1);
	map_close(m);
	m = map_open("static:x", &why);
	REQUIRE(m);
	errno = 0;
	CHECK_INT(map_each(m, count_entry, &sum), -1);
	CHECK_INT(errno, ENOTSUP);
	map_close(m);
	buf_fini(&why);
}

T(source_alias_lines_need_a_name_a_colon_and_a_value)
{
	static const struct { const char *text; int result; } rows[] = {
		{ "a: b\n", 1 }, { "a : b\n", 1 }, { "\"a b\": c\n", 1 }, { "a b\n", -1 }, { "\"a\" b\n", -1 }, { "a:\n", -1 }, { ": b\n", -1 },
		{ "\"a\"\n", -1 }, { "a@b: c\n", -1 }, { "a\n", -1 },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct str key, value;
		struct source s;

		ROW("%s", rows[i].text);
		source_init(&s, str_of(rows[i].text), SOURCE_ALIAS);
		CHECK_INT(source_next(&s, &key, &value), rows[i].result);
		source_fini(&s);
	}
}
