/* Building, updating and checking tables: what ends up in the file, what is told about the source. */
#include "tests/unit/t.h"

#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/fs.h"
#include "core/map/mapcheck.h"
#include "core/map/mapgen.h"

struct told { char text[4096], whole[400]; };

static void on_warn(void *ctx, const char *file, unsigned line, const char *text)
{
	struct told *t = ctx;
	size_t n = strlen(t->text);

	snprintf(t->text + n, sizeof(t->text) - n, "%u:%s\n", line, text);
	(void)file;
}

static void put(const char *name, const char *text)
{
	char path[300];

	snprintf(path, sizeof(path), "%s/%s", t_tmpdir(), name);
	CHECK(fs_replace(path, 0644, str_of(text)) == 0);
}

static const char *at(const char *name)
{
	static char path[300];

	snprintf(path, sizeof(path), "%s/%s", t_tmpdir(), name);
	return path;
}

/* value of a key in NAME.cdb; "(none)" if it is not there */
static const char *find(const char *name, const char *key)
{
	static char value[200];
	char path[300];
	struct cdb_table *t;
	struct buf out;

	snprintf(path, sizeof(path), "%s/%s.cdb", t_tmpdir(), name);
	t = cdb_table_open(path);
	buf_init(&out, sizeof(value) - 1);
	snprintf(value, sizeof(value), "%s", !t ? "(no table)" : cdb_table_find(t, str_of(key), &out) == 1 ? buf_cstr(&out) : "(none)");
	buf_fini(&out);
	cdb_table_close(t);
	return value;
}

static int build(const char *name, struct mapgen_options o, struct mapgen_report *r, struct told *told)
{
	struct buf why;
	int result;

	*told = (struct told){ .text = "" };
	o.warn = on_warn;
	o.ctx = told;
	buf_init(&why, 500);
	result = mapgen_build(at(name), &o, r, &why);
	buf_fini(&why);
	return result;
}

T(mapgen_folds_keys_and_keeps_the_first_duplicate)
{
	struct mapgen_report r;
	struct told told;

	put("t", "Key one\nkey two\n\n# note\nbad\nother v\n");
	CHECK_INT(build("t", (struct mapgen_options){ .form = SOURCE_TABLE }, &r, &told), 0);
	CHECK_STR(find("t", "key"), "one");
	CHECK_STR(find("t", "Key"), "(none)");
	CHECK_STR(told.text, "2:duplicate entry: \"key\"; the first one stays\n5:expected format: key whitespace value\n");
	CHECK_INT(r.entries, 2);
	CHECK_INT(r.duplicates, 1);
	CHECK_INT(r.unusable, 1);
}

/* entries wait for each other on their way into the table: warnings come in the order of the lines all the same */
T(mapgen_warns_line_by_line)
{
	struct buf text, want;
	struct told t = { .text = "" };
	struct mapgen_options o = { .warn = on_warn, .ctx = &t };
	struct mapgen_report r;
	struct buf why;
	char value[20];

	buf_init(&text, 10000);
	buf_init(&want, 4096);
	buf_init(&why, 300);
	for (unsigned line = 1; line <= 120; line++) {
		if (line % 40 == 17) {
			buf_printf(&text, "k%u\n", line);
			buf_printf(&want, "%u:expected format: key whitespace value\n", line);
		} else if (line % 40 == 25) {
			buf_printf(&text, "k%u: v%u\n", line, line);
			buf_printf(&want, "%u:record is in \"key: value\" format; is this an alias file?\n", line);
		} else if (line % 40 == 30) {
			buf_printf(&text, "k%u \xff\n", line);
			buf_printf(&want, "%u:not UTF-8 text; ignoring this entry (-u takes any bytes)\n", line);
		} else if (line % 5 == 4) {
			buf_printf(&text, "K%u v%u\n", line - 3, line);
			buf_printf(&want, "%u:duplicate entry: \"k%u\"; the first one stays\n", line, line - 3);
		} else {
			buf_printf(&text, "k%u v%u\n", line, line);
		}
	}
	put("lines", buf_cstr(&text));
	CHECK_INT(mapgen_build(at("lines"), &o, &r, &why), 0);
	CHECK_STR(t.text, buf_cstr(&want));
	CHECK_INT(r.duplicates, 24);
	CHECK_INT(r.unusable, 6);
	CHECK_INT(r.entries, 120 - 24 - 6);
	for (unsigned line = 1; line <= 120; line++) {
		bool is = line % 40 != 17 && line % 40 != 25 && line % 40 != 30 && line % 5 != 4;

		snprintf(value, sizeof(value), is ? "v%u" : "(none)", line);
		snprintf(t.text, sizeof(t.text), "k%u", line);
		CHECK_STR(find("lines", t.text), value);
	}
	buf_fini(&text);
	buf_fini(&want);
	buf_fini(&why);
}

T(mapgen_options_change_what_is_stored)
{
	struct mapgen_report r;
	struct told told;

	put("o", "Key one\nKey two\nbytes \xff\n");
	CHECK_INT(build("o", (struct mapgen_options){ .duplicates = CDB_DUP_REPLACE, .keep_case = true }, &r, &told), 0);
	CHECK_STR(find("o", "Key"), "two");
	CHECK_STR(find("o", "bytes"), "(none)");
	CHECK_INT(build("o", (struct mapgen_options){ .duplicates = CDB_DUP_SILENT_FIRST, .any_bytes = true }, &r, &told), 0);
	CHECK_STR(find("o", "bytes"), "\xff");
	CHECK_STR(told.text, "");
}

T(mapgen_reads_aliases)
{
	struct mapgen_report r;
	struct told told;

	put("a", "root: a, b\n\"x y\": c\nfoo@bar: d\n");
	CHECK_INT(build("a", (struct mapgen_options){ .form = SOURCE_ALIAS }, &r, &told), 0);
	CHECK_STR(find("a", "root"), "a, b");
	CHECK_STR(find("a", "x y"), "c");
	CHECK_INT(r.unusable, 1);
}

T(mapgen_updates_and_deletes)
{
	struct mapgen_options o = { .form = SOURCE_TABLE };
	struct mapgen_report r;
	struct told told;
	struct buf why;
	const struct str keys[] = { STR("A"), STR("nothing") }, none[] = { STR("nothing") };

	buf_init(&why, 500);
	put("u", "a 1\nb 2\n");
	CHECK_INT(build("u", o, &r, &told), 0);
	CHECK_INT(mapgen_update(at("u"), STR("c 3\nb 9\n"), &o, &r, &why), 0);
	CHECK_STR(find("u", "c"), "3");
	CHECK_STR(find("u", "b"), "2");
	CHECK_INT(r.duplicates, 1);
	CHECK_INT(mapgen_delete(at("u"), keys, 2, &o, &r, &why), 0);
	CHECK_INT(r.deleted, 1);
	CHECK_STR(find("u", "a"), "(none)");
	CHECK_STR(find("u", "b"), "2");
	CHECK_INT(mapgen_delete(at("u"), none, 1, &o, &r, &why), 0);
	CHECK_INT(r.deleted, 0);
	CHECK_STR(find("u", "b"), "2");
	CHECK_INT(mapgen_delete(at("absent"), none, 1, &o, &r, &why), -1);
	CHECK(why.n > 0);
	buf_fini(&why);
}

T(mapgen_leaves_no_table_beside_a_missing_source)
{
	struct mapgen_report r;
	struct told told;

	CHECK_INT(build("missing", (struct mapgen_options){ .form = SOURCE_TABLE }, &r, &told), -1);
	CHECK_STR(find("missing", "x"), "(no table)");
	CHECK(access(at("missing.cdb.tmp"), F_OK) < 0);
}

T(mapgen_takes_the_mode_of_the_source)
{
	struct mapgen_report r;
	struct told told;
	struct stat st;

	put("m", "a 1\n");
	CHECK(fs_chmod(at("m"), 0640) == 0);
	CHECK_INT(build("m", (struct mapgen_options){ .form = SOURCE_TABLE }, &r, &told), 0);
	CHECK(stat(at("m.cdb"), &st) == 0);
	CHECK_INT(st.st_mode & 0777, 0640);
}

static void on_finding(void *ctx, enum mapcheck_level level, const char *file, unsigned line, const char *text)
{
	struct told *t = ctx;
	size_t n = strlen(t->text);

	if (line)
		snprintf(t->text + n, sizeof(t->text) - n, "%c%u ", "nwp"[level], line);
	else
		snprintf(t->whole, sizeof(t->whole), "%s", text);
	(void)file;
}

T(mapcheck_finds_what_cannot_match)
{
	static const struct { const char *name, *type, *text, *want; } rows[] = {
		{ "transport", "hash", "x.org smtp:[h]:25\n* :\n", "" },
		{ "transport", "hash", "@x.org smtp:[h]\n", "p1 " },
		{ "transport", "hash", "*.x.org smtp:[h]\nx.org. smtp:[h]\n", "p1 p2 " },
		{ "transport", "hash", "x.org h.x.org\n", "p1 " },
		{ "transport", "hash", "x.org smtp:h.x.org\n", "n1 " },
		{ "transport", "hash", "x.org slow:\n", "n1 " },
		{ "transport", "hash", "A :\na :\n", "w2 " },
		{ "sasl_passwd", "hash", "[h]:587 u:p\nh u\n[i] :p\n", "w2 w3 " },
		{ "aliases", "hash", "root: admin\nnews: |/bin/x\n", "p2 " },
		{ "aliases", "hash", "root: admin\nadmin@x.org: you\n", "p2 " },
		{ "aliases", "hash", "a: x@y.test; z@y.test, CORP\\j <j@y.test>, /dev/null, \\root\nb: c@, d@y.test\n", "p2 " },
		{ "aliases", "hash", "a: :include:/nowhere/list\nb: :include:rel, c\n", "p1 p2 " },
		{ "virtual_alias", "hash", "a@x.org b@x.org\n", "" },
		{ "plain", "texthash", "a: b\nbad\n", "w1 p2 " },
		{ "plain", "texthash", "\xef\xbb\xbf# c\na b\n", "p1 " },
		{ "net", "cidr", "10.0.0.0/8 a\n10.2.0.0/16 b\n::/0 c\n2001:db8::1 d\n", "p2 p4 " },
		{ "net", "cidr", "if 10.0.0.0/8\n10.0.0.0/8 a\nendif\n10.1.0.0/16 b\n", "" },
		{ "net", "cidr", "10.128.0.0/9 a\n10.1.0.0/16 b\n", "" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct mapcheck_report r;
		struct told told = { .text = "" };

		ROW("%s", rows[i].text);
		put(rows[i].name, rows[i].text);
		mapcheck_run(str_of(rows[i].type), at(rows[i].name), false, on_finding, &told, &r);
		CHECK_STR(told.text, rows[i].want);
		/* what is advised must not read an aliases file as another table */
		if (told.whole[0] && strstr(told.whole, "run mapgen"))
			CHECK_INT(strstr(told.whole, "mapgen --alias") != NULL, !strcmp(rows[i].name, "aliases"));
	}
}

T(mapcheck_counts_rules_that_are_skipped_and_lets_them_hide_none)
{
	static const struct { const char *type, *text; size_t skipped; } rows[] = {
		{ "cidr", "10.0.0.1/8 a\n10.0.0.0/8\n10.1.0.0/16 b\n", 2 }, { "regexp", "/a(/ x\n/a/ y\n/b/ $1\n", 2 }, { "pcre", "/a(/ x\n", 1 },
		{ "regexp", "/a/ x\n", 0 },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct mapcheck_report r;
		struct told told = { .text = "" };

		ROW("%s", rows[i].text);
		put("rules", rows[i].text);
		mapcheck_run(str_of(rows[i].type), at("rules"), false, on_finding, &told, &r);
		CHECK_INT(r.count[MAPCHECK_PROBLEM], rows[i].skipped);
		CHECK_STR(told.text, "");
	}
}

/* what changes nothing leaves the file as it is, whoever has it open */
T(mapgen_delete_of_what_is_not_there_touches_nothing)
{
	const struct str no[] = { STR("nobody") }, yes[] = { STR("a") };
	struct mapgen_options o = { .form = SOURCE_TABLE };
	struct stat before, after;
	struct mapgen_report r;
	struct told told;
	struct buf why;
	char path[320];

	put("keep", "a 1\nb 2\n");
	CHECK_INT(build("keep", o, &r, &told), 0);
	snprintf(path, sizeof(path), "%s.cdb", at("keep"));
	buf_init(&why, 1000);
	CHECK_INT(stat(path, &before), 0);
	memset(&r, 0, sizeof(r));
	CHECK_INT(mapgen_delete(at("keep"), no, 1, &o, &r, &why), 0);
	CHECK_INT(r.deleted, 0);
	CHECK_INT(stat(path, &after), 0);
	CHECK(before.st_ino == after.st_ino);
	CHECK_STR(find("keep", "a"), "1");
	memset(&r, 0, sizeof(r));
	CHECK_INT(mapgen_delete(at("keep"), yes, 1, &o, &r, &why), 0);
	CHECK_INT(r.deleted, 1);
	CHECK_STR(find("keep", "a"), "(none)");
	CHECK_STR(find("keep", "b"), "2");
	buf_fini(&why);
}
