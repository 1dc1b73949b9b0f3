/* A small file that is a picture of what memory holds: whole, as new as the last change, and one complaint where it cannot be written. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/fs.h"
#include "core/base/log.h"
#include "core/base/pool.h"
#include "core/base/saver.h"
#include "tests/unit/t.h"

static struct { int value, drawn; char path[300], log[300]; } w;

static void draw(void *ctx, struct buf *out)
{
	CHECK(ctx == &w);
	w.drawn++;
	buf_printf(out, "%d\n", w.value);
}

static struct saver *begin(struct pool *p, const char *name)
{
	w.value = w.drawn = 0;
	snprintf(w.path, sizeof(w.path), "%s/%s", t_tmpdir(), name);
	snprintf(w.log, sizeof(w.log), "%s/log-%s", t_tmpdir(), strrchr(name, '/') ? strrchr(name, '/') + 1 : name);
	log_open(&(struct log_config){ .sink = LOG_TO_FILE, .path = w.log, .syslog_name = "postfix", .host = "h" });
	return saver_new(&(struct saver_options){ .pool = p, .path = w.path, .most = 1000, .draw = draw, .ctx = &w, .loss = "a pity" });
}

static const char *content(const char *path)
{
	static struct buf b;

	buf_fini(&b);
	buf_init(&b, 100000);
	fs_read_file(path, &b);
	return buf_cstr(&b);
}

static int complaints(void)
{
	int n = 0;

	log_flush();
	for (const char *at = content(w.log); (at = strstr(at, "cannot be written: ")); at++)
		n++;
	return n;
}

T(what_changed_is_written_at_once_without_a_pool)
{
	struct saver *s = begin(NULL, "a");
	struct stat st;

	saver_flush(s, false);
	CHECK_INT(w.drawn, 0);
	CHECK_INT(access(w.path, F_OK), -1);
	w.value = 1;
	saver_write(s);
	CHECK_STR(content(w.path), "1\n");
	CHECK(stat(w.path, &st) == 0 && (st.st_mode & 0777) == 0600);
	w.value = 2;
	saver_write(s);
	CHECK_STR(content(w.path), "2\n");
	w.value = 3;
	saver_flush(s, false);
	CHECK_STR(content(w.path), "2\n");
	saver_flush(s, true);
	CHECK_STR(content(w.path), "3\n");
	CHECK_INT(w.drawn, 3);
	CHECK_INT(complaints(), 0);
	saver_free(s);
	saver_free(NULL);
}

T(writes_of_a_pool_follow_each_other)
{
	struct pool *p = pool_new(1);
	struct saver *s;

	REQUIRE(p);
	s = begin(p, "b");
	w.value = 1;
	saver_write(s);
	/* what changes meanwhile is in the next one, however often */
	w.value = 2;
	saver_write(s);
	w.value = 3;
	saver_write(s);
	CHECK_INT(w.drawn, 1);
	saver_flush(s, true);
	CHECK_INT(w.drawn, 1);
	pool_wait(p);
	CHECK_INT(w.drawn, 2);
	pool_wait(p);
	CHECK_STR(content(w.path), "3\n");
	saver_flush(s, false);
	CHECK_INT(w.drawn, 2);
	/* who goes has nothing to wait for */
	w.value = 4;
	saver_write(s);
	w.value = 5;
	saver_write(s);
	saver_free(s);
	pool_wait(p);
	CHECK_STR(content(w.path), "4\n");
	pool_free(p);
}

T(file_that_cannot_be_written_is_told_once_until_it_can)
{
	struct saver *s = begin(NULL, "folder/c");
	char folder[300];

	saver_write(s);
	saver_write(s);
	CHECK_INT(complaints(), 1);
	CHECK(strstr(content(w.log), "/folder/c cannot be written: No such file or directory: a pity") != NULL);
	snprintf(folder, sizeof(folder), "%s/folder", t_tmpdir());
	fs_mkdir(folder, 0700);
	saver_write(s);
	CHECK_STR(content(w.path), "0\n");
	CHECK_INT(complaints(), 1);
	unlink(w.path);
	rmdir(folder);
	saver_write(s);
	CHECK_INT(complaints(), 2);
	saver_free(s);
}
