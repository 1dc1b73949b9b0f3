/* control - the control socket of relayd (queue_directory/control): one request line, an answer that streams, an end line.
 *
 * Request: words separated by one space, ended by LF, at most LIMIT_CONTROL_LINE. Answer: lines that each start with
 * "+" (text follows as is), then "." alone on success or "!" and why. The server closes. Rights: SO_PEERCRED uid 0 or
 * relayd's own may do all; others what authorized_mailq_users and authorized_flush_users allow.
 * Requests: queue [json | rows] | show QID | trace QID | flush [QID | site:DOMAIN] | hold QID|ALL [QUEUE...] | release … | delete … |
 * requeue … | expire … | stats | reload | explain ADDR [from=S] [client=IP] | ping */
#ifndef CORE_VIEW_CONTROL_H
#define CORE_VIEW_CONTROL_H

#include <stdio.h>

#include "core/base/buf.h"

/* --- client side ---------------------------------------------------------------------------------------------------- */
/* control_request - send a request, write the answer's lines to `to`; 0, -1 with errno when no relayd answers (ENOENT,
 * ECONNREFUSED), 1 when it said no (why filled), 2 when that is CONTROL_NOT_PERMITTED */
#define CONTROL_NOT_PERMITTED "not permitted for your user"
int control_request(const char *queue_directory, const char *request, FILE *to, struct buf *why);

#endif
