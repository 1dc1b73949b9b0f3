/* maildrop - see maildrop.h. The name of a drop says when it was made, so that names in order are drops in order. */
#include "core/store/maildrop.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "core/base/clock.h"
#include "core/base/fs.h"
#include "core/base/limits.h"
#include "core/base/mem.h"
#include "core/base/random.h"

#define MAGIC "relaybox-maildrop 1\n"
#define HEAD_SIZE (sizeof(MAGIC) - 1 + 9)
#define NAME_SIZE MAILDROP_NAME

static int open_folder(const char *queue_directory)
{
	char path[4096];

	if (snprintf(path, sizeof(path), "%s/maildrop", queue_directory) >= (int)sizeof(path)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	/* O_PATH: others may use the folder but not list it */
	return fs_open(path, O_PATH | O_DIRECTORY, 0);
}

static void close_keeping_errno(int fd)
{
	int saved = errno;

	close(fd);
	errno = saved;
}

/* drop_mode - who may read a drop: relayd must, strangers must not. In a folder that gives files its group that is the
 * group; else the folder must not be listable, so that nobody can guess the name. -1 with errno: not safe */
static int drop_mode(int folder, mode_t *mode)
{
	struct stat st;

	if (fstat(folder, &st) < 0)
		return -1;
	*mode = st.st_mode & S_ISGID ? 0640 : st.st_uid == geteuid() ? 0600 : 0644;
	errno = EACCES;
	return *mode == 0644 && st.st_mode & S_IROTH ? -1 : 0;
}

/* write_drop - the file under its temporary name, on disk; its descriptor, still open, or -1 */
static int write_drop(int folder, const char *temp, const struct buf *head, struct str content)
{
	mode_t mode;
	int fd;

	if (drop_mode(folder, &mode) < 0)
		return -1;
	fd = fs_openat(folder, temp, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0600);
	if (fd < 0)
		return -1;
	if (fchmod(fd, mode) == 0 && fs_write_all(fd, head->p, head->n) >= 0 &&
	    fs_write_all(fd, content.p, content.n) >= 0 && fs_sync(fd) == 0)
		return fd;
	close_keeping_errno(fd);
	return -1;
}

/* sync_name - make the rename durable. Who may not list the folder may not open it to flush it either: then the file
 * system as a whole is flushed. */
static int sync_name(const char *queue_directory, int fd)
{
	char path[4096];

	snprintf(path, sizeof(path), "%s/maildrop", queue_directory);
	if (fs_sync_dir(path) == 0)
		return 0;
	return errno == EACCES ? syncfs(fd) : -1;
}

/* place_drop - write under the temporary name, rename, flush; what failed leaves nothing */
static int place_drop(const char *queue_directory, int folder, const struct buf *head, struct str content, char temp[NAME_SIZE])
{
	const char *name = temp + 1, *made = temp;
	int fd, r, saved;

	snprintf(temp, NAME_SIZE, ".%016llx-%08x", (unsigned long long)clock_wall(), random_u32());
	fd = write_drop(folder, temp, head, content);
	r = fd < 0 ? -1 : fs_renameat(folder, temp, name);
	if (r == 0) {
		made = name;
		r = sync_name(queue_directory, fd);
	}
	if (r < 0) {
		saved = errno;
		fs_unlinkat(folder, made);
		errno = saved;
	}
	if (fd >= 0)
		close_keeping_errno(fd);
	return r;
}

int maildrop_write(const char *queue_directory, const struct envelope *e, struct str content)
{
	char name[NAME_SIZE];

	return maildrop_write_named(queue_directory, e, content, name);
}

int maildrop_write_named(const char *queue_directory, const struct envelope *e, struct str content, char name[NAME_SIZE])
{
	char temp[NAME_SIZE] = "";
	struct buf head, text;
	int folder = open_folder(queue_directory), r = -1;

	if (folder < 0)
		return -1;
	buf_init(&text, 4 * LIMIT_SESSION_ARENA);
	buf_init(&head, 4 * LIMIT_SESSION_ARENA + HEAD_SIZE);
	envelope_format(&text, e);
	buf_printf(&head, MAGIC "%08zx\n", text.n);
	buf_str(&head, buf_view(&text));
	if (text.overflow || head.overflow)
		errno = EMSGSIZE;
	else
		r = place_drop(queue_directory, folder, &head, content, temp);
	snprintf(name, NAME_SIZE, "%s", temp[0] ? temp + 1 : "");
	buf_fini(&head);
	buf_fini(&text);
	close_keeping_errno(folder);
	return r;
}

struct names { char (*v)[NAME_SIZE]; size_t n, cap; };

bool maildrop_is_name(const char *name)
{
	size_t n = strlen(name);

	if (n != 25 || name[16] != '-')
		return false;
	for (size_t i = 0; i < n; i++)
		if (i != 16 && !strchr("0123456789abcdef", name[i]))
			return false;
	return true;
}

static int take_name(void *ctx, const char *name)
{
	struct names *names = ctx;
	size_t n = strlen(name);

	if (!maildrop_is_name(name))
		return 0;
	if (names->n == names->cap) {
		names->cap = names->cap ? names->cap * 2 : 64;
		names->v = mem_array(names->v, names->cap, NAME_SIZE);
	}
	memcpy(names->v[names->n++], name, n + 1);
	return 0;
}

static int compare_names(const void *a, const void *b)
{
	return strcmp(a, b);
}

int maildrop_each(const char *queue_directory, int (*fn)(void *ctx, const char *name), void *ctx)
{
	struct names names = { 0 };
	char path[4096];
	int r = 0;

	snprintf(path, sizeof(path), "%s/maildrop", queue_directory);
	if (fs_each_name(path, take_name, &names) < 0)
		r = -1;
	if (names.n)
		qsort(names.v, names.n, NAME_SIZE, compare_names);
	for (size_t i = 0; i < names.n && r == 0; i++)
		r = fn(ctx, names.v[i]);
	mem_free(names.v);
	return r;
}

/* open_drop - only a regular file with one link: a link to another's secret would be read with our rights */
static int open_drop(const char *queue_directory, const char *name, struct stat *st)
{
	int folder = open_folder(queue_directory), fd;

	if (folder < 0)
		return -1;
	fd = fs_openat(folder, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK, 0);
	close_keeping_errno(folder);
	if (fd < 0)
		return -1;
	if (fstat(fd, st) == 0 && S_ISREG(st->st_mode) && st->st_nlink == 1)
		return fd;
	close(fd);
	errno = EBADMSG;
	return -1;
}

/* read_head - the envelope's text; *size becomes that of the head */
static int read_head(int fd, struct str *envelope, struct arena *a, uint64_t *size)
{
	char head[HEAD_SIZE];
	uint64_t n;
	char *p;

	errno = EBADMSG;
	if (fs_pread_all(fd, head, HEAD_SIZE, 0) != HEAD_SIZE || memcmp(head, MAGIC, sizeof(MAGIC) - 1) ||
	    head[HEAD_SIZE - 1] != '\n' || !str_to_hex64(str_make(head + sizeof(MAGIC) - 1, 8), &n) ||
	    n > 4 * LIMIT_SESSION_ARENA)
		return -1;
	p = arena_alloc(a, (size_t)n + 1);
	errno = p ? EBADMSG : EMSGSIZE;
	if (!p || fs_pread_all(fd, p, (size_t)n, HEAD_SIZE) != (ssize_t)n)
		return -1;
	*envelope = str_make(p, (size_t)n);
	*size = HEAD_SIZE + n;
	return 0;
}

int maildrop_open(const char *queue_directory, const char *name, struct arena *a, struct maildrop *out)
{
	uint64_t head = 0;
	struct stat st;
	struct str text;
	int fd = open_drop(queue_directory, name, &st);

	if (fd < 0)
		return -1;
	/* who wrote it is told by the file, never by its text */
	if (read_head(fd, &text, a, &head) == 0 && envelope_parse(a, text, &out->envelope) &&
	    envelope_judge(a, &out->envelope, st.st_uid, clock_wall()) && (uint64_t)st.st_size >= head) {
		out->fd = fd;
		out->offset = head;
		out->size = (uint64_t)st.st_size - head;
		return 0;
	}
	if (!a->overflow)
		errno = EBADMSG;
	close_keeping_errno(fd);
	return -1;
}

void maildrop_close(struct maildrop *d)
{
	if (d->fd >= 0)
		fs_close(d->fd);
	d->fd = -1;
}

int maildrop_content(const struct maildrop *d, struct buf *content)
{
	errno = EFBIG;
	return d->size > content->max - content->n || lseek(d->fd, (off_t)d->offset, SEEK_SET) < 0 ? -1 : fs_read_fd(d->fd, content);
}

int maildrop_read(const char *queue_directory, const char *name, struct arena *a, struct envelope *e, struct buf *content)
{
	struct maildrop d;
	int r;

	if (maildrop_open(queue_directory, name, a, &d) < 0)
		return -1;
	r = maildrop_content(&d, content);
	close_keeping_errno(d.fd);
	*e = d.envelope;
	return r;
}

int maildrop_remove(const char *queue_directory, const char *name)
{
	int folder = open_folder(queue_directory), r;

	if (folder < 0)
		return -1;
	r = fs_unlinkat(folder, name);
	close_keeping_errno(folder);
	return r;
}
