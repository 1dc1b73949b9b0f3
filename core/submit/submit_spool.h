/* submit_spool - where a host without a relayd keeps the mail that its relayhost would not take now: a maildrop of the
 * user's own (core/store/maildrop.h has the form of the files, which is how they get written, flushed and read).
 *
 * It is in the first of these folders that can be used: $sendmail_spool/relaybox-UID, $HOME/.relaybox,
 * /var/tmp/relaybox-UID. A folder is used when it and what it lies in belong to the user or to root and no stranger can
 * replace it. HOME and /var/tmp do not count where a restart forgets them (/tmp itself, a file system in memory, systemd's
 * PrivateTmp): the caller is told to keep the message. Why a drop is still there is in why/ beside the drops.
 *
 * One try at a time: a drop is locked while it is tried, and its time of change is that of the last try. What was refused
 * for good, or is older than maximal_queue_lifetime, becomes a plain message in dead.letter/ beside the drops. A crash
 * leaves a drop as it was, or, after the server's answer, a message that is sent twice: never none. */
#ifndef CORE_SUBMIT_SUBMIT_SPOOL_H
#define CORE_SUBMIT_SUBMIT_SPOOL_H

#include "core/conf/conf.h"
#include "core/msg/envelope.h"

/* submit_spool_keep - on disk when 0 is returned, where[n] names the folder; -1: why tells what was tried. reason: why it did not
 * go, for whoever lists it */
int submit_spool_keep(const struct conf *c, const struct envelope *e, struct str content, const char *reason, char *where, size_t n,
	struct buf *why);

struct submit_flush {
	bool all;              /* sendmail -q: also what was tried less than minimal_backoff_time ago */
	size_t most;           /* messages to try; 0: no limit */
	void (*note)(const char *text); /* what became of a message that its writer must hear of */
	size_t tried, left;    /* set: messages tried, and still there */
};
/* submit_spool_flush - try what is kept, oldest first, until no server answers */
void submit_spool_flush(const struct conf *c, struct submit_flush *f);
/* submit_spool_each - every message that is kept; id: 16 hex digits and NUL; reason: why, or "". Damaged drops are left out */
typedef void submit_spool_fn(void *ctx, const char *id, const struct envelope *e, uint64_t size, struct str reason);
void submit_spool_each(const struct conf *c, submit_spool_fn *fn, void *ctx);
/* submit_spool_delete - forget the message of this id, or with ALL every one; how many there were. Those being tried stay */
size_t submit_spool_delete(const struct conf *c, const char *id);

#endif
