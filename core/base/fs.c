/* fs - see fs.h. Each call asks the seam first, then the system; EINTR and short writes are the only retries. */
#include "core/base/fs_private.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/statvfs.h>
#include <unistd.h>

int (*fs_hook)(const char *call, const char *path_or_null);

/* refused - what the seam says: 0 to go on, -1 with errno, or FS_HOOK_SHORT turned into 1 */
static int refused(const char *call, const char *path)
{
	int answer = fs_hook ? fs_hook(call, path) : 0;

	if (answer == FS_HOOK_SHORT)
		return 1;
	if (answer > 0) {
		errno = answer;
		return -1;
	}
	return 0;
}

int fs_open(const char *path, int flags, mode_t mode)
{
	return fs_openat(AT_FDCWD, path, flags, mode);
}

int fs_openat(int dir, const char *name, int flags, mode_t mode)
{
	int fd;

	if (refused("open", name) < 0)
		return -1;
	do
		fd = openat(dir, name, flags | O_CLOEXEC, mode);
	while (fd < 0 && errno == EINTR);
	return fd;
}

int fs_close(int fd)
{
	if (refused("close", NULL) < 0) {
		fs_abandon(fd);
		return -1;
	}
	/* Linux has closed it even when it says EINTR */
	return close(fd) < 0 && errno != EINTR ? -1 : 0;
}

ssize_t fs_write_all(int fd, const void *p, size_t n)
{
	const char *at = p;
	size_t left = n;

	while (left) {
		int answer = refused("write", NULL);
		ssize_t done;

		if (answer < 0)
			return -1;
		done = write(fd, at, answer ? (left + 1) / 2 : left);
		if (done < 0 && errno == EINTR)
			continue;
		if (done < 0)
			return -1;
		at += done;
		left -= (size_t)done;
	}
	return (ssize_t)n;
}

ssize_t fs_pwrite_all(int fd, const void *p, size_t n, off_t at)
{
	struct iovec v = { (void *)(uintptr_t)p, n };

	return fs_pwritev_all(fd, &v, 1, at);
}

/* skip - take `done` bytes off the front of v[*i...] */
static void skip(struct iovec *v, int count, int *i, size_t done)
{
	while (*i < count && done >= v[*i].iov_len)
		done -= v[(*i)++].iov_len;
	if (*i < count) {
		v[*i].iov_base = (char *)v[*i].iov_base + done;
		v[*i].iov_len -= done;
	}
}

ssize_t fs_pwritev_all(int fd, struct iovec *v, int count, off_t at)
{
	ssize_t total = 0;
	int i = 0;

	skip(v, count, &i, 0);
	while (i < count) {
		int answer = refused("pwrite", NULL);
		ssize_t done;

		if (answer < 0)
			return -1;
		if (answer)
			done = pwrite(fd, v[i].iov_base, (v[i].iov_len + 1) / 2, at);
		else
			done = pwritev(fd, v + i, count - i < IOV_MAX ? count - i : IOV_MAX, at);
		if (done < 0 && errno == EINTR)
			continue;
		if (done < 0)
			return -1;
		at += done;
		total += done;
		skip(v, count, &i, (size_t)done);
	}
	return total;
}

ssize_t fs_pread_all(int fd, void *p, size_t n, off_t at)
{
	size_t have = 0;

	if (refused("pread", NULL) < 0)
		return -1;
	while (have < n) {
		ssize_t got = pread(fd, (char *)p + have, n - have, at + (off_t)have);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return -1;
		if (!got)
			break;
		have += (size_t)got;
	}
	return (ssize_t)have;
}

void fs_begin_writing(int fd, off_t at, off_t n)
{
	(void)sync_file_range(fd, at, n, SYNC_FILE_RANGE_WRITE);
}

int fs_sync(int fd)
{
	int r;

	if (refused("fsync", NULL) < 0)
		return -1;
	do
		r = fsync(fd);
	while (r < 0 && errno == EINTR);
	return r;
}

int fs_datasync(int fd)
{
	int r;

	if (refused("fdatasync", NULL) < 0)
		return -1;
	do
		r = fdatasync(fd);
	while (r < 0 && errno == EINTR);
	return r;
}

int fs_sync_dir(const char *path)
{
	int fd = fs_open(path, O_RDONLY | O_DIRECTORY, 0), r;

	if (fd < 0)
		return FS_NOT_OPENED;
	r = fs_sync(fd);
	fs_abandon(fd);
	return r;
}

int fs_rename(const char *from, const char *to)
{
	return refused("rename", to) < 0 ? -1 : rename(from, to);
}

int fs_renameat(int dir, const char *from, const char *to)
{
	return refused("rename", to) < 0 ? -1 : renameat(dir, from, dir, to);
}

int fs_link(const char *from, const char *to)
{
	return refused("link", to) < 0 ? -1 : link(from, to);
}

int fs_unlink(const char *path)
{
	return refused("unlink", path) < 0 ? -1 : unlink(path);
}

int fs_unlinkat(int dir, const char *name)
{
	return refused("unlink", name) < 0 ? -1 : unlinkat(dir, name, 0);
}

int fs_truncate(int fd, off_t size)
{
	int r;

	if (refused("truncate", NULL) < 0)
		return -1;
	do
		r = ftruncate(fd, size);
	while (r < 0 && errno == EINTR);
	return r;
}

int fs_allocate(int fd, off_t at, off_t size)
{
	int r;

	if (refused("allocate", NULL) < 0)
		return -1;
	do
		r = fallocate(fd, FALLOC_FL_KEEP_SIZE, at, size);
	while (r < 0 && errno == EINTR);
	return r < 0 && (errno == EOPNOTSUPP || errno == ENOSYS) ? 0 : r;
}

int fs_mkdir(const char *path, mode_t mode)
{
	struct stat st;

	if (refused("mkdir", path) < 0)
		return -1;
	if (!mkdir(path, mode))
		return 0;
	if (errno != EEXIST)
		return -1;
	if (stat(path, &st) < 0)
		return -1;
	errno = ENOTDIR;
	return S_ISDIR(st.st_mode) ? 0 : -1;
}

int fs_mkdirat(int dir, const char *name, mode_t mode)
{
	if (refused("mkdir", name) < 0)
		return -1;
	return mkdirat(dir, name, mode) < 0 && errno != EEXIST ? -1 : 0;
}

int fs_fchmod(int fd, mode_t mode)
{
	return refused("chmod", NULL) < 0 ? -1 : fchmod(fd, mode);
}

int fs_fchown(int fd, uid_t uid, gid_t gid)
{
	return refused("chown", NULL) < 0 ? -1 : fchown(fd, uid, gid);
}

int fs_chmod(const char *path, mode_t mode)
{
	return refused("chmod", path) < 0 ? -1 : chmod(path, mode);
}

int fs_free_space(const char *path, struct fs_space *out)
{
	struct statvfs s;

	if (refused("statvfs", path) < 0 || statvfs(path, &s) < 0)
		return -1;
	out->total = (uint64_t)s.f_blocks * s.f_frsize;
	out->bytes = (uint64_t)s.f_bavail * s.f_frsize;
	/* file systems without an inode table report no inodes at all */
	out->inodes = s.f_files ? s.f_favail : UINT64_MAX;
	return 0;
}

/* read_into - in pieces that take one page of the stack: most files are smaller, and each page is a fault at a start */
static int read_into(int fd, struct buf *out)
{
	char piece[4 * 1024 - 128];

	for (;;) {
		ssize_t got = read(fd, piece, sizeof(piece));

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return -1;
		if (!got)
			return 0;
		if (!buf_add(out, piece, (size_t)got)) {
			errno = EFBIG;
			return -1;
		}
	}
}

int fs_read_fd(int fd, struct buf *out)
{
	return refused("read", NULL) < 0 ? -1 : read_into(fd, out);
}

static bool is_dots(const char *name)
{
	return !strcmp(name, ".") || !strcmp(name, "..");
}

/* each_name - of a folder that is open, which is closed here */
static int each_name(DIR *d, int (*fn)(void *ctx, const char *name), void *ctx)
{
	int r = 0, saved;

	while (!r) {
		struct dirent *e;

		errno = 0;
		e = readdir(d);
		if (!e) {
			r = errno ? -1 : 0;
			break;
		}
		if (!is_dots(e->d_name))
			r = fn(ctx, e->d_name);
	}
	saved = errno;
	closedir(d);
	errno = saved;
	return r;
}

int fs_each_name(const char *dir, int (*fn)(void *ctx, const char *name), void *ctx)
{
	DIR *d = refused("opendir", dir) < 0 ? NULL : opendir(dir);

	return d ? each_name(d, fn, ctx) : -1;
}

int fs_each_name_at(int dir, int (*fn)(void *ctx, const char *name), void *ctx)
{
	int fd = fs_openat(dir, ".", O_RDONLY | O_DIRECTORY, 0);
	DIR *d = fd < 0 || refused("opendir", NULL) < 0 ? NULL : fdopendir(fd);

	if (d)
		return each_name(d, fn, ctx);
	if (fd >= 0)
		fs_abandon(fd);
	return -1;
}
