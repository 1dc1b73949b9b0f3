/* mbox - append to one file: lock, write, flush, and cut back to the old length if anything fails.
 *
 * Locks are an open-file-description lock (it excludes POSIX locks of mail readers and other threads of ours) and a dot
 * lock where its folder lets us make one. The file must be an ordinary one with one name, and the user's (threats F1). */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "core/base/fs.h"
#include "core/deliver/local/mailbox.h"

enum { LOCK_TRIES = 10, STALE_LOCK = 500 /* seconds */ };

static void pause_a_moment(void)
{
	struct timespec t = { 0, 500 * 1000 * 1000 };

	nanosleep(&t, NULL);
}

static bool is_stale(const char *path, usec now)
{
	struct stat st;

	return lstat(path, &st) == 0 && now / USEC_PER_SEC - st.st_mtime > STALE_LOCK;
}

/* 1 locked, 0 not possible here, -1 somebody has it */
static int dot_lock(const char *path, usec now)
{
	for (int i = 0; i < LOCK_TRIES; i++) {
		int fd = fs_open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0600);

		if (fd >= 0) {
			fs_close(fd);
			return 1;
		}
		if (errno != EEXIST)
			return 0;
		if (is_stale(path, now))
			fs_unlink(path);
		else
			pause_a_moment();
	}
	return -1;
}

static int file_lock(int fd)
{
	struct flock l = { .l_type = F_WRLCK, .l_whence = SEEK_SET };

	for (int i = 0; i < LOCK_TRIES; i++) {
		if (fcntl(fd, F_OFD_SETLK, &l) == 0)
			return 0;
		if (errno != EAGAIN && errno != EACCES)
			return errno;
		pause_a_moment();
	}
	return EAGAIN;
}

static int check_file(int fd, off_t *size)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return errno;
	if (!S_ISREG(st.st_mode) || st.st_nlink != 1)
		return EINVAL;
	if (st.st_uid != geteuid() && st.st_uid != 0)
		return EPERM;
	*size = st.st_size;
	return 0;
}

static int append(const struct mailbox_order *o, int content_fd, int fd)
{
	off_t size = 0, end;
	int error = file_lock(fd);

	if (!error)
		error = check_file(fd, &size);
	if (error)
		return error;
	error = mailbox_copy(o, content_fd, fd, size, true, &end);
	if (!error && fs_sync(fd) < 0)
		error = errno;
	if (error && fs_truncate(fd, size) < 0)
		error = EIO;
	return error;
}

void mbox_deliver(const struct mailbox_order *o, int content_fd, struct reply *out)
{
	char lock_path[MAILBOX_PATH + 8];
	int lock, fd, error;

	snprintf(lock_path, sizeof(lock_path), "%s.lock", o->path);
	lock = dot_lock(lock_path, o->now);
	if (lock < 0) {
		reply_set(out, 451, "4.2.0", "cannot update mailbox %s: unable to lock for exclusive access", o->path);
		return;
	}
	fd = fs_open(o->path, O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY, 0600);
	error = fd < 0 ? errno : append(o, content_fd, fd);
	/* what was flushed is there whatever close says, and a failure here would bring it once more */
	if (fd >= 0)
		fs_close(fd);
	if (lock > 0)
		fs_unlink(lock_path);
	if (error)
		mailbox_failed(out, error, "cannot update mailbox", o->path);
	else
		reply_set(out, 250, "2.0.0", "delivered to mailbox");
}
