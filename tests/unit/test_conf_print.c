/* master.cf as postconf -M and -P print it */
#include <stdio.h>
#include <unistd.h>

#include "core/base/fs.h"
#include "core/conf/conf.h"
#include "tests/unit/t.h"

#define LINES "# a comment\nsmtp inet n - n - 10 smtpd -v\n  -o b=2 -o a=1\nsubmission inet n - n - - smtpd -o a=3 -o c=\nsmtp unix - - n - - smtp\n"

/* folder - with this master.cf; NULL: without one */
static const char *folder(const char *lines)
{
	char path[300];

	snprintf(path, sizeof(path), "%s/master.cf", t_tmpdir());
	unlink(path);
	if (lines)
		fs_replace(path, 0600, str_of(lines));
	return t_tmpdir();
}

T(master_is_printed_as_asked)
{
	static const struct { const char *wanted; enum master_form form; int n; const char *text; } rows[] = {
		{ NULL, MASTER_LINES, 3,
		  "smtp       inet  n       -       n       -       10      smtpd -v -o b=2 -o a=1\n"
		  "submission inet  n       -       n       -       -       smtpd -o a=3 -o c=\n"
		  "smtp       unix  -       -       n       -       -       smtp\n" },
		{ "smtp", MASTER_LINES, 2, NULL }, { "smtp/unix", MASTER_LINES, 1, "smtp       unix  -       -       n       -       -       smtp\n" },
		{ "*/inet", MASTER_LINES, 2, NULL }, { "smtps", MASTER_LINES, 0, "" }, { "smtp/fifo", MASTER_LINES, 0, "" },
		{ NULL, MASTER_OPTIONS, 4, "smtp/inet/a = 1\nsmtp/inet/b = 2\nsubmission/inet/a = 3\nsubmission/inet/c =\n" },
		{ "smtp/inet/a", MASTER_OPTIONS, 1, "smtp/inet/a = 1\n" }, { "*/*/a", MASTER_OPTIONS, 2, "smtp/inet/a = 1\nsubmission/inet/a = 3\n" },
		{ "submission/*/a", MASTER_VALUES, 1, "3\n" }, { "smtp", MASTER_VALUES, 2, "1\n2\n" }, { "smtp/unix/a", MASTER_OPTIONS, 0, "" },
	};
	const char *dir = folder(LINES);

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char text[2000] = "";
		FILE *to = fmemopen(text, sizeof(text), "w");
		struct buf why;

		ROW("%s %d", rows[i].wanted, (int)rows[i].form);
		buf_init(&why, 1000);
		CHECK_INT(master_print(dir, rows[i].wanted, rows[i].form, to, &why), rows[i].n);
		fclose(to);
		if (rows[i].text)
			CHECK_STR(text, rows[i].text);
		CHECK_STR(buf_cstr(&why), "");
		buf_fini(&why);
	}
}

T(master_that_cannot_be_read_is_not_printed)
{
	static const struct { const char *lines, *why; } rows[] = { { NULL, "cannot read: No such file or directory" }, { "smtp inet n\n", "line 1: " }, { "#\n\nsmtp inet n - n - - smtpd\nx\n", "line 4: " } };

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char text[2000] = "";
		FILE *to = fmemopen(text, sizeof(text), "w");
		struct buf why;

		ROW("%zu", i);
		buf_init(&why, 1000);
		CHECK_INT(master_print(folder(rows[i].lines), NULL, MASTER_LINES, to, &why), -1);
		fclose(to);
		CHECK_INT(strncmp(buf_cstr(&why), rows[i].why, strlen(rows[i].why)), 0);
		buf_fini(&why);
	}
}
