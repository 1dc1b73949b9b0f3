/* fs - the only file writer. Every call that changes a file system, or that a crash test counts, goes through here.
 *
 * All calls return 0 (or a count / fd) or -1 with errno; none is retried except EINTR and short writes. Every
 * descriptor is O_CLOEXEC. Safe to call from pool threads.
 * The seam: fs_hook, when set (tests only), is asked before each call with a running number; it may return an errno to
 * inject, 0 to go on, FS_HOOK_SHORT to make a write short, or never return (a crash). */
#ifndef CORE_BASE_FS_H
#define CORE_BASE_FS_H

#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/uio.h>

#include "core/base/buf.h"

#define FS_HOOK_SHORT (-1)
extern int (*fs_hook)(const char *call, const char *path_or_null);

int fs_open(const char *path, int flags, mode_t mode);               /* any flags; O_CLOEXEC added */
int fs_openat(int dir, const char *name, int flags, mode_t mode);
int fs_close(int fd);                                                /* reports a delayed write error */
ssize_t fs_write_all(int fd, const void *p, size_t n);               /* n, or -1 (part may be written) */
ssize_t fs_pwrite_all(int fd, const void *p, size_t n, off_t at);
ssize_t fs_pwritev_all(int fd, struct iovec *v, int count, off_t at);/* v is changed while it goes */
ssize_t fs_pread_all(int fd, void *p, size_t n, off_t at);           /* bytes read; less than n only at end of file */
/* fs_begin_writing - have the kernel begin to write n bytes from `at` on, so that a later fsync waits less; promises nothing */
void fs_begin_writing(int fd, off_t at, off_t n);
int fs_sync(int fd);                                                 /* fsync */
int fs_datasync(int fd);                                             /* fdatasync */
#define FS_NOT_OPENED (-2)
int fs_sync_dir(const char *path);                                   /* open, fsync, close a directory; FS_NOT_OPENED: no flush was tried */
int fs_rename(const char *from, const char *to);
int fs_renameat(int dir, const char *from, const char *to);
int fs_link(const char *from, const char *to);
int fs_unlink(const char *path);
int fs_unlinkat(int dir, const char *name);
int fs_truncate(int fd, off_t size);
int fs_allocate(int fd, off_t at, off_t size);                       /* posix_fallocate, keep size; EOPNOTSUPP is success */
int fs_mkdir(const char *path, mode_t mode);                         /* EEXIST of a directory is success */
int fs_mkdirat(int dir, const char *name, mode_t mode);              /* EEXIST of anything is success: open it to know */
int fs_chmod(const char *path, mode_t mode);
int fs_fchmod(int fd, mode_t mode);
int fs_fchown(int fd, uid_t uid, gid_t gid);
/* fs_free_space - of the file system: its size, and the bytes and inodes that an ordinary user may still use */
struct fs_space { uint64_t total, bytes, inodes; };
int fs_free_space(const char *path, struct fs_space *out);
/* fs_read_file - whole file into out (its bound applies: EFBIG past it), opened as fs_open_table does: no wait, EINVAL for a FIFO */
int fs_read_file(const char *path, struct buf *out);
int fs_read_stream(const char *path, struct buf *out);               /* what a person named: a FIFO or a terminal, too */
int fs_read_fd(int fd, struct buf *out);                             /* the rest of an open file, bounded the same way */
/* fs_replace - write temp beside path (O_EXCL|O_NOFOLLOW), fsync, rename over path, fsync the directory */
int fs_replace(const char *path, mode_t mode, struct str content);
/* fs_replace_like - the same, with the owner, group and mode of `like`; EPERM when the owner cannot be kept */
int fs_replace_like(const char *path, const struct stat *like, struct str content);
/* fs_each_name - call fn for each entry but . and ..; stops when fn returns non-zero and returns that; -1 on error
 * (an error of readdir is an error, never an end) */
int fs_each_name(const char *dir, int (*fn)(void *ctx, const char *name), void *ctx);
int fs_each_name_at(int dir, int (*fn)(void *ctx, const char *name), void *ctx);   /* of a folder that is open and stays so */
/* fs_open_guarded - for root on a path that a less trusted user may have had a hand in (fs_guard.c): behind a folder that is not
 * root's alone links are not followed (ELOOP), and the file must be a regular one with one name (EPERM). Never waits at a
 * FIFO. For other users fs_open that does not wait. */
int fs_open_guarded(const char *path, int flags, mode_t mode);
/* fs_open_table - open a lookup table or secret for reading, guarded: directly, or through the opener that relayd sets after
 * it dropped its privileges (fs_set_opener), so that root-only maps stay readable. EINVAL: no regular file */
int fs_open_table(const char *path);
void fs_set_opener(int (*opener)(void *ctx, const char *path), void *ctx);
/* fs_watch_tables - seen is told of each path that fs_open_table and fs_read_file are asked for, there or not; NULL: nobody is */
void fs_watch_tables(void (*seen)(void *ctx, const char *path), void *ctx);
/* fs_name - what a path's last slash has behind it */
static inline const char *fs_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}
/* fs_authorities - the file of the authorities that this system trusts, for TLS; empty: there is none */
const char *fs_authorities(void);

#endif
