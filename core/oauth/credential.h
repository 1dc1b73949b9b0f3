/* credential - what relaybox needs to have access tokens made for it (RFC 6749), as a file of JSON. The names are those of sasl-xoauth2's
 * token files, and of the key files of Google's service accounts:
 *
 *   client_id, client_secret      who asks
 *   refresh_token                 grant refresh_token (section 6); without one: client_credentials (section 4.4)
 *   access_token, expiry          one that was had before, until when (seconds since 1970)
 *   token_endpoint or token_uri   where to ask: https only
 *   scope
 *   client_email, private_key     grant jwt-bearer (RFC 7523), signed with RS256; "subject": for whom
 *   user                          who logs in with the token; for people, and for relayctl
 */
#ifndef CORE_OAUTH_CREDENTIAL_H
#define CORE_OAUTH_CREDENTIAL_H

#include "core/base/arena.h"
#include "core/base/buf.h"
#include "core/base/clock.h"
#include "core/oauth/source.h"

enum oauth_grant { OAUTH_REFRESH, OAUTH_CLIENT, OAUTH_JWT };
struct oauth_credential {              /* texts live in the arena of the reader; "" where not given */
	enum oauth_grant grant;
	struct str client_id, client_secret, refresh_token, access_token, endpoint, scope, issuer, private_key, subject, user;
	usec expiry;                   /* wall; 0: not said */
};
/* credential_read - false with why; no secret is in it */
bool credential_read(struct str text, struct arena *a, struct oauth_credential *out, struct buf *why);
/* credential_ask - the body of the request, application/x-www-form-urlencoded; false with why: the key cannot sign */
bool credential_ask(const struct oauth_credential *c, usec now_wall, struct buf *out, struct buf *why);
/* credential_put - one more member of a form, NAME=VALUE; nothing where the value is empty */
void credential_put(struct buf *form, const char *name, struct str value);
/* credential_base64 - of RFC 4648 section 5: for addresses, without padding */
void credential_base64(struct buf *out, struct str in);
/* credential_write - the text of a file that credential_read takes, of grant refresh_token */
void credential_write(const struct oauth_credential *c, struct buf *out);

/* what the endpoint answers (sections 5.1, 5.2) */
struct oauth_answer {
	struct str access_token, refresh_token, error, description;    /* in the arena */
	usec lives;                    /* from now on; 0: not said */
};
bool credential_hear(struct str json, struct arena *a, struct oauth_answer *out);

#endif
