/* which files of a folder of authorities are read, and what is said when none is */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/base/fs.h"
#include "core/net/tls_files.h"
#include "tests/unit/t.h"

struct taken { unsigned n; bool no; char text[200]; };

static bool take(void *ctx, struct str text)
{
	struct taken *t = ctx;

	t->n++;
	snprintf(t->text + strlen(t->text), sizeof(t->text) - strlen(t->text), "%.*s ", STR_ARG(text));
	return !t->no;
}

static const char *in_tmp(const char *name)
{
	static char paths[4][300];
	static int n;

	n = (n + 1) % 4;
	snprintf(paths[n], sizeof(paths[n]), "%s/%s", t_tmpdir(), name);
	return paths[n];
}

/* other files of such a folder are the same certificates again */
T(ca_folder_is_read_by_the_names_of_openssl)
{
	static const struct { const char *name; bool read; } rows[] = {
		{ "12ab34cd.0", true }, { "00000000.12", true }, { "5ED36F99.1", true }, { "ca.pem", false }, { "README", false }, { "12ab34cd", false },
		{ "12ab34cd.", false }, { "12ab34cd.x", false }, { "12ab34cd.r0", false }, { "12ab34c.00", false }, { "12ab34cdd.0", false },
		{ "12ab34cz.0", false }, { "12ab34cd-0", false },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct taken t = { .n = 0 };
		char folder[300], file[400];
		struct buf why;

		ROW("%s", rows[i].name);
		snprintf(folder, sizeof(folder), "%s%zu", in_tmp("folder"), i);
		CHECK_INT(fs_mkdir(folder, 0700), 0);
		snprintf(file, sizeof(file), "%s/%s", folder, rows[i].name);
		CHECK_INT(fs_replace(file, 0600, STR("text")), 0);
		buf_init(&why, 1000);
		CHECK_INT(tls_each_ca("", folder, take, &t, &why), rows[i].read);
		CHECK_INT(t.n, rows[i].read);
		CHECK_STR(t.text, rows[i].read ? "text " : "");
		CHECK_INT(why.n > 0, !rows[i].read);
		buf_fini(&why);
	}
}

T(ca_file_and_folder_both_count)
{
	struct taken t = { .n = 0 };
	struct buf why;

	buf_init(&why, 1000);
	CHECK_INT(fs_replace(in_tmp("ca"), 0600, STR("file")), 0);
	CHECK_INT(fs_mkdir(in_tmp("both"), 0700), 0);
	CHECK_INT(fs_replace(in_tmp("both/12ab34cd.0"), 0600, STR("one")), 0);
	CHECK(tls_each_ca(in_tmp("ca"), in_tmp("both"), take, &t, &why));
	CHECK_STR(t.text, "file one ");
	CHECK_INT(why.n, 0);
	/* a file that is not there, or has nothing in it, is a mistake; so is a folder without any */
	t = (struct taken){ .n = 0 };
	CHECK(!tls_each_ca(in_tmp("nowhere"), "", take, &t, &why) && why.n);
	buf_clear(&why);
	t = (struct taken){ .no = true };
	CHECK(!tls_each_ca(in_tmp("ca"), "", take, &t, &why) && why.n);
	buf_clear(&why);
	CHECK(!tls_each_ca("", in_tmp("both"), take, &t, &why) && why.n);
	buf_clear(&why);
	CHECK(!tls_each_ca("", in_tmp("nowhere"), take, &t, &why) && why.n);
	buf_fini(&why);
}
