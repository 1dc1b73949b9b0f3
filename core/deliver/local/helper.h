/* helper - the small privileged process: it writes into mailboxes as their users and opens tables that only root may
 * read, because relayd itself has given up root. It knows nothing of mail beyond that.
 *
 * Forked early, as root, with one end of helper_socketpair. What it will do is fixed before that: the tables and the log it may
 * open, and where a user's mailbox is. What relayd asks is a stranger's word: the helper finds the mailbox by itself, checks
 * every field, and never works for relayd's own user. Each delivery runs in a child that has become the user, so a
 * mistake there has that user's rights and no more; for root it is a uid without capabilities. Capabilities and system calls that it does not need are given up
 * (helper_confine.h). It ends when the other end is closed. */
#ifndef CORE_DELIVER_LOCAL_HELPER_H
#define CORE_DELIVER_LOCAL_HELPER_H

#include "core/deliver/local/mailbox.h"

struct helper_rules {
	const char *spool;             /* mail_spool_directory: SPOOL/USER may be written; "" = none */
	const char *home_mailbox;      /* below a user's home, in place of the spool; "" = none */
	const char *log, *log_also;    /* files of maillog_file and log_also, opened anew for relayd after they were renamed; "", NULL: none */
	const char *const *tables;     /* NULL-terminated; the files that may be opened for reading */
	uid_t owner;                   /* relayd's own user, who has no mailbox here */
	bool confine;                  /* give up capabilities and system calls (sandbox is not "no") */
	bool must;                     /* … and end where that cannot be done (sandbox = required) */
};
int helper_socketpair(int fds[2]);                     /* 0, or -1 with errno; fds[0] is relayd's, not blocking */
int helper_main(int fd, const struct helper_rules *rules); /* an exit status */

/* --- the protocol: one packet per request and per answer, both plain structs of one binary --------------------------- */
/* HELPER_HEADER brings the descriptor of a header section that stands apart, for the HELPER_DELIVER of that id that follows */
enum helper_verb { HELPER_DELIVER = 1, HELPER_OPEN, HELPER_LOG, HELPER_HEADER };
struct helper_request {
	uint64_t id;
	uint32_t verb;
	struct mailbox_order order;    /* HELPER_OPEN: only path. HELPER_DELIVER: path must be what the helper finds; the content's
	                                * descriptor comes with it. HELPER_LOG: only path */
};
struct helper_answer {
	uint64_t id;
	int32_t error;                 /* HELPER_OPEN, HELPER_LOG: errno, or 0 with the descriptor */
	struct reply reply;            /* HELPER_DELIVER */
};

#endif
