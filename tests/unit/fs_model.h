/* fs_model - a file layer that knows what a power cut would leave. Stands in for core/base/fs.c: include it in one test.
 *
 * The calls work on real files, so that whoever looks at them sees what a running system would show. Beside them the model
 * keeps what is durable: the bytes of a file as of its last flush, the names of a directory as of the directory's last
 * flush, and the changes since, in order. Every call below `root` has a number; model.at chooses one to fail or to crash
 * at. model_image builds the directory that a start after the crash would find:
 *   IMAGE_KILL    the process died, the system lives: everything that was written is there
 *   IMAGE_STRICT  power cut, and nothing was written by chance: only what was flushed
 *   otherwise     power cut, seeded: some prefix of the pending names, and of every file any mixture of old and new
 *                 sectors, its length anything between old and new
 * What a failed flush leaves is any mixture of old and new, and later flushes of that file make only its length durable: the
 * kernel calls its pages clean. */
#ifndef TESTS_UNIT_FS_MODEL_H
#define TESTS_UNIT_FS_MODEL_H

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "core/base/fs.h"
#include "core/base/mem.h"

enum { MODEL_FILES = 1024, MODEL_FDS = 1024, MODEL_PENDING = 4096, MODEL_NAME = 300, SECTOR = 512 };
enum model_fault { FAULT_NONE, FAULT_CRASH, FAULT_CRASH_HALF /* of a write is done */, FAULT_ERROR, FAULT_SHORT /* half is written, then the error */ };
enum { IMAGE_KILL = 0, IMAGE_STRICT = 1 };

struct model_file { int fd; char *durable; size_t durable_size; bool lost; };
struct model_name { char path[MODEL_NAME]; int file; };
struct model_change { char from[MODEL_NAME], to[MODEL_NAME]; int file; }; /* "" = none */

static struct {
	char root[MODEL_NAME];          /* "" = watch nothing */
	unsigned long calls, at, times; /* fail calls at, at+1, … times of them */
	enum model_fault fault;
	int error;
	const char *only;               /* only calls of this name count */
	const char *blind;              /* calls of this name say yes and do nothing: a control */
	unsigned long then;             /* after the failure: crash so many calls later, whatever they are; 0 = no */
	void (*on_crash)(void);         /* never returns */
	char crashed_in[64];
	bool flush_failed;
	struct model_file files[MODEL_FILES];
	int n_files;
	int file_of_fd[MODEL_FDS];      /* + 1 */
	struct model_name names[MODEL_FILES], durable[MODEL_FILES];
	int n_names, n_durable;
	struct model_change pending[MODEL_PENDING];
	int n_pending;
} model;

int (*fs_hook)(const char *call, const char *path_or_null);

/* --- bookkeeping -------------------------------------------------------------------------------------------------------- */

static bool model_watches(const char *path)
{
	return model.root[0] && !strncmp(path, model.root, strlen(model.root));
}

static int model_find(const struct model_name *v, int n, const char *path)
{
	for (int i = 0; i < n; i++)
		if (!strcmp(v[i].path, path))
			return i;
	return -1;
}

static void model_apply(struct model_name *v, int *n, const struct model_change *c)
{
	int i = c->from[0] ? model_find(v, *n, c->from) : -1;

	if (i >= 0)
		v[i] = v[--*n];
	i = c->to[0] ? model_find(v, *n, c->to) : -1;
	if (i >= 0)
		v[i] = v[--*n];
	if (c->to[0]) {
		if (*n == MODEL_FILES)
			abort();
		snprintf(v[*n].path, MODEL_NAME, "%s", c->to);
		v[(*n)++].file = c->file;
	}
}

static void model_change(const char *from, const char *to, int file)
{
	struct model_change *c = &model.pending[model.n_pending];

	if (model.n_pending++ == MODEL_PENDING)
		abort();
	snprintf(c->from, MODEL_NAME, "%s", from);
	snprintf(c->to, MODEL_NAME, "%s", to);
	c->file = file;
	model_apply(model.names, &model.n_names, c);
}

static int model_new_file(const char *path)
{
	/* a descriptor of its own: the content stays reachable, and the system cannot give its inode to another file */
	model.files[model.n_files] = (struct model_file){ .fd = open(path, O_RDWR | O_CLOEXEC) };
	if (model.files[model.n_files].fd < 0 || model.n_files + 1 == MODEL_FILES)
		abort();
	return model.n_files++;
}

static char *model_content(int fd, size_t *n)
{
	struct stat st;
	char *p;

	if (fstat(fd, &st))
		abort();
	p = mem_alloc((size_t)st.st_size + 1);
	*n = (size_t)pread(fd, p, (size_t)st.st_size, 0);
	return p;
}

static void model_flush_file(struct model_file *f)
{
	struct stat st;

	if (f->lost && !fstat(f->fd, &st) && (size_t)st.st_size < f->durable_size)
		f->durable_size = (size_t)st.st_size;
	if (f->lost)
		return;
	mem_free(f->durable);
	f->durable = model_content(f->fd, &f->durable_size);
}

static bool model_in_dir(const char *path, const char *dir)
{
	size_t n = strlen(dir);

	return !strncmp(path, dir, n) && path[n] == '/' && !strchr(path + n + 1, '/');
}

static void model_flush_dir(const char *dir)
{
	int kept = 0;

	for (int i = 0; i < model.n_pending; i++) {
		struct model_change *c = &model.pending[i];

		if (model_in_dir(c->from, dir) || model_in_dir(c->to, dir))
			model_apply(model.durable, &model.n_durable, c);
		else
			model.pending[kept++] = *c;
	}
	model.n_pending = kept;
}

/* model_watch - what is there now is durable */
static void model_watch(const char *root)
{
	static const char *const subs[] = { "", "log", "big", "corrupt" };

	snprintf(model.root, sizeof(model.root), "%s", root);
	for (int i = 0; i < 4; i++) {
		char dir[MODEL_NAME], path[2 * MODEL_NAME];
		struct dirent *e;
		struct stat st;
		DIR *d;

		snprintf(dir, sizeof(dir), "%s%s%s", root, subs[i][0] ? "/" : "", subs[i]);
		d = opendir(dir);
		while (d && (e = readdir(d))) {
			snprintf(path, sizeof(path), "%s/%s", dir, e->d_name);
			if (stat(path, &st) || !S_ISREG(st.st_mode))
				continue;
			model_change("", path, model_new_file(path));
			model_flush_file(&model.files[model.n_files - 1]);
		}
		if (d)
			closedir(d);
		model_flush_dir(dir);
	}
}

/* --- the image ------------------------------------------------------------------------------------------------------------ */

static void model_mix(int seed, struct model_file *f, char **p, size_t *n)
{
	size_t new_n, old_n = f->durable_size;
	char *now = model_content(f->fd, &new_n);

	if (seed == IMAGE_KILL) {
		*p = now;
		*n = new_n;
		return;
	}
	*n = seed == IMAGE_STRICT ? old_n : random() % 3 == 0 ? old_n : new_n;
	if (seed != IMAGE_STRICT && random() % 3 == 0 && new_n > old_n)
		*n = old_n + (size_t)random() % (new_n - old_n + 1);
	*p = mem_alloc(*n + 1);
	for (size_t at = 0; at < *n; at += SECTOR) {
		size_t k = *n - at < SECTOR ? *n - at : SECTOR;
		bool fresh = seed != IMAGE_STRICT && random() % 2;

		/* a sector past the old end that was not written reads as zero */
		for (size_t i = at; i < at + k; i++)
			(*p)[i] = fresh ? i < new_n ? now[i] : 0 : i < old_n ? f->durable[i] : 0;
	}
	mem_free(now);
}

static void model_image(const char *to, int seed)
{
	static const char *const subs[] = { "", "/log", "/big", "/corrupt" };
	struct model_name *v = mem_alloc(sizeof(model.durable));
	int n = model.n_durable, prefix;
	char path[2 * MODEL_NAME];

	srandom((unsigned)seed);
	memcpy(v, model.durable, sizeof(model.durable));
	prefix = seed == IMAGE_KILL ? model.n_pending : seed == IMAGE_STRICT ? 0 : (int)(random() % (model.n_pending + 1));
	for (int i = 0; i < prefix; i++)
		model_apply(v, &n, &model.pending[i]);
	for (int i = 0; i < 4; i++) {
		snprintf(path, sizeof(path), "%s%s", to, subs[i]);
		mkdir(path, 0700);
	}
	for (int i = 0; i < n; i++) {
		char *p;
		size_t size;
		int fd;

		model_mix(seed, &model.files[v[i].file], &p, &size);
		snprintf(path, sizeof(path), "%s%s", to, v[i].path + strlen(model.root));
		fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
		if (fd < 0 || write(fd, p, size) != (ssize_t)size)
			abort();
		close(fd);
		mem_free(p);
	}
	mem_free(v);
}

/* model_lose - a flush that failed wrote some of it */
static void model_lose(struct model_file *f)
{
	char *some;
	size_t n;

	srandom((unsigned)model.calls);
	model_mix(IMAGE_STRICT + 1, f, &some, &n);
	if (!f->lost) {
		mem_free(f->durable);
		f->durable = some;
		f->durable_size = n;
	} else {
		mem_free(some);
	}
	f->lost = true;
}

/* --- faults ---------------------------------------------------------------------------------------------------------------- */

/* model_call - 0: go on; 1: do half of the write, then call model_after_half; -1: fail with errno */
static int model_call(const char *what)
{
	if (model.then && model.crashed_in[0] && !--model.then)
		model.on_crash();
	if (model.only && strcmp(model.only, what))
		return 0;
	model.calls++;
	if (model.fault == FAULT_NONE || model.calls < model.at || model.calls >= model.at + model.times)
		return 0;
	snprintf(model.crashed_in, sizeof(model.crashed_in), "%s", what);
	if (model.fault == FAULT_CRASH)
		model.on_crash();
	if (model.fault == FAULT_CRASH_HALF || model.fault == FAULT_SHORT)
		return 1;
	errno = model.error;
	return -1;
}

static int model_after_half(void)
{
	if (model.fault == FAULT_CRASH_HALF)
		model.on_crash();
	errno = model.error;
	return -1;
}

static struct model_file *model_of(int fd)
{
	return fd >= 0 && fd < MODEL_FDS && model.file_of_fd[fd] ? &model.files[model.file_of_fd[fd] - 1] : NULL;
}

/* --- core/base/fs.h -------------------------------------------------------------------------------------------------------- */

int fs_open(const char *path, int flags, mode_t mode)
{
	bool there = !access(path, F_OK);
	int fd, i;

	if (model_watches(path) && model_call(flags & O_CREAT ? "create" : "open"))
		return errno = model.error ? model.error : EIO, -1;
	fd = open(path, flags | O_CLOEXEC, mode);
	if (fd < 0 || !model_watches(path) || flags & O_DIRECTORY)
		return fd;
	if (!there)
		model_change("", path, model_new_file(path));
	i = model_find(model.names, model.n_names, path);
	if (i >= 0 && fd < MODEL_FDS)
		model.file_of_fd[fd] = model.names[i].file + 1;
	return fd;
}

int fs_openat(int dir, const char *name, int flags, mode_t mode)
{
	return openat(dir, name, flags | O_CLOEXEC, mode);
}

int fs_close(int fd)
{
	int r = model_of(fd) ? model_call("close") : 0;

	if (fd >= 0 && fd < MODEL_FDS)
		model.file_of_fd[fd] = 0;
	close(fd);
	return r ? -1 : 0;
}

ssize_t fs_pwritev_all(int fd, struct iovec *v, int count, off_t at)
{
	int r = model_of(fd) ? model_call("write") : 0;
	size_t total = 0, limit = SIZE_MAX;

	if (r < 0)
		return -1;
	for (int i = 0; i < count; i++)
		total += v[i].iov_len;
	if (r > 0)
		limit = total / 2;
	total = 0;
	for (int i = 0; i < count; i++) {
		size_t n = v[i].iov_len < limit - total ? v[i].iov_len : limit - total;

		if (pwrite(fd, v[i].iov_base, n, at + (off_t)total) != (ssize_t)n)
			return -1;
		total += n;
	}
	return r > 0 ? model_after_half() : (ssize_t)total;
}

ssize_t fs_pwrite_all(int fd, const void *p, size_t n, off_t at)
{
	struct iovec v = { (void *)(uintptr_t)p, n };

	return fs_pwritev_all(fd, &v, 1, at);
}

ssize_t fs_write_all(int fd, const void *p, size_t n)
{
	int r = model_of(fd) ? model_call("write") : 0;

	if (r < 0 || write(fd, p, r ? n / 2 : n) < 0)
		return -1;
	return r > 0 ? model_after_half() : (ssize_t)n;
}

ssize_t fs_pread_all(int fd, void *p, size_t n, off_t at)
{
	if (model_of(fd) && model_call("read"))
		return errno = model.error ? model.error : EIO, -1;
	return pread(fd, p, n, at);
}

int fs_sync(int fd)
{
	struct model_file *f = model_of(fd);

	if (!f)
		return 0;
	if (model_call("flush")) {
		model_lose(f);
		model.flush_failed |= model.error == EIO;
		return errno = model.error ? model.error : EIO, -1;
	}
	if (!model.blind || strcmp(model.blind, "flush"))
		model_flush_file(f);
	return 0;
}

int fs_datasync(int fd)
{
	return fs_sync(fd);
}

int fs_sync_dir(const char *path)
{
	if (!model_watches(path))
		return 0;
	if (model_call("flush dir"))
		return errno = model.error ? model.error : EIO, -1;
	if (!model.blind || strcmp(model.blind, "flush dir"))
		model_flush_dir(path);
	return 0;
}

int fs_rename(const char *from, const char *to)
{
	int i = model_find(model.names, model.n_names, from);

	if (model_watches(from) && model_call("rename"))
		return errno = model.error ? model.error : EIO, -1;
	if (rename(from, to) < 0)
		return -1;
	if (i >= 0)
		model_change(from, to, model.names[i].file);
	return 0;
}

int fs_unlink(const char *path)
{
	if (model_watches(path) && model_call("unlink"))
		return errno = model.error ? model.error : EIO, -1;
	if (unlink(path) < 0)
		return -1;
	if (model_watches(path))
		model_change(path, "", -1);
	return 0;
}

int fs_truncate(int fd, off_t size)
{
	if (model_of(fd) && model_call("truncate"))
		return errno = model.error ? model.error : EIO, -1;
	return ftruncate(fd, size);
}

int fs_allocate(int fd, off_t at, off_t size)
{
	(void)at, (void)size;
	if (model_of(fd) && model_call("allocate"))
		return errno = model.error ? model.error : EIO, -1;
	return 0;
}

int fs_mkdir(const char *path, mode_t mode)
{
	if (model_watches(path) && model_call("mkdir"))
		return errno = model.error ? model.error : EIO, -1;
	return mkdir(path, mode) < 0 && errno != EEXIST ? -1 : 0;
}

int fs_free_space(const char *path, struct fs_space *out)
{
	(void)path;
	out->total = out->bytes = out->inodes = 1u << 30;
	return 0;
}

int fs_each_name(const char *dir, int (*fn)(void *ctx, const char *name), void *ctx)
{
	struct dirent *e;
	int r = 0;
	DIR *d;

	if (model_watches(dir) && model_call("list"))
		return errno = model.error ? model.error : EIO, -1;
	d = opendir(dir);
	if (!d)
		return -1;
	while (!r && (e = readdir(d)))
		if (strcmp(e->d_name, ".") && strcmp(e->d_name, ".."))
			r = fn(ctx, e->d_name);
	closedir(d);
	return r;
}

/* what the store does not use */
int fs_renameat(int dir, const char *from, const char *to) { return renameat(dir, from, dir, to); }
int fs_link(const char *from, const char *to) { return link(from, to); }
int fs_unlinkat(int dir, const char *name) { return unlinkat(dir, name, 0); }
int fs_chmod(const char *path, mode_t mode) { return chmod(path, mode); }
int fs_read_fd(int fd, struct buf *out) { (void)fd, (void)out; return -1; }
int fs_replace(const char *path, mode_t mode, struct str content) { (void)path, (void)mode, (void)content; return -1; }
int fs_open_table(const char *path) { return open(path, O_RDONLY | O_CLOEXEC); }
void fs_set_opener(int (*opener)(void *ctx, const char *path), void *ctx) { (void)opener, (void)ctx; }

int fs_read_file(const char *path, struct buf *out)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	size_t n;
	char *p;

	if (fd < 0)
		return -1;
	p = model_content(fd, &n);
	buf_add(out, p, n);
	mem_free(p);
	close(fd);
	return 0;
}

#endif
