/* Editing main.cf: what a change replaces and what it leaves, row by row. The first rows are what postconf -e of Postfix 3.7 makes. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/fs.h"
#include "core/conf/conf.h"
#include "tests/unit/t.h"

/* edited - text after the changes; "-name" takes a name out */
static const char *edited(const char *text, const char *const *changes)
{
	static char result[1000];
	struct conf_change v[8];
	struct buf out, why;
	size_t n = 0;

	buf_init(&out, sizeof(result) - 1);
	buf_init(&why, 200);
	for (; changes[n]; n++)
		if (!conf_change_parse(changes[n] + (*changes[n] == '-'), *changes[n] == '-', &v[n], &why))
			break;
	if (!changes[n])
		conf_edit_text(str_of(text), v, n, &out);
	snprintf(result, sizeof(result), "%s", changes[n] ? "refused" : buf_cstr(&out));
	buf_fini(&out);
	buf_fini(&why);
	return result;
}

T(conf_edit_replaces_what_is_set_and_keeps_the_rest)
{
	static const struct { const char *before, *changes[4], *after; } rows[] = {
		{ "# head\na = 1\n# tail\n", { "a=2" }, "# head\na = 2\n# tail\n" },
		{ "a = 1\n  ,2\n# inside\n\n   # indented\n  ,3\nb =\n", { "a = [x]" }, "a = [x]\n# inside\n\n   # indented\nb =\n" },
		{ "a = 1\nb = 2\na = 3\n", { "a=4" }, "a = 4\nb = 2\na = 4\n" },
		{ "a = 1\n", { "b=v  w" }, "a = 1\nb = v  w\n" },
		{ "a=1\n", { "a=2" }, "a = 2\n" },
		{ "a\t= 1\n", { "a=2" }, "a = 2\n" },
		/* a name that begins like another, and one that is commented out */
		{ "ab = 1\n#a = 0\n", { "a=2" }, "ab = 1\n#a = 0\na = 2\n" },
		{ "a = 1\n b = 2\n", { "b=3" }, "a = 1\n b = 2\nb = 3\n" },
		{ "a = 1\n", { "a=" }, "a =\n" },
		{ "a = 1\n", { "a=x=y" }, "a = x=y\n" },
		{ "", { "a=1" }, "a = 1\n" },
		{ "a = 1", { "b=2" }, "a = 1\nb = 2\n" },
		{ "a = 1", { "a=2" }, "a = 2\n" },
		{ "a = 1\r\nb = 2\r\n", { "b=3" }, "a = 1\r\nb = 3\n" },
		{ "\xef\xbb\xbf" "a = 1\n", { "a=2" }, "\xef\xbb\xbf" "a = 2\n" },
		{ "a = 1\n", { "b=1", "b=2" }, "a = 1\nb = 2\n" },
		{ "a = 1\n", { "c=1", "b=2", "c=3" }, "a = 1\nb = 2\nc = 3\n" },
		{ "a = 1\n  2\n#x\n  3\nb = 4\n", { "-a" }, "#x\nb = 4\n" },
		{ "a = 1\nb = 2\n a\na = 3\n", { "-a" }, "b = 2\n a\n" },
		{ "a = 1\n", { "-b" }, "a = 1\n" },
		{ "a = 1\n", { "a = $b ${c?d} #e" }, "a = $b ${c?d} #e\n" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		CHECK_STR(edited(rows[i].before, rows[i].changes), rows[i].after);
}

T(conf_change_refuses_what_would_be_another_line)
{
	static const char *const bad[] = { "a", "=x", " = x", "#a=x", " # a=x", "a=x\ny", "a=x\ry", "a b=c", "", "-a=b", "-", "-#a", "-a b" };

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		CHECK_STR(edited("k = 1\n", (const char *const[]){ bad[i], NULL }), "refused");
}

static char folder[] = "/tmp/conf_edit.XXXXXX";
static const char *in_folder(const char *name)
{
	static char path[4][200];
	static unsigned next;
	char *p = path[next++ % 4];

	snprintf(p, 200, "%s/%s", folder, name);
	return p;
}

static int edit(const char *change, struct buf *why)
{
	struct conf_change c;

	buf_clear(why);
	return conf_change_parse(change, false, &c, why) ? conf_edit(folder, &c, 1, why) : -1;
}

static int refuse_rename(const char *call, const char *path)
{
	return strcmp(call, "rename") ? 0 : EIO;
}

T(conf_edit_is_whole_or_not_at_all)
{
	struct buf why, text;
	struct stat before, after;
	mode_t mask = umask(077);

	buf_init(&why, 1000);
	buf_init(&text, 1000);
	REQUIRE(mkdtemp(folder));
	/* a new file would change what is not said: it is not made by the way */
	CHECK(edit("a=1", &why) < 0);
	CHECK(strstr(buf_cstr(&why), "make an empty file first") != NULL);
	REQUIRE(fs_replace(in_folder("real.cf"), 0600, STR("a = 1\n")) == 0);
	REQUIRE(chmod(in_folder("real.cf"), 0644) == 0 && symlink("real.cf", in_folder("main.cf")) == 0);
	CHECK_INT(edit("a=2", &why), 0);
	REQUIRE(lstat(in_folder("main.cf"), &after) == 0);
	CHECK(S_ISLNK(after.st_mode));
	REQUIRE(stat(in_folder("main.cf"), &before) == 0 && fs_read_file(in_folder("real.cf"), &text) == 0);
	CHECK_STR(buf_cstr(&text), "a = 2\n");
	CHECK_INT(before.st_mode & 0777, 0644);
	/* what changes nothing writes nothing */
	CHECK_INT(edit("a=2", &why), 0);
	REQUIRE(stat(in_folder("main.cf"), &after) == 0);
	CHECK(before.st_ino == after.st_ino);
	fs_hook = refuse_rename;
	CHECK(edit("a=3", &why) < 0);
	fs_hook = NULL;
	CHECK(strstr(buf_cstr(&why), "real.cf") != NULL);
	buf_clear(&text);
	REQUIRE(fs_read_file(in_folder("real.cf"), &text) == 0);
	CHECK_STR(buf_cstr(&text), "a = 2\n");
	unlink(in_folder("main.cf"));
	unlink(in_folder("real.cf"));
	/* nothing else was left there */
	CHECK_INT(rmdir(folder), 0);
	umask(mask);
	buf_fini(&why);
	buf_fini(&text);
}
