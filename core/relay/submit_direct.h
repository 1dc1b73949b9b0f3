/* submit_direct - submission without a spool: straight to relayhost, each of its addresses in turn. Not a mail queue: what
 * cannot be sent now is refused with EX_TEMPFAIL, and the caller still has the message. */
#ifndef CORE_RELAY_SUBMIT_DIRECT_H
#define CORE_RELAY_SUBMIT_DIRECT_H

#include "core/relay/submit.h"
#include "core/relay/submit_smtp.h"

int submit_direct(const struct conf *c, const struct envelope *e, struct str content, struct submit_result *out);
/* submit_code - sysexits code and text of a session's outcome */
int submit_code(const struct submit_outcome *o, size_t n_rcpts, struct submit_result *out);

#endif
