/* sasl - client mechanisms as pure steps: PLAIN (RFC 4616), LOGIN, CRAM-MD5 (RFC 2195), XOAUTH2 and OAUTHBEARER (RFC 7628). */
#ifndef CORE_SMTP_SASL_H
#define CORE_SMTP_SASL_H

#include "core/base/buf.h"

enum sasl_property { SASL_NO_PLAINTEXT = 1, SASL_NO_ANONYMOUS = 2, SASL_NO_DICTIONARY = 4, SASL_NO_ACTIVE = 8 };
unsigned sasl_parse_properties(const char *list, struct buf *why);      /* "noplaintext, noanonymous" */
struct sasl_client {
	const char *mechanism;
	struct str user, password;     /* password = token for the OAuth mechanisms */
	unsigned step;
};
/* sasl_choose - best mechanism that the server offers, the options allow and the filter lets through; NULL with why
 * ("no mechanism available") */
const char *sasl_choose(const char *offered, unsigned forbidden, const char *filter, struct buf *why);
/* sasl_filter_allows - may this mechanism be used by such a list (smtp_sasl_mechanism_filter)? */
bool sasl_filter_allows(const char *filter, const char *name);
bool sasl_has_initial(const char *mechanism);
bool sasl_takes_token(const char *mechanism);           /* its password is an OAuth token, and a challenge is an error */
/* sasl_respond - the raw response to `challenge` (decoded; empty for the initial one); false: the exchange is wrong */
bool sasl_respond(struct sasl_client *s, struct str challenge, struct buf *out);

#endif
