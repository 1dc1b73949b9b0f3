/* fs_whole - files as a whole: read at once, and replaced so that a crash leaves the old one or the new; see fs.h. */
#include "core/base/fs_private.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <unistd.h>

#include "core/base/random.h"

static int read_and_close(int fd, struct buf *out)
{
	int r;

	if (fd < 0)
		return -1;
	r = fs_read_fd(fd, out);
	fs_abandon(fd);
	return r;
}

int fs_read_file(const char *path, struct buf *out)
{
	return read_and_close(fs_open_table(path), out);
}

int fs_read_stream(const char *path, struct buf *out)
{
	return read_and_close(fs_open(path, O_RDONLY, 0), out);
}

/* take_after - the owner and the mode of another file, whatever the umask says */
static int take_after(int fd, const struct stat *like)
{
	struct stat mine;

	if (fstat(fd, &mine) < 0)
		return -1;
	if ((mine.st_uid != like->st_uid || mine.st_gid != like->st_gid) && fs_fchown(fd, like->st_uid, like->st_gid) < 0)
		return -1;
	return fs_fchmod(fd, like->st_mode & 07777);
}

static int write_temp(const char *temp, mode_t mode, const struct stat *like, struct str content)
{
	int fd = fs_open(temp, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, mode);

	if (fd < 0)
		return -1;
	if ((like && take_after(fd, like) < 0) || fs_write_all(fd, content.p, content.n) < 0 || fs_sync(fd) < 0) {
		fs_abandon(fd);
		return -1;
	}
	return fs_close(fd);
}

static int sync_parent(const char *path)
{
	char dir[PATH_MAX];
	const char *slash = strrchr(path, '/');

	if (!slash)
		return fs_sync_dir(".");
	snprintf(dir, sizeof(dir), "%.*s", slash == path ? 1 : (int)(slash - path), path);
	return fs_sync_dir(dir);
}

static int replace(const char *path, mode_t mode, const struct stat *like, struct str content)
{
	char temp[PATH_MAX];
	int saved;

	if (snprintf(temp, sizeof(temp), "%s.%08x.tmp", path, random_u32()) >= (int)sizeof(temp)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	if (write_temp(temp, mode, like, content) < 0 || fs_rename(temp, path) < 0) {
		saved = errno;
		unlink(temp);
		errno = saved;
		return -1;
	}
	return sync_parent(path);
}

int fs_replace(const char *path, mode_t mode, struct str content)
{
	return replace(path, mode, NULL, content);
}

int fs_replace_like(const char *path, const struct stat *like, struct str content)
{
	return replace(path, 0600, like, content);
}
