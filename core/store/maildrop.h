/* maildrop - mail left in queue_directory/maildrop/ when no relayd runs; picked up at its next start.
 *
 * A file holds "relaybox-maildrop 1\n", the length of the envelope as 8 hex digits and LF, the envelope
 * (envelope_format), then the content as it was given (LF or CRLF lines). It is written under a temporary dot name,
 * fsynced, renamed to its final name, and the directory is fsynced: durable when maildrop_write returns. The directory is
 * sticky and may be writable by all; the reader trusts only the owner of the file (uid), never the text (threats F2). */
#ifndef CORE_STORE_MAILDROP_H
#define CORE_STORE_MAILDROP_H

#include "core/msg/envelope.h"

/* of the folder: sticky, anyone may put a file in, only the owner may list it, and files get the owner's group, so that relayd
 * can read what others wrote. core/daemon/spool.c makes it */
#define MAILDROP_MODE 03733
int maildrop_write(const char *queue_directory, const struct envelope *e, struct str content); /* 0, or -1 with errno */
/* maildrop_write_named - the same, and what it is called */
#define MAILDROP_NAME 40
int maildrop_write_named(const char *queue_directory, const struct envelope *e, struct str content, char name[MAILDROP_NAME]);
/* maildrop_is_name - one that maildrop_write makes; all else (dot names, strangers' files) is not ours to touch */
bool maildrop_is_name(const char *name);
/* maildrop_each - names of complete drops, oldest first; fn as in fs_each_name */
int maildrop_each(const char *queue_directory, int (*fn)(void *ctx, const char *name), void *ctx);
/* maildrop_open - one drop, its envelope judged as from the wire (envelope_judge; uid = owner of the file), its content still to
 * be read; -1 with errno (EBADMSG: not a drop). Refuses anything but a regular file with one link. */
struct maildrop {
	int fd;
	uint64_t offset, size;         /* of the content in it; others may still write it, so it may end earlier */
	struct envelope envelope;
};
int maildrop_open(const char *queue_directory, const char *name, struct arena *a, struct maildrop *out);
void maildrop_close(struct maildrop *d);
/* maildrop_content - all of it, into the caller's buf; 0, or -1 (EFBIG past its bound) */
int maildrop_content(const struct maildrop *d, struct buf *content);
/* maildrop_read - all of that: opened, read, and closed */
int maildrop_read(const char *queue_directory, const char *name, struct arena *a, struct envelope *e, struct buf *content);
int maildrop_remove(const char *queue_directory, const char *name);

#endif
