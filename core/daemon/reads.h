/* reads - the files that one generation of settings was made of: main.cf and master.cf, tables, lists, certificates, secrets.
 *
 * What was read at the start is what may be read again: by relayd in its sandbox, and by the helper for it. A name stays in the list
 * when there was no file, for it may come. */
#ifndef CORE_DAEMON_READS_H
#define CORE_DAEMON_READS_H

#include <stddef.h>

struct reads {
	const char **v;                   /* NULL-terminated; NULL: empty */
	size_t n;
};
/* reads_add - a path, unless it is there; past LIMIT_SETTINGS_READS it is left out. ctx is a struct reads (fs_watch_tables) */
void reads_add(void *ctx, const char *path);
void reads_fini(struct reads *r);

#endif
