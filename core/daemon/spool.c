/* spool - see spool.h. */
#include "core/daemon/spool.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "core/base/fs.h"
#include "core/base/log.h"
#include "core/store/maildrop.h"

static const struct { const char *name; mode_t mode; bool take_over; } folders[] = {
	{ "log", 0700, true }, { "big", 0700, true }, { "corrupt", 0700, true }, { "maildrop", MAILDROP_MODE, false },
};

struct taking {
	const struct identity *owner;
	int dir;
};

static bool is_owned(const struct stat *st, const struct identity *owner)
{
	return st->st_uid == owner->uid && st->st_gid == owner->gid;
}

static int own(int fd, const struct identity *owner)
{
	struct stat st;

	if (!owner->drop || fstat(fd, &st) < 0 || is_owned(&st, owner))
		return 0;
	return fs_fchown(fd, owner->uid, owner->gid);
}

/* own_entry - what an earlier run left to another user; what is no file of ours stays as it is */
static int own_entry(void *ctx, const char *name)
{
	const struct taking *t = ctx;
	struct stat st;
	int fd, r = 0;

	if (fstatat(t->dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISREG(st.st_mode) || is_owned(&st, t->owner))
		return 0;
	fd = fs_openat(t->dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY, 0);
	if (fd < 0)
		return 0;
	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_nlink == 1)
		r = own(fd, t->owner);
	else
		log_warn("master", "%s in the queue folder is no file with one name: it is not touched", name);
	fs_close(fd);
	return r;
}

/* prepare_folder - in the spool, which is open */
static int prepare_folder(int spool, const char *name, mode_t mode, bool take_over, const struct identity *owner)
{
	struct taking t = { .owner = owner };
	struct stat st;
	int r;

	if (fs_mkdirat(spool, name, 0700) < 0)
		return -1;
	t.dir = fs_openat(spool, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0);
	if (t.dir < 0)
		return -1;
	r = own(t.dir, owner);
	/* mkdir gives no set-group-ID, and a change of owner or a copy of the spool may have taken it */
	if (r == 0 && fstat(t.dir, &st) == 0 && (st.st_mode & 07777) != mode && (st.st_uid == geteuid() || owner->drop))
		r = fs_fchmod(t.dir, mode);
	if (r == 0 && take_over && owner->drop)
		r = fs_each_name_at(t.dir, own_entry, &t);
	fs_close(t.dir);
	return r;
}

static int open_spool(const char *path, const struct identity *owner)
{
	int fd;

	if (fs_mkdir(path, 0755) < 0)
		return -1;
	fd = fs_open_guarded(path, O_RDONLY | O_DIRECTORY, 0);
	if (fd >= 0 && own(fd, owner) == 0 && fchdir(fd) == 0)
		return fd;
	if (fd >= 0)
		fs_close(fd);
	return -1;
}

static int own_files(int spool, const struct identity *owner)
{
	struct taking t = { .owner = owner, .dir = spool };

	return !owner->drop ? 0 : own_entry(&t, "lock") < 0 || own_entry(&t, "sts") < 0 ? -1 : own_entry(&t, "tlsrpt");
}

/* tell - what stands in the way, and what to do about it, by whom relayd runs as */
static void tell(const char *queue_directory, const char *name, int error)
{
	const char *slash = *name ? "/" : "";

	if (error == EACCES || error == EPERM)
		log_error("master", "queue_directory %s%s%s: %s: uid %u may not write there: give it the folder (chown -R %u:%u), or set "
			"queue_directory to one that it may write", queue_directory, slash, name, strerror(error), (unsigned)geteuid(),
			(unsigned)geteuid(), (unsigned)getegid());
	else if (error == EROFS)
		log_error("master", "queue_directory %s%s%s: %s: mount a volume there, one that uid %u may write", queue_directory, slash, name,
			strerror(error), (unsigned)geteuid());
	else
		log_error("master", "queue_directory %s%s%s: %s: make it, or set queue_directory to a folder that may be written",
			queue_directory, slash, name, strerror(error));
}

int spool_prepare(const char *queue_directory, const struct identity *owner)
{
	mode_t mask = umask(022);
	int spool = open_spool(queue_directory, owner), r = spool < 0 ? -1 : 0;

	umask(mask);
	if (r < 0) {
		tell(queue_directory, "", errno);
		return -1;
	}
	for (size_t i = 0; i < sizeof(folders) / sizeof(folders[0]) && r == 0; i++) {
		r = prepare_folder(spool, folders[i].name, folders[i].mode, folders[i].take_over, owner);
		if (r < 0)
			tell(queue_directory, folders[i].name, errno);
	}
	if (r == 0)
		r = own_files(spool, owner);
	fs_close(spool);
	return r;
}
