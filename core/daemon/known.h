/* known - is an address of ours known here? What RCPT is refused with that no list refuses (smtpd_reject_unlisted_recipient), and what
 * reject_unlisted_* ask. */
#ifndef CORE_DAEMON_KNOWN_H
#define CORE_DAEMON_KNOWN_H

#include "core/route/route.h"

struct known {                         /* of whom mail is, and who is asked about as the client wrote it */
	struct router *router;
	const struct conf *conf;
	struct str sender, rcpt_given;
};
/* known_here - as far as it is ours; false with the refusal. sender: it is the one of the mail */
bool known_here(const struct known *k, struct str address, bool sender, struct reply *no);

#endif
