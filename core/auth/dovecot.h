/* dovecot - the client's side of Dovecot's authentication protocol, version 1 ("Auth Protocol" of Dovecot's manual), for one question on
 * one connection, as a pure machine: bytes in, bytes out, a verdict. The client machine of SMTP has user and password in hand, so the
 * question is always PLAIN (RFC 4616). */
#ifndef CORE_AUTH_DOVECOT_H
#define CORE_AUTH_DOVECOT_H

#include "core/auth/auth.h"
#include "core/base/limits.h"

enum dovecot_step { DOVECOT_MORE, DOVECOT_YES, DOVECOT_NO, DOVECOT_LATER };
struct dovecot {
	struct auth_question question;  /* borrowed */
	bool asked, has_plain;
	char user[LIMIT_AUTH_USER];     /* DOVECOT_YES: what the server calls him */
	char why[LIMIT_AUTH_WHY];       /* else */
};
/* dovecot_begin - the connection stands: pid is a number that no other client of that server has now */
void dovecot_begin(struct dovecot *d, const struct auth_question *q, uint32_t pid, struct buf *out);
/* dovecot_next - lines off the front of *in; an unfinished one stays */
enum dovecot_step dovecot_next(struct dovecot *d, struct str *in, struct buf *out);

#endif
