/* lookup by type:name: every type, the fallbacks of hash: and cdb:, reloads, lists */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/fs.h"
#include "core/map/cdb.h"
#include "core/map/map.h"
#include "tests/unit/t.h"

static const char *answer_of(struct map *m, const char *key, struct buf *out)
{
	switch (map_find(m, str_of(key), out)) {
	case MAP_FOUND:
		return buf_cstr(out);
	case MAP_NONE:
		return "(none)";
	default:
		return "(error)";
	}
}

static void put(const char *name, const char *text, time_t mtime)
{
	char path[300];
	struct timespec ts[2] = { { mtime, 0 }, { mtime, 0 } };

	snprintf(path, sizeof(path), "%s/%s", t_tmpdir(), name);
	if (fs_replace(path, 0600, str_of(text)) < 0 || utimensat(AT_FDCWD, path, ts, 0) < 0)
		t_fail(__FILE__, __LINE__, "cannot write %s", path);
}

static void put_cdb(const char *name, const char *key, const char *value, time_t mtime)
{
	char path[300];
	struct timespec ts[2] = { { mtime, 0 }, { mtime, 0 } };
	struct cdb_builder *b;

	snprintf(path, sizeof(path), "%s/%s.cdb", t_tmpdir(), name);
	b = cdb_builder_new(path, 0600);
	if (!b || cdb_builder_add(b, str_of(key), str_of(value), CDB_DUP_ERROR) < 0 || cdb_builder_finish(b) < 0 ||
	    utimensat(AT_FDCWD, path, ts, 0) < 0)
		t_fail(__FILE__, __LINE__, "cannot write %s", path);
}

static struct map *open_named(const char *type, const char *name, struct buf *why)
{
	char spec[320];

	snprintf(spec, sizeof(spec), "%s:%s/%s", type, t_tmpdir(), name);
	buf_clear(why);
	return map_open(spec, why);
}

T(map_types_without_files)
{
	static const struct { const char *spec, *key, *want; } rows[] = {
		{ "inline:{k=v, {a = b c d}, x=}", "k", "v" },
		{ "inline:{k=v, {a = b c d}, x=}", "A", "b c d" },
		{ "inline:{k=v, {a = b c d}, x=}", "x", "" },
		{ "inline:{k=v, {a = b c d}, x=}", "y", "(none)" },
		{ "inline:{K=Upper}", "k", "Upper" },
		{ "inline:{ }", "k", "(none)" },
		{ "static:abc", "k", "abc" },
		{ "static:{a b}", "k", "a b" },
		{ "static:a:b", "k", "a:b" },
		{ "fail:x", "k", "(error)" },
		{ "proxy:inline:{k=v}", "k", "v" },
		{ "unionmap:{static:a,inline:{k=v}}", "k", "a,v" },
		{ "unionmap:{static:a,inline:{k=v}}", "z", "a" },
		{ "unionmap:{inline:{k=v}}", "z", "(none)" },
		{ "unionmap:{static:a,fail:x}", "z", "(error)" },
		{ "pipemap:{inline:{k=k2},inline:{k2=z}}", "k", "z" },
		{ "pipemap:{inline:{k=k2},inline:{k2=z}}", "a", "(none)" },
		{ "cidr:{{1.2.3.4 foo}}", "1.2.3.4", "foo" },
		{ "cidr:{{1.2.3.4 foo}}", "1.2.3.5", "(none)" },
		{ "cidr:{{ 10.0.0.0/8 bar baz }, {!1.2.3.4 foo}}", "10.9.9.9", "bar baz" },
		{ "cidr:{{ 10.0.0.0/8 bar baz }, {!1.2.3.4 foo}}", "1.2.3.4", "(none)" },
		{ "cidr:{{ 10.0.0.0/8 bar baz }, {!1.2.3.4 foo}}", "9.9.9.9", "foo" },
		{ "inline:{k=v, {k = w}}", "k", "w" },
		{ "cidr:{{!192.0.2.0/24 x}}", "2001:db8::1", "(none)" }, { "cidr:{{!192.0.2.0/24 x}}", "10.1.2.3", "x" },
		{ "randmap:{x}", "k", "x" }, { "randmap:{{a b},{a b}}", "k", "a b" },
		{ "regexp:{{/^k(.)/ x$1}}", "ka", "xa" },
		{ "regexp:{{/^k(.)/ x$1}}", "Kb", "xb" },
		{ "regexp:{{/^k(.)/ x$1}}", "a", "(none)" },
	};
	struct buf out, why;

	buf_init(&out, 1000);
	buf_init(&why, 1000);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct map *m = map_open(rows[i].spec, &why);

		ROW("%s %s", rows[i].spec, rows[i].key);
		CHECK_STR(buf_cstr(&why), "");
		REQUIRE(m != NULL);
		CHECK_STR(answer_of(m, rows[i].key, &out), rows[i].want);
		map_close(m);
	}
	buf_fini(&out);
	buf_fini(&why);
}

/* a table of passwords that are written in its name is told of without them */
T(map_secrets_stay_out_of_messages)
{
	static const struct { const char *spec; bool good; const char *said; } rows[] = {
		{ "static:SECRET", true, "static:…" }, { "static:{SECRET", false, "static:…" }, { "inline:{a=SECRET}", true, "inline:…" },
		{ "inline:{SECRET}", false, "inline:…" }, { "inline:SECRET{", false, "inline:…" }, { "pcre:{{/x/ SECRET}}", true, "pcre:…" },
		{ "pcre:{{/x/ SECRET} {/(/ SECRET}}", true, "pcre:…" }, { "regexp:{{/x/ SECRET}}", true, "regexp:…" },
		{ "unionmap:{inline:{SECRET}, static:x}", false, "inline:…" }, { "unionmap:{inline:{a=SECRET}}", true, "unionmap:…" },
		{ "foo:{SECRET}", false, "foo:…" }, { "{SECRET}", false, ":…" },
		{ "user:SECRET", false, "user:…" }, { "SECRET", false, ":…" }, { "cdb:/nonexistent/x", false, "cdb:/nonexistent/x" }, { "texthash:/nonexistent/x", false, "texthash:/nonexistent/x" },
	};
	static const enum source_form forms[] = { SOURCE_SECRETS, SOURCE_LOGINS };
	struct buf why;

	buf_init(&why, 1000);
	for (size_t i = 0; i < 2 * sizeof(rows) / sizeof(rows[0]); i++) {
		struct map *m = map_open_form(rows[i / 2].spec, forms[i % 2], &why);

		ROW("%s", rows[i / 2].spec);
		CHECK(!m == !rows[i / 2].good);
		CHECK(str_find(buf_view(&why), STR("SECRET")) < 0);
		CHECK(str_starts(m ? str_of(map_spec(m)) : buf_view(&why), str_of(rows[i / 2].said)));
		map_close(m);
		buf_clear(&why);
	}
	buf_fini(&why);
}

T(map_open_says_what_is_wrong)
{
	static const struct { const char *spec, *want; } rows[] = {
		{ "foo:x", "foo:x: unsupported map type \"foo\"" },
		{ "sqlite:/x", "sqlite:/x: unsupported map type \"sqlite\"; export it to a text table" },
		{ "hash:", "hash:: expected type:name" },
		{ "nothing", "nothing: expected type:name" },
		{ "inline:k=v", "inline:k=v: bad syntax; need \"inline:{name=value, {name = value with spaces}}\"" },
		{ "inline:{a}", "inline:{a}: bad syntax; need \"inline:{name=value, {name = value with spaces}}\"" },
		{ "texthash:/nonexistent/x", "texthash:/nonexistent/x: No such file or directory" },
		{ "cidr:/nonexistent/x", "cidr:/nonexistent/x: No such file or directory" },
		{ "hash:/nonexistent/x", "hash:/nonexistent/x: neither /nonexistent/x.cdb nor /nonexistent/x exists; "
		  "write /nonexistent/x, then run \"mapgen hash:/nonexistent/x\"" },
		{ "unionmap:{inline:{a=b}, foo:x}", "foo:x: unsupported map type \"foo\"" },
	};
	struct buf why;

	buf_init(&why, 1000);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		ROW("%s", rows[i].spec);
		buf_clear(&why);
		CHECK(map_open(rows[i].spec, &why) == NULL);
		CHECK_STR(buf_cstr(&why), rows[i].want);
	}
	buf_fini(&why);
}

/* what is advised must make the table: mapgen alone would take "root:" for a key */
T(map_open_of_aliases_advises_their_builder)
{
	struct buf why;

	buf_init(&why, 1000);
	CHECK(!map_open_form("hash:/nonexistent/x", SOURCE_ALIAS, &why));
	CHECK(strstr(buf_cstr(&why), "then run \"mapgen --alias hash:/nonexistent/x\"") != NULL);
	buf_fini(&why);
}

T(map_nesting_is_bounded)
{
	struct buf spec, why;

	buf_init(&spec, 100000);
	buf_init(&why, 1000);
	for (int i = 0; i < 5000; i++)
		buf_z(&spec, "unionmap:{");
	buf_z(&spec, "static:x");
	for (int i = 0; i < 5000; i++)
		buf_byte(&spec, '}');
	CHECK(map_open(buf_cstr(&spec), &why) == NULL);
	buf_fini(&spec);
	buf_fini(&why);
}

T(map_hash_uses_cdb_or_text)
{
	struct buf out, why;
	struct map *m;

	buf_init(&out, 1000);
	buf_init(&why, 1000);
	put("t1", "Key text\n", 1000);
	m = open_named("hash", "t1", &why);
	REQUIRE(m != NULL);
	CHECK_STR(answer_of(m, "kEY", &out), "text");
	map_close(m);
	put_cdb("t1", "key", "cdb", 2000);
	m = open_named("lmdb", "t1", &why);
	REQUIRE(m != NULL);
	CHECK_STR(answer_of(m, "KEY", &out), "cdb");
	map_close(m);
	put("t1", "key newer\n", 3000);
	m = open_named("btree", "t1", &why);
	REQUIRE(m != NULL);
	CHECK_STR(answer_of(m, "key", &out), "newer");
	map_close(m);
	put("t2.cdb", "this is no cdb file", 1000);
	CHECK(open_named("hash", "t2", &why) == NULL);
	put("t2", "a b\n", 500);
	m = open_named("hash", "t2", &why);
	REQUIRE(m != NULL);
	CHECK_STR(answer_of(m, "a", &out), "b");
	map_close(m);
	put("empty", "# nothing\n", 500);
	m = open_named("hash", "empty", &why);
	REQUIRE(m != NULL);
	CHECK_STR(answer_of(m, "a", &out), "(none)");
	map_close(m);
	buf_fini(&out);
	buf_fini(&why);
}

T(map_cdb_with_nul_keys_is_read)
{
	struct buf out, why;
	struct map *m;
	char path[300];
	struct cdb_builder *b;

	buf_init(&out, 1000);
	buf_init(&why, 1000);
	snprintf(path, sizeof(path), "%s/nul.cdb", t_tmpdir());
	b = cdb_builder_new(path, 0600);
	REQUIRE(b && cdb_builder_add(b, STR("key\0"), STR("value\0"), CDB_DUP_ERROR) == 1 && cdb_builder_finish(b) == 0);
	m = open_named("cdb", "nul", &why);
	REQUIRE(m != NULL);
	CHECK_STR(answer_of(m, "key", &out), "value");
	CHECK_INT(out.n, 5);
	map_close(m);
	buf_fini(&out);
	buf_fini(&why);
}

T(map_reads_alias_text)
{
	struct buf out, why;
	struct map *m;
	char spec[320];

	buf_init(&out, 1000);
	buf_init(&why, 1000);
	put("aliases", "Root: me@example.jp\n\"two words\": x\n", 1000);
	snprintf(spec, sizeof(spec), "hash:%s/aliases", t_tmpdir());
	m = map_open_form(spec, SOURCE_ALIAS, &why);
	REQUIRE(m != NULL);
	CHECK_STR(answer_of(m, "root", &out), "me@example.jp");
	CHECK_STR(answer_of(m, "two words", &out), "x");
	map_close(m);
	buf_fini(&out);
	buf_fini(&why);
}

T(map_reloads_at_most_once_a_second)
{
	struct buf out, why;
	struct map *m;

	buf_init(&out, 1000);
	buf_init(&why, 1000);
	put("live", "a 1\n", 1000);
	m = open_named("texthash", "live", &why);
	REQUIRE(m != NULL);
	map_refresh(m, 10 * USEC_PER_SEC);
	put("live", "a 2\n", 2000);
	map_refresh(m, 10 * USEC_PER_SEC + 1);
	CHECK_STR(answer_of(m, "a", &out), "1");
	map_refresh(m, 11 * USEC_PER_SEC);
	CHECK_STR(answer_of(m, "a", &out), "2");
	/* a table that is gone keeps what it had */
	{
		char path[300];

		snprintf(path, sizeof(path), "%s/live", t_tmpdir());
		REQUIRE(unlink(path) == 0);
	}
	map_refresh(m, 12 * USEC_PER_SEC);
	CHECK_STR(answer_of(m, "a", &out), "2");
	put("live", "a 3\n", 3000);
	map_refresh(m, 13 * USEC_PER_SEC);
	CHECK_STR(answer_of(m, "a", &out), "3");
	map_close(m);
	buf_fini(&out);
	buf_fini(&why);
}

T(map_switches_to_a_new_cdb)
{
	struct buf out, why;
	struct map *m;

	buf_init(&out, 1000);
	buf_init(&why, 1000);
	put("sw", "a text\n", 1000);
	m = open_named("hash", "sw", &why);
	REQUIRE(m != NULL);
	CHECK_STR(answer_of(m, "a", &out), "text");
	put_cdb("sw", "a", "cdb", 2000);
	map_refresh(m, 5 * USEC_PER_SEC);
	CHECK_STR(answer_of(m, "a", &out), "cdb");
	put_cdb("sw", "a", "cdb2", 2001);
	map_refresh(m, 6 * USEC_PER_SEC);
	CHECK_STR(answer_of(m, "a", &out), "cdb2");
	map_close(m);
	buf_fini(&out);
	buf_fini(&why);
}

T(map_cidr_follows_cidr_table)
{
	static const struct { const char *key, *want; } rows[] = {
		{ "10.1.1.1", "a" }, { "10.2.1.2", "b" }, { "10.3.1.1", "c" }, { "::1", "six" }, { "[::1]", "(none)" },
		{ "2001:db8::5", "v6" }, { "1.2.3.4", "v4" }, { "192.168.1.1", "(none)" }, { "8.8.8.8", "public" },
		{ "nonsense", "(none)" }, { "", "(none)" }, { "010.1.1.1", "(none)" },
	};
	struct buf out, why;
	struct map *m;

	buf_init(&out, 1000);
	buf_init(&why, 1000);
	put("cidr", "if 10.0.0.0/8\n10.1.0.0/16 a\nif !10.2.0.0/16\n10.3.0.0/16 c\n10.2.1.0/24 never\nendif\n10.2.0.0/16 b\n"
	    "endif\n10.0.0.1/8 skipped\n[::1]/128 six\n[2001:db8::]/32 v6\n1.2.3.4 v4\n010.1.2.3 bad\nif 999.0.0.0/8\n"
	    "0.0.0.0/0 trapped\nendif\n!192.168.0.0/16 public\n", 1000);
	m = open_named("cidr", "cidr", &why);
	REQUIRE(m != NULL);
	CHECK(map_is_whole(m));
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		ROW("%s", rows[i].key);
		CHECK_STR(answer_of(m, rows[i].key, &out), rows[i].want);
	}
	map_close(m);
	buf_fini(&out);
	buf_fini(&why);
}

T(map_regexp_follows_regexp_table)
{
	static const struct { const char *key, *want; } rows[] = {
		{ "ax", "got a--$" }, { "axb", "got a-b-$" }, { "kk", "case" }, { "Kk", "nocase" }, { "plain", "noat" },
		{ "q@", "vq" }, { "zz@", "(none)" },
	};
	struct buf out, why;
	struct map *m;

	buf_init(&out, 1000);
	buf_init(&why, 1000);
	put("re", "/^(.)x(.)?$/ got $1-$2-$$\nif /^k/\n/kk/i case\n/KK/ nocase\nendif\n!/@/ noat\n|^q|  vq\n/z/ $(0)z\n/z/ $9\n"
	    "/(/ bad\n", 1000);
	m = open_named("regexp", "re", &why);
	REQUIRE(m != NULL);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		ROW("%s", rows[i].key);
		CHECK_STR(answer_of(m, rows[i].key, &out), rows[i].want);
	}
	map_close(m);
	buf_fini(&out);
	buf_fini(&why);
}

T(map_regexp_chooses_no_next_hop_by_what_it_matched)
{
	static const enum source_form forms[] = { SOURCE_ROUTE, SOURCE_ALIAS, SOURCE_TABLE };
	char spec[400];
	struct buf out, why;

	buf_init(&out, 1000);
	buf_init(&why, 1000);
	put("re", "/^(.*)@x$/ smtp:[$1]\n/^a@x$/ smtp:[cost$$]\n", 1000);
	for (size_t i = 0; i < 3; i++) {
		struct maps ms;

		snprintf(spec, sizeof(spec), "regexp:%s/re, unionmap:{regexp:%s/re}", t_tmpdir(), t_tmpdir());
		CHECK_INT(maps_open_form(&ms, spec, forms[i], &why), 0);
		for (size_t k = 0; k < ms.n; k++)
			CHECK_STR(answer_of(ms.v[k], "a@x", &out), forms[i] == SOURCE_TABLE ? "smtp:[a]" : "smtp:[cost$]");
		maps_close(&ms);
	}
	buf_fini(&out);
	buf_fini(&why);
}

/* whether a byte is of a class, and whether it has case, as POSIX says of the C locale */
T(map_regexp_knows_the_classes_of_bytes)
{
	static const struct { const char *pattern; size_t bytes; const char *some; } rows[] = {
		{ "/^[[:alpha:]]$/", 52, "AZaz" }, { "/^[[:upper:]]$/i", 26, "AZ" }, { "/^[[:lower:]]$/i", 26, "az" },
		{ "/^[[:digit:]]$/", 10, "09" }, { "/^[[:alnum:]]$/", 62, "AZaz09" }, { "/^[[:xdigit:]]$/", 22, "AFaf09" },
		{ "/^[[:punct:]]$/", 32, "!/:@[`{~" }, { "/^[[:space:]]$/", 6, " \t\r\v" }, { "/^[[:blank:]]$/", 2, " \t" },
		{ "/^[[:cntrl:]]$/", 32, "\001\037\177" }, { "/^[[:graph:]]$/", 94, "!~" }, { "/^[[:print:]]$/", 95, " ~" },
		{ "/^k$/", 2, "kK" }, { "/^[K-L]$/", 4, "kKlL" }, { "/^.$/", 255, "\001\300\377" }, { "/^[^a]$/", 253, "\301\341" },
		{ "/^\303$/", 1, "\303" }, { "/^\\w$/", 63, "_a9" },
	};
	struct buf out, why;

	buf_init(&out, 1000);
	buf_init(&why, 1000);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char text[60], key[2] = "";
		size_t found = 0;
		struct map *m;

		ROW("%s", rows[i].pattern);
		snprintf(text, sizeof(text), "%s yes\n", rows[i].pattern);
		put("re", text, 1000);
		m = open_named("regexp", "re", &why);
		REQUIRE(m != NULL);
		for (int c = 1; c < 256; c++) {
			*key = (char)c;
			found += strcmp(answer_of(m, key, &out), "yes") == 0;
		}
		CHECK_INT(found, rows[i].bytes);
		for (const char *p = rows[i].some; *p; p++) {
			*key = *p;
			CHECK_STR(answer_of(m, key, &out), "yes");
		}
		map_close(m);
	}
	buf_fini(&out);
	buf_fini(&why);
}

T(maps_ask_every_table_in_order)
{
	struct maps ms;
	struct buf out, why;
	const struct map *which = NULL;

	buf_init(&out, 1000);
	buf_init(&why, 1000);
	REQUIRE(maps_open(&ms, "inline:{a=1, b=2}, cidr:{{1.2.3.4 net}}\n  static:rest", &why) == 0);
	CHECK_INT(ms.n, 3);
	CHECK_INT(maps_find(&ms, STR("b"), false, &out, &which), MAP_FOUND);
	CHECK_STR(buf_cstr(&out), "2");
	CHECK(which == ms.v[0]);
	CHECK_INT(maps_find(&ms, STR("1.2.3.4"), false, &out, NULL), MAP_FOUND);
	CHECK_STR(buf_cstr(&out), "net");
	CHECK_INT(maps_find(&ms, STR("1.2.3.4"), true, &out, &which), MAP_FOUND);
	CHECK_STR(buf_cstr(&out), "rest");
	maps_close(&ms);
	CHECK_INT(maps_open(&ms, "", &why), 0);
	CHECK_INT(maps_find(&ms, STR("b"), false, &out, &which), MAP_NONE);
	maps_close(&ms);
	CHECK_INT(maps_open(&ms, "inline:{a=1", &why), -1);
	CHECK_INT(maps_open(&ms, "inline:{a=1}, nope:x", &why), -1);
	buf_fini(&out);
	buf_fini(&why);
}
