/* submit - hand a locally written message on, by the first way that is there: the submit socket of a running relayd (SMTP
 * over a unix socket), queue_directory/maildrop/, or straight to relayhost (sendmail_submission chooses otherwise).
 * Durable, or in the next server's hands, when it returns EX_OK. */
#ifndef CORE_RELAY_SUBMIT_H
#define CORE_RELAY_SUBMIT_H

#include "core/conf/conf.h"
#include "core/msg/envelope.h"

struct submit_result {
	char qid[64];          /* what the server called it; "" if unknown */
	const char *way;       /* "socket", "maildrop", "direct" */
	char why[512];         /* what failed and what to do */
};
/* submit_message - sysexits code: 0, EX_TEMPFAIL, EX_UNAVAILABLE (refused), EX_NOUSER … ; content in LF or CRLF lines */
int submit_message(const struct conf *c, const struct envelope *e, struct str content, struct submit_result *out);

#endif
