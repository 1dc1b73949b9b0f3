/* submit_log - what became of mail that went straight to a relayhost, in the mail log: as relayd's smtp writes it, to
 * maillog_file, else to syslog where one listens. Nothing is written where neither can be reached. */
#ifndef CORE_SUBMIT_SUBMIT_LOG_H
#define CORE_SUBMIT_SUBMIT_LOG_H

#include "core/submit/submit.h"

/* submit_log - verdicts: of each recipient */
void submit_log(const struct conf *c, const struct envelope *e, size_t size, const struct submit_result *r, const enum verdict *verdicts);

#endif
