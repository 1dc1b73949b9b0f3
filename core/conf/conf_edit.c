/* conf_edit - changes main.cf as postconf -e does: by lines, so that whatever a person wrote around them stays. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/file.h>

#include "core/base/fs.h"
#include "core/base/limits.h"
#include "core/conf/conf_private.h"

bool conf_change_parse(const char *text, bool take_out, struct conf_change *out, struct buf *why)
{
	struct str s = str_trim(str_of(text));
	ptrdiff_t eq = str_chr(s, '=');

	*out = (struct conf_change){ .name = s, .take_out = take_out };
	if (strpbrk(text, "\r\n")) {
		buf_z(why, "a change has one line");
	} else if (s.n && s.p[0] == '#') {
		buf_z(why, "a change cannot be a comment");
	} else if (take_out && eq >= 0) {
		buf_printf(why, "\"%.*s\": give the name alone to take it out", STR_ARG(str_head(s, 80)));
	} else if (!take_out && eq < 0) {
		buf_printf(why, "missing '=' after \"%.*s\": write name=value", STR_ARG(str_head(s, 80)));
	} else if (!take_out) {
		out->name = str_trim(str_head(s, (size_t)eq));
		out->value = str_trim(str_from(s, (size_t)eq + 1));
	}
	if (!why->n && !out->name.n)
		buf_printf(why, "missing name in \"%.*s\": write name=value", STR_ARG(str_head(s, 80)));
	for (size_t i = 0; i < out->name.n && !why->n; i++)
		if (ascii_is_space(out->name.p[i]))
			buf_printf(why, "\"%.*s\": a name has no white space", STR_ARG(str_head(out->name, 80)));
	return !why->n;
}

/* change_of - the last one of this name; n: none */
static size_t change_of(const struct conf_change *v, size_t n, struct str name)
{
	for (size_t i = n; i-- > 0;)
		if (str_eq(v[i].name, name))
			return i;
	return n;
}

static struct str name_in(struct str line)
{
	size_t n = 0;

	while (n < line.n && line.p[n] != '=' && !ascii_is_space(line.p[n]))
		n++;
	return str_head(line, n);
}

static void put_setting(struct buf *out, const struct conf_change *c)
{
	if (!c->take_out)
		buf_printf(out, "%.*s =%s%.*s\n", STR_ARG(c->name), c->value.n ? " " : "", STR_ARG(c->value));
}

static bool is_set_in(struct str text, struct str name)
{
	struct str line;

	while (str_cut(&text, '\n', &line))
		if (!lines_is_skipped(line) && str_eq(name_in(line), name))
			return true;
	return false;
}

void conf_edit_text(struct str text, const struct conf_change *v, size_t n, struct buf *out)
{
	struct str rest, line;
	bool replaced = false;         /* the setting that a continued line belongs to */

	if (str_starts(text, lines_mark)) {
		buf_str(out, lines_mark);
		text = str_from(text, lines_mark.n);
	}
	for (rest = text; rest.n;) {
		size_t i = n;

		str_cut(&rest, '\n', &line);
		if (!lines_is_skipped(line) && !ascii_is_space(line.p[0])) {
			i = change_of(v, n, name_in(line));
			replaced = i < n;
		}
		if (i < n)
			put_setting(out, &v[i]);
		else if (!replaced || lines_is_skipped(line))
			buf_printf(out, "%.*s\n", STR_ARG(line));
	}
	for (size_t i = 0; i < n; i++)
		if (change_of(v, n, v[i].name) == i && !is_set_in(text, v[i].name))
			put_setting(out, &v[i]);
}

/* edit_file - under the lock: read, change, replace. 0, or -1 with errno */
static int edit_file(const char *path, const struct conf_change *v, size_t n)
{
	struct buf before, after;
	struct stat st;
	int r;

	buf_init(&before, LIMIT_CONF_FILE);
	buf_init(&after, LIMIT_CONF_FILE);
	r = stat(path, &st) < 0 ? -1 : fs_read_file(path, &before);
	if (r == 0) {
		conf_edit_text(buf_view(&before), v, n, &after);
		if (after.overflow) {
			errno = EFBIG;
			r = -1;
		} else if (!str_eq(buf_view(&before), buf_view(&after))) {
			r = fs_replace_like(path, &st, buf_view(&after));
		}
	}
	buf_fini(&before);
	buf_fini(&after);
	return r;
}

/* lock_folder - wait for other editors. The folder is what stays: each edit makes the file a new one */
static int lock_folder(const char *path)
{
	char folder[PATH_MAX];
	int fd, r;

	snprintf(folder, sizeof(folder), "%.*s", (int)(strrchr(path, '/') - path) + 1, path);
	fd = fs_open(folder, O_RDONLY | O_DIRECTORY, 0);
	if (fd < 0)
		return -1;
	do
		r = flock(fd, LOCK_EX);
	while (r < 0 && errno == EINTR);
	if (r == 0)
		return fd;
	fs_close(fd);
	return -1;
}

int conf_edit(const char *directory, const struct conf_change *v, size_t n, struct buf *why)
{
	char named[PATH_MAX], path[PATH_MAX];
	int fd, r = -1;

	if (snprintf(named, sizeof(named), "%s/main.cf", directory) >= (int)sizeof(named) || !realpath(named, path)) {
		buf_printf(why, "%s/main.cf: %s%s", directory, strerror(errno), errno == ENOENT ? "; make an empty file first: with one, "
			"what it does not say is as Postfix has it, and no longer for this host alone" : "");
		return -1;
	}
	fd = lock_folder(path);
	if (fd >= 0)
		r = edit_file(path, v, n);
	if (r < 0)
		buf_printf(why, "cannot change %s: %s%s", path, strerror(errno), errno == EBUSY ? "; it is mounted by itself: mount its folder, "
			"or change it where it comes from" : "");
	if (fd >= 0)
		fs_close(fd);
	return r;
}
