/* fs - see fs.h. Each call asks the seam first, then the system; EINTR and short writes are the only retries. */
#include "core/base/fs.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/statvfs.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "core/base/random.h"

int (*fs_hook)(const char *call, const char *path_or_null);

static int (*table_opener)(void *ctx, const char *path);
static void *table_opener_ctx;

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
		int saved = errno;

		close(fd);
		errno = saved;
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

/* close_keeping_errno - for the way out after another call has failed */
static void close_keeping_errno(int fd)
{
	int saved = errno;

	close(fd);
	errno = saved;
}

int fs_sync_dir(const char *path)
{
	int fd = fs_open(path, O_RDONLY | O_DIRECTORY, 0), r;

	if (fd < 0)
		return FS_NOT_OPENED;
	r = fs_sync(fd);
	close_keeping_errno(fd);
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

static int read_and_close(int fd, struct buf *out)
{
	int r;

	if (fd < 0)
		return -1;
	r = fs_read_fd(fd, out);
	close_keeping_errno(fd);
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
		close_keeping_errno(fd);
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
		close_keeping_errno(fd);
	return -1;
}

/* is_table - a regular file, or the null device, which is an empty one; whatever else could make its reader wait */
static bool is_table(int fd)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return false;
	errno = S_ISDIR(st.st_mode) ? EISDIR : EINVAL;
	return S_ISREG(st.st_mode) || (S_ISCHR(st.st_mode) && st.st_rdev == makedev(1, 3));
}

static void (*table_seen)(void *ctx, const char *path);
static void *table_seen_ctx;

int fs_open_table(const char *path)
{
	int fd;

	if (table_seen)
		table_seen(table_seen_ctx, path);
	fd = fs_open_guarded(path, O_RDONLY, 0);
	if (fd < 0 && table_opener && (errno == EACCES || errno == EPERM))
		fd = table_opener(table_opener_ctx, path);
	if (fd < 0 || is_table(fd))
		return fd;
	close_keeping_errno(fd);
	return -1;
}

void fs_set_opener(int (*opener)(void *ctx, const char *path), void *ctx)
{
	table_opener = opener;
	table_opener_ctx = ctx;
}

void fs_watch_tables(void (*seen)(void *ctx, const char *path), void *ctx)
{
	table_seen = seen;
	table_seen_ctx = ctx;
}

const char *fs_authorities(void)
{
	static const char *const bundles[] = { "/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt",
		"/etc/ssl/ca-bundle.pem", "/etc/ssl/cert.pem" };

	for (size_t i = 0; i < sizeof(bundles) / sizeof(bundles[0]); i++)
		if (access(bundles[i], R_OK) == 0)
			return bundles[i];
	return "";
}
