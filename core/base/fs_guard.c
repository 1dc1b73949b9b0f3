/* fs_guard - opening by a path that a less trusted user may have had a hand in; see fs.h.
 *
 * Root that follows a name into a folder of somebody else opens what that somebody wants: a link to a file of root's, a hard
 * link to a secret, a FIFO to wait at. So each folder on the way is looked at: behind one that another user may write, links
 * count for nothing, and a file must be a regular one with one name. Folders that only root may write are followed as usual, and
 * links of root's own in folders of root's that others may write, too. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>

#include "core/base/fs_private.h"
#include "core/base/str.h"

/* whose folder it is: ours alone; ours, where others may write too; somebody else's, like all that lies in it */
enum trust { TRUST_OURS, TRUST_SHARED, TRUST_FOREIGN };

static enum trust trust_of(int dir)
{
	struct stat st;

	if (fstat(dir, &st) < 0 || st.st_uid != geteuid())
		return TRUST_FOREIGN;
	return st.st_mode & (S_IWGRP | S_IWOTH) ? TRUST_SHARED : TRUST_OURS;
}

/* follow - the flag for this name: in a shared folder the links that we made ourselves are followed */
static int follow(int dir, const char *name, enum trust trust)
{
	struct stat st;

	if (trust == TRUST_OURS)
		return 0;
	if (trust == TRUST_SHARED && fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISLNK(st.st_mode) && st.st_uid == geteuid())
		return 0;
	return O_NOFOLLOW;
}

/* is_harmless - what a stranger may have chosen: a folder, or a regular file with one name */
static bool is_harmless(int fd)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return false;
	errno = EPERM;
	return S_ISDIR(st.st_mode) || (S_ISREG(st.st_mode) && st.st_nlink == 1);
}

/* open_last - the file itself, in a folder that is open */
static int open_last(int dir, const char *name, int flags, mode_t mode, enum trust trust)
{
	int fd = fs_openat(dir, name, flags | O_NONBLOCK | O_NOCTTY | follow(dir, name, trust), mode);

	if (fd >= 0 && trust != TRUST_OURS && !is_harmless(fd)) {
		fs_abandon(fd);
		return -1;
	}
	return fd;
}

/* next_part - cut the first part off a path; false at the last one */
static bool next_part(struct str *rest, struct str *part)
{
	ptrdiff_t slash;

	while (rest->n && rest->p[0] == '/')
		*rest = str_from(*rest, 1);
	slash = str_chr(*rest, '/');
	if (slash < 0)
		return false;
	*part = str_head(*rest, (size_t)slash);
	*rest = str_from(*rest, (size_t)slash);
	return true;
}

/* open_part - the folder or file behind one part of the path */
static int open_part(int dir, struct str word, bool last, int flags, mode_t mode, enum trust trust)
{
	char name[NAME_MAX + 1];

	if (word.n >= sizeof(name)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	/* the way back from a stranger's folder leads where the stranger has put it */
	if (trust == TRUST_FOREIGN && str_eq(word, STR(".."))) {
		errno = ELOOP;
		return -1;
	}
	memcpy(name, word.p, word.n);
	name[word.n] = '\0';
	if (last)
		return open_last(dir, name, flags, mode, trust);
	return fs_openat(dir, name, O_PATH | O_DIRECTORY | follow(dir, name, trust), 0);
}

int fs_open_guarded(const char *path, int flags, mode_t mode)
{
	struct str rest = str_of(path), part;
	enum trust trust = TRUST_OURS;
	bool last = false;
	int dir, fd;

	if (geteuid() != 0)
		return fs_open(path, flags | O_NONBLOCK | O_NOCTTY, mode);
	dir = fs_open(path[0] == '/' ? "/" : ".", O_PATH | O_DIRECTORY, 0);
	while (dir >= 0 && !last) {
		last = !next_part(&rest, &part);
		if (trust != TRUST_FOREIGN)
			trust = trust_of(dir);
		fd = open_part(dir, last ? rest : part, last, flags, mode, trust);
		fs_abandon(dir);
		dir = fd;
	}
	return dir;
}
