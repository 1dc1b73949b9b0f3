/* control - the control socket of relayd (queue_directory/control): one request line, an answer that streams, an end line.
 *
 * Request: words separated by one space, ended by LF, at most LIMIT_CONTROL_LINE. Answer: "#relaybox-control 2", the version of
 * all this (a relayd that does not say it has version 1), lines that each start with "+" (text follows as is), then "." alone on
 * success or "!" and why. Rows for programs are cells parted by TAB, the first a word that says what the row is; version 1 had
 * its first letter there, "m" for message, but "p" for minute. The server closes. Rights: SO_PEERCRED uid 0 or
 * relayd's own may do all; others what authorized_mailq_users and authorized_flush_users allow.
 * Requests: queue [json | rows] | show QID | trace QID | flush [QID | site:DOMAIN] | hold QID|ALL [QUEUE...] | release … | delete … |
 * requeue … | expire … | stats | reload | stop | explain ADDR [from=S] [client=IP] [helo=H] [sasl=U] [port=N] | health | ping | started |
 * takeover (core/daemon/takeover.h) | adopt (give.h) */
#ifndef CORE_VIEW_CONTROL_H
#define CORE_VIEW_CONTROL_H

#include <stdio.h>

#include "core/base/buf.h"

#define CONTROL_VERSION 2
#define CONTROL_HELLO "#relaybox-control "

/* row_is - a row of this kind, of any version? Then *line is what follows its first TAB */
bool row_is(struct str *line, const char *kind);

/* --- client side ---------------------------------------------------------------------------------------------------- */
/* control_request - send a request, write the answer's lines to `to`; 0, -1 with errno when no relayd answers (ENOENT,
 * ECONNREFUSED; EPROTONOSUPPORT: a version that is not known here), 1 when it said no (why filled), 2 when that is CONTROL_NOT_PERMITTED */
#define CONTROL_NOT_PERMITTED "not permitted for your user"
int control_request(const char *queue_directory, const char *request, FILE *to, struct buf *why);
/* control_is_silent - there is no relayd to talk to (errno of control_request), so the spool may be read instead */
bool control_is_silent(int error);
/* control_answer - the second half of that, over a connection of the caller's */
int control_answer(int fd, FILE *to, struct buf *why);

#endif
