/* maildir - tmp/NAME written and flushed, then renamed into new/, then new/ itself flushed (maildir(5)). The folders are
 * opened without following links, so a user cannot point them elsewhere when they are written by somebody else. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "core/base/fs.h"
#include "core/deliver/local/mailbox.h"

/* the folder and what is above it, as far as it is missing */
static int make_folder(const char *path)
{
	char part[MAILBOX_PATH];

	if (fs_mkdir(path, 0700) == 0)
		return 0;
	if (errno != ENOENT)
		return -1;
	for (size_t i = 1; i < sizeof(part) && path[i]; i++) {
		if (path[i] != '/')
			continue;
		memcpy(part, path, i);
		part[i] = 0;
		if (fs_mkdir(part, 0700) < 0)
			return -1;
	}
	return fs_mkdir(path, 0700);
}

static int open_folder(int at, const char *name)
{
	struct stat st;
	int fd = at < 0 ? fs_open(name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0) :
		fs_openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0);

	if (fd >= 0 && fstat(fd, &st) == 0 && st.st_uid != geteuid() && st.st_uid != 0) {
		fs_close(fd);
		errno = EPERM;
		return -1;
	}
	return fd;
}

static int make_maildir(const char *path)
{
	static const char *const names[] = { "tmp", "new", "cur" };
	char sub[MAILBOX_PATH + 8];

	if (make_folder(path) < 0)
		return -1;
	for (size_t i = 0; i < 3; i++) {
		snprintf(sub, sizeof(sub), "%s/%s", path, names[i]);
		if (fs_mkdir(sub, 0700) < 0)
			return -1;
	}
	return 0;
}

static int write_file(const struct mailbox_order *o, int content_fd, int tmp)
{
	int fd = fs_openat(tmp, o->unique, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0600), error;
	off_t end;

	if (fd < 0)
		return errno;
	error = mailbox_copy(o, content_fd, fd, 0, false, &end);
	if (!error && fs_sync(fd) < 0)
		error = errno;
	if (fs_close(fd) < 0 && !error)
		error = errno;
	if (error)
		fs_unlinkat(tmp, o->unique);
	return error;
}

static int move_file(const char *name, int dir, int new)
{
	char from[MAILBOX_UNIQUE + 8], to[MAILBOX_UNIQUE + 8];
	int error = 0;

	snprintf(from, sizeof(from), "tmp/%s", name);
	snprintf(to, sizeof(to), "new/%s", name);
	if (fs_renameat(dir, from, to) < 0) {
		error = errno;
		fs_unlinkat(dir, from);
	} else if (fs_sync(new) < 0) {
		error = errno;
		fs_unlinkat(dir, to);
	}
	return error;
}

void maildir_deliver(const struct mailbox_order *o, int content_fd, struct reply *out)
{
	const char *what = "maildir delivery failed: create maildir file in";
	int dir = open_folder(-1, o->path), tmp = -1, new = -1, error = 0;

	if (dir < 0 && errno == ENOENT && make_maildir(o->path) == 0)
		dir = open_folder(-1, o->path);
	if (dir >= 0)
		tmp = open_folder(dir, "tmp");
	if (dir >= 0 && tmp < 0 && errno == ENOENT && make_maildir(o->path) == 0)
		tmp = open_folder(dir, "tmp");
	if (tmp >= 0)
		new = open_folder(dir, "new");
	if (new < 0) {
		error = errno;
		goto out;
	}
	error = write_file(o, content_fd, tmp);
	if (!error)
		error = move_file(o->unique, dir, new);
out:
	if (error)
		mailbox_failed(out, error, what, o->path);
	else
		reply_set(out, 250, "2.0.0", "delivered to maildir");
	if (new >= 0)
		fs_close(new);
	if (tmp >= 0)
		fs_close(tmp);
	if (dir >= 0)
		fs_close(dir);
}
