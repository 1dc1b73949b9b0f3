/* the text of tables: logical lines, keys and values, both forms, from memory and through a window */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "core/base/fs.h"
#include "core/map/source.h"
#include "core/map/words.h"
#include "tests/unit/t.h"

/* everything a source says, as "LINE:key|value;" or "LINE:!error;" */
static void read_all(struct source *s, struct buf *out)
{
	struct str key, value;
	int got;

	while ((got = source_next(s, &key, &value)) != 0) {
		if (got < 0)
			buf_printf(out, "%u:!%s;", s->line, s->error);
		else
			buf_printf(out, "%u:%.*s|%.*s;", s->line, STR_ARG(key), STR_ARG(value));
	}
}

static const struct {
	enum source_form form;
	const char *text, *want;
} rows[] = {
	{ SOURCE_TABLE, "", "" },
	{ SOURCE_TABLE, "a b", "1:a|b;" },
	{ SOURCE_TABLE, "a b\n", "1:a|b;" },
	{ SOURCE_TABLE, "\xef\xbb\xbf" "a b\n",
		"1:!the file begins with a byte order mark, which is skipped: save it as UTF-8 without one;1:a|b;" },
	{ SOURCE_TABLE, "a b\r\nc\td e \r\n", "1:a|b;2:c|d e;" },
	{ SOURCE_TABLE, "#x\n\n  # y\na b\n", "4:a|b;" },
	{ SOURCE_TABLE, "a b\n  c d\n#x\n\n   # in between\n  e\nf g\n", "1:a|b  c d  e;7:f|g;" },
	{ SOURCE_TABLE, "\"q r\" v1 v2\n\"q\\\"s\" x\n", "1:\"q r\"|v1 v2;2:\"q\\\"s\"|x;" },
	{ SOURCE_TABLE, "foo\nbar x\n", "1:!expected format: key whitespace value;2:bar|x;" },
	{ SOURCE_TABLE, "\"foo x\nbar y\n", "1:!unbalanced '\"';2:bar|y;" },
	{ SOURCE_TABLE, "  a b\nc d\n", "1:!logical line must not start with whitespace;2:c|d;" },
	{ SOURCE_TABLE, "a b # not a comment\n", "1:a|b # not a comment;" },
	{ SOURCE_TABLE, "a b\n#last", "1:a|b;" },
	{ SOURCE_TABLE, "a b\n   ", "1:a|b;" },
	{ SOURCE_TABLE, "[smtp.example.com]:587 user:pa:ss#w\"ord\n", "1:[smtp.example.com]:587|user:pa:ss#w\"ord;" },
	{ SOURCE_ALIAS, "root: me@example.jp\nA : \"b c\"@d, |\"/x y\"\n", "1:root|me@example.jp;2:A|\"b c\"@d, |\"/x y\";" },
	{ SOURCE_ALIAS, "\"foo bar\": x\n\"a:b\":\n c\n", "1:foo bar|x;2:a:b|c;" },
	{ SOURCE_ALIAS, "bad\nfoo:\n:x\nq@r: z\n",
	  "1:!expected format: name: value;2:!expected format: name: value;3:!expected format: name: value;4:!name must be local;" },
	{ SOURCE_ALIAS, "@: x\n@r: x\n", "1:!name must be local;2:!name must be local;" },
	{ SOURCE_ALIAS, "\"open: x\n", "1:!unbalanced '\"';" },
	{ SOURCE_ALIAS_TEXT, "root: me@x, \"a b\"\nteam a@x,b@x\nA : c\n\"foo bar\" d\n\"foo: bar\": e\nhook\t\"|/x y\" z:q\nlone\nx:y\n",
	  "1:root|me@x, \"a b\";2:team|a@x,b@x;3:A|c;4:\"foo bar\"|d;5:foo: bar|e;6:hook|\"|/x y\" z:q;7:!expected format: key whitespace value;8:x|y;" },
	{ SOURCE_LINES, "if 10.0.0.0/8\n10.1.0.0/16   y z\n  more\nendif\n", "1:|if 10.0.0.0/8;2:|10.1.0.0/16   y z  more;4:|endif;" },
};

T(source_splits_lines)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct source s;
		struct buf out;

		ROW("%s", rows[i].text);
		buf_init(&out, 4096);
		source_init(&s, str_of(rows[i].text), rows[i].form);
		read_all(&s, &out);
		CHECK_STR(buf_cstr(&out), rows[i].want);
		source_fini(&s);
		buf_fini(&out);
	}
}

T(source_reads_the_same_from_a_descriptor)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct source s;
		struct buf out;
		int fd[2];

		ROW("%s", rows[i].text);
		REQUIRE(pipe(fd) == 0);
		REQUIRE(fs_write_all(fd[1], rows[i].text, strlen(rows[i].text)) >= 0);
		close(fd[1]);
		buf_init(&out, 4096);
		source_init_fd(&s, fd[0], rows[i].form);
		read_all(&s, &out);
		CHECK_STR(buf_cstr(&out), rows[i].want);
		CHECK_INT(s.read_errno, 0);
		source_fini(&s);
		buf_fini(&out);
		close(fd[0]);
	}
}

T(source_window_moves_over_a_large_file)
{
	struct source s;
	struct str key, value;
	struct buf text;
	unsigned n = 0;
	char path[300], want[64];
	int fd;

	buf_init(&text, 1 << 24);
	for (unsigned i = 0; i < 60000; i++)
		buf_printf(&text, i % 7 == 0 ? "key%u value\n# comment\n  and more %u\n\n" : "key%u value%u\n", i, i);
	snprintf(path, sizeof(path), "%s/large", t_tmpdir());
	REQUIRE(fs_replace(path, 0600, buf_view(&text)) == 0);
	fd = fs_open(path, 0, 0);
	source_init_fd(&s, fd, SOURCE_TABLE);
	while (source_next(&s, &key, &value) > 0) {
		snprintf(want, sizeof(want), n % 7 == 0 ? "value  and more %u" : "value%u", n);
		if (str_eq(value, str_of(want)))
			n++;
	}
	CHECK_INT(n, 60000);
	source_fini(&s);
	close(fd);
	buf_fini(&text);
}

T(source_window_widens_until_a_line_is_whole)
{
	static const size_t lengths[] = { 1, 4090, 4091, 4092, 4093, 4094, 16380, 16381, 16382, 60000 };

	for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		struct source s;
		struct str key, value;
		struct buf text;
		char path[300];
		int fd;

		ROW("%zu", lengths[i]);
		buf_init(&text, 1 << 20);
		buf_z(&text, "a b\nc ");
		for (size_t k = 0; k < lengths[i]; k++)
			buf_byte(&text, 'x');
		buf_z(&text, "\n more\nd e\n");
		snprintf(path, sizeof(path), "%s/wide", t_tmpdir());
		REQUIRE(fs_replace(path, 0600, buf_view(&text)) == 0);
		fd = fs_open(path, 0, 0);
		source_init_fd(&s, fd, SOURCE_TABLE);
		CHECK(source_next(&s, &key, &value) == 1 && str_eq(key, STR("a")) && str_eq(value, STR("b")));
		CHECK(source_next(&s, &key, &value) == 1 && str_eq(key, STR("c")) && value.n == lengths[i] + 5 && str_ends(value, STR("x more")));
		CHECK(source_next(&s, &key, &value) == 1 && str_eq(key, STR("d")) && str_eq(value, STR("e")));
		CHECK(source_next(&s, &key, &value) == 0 && s.read_errno == 0);
		source_fini(&s);
		close(fd);
		buf_fini(&text);
	}
}

T(source_refuses_what_is_too_long)
{
	struct source s;
	struct str key, value;
	struct buf text;

	buf_init(&text, 1 << 20);
	buf_z(&text, "a ");
	for (int i = 0; i < 70000; i++)
		buf_byte(&text, 'x');
	buf_z(&text, "\nb c\n");
	source_init(&s, buf_view(&text), SOURCE_TABLE);
	CHECK_INT(source_next(&s, &key, &value), -1);
	CHECK_INT(source_next(&s, &key, &value), 1);
	CHECK_VIEW(key, "b");
	source_fini(&s);
	buf_fini(&text);
	source_init(&s, STR("a\0b c\n"), SOURCE_TABLE);
	CHECK_INT(source_next(&s, &key, &value), -1);
	source_fini(&s);
}

T(words_respect_braces)
{
	static const struct { const char *in, *want; int last; } lists[] = {
		{ "", "", 0 },
		{ " , ,", "", 0 },
		{ "a, b c,,d", "a;b;c;d;", 0 },
		{ "inline:{a=b, c=d} x", "inline:{a=b, c=d};x;", 0 },
		{ "a{b{c, d} e}f,g", "a{b{c, d} e}f;g;", 0 },
		{ "a {b", "a;", -1 },
		{ "a b}", "a;", -1 },
	};

	for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
		struct str rest = str_of(lists[i].in), word;
		struct buf out;
		int got;

		ROW("%s", lists[i].in);
		buf_init(&out, 1000);
		while ((got = words_next(&rest, &word)) > 0)
			buf_printf(&out, "%.*s;", STR_ARG(word));
		CHECK_INT(got, lists[i].last);
		CHECK_STR(buf_cstr(&out), lists[i].want);
		buf_fini(&out);
	}
}
