/* submit_direct - submission without a queue: straight to where relayd would send it, relayhost above all. What cannot be sent
 * now is EX_TEMPFAIL; keeping it is submit_message's part. */
#ifndef CORE_SUBMIT_SUBMIT_DIRECT_H
#define CORE_SUBMIT_SUBMIT_DIRECT_H

#include "core/submit/submit.h"

/* submit_direct - a way of submit.c: a sysexits code, or SUBMIT_NOT_THERE */
int submit_direct(const struct conf *c, const struct submit_options *o, const struct envelope *e, struct str content,
	struct submit_result *out, enum verdict *verdicts);

#endif
