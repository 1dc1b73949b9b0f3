/* mailbox - writes one message into a maildir or an mbox file, synchronously, as whoever runs it: a pool thread (ourselves)
 * or a child of the privileged helper (the user). Nothing is left behind by a failure; 2xx means: flushed to disk. */
#ifndef CORE_DELIVER_LOCAL_MAILBOX_H
#define CORE_DELIVER_LOCAL_MAILBOX_H

#include <sys/types.h>

#include "core/base/clock.h"
#include "core/msg/reply.h"

enum mailbox_kind { MAILBOX_MAILDIR, MAILBOX_MBOX };
enum { MAILBOX_PATH = 1024, MAILBOX_PREFIX = 4 * 1024, MAILBOX_USER = LIMIT_USER_NAME, MAILBOX_UNIQUE = 160 };
/* plain data: it also travels to the helper */
struct mailbox_order {
	enum mailbox_kind kind;
	char user[MAILBOX_USER];       /* whose mailbox; "": our own file */
	char path[MAILBOX_PATH];       /* absolute; a maildir without its last slash */
	char unique[MAILBOX_UNIQUE];   /* file name in a maildir */
	char from_line[MAILBOX_PATH];  /* mbox: "From sender date\n" */
	char prefix[MAILBOX_PREFIX];   /* header lines to put in front, each with \n */
	/* content: CRLF lines. Where the body has a file of its own, the header section comes from another, first */
	uint64_t header_offset, header_length; /* 0: it stands before the body */
	int header_fd;                 /* in this process */
	uint64_t offset, length;       /* of the rest in its file */
	uint64_t limit;                /* mailbox_size_limit; 0 = none */
	usec now;                      /* wall */
};
/* mailbox_locate - where this user's mailbox is (kind and path of o): HOME/home_mailbox where that is set, else SPOOL/USER; a slash
 * at the end makes it a maildir. false: it has no usable path */
bool mailbox_locate(struct mailbox_order *o, const char *home, const char *home_mailbox, const char *spool);
/* mailbox_set_path - kind from the path as written: a slash at its end, which goes, makes it a maildir */
void mailbox_set_path(struct mailbox_order *o);
void mailbox_deliver(const struct mailbox_order *o, int content_fd, struct reply *out);
void mailbox_unique(char out[MAILBOX_UNIQUE], const char *hostname, usec wall, const char *qid);

/* --- between mailbox.c, maildir.c and mbox.c ---------------------------------------------------------------------- */
/* mailbox_copy - prefix and content, CRLF -> LF, to fd from offset at on; 0, or an errno. *end: where it stopped */
int mailbox_copy(const struct mailbox_order *o, int content_fd, int fd, off_t at, bool quote_from, off_t *end);
void mailbox_failed(struct reply *out, int error, const char *what, const char *path);
void maildir_deliver(const struct mailbox_order *o, int content_fd, struct reply *out);
void mbox_deliver(const struct mailbox_order *o, int content_fd, struct reply *out);

#endif
