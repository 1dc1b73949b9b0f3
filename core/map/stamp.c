/* stamp - is a file still the one that was read? See map_type.h. Size and time alone miss a file that was put in its place. */
#include <errno.h>
#include <sys/stat.h>

#include "core/map/map_type.h"

void stamp_from(struct stamp *s, const struct stat *st)
{
	*s = (struct stamp){ true, false, st->st_dev, st->st_ino, st->st_size, st->st_mtim };
}

void stamp_take(struct stamp *s, const char *path)
{
	struct stat st;

	*s = (struct stamp){ .exists = false };
	if (stat(path, &st) == 0)
		stamp_from(s, &st);
	else
		s->hidden = errno == EACCES;
}

bool stamp_is_current(const struct stamp *s, const char *path)
{
	struct stamp now;

	stamp_take(&now, path);
	return now.hidden || stamp_eq(s, &now);
}

bool stamp_eq(const struct stamp *a, const struct stamp *b)
{
	if (!a->exists || !b->exists)
		return a->exists == b->exists;
	return a->dev == b->dev && a->ino == b->ino && a->size == b->size && a->mtime.tv_sec == b->mtime.tv_sec &&
		a->mtime.tv_nsec == b->mtime.tv_nsec;
}

bool stamp_is_older(const struct stamp *a, const struct stamp *b)
{
	if (!a->exists || !b->exists)
		return false;
	if (a->mtime.tv_sec != b->mtime.tv_sec)
		return a->mtime.tv_sec < b->mtime.tv_sec;
	return a->mtime.tv_nsec < b->mtime.tv_nsec;
}
