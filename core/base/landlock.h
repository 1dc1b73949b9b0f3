/* landlock - what this thread and all that come after may still reach of files, TCP ports and other processes (landlock(7)).
 *
 * The kernel's numbers are written out here, for its headers at build time may be older than the kernel that runs. A right that a
 * kernel does not know is left out, and landlock_lacks says which: so one rule set serves all of them. The first version cannot move a
 * file from one folder to another and is none for us. */
#ifndef CORE_BASE_LANDLOCK_H
#define CORE_BASE_LANDLOCK_H

#include <stdbool.h>
#include <stdint.h>

#include "core/base/buf.h"

enum landlock_right {
	LANDLOCK_EXECUTE = 1 << 0, LANDLOCK_WRITE = 1 << 1, LANDLOCK_READ = 1 << 2, LANDLOCK_LIST = 1 << 3,
	LANDLOCK_REMOVE_DIR = 1 << 4, LANDLOCK_REMOVE = 1 << 5, LANDLOCK_MAKE_CHAR = 1 << 6, LANDLOCK_MAKE_DIR = 1 << 7,
	LANDLOCK_MAKE_FILE = 1 << 8, LANDLOCK_MAKE_SOCK = 1 << 9, LANDLOCK_MAKE_FIFO = 1 << 10, LANDLOCK_MAKE_BLOCK = 1 << 11,
	LANDLOCK_MAKE_SYM = 1 << 12,
	LANDLOCK_MOVE = 1 << 13,       /* version 2: to another folder, by rename or link */
	LANDLOCK_TRUNCATE = 1 << 14,   /* version 3 */
	LANDLOCK_DEVICE = 1 << 15,     /* version 5: ioctl of a device */
};
#define LANDLOCK_TCP_BIND 1u           /* version 4 */
#define LANDLOCK_TCP_CONNECT 2u
/* what a folder gives whose files are read; one whose files are written, made anew and removed; one with folders of its own, too */
#define LANDLOCK_READING (LANDLOCK_READ | LANDLOCK_LIST)
#define LANDLOCK_APPENDING (LANDLOCK_WRITE | LANDLOCK_MAKE_FILE)
#define LANDLOCK_WRITING (LANDLOCK_READING | LANDLOCK_APPENDING | LANDLOCK_TRUNCATE | LANDLOCK_REMOVE)
#define LANDLOCK_OWNING (LANDLOCK_WRITING | LANDLOCK_MAKE_DIR | LANDLOCK_REMOVE_DIR | LANDLOCK_MAKE_SOCK | LANDLOCK_MOVE)

/* a rule set in the making; what went wrong first is told at its end */
struct landlock {
	int fd, error;
	unsigned files, tcp;           /* the rights that it rules over */
};
/* landlock_begin - an empty rule set over all rights to files, abstract sockets, signals, and those of TCP that are named: 0, or -1 with
 * errno (ENOSYS: the kernel has none; EOPNOTSUPP: it is off; EPROTONOSUPPORT: its version is too old) */
int landlock_begin(struct landlock *l, unsigned tcp);
void landlock_allow(struct landlock *l, const char *path, unsigned rights);    /* below a folder, or of one file; none where there is nothing */
/* landlock_allow_folder - the folder that a file is in, for files are replaced, and that of the file which its links lead to; of a file in
 * the root folder itself only */
void landlock_allow_folder(struct landlock *l, const char *file, unsigned rights);
void landlock_allow_port(struct landlock *l, unsigned tcp, uint16_t port);     /* 0 binds any free one */
int landlock_close(struct landlock *l);        /* in force from now on, for good: 0; or -1 with errno. Sets no_new_privs */
/* landlock_lacks - what the running kernel's version cannot do, in words for a log line; nothing: it does all of this */
void landlock_lacks(struct buf *out, bool tcp);

#endif
