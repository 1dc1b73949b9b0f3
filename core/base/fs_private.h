/* fs_private - what the files of fs.h share. */
#ifndef CORE_BASE_FS_PRIVATE_H
#define CORE_BASE_FS_PRIVATE_H

#include <errno.h>
#include <unistd.h>

#include "core/base/fs.h"

/* fs_abandon - close fd on the way out after another call has failed, whose errno stays */
static inline void fs_abandon(int fd)
{
	int saved = errno;

	close(fd);
	errno = saved;
}

#endif
