/* submit_direct - submission without a queue: straight to relayhost, each of its addresses in turn. What cannot be sent now
 * is EX_TEMPFAIL; keeping it is submit_message's part. */
#ifndef CORE_SUBMIT_SUBMIT_DIRECT_H
#define CORE_SUBMIT_SUBMIT_DIRECT_H

#include "core/submit/submit.h"
#include "core/submit/submit_smtp.h"

int submit_direct(const struct conf *c, const struct envelope *e, struct str content, struct submit_result *out,
	enum verdict *verdicts);
/* submit_code - sysexits code and text of a session's outcome; its verdicts become those on the recipients */
int submit_code(const struct submit_outcome *o, size_t n_rcpts, struct submit_result *out);

#endif
