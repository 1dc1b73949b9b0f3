/* helper - the small privileged process: it writes into mailboxes as their users and opens tables that only root may
 * read, because relayd itself has given up root. It knows nothing of mail beyond that.
 *
 * Forked early, as root, with one end of helper_socketpair. What it will do is fixed before that: the tables it may open,
 * the mail spool, and mailboxes under a user's own home. Each delivery runs in a child that has become the user, so a
 * mistake there has that user's rights and no more. It ends when the other end is closed. */
#ifndef CORE_DELIVER_LOCAL_HELPER_H
#define CORE_DELIVER_LOCAL_HELPER_H

#include "core/deliver/local/mailbox.h"

struct helper_rules {
	const char *spool;             /* mail_spool_directory: SPOOL/USER may be written; "" = none */
	const char *const *tables;     /* NULL-terminated; the files that may be opened for reading */
};
int helper_socketpair(int fds[2]);                     /* 0, or -1 with errno; fds[0] is relayd's, not blocking */
int helper_main(int fd, const struct helper_rules *rules); /* an exit status */

/* --- the protocol: one packet per request and per answer, both plain structs of one binary --------------------------- */
/* HELPER_HEADER brings the descriptor of a header section that stands apart, for the HELPER_DELIVER of that id that follows */
enum helper_verb { HELPER_DELIVER = 1, HELPER_OPEN, HELPER_HEADER };
struct helper_request {
	uint64_t id;
	uint32_t verb;
	struct mailbox_order order;    /* HELPER_OPEN: only path. The content's descriptor comes with HELPER_DELIVER */
};
struct helper_answer {
	uint64_t id;
	int32_t error;                 /* HELPER_OPEN: errno, or 0 with the descriptor */
	struct reply reply;            /* HELPER_DELIVER */
};

#endif
