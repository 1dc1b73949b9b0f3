/* token - the secret of a login as its mechanism wants it.
 *
 * A token (RFC 6750) is worth an hour, so for XOAUTH2 and OAUTHBEARER the password may be "file:PATH": the first line of that
 * file, read anew for each login, while another program keeps it fresh. No token holds a colon, so none can be meant.
 * A path alone was to be a credential (core/oauth) and is none that can be read: it is not sent as a token. */
#ifndef CORE_SMTP_TOKEN_H
#define CORE_SMTP_TOKEN_H

#include "core/base/buf.h"

/* token_find - *secret is `password`, or a view of `out`, which holds the file (its bound applies; the caller's to wipe);
 * false with why: the file cannot be read, or holds no token */
bool token_find(const char *mechanism, struct str password, struct buf *out, struct str *secret, struct buf *why);

/* token_error - the words of the JSON with which a server refuses a token (RFC 7628 section 3.2.2): "status …, scope …"; as it stands, where it
 * is none */
void token_error(struct str json, struct buf *out);

#endif
