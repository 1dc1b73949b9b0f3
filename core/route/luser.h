/* luser - luser_relay: who gets the mail of local users that do not exist. */
#ifndef CORE_ROUTE_LUSER_H
#define CORE_ROUTE_LUSER_H

#include "core/base/arena.h"
#include "core/conf/conf.h"

/* luser_address - luser_relay with $user, $extension, $local, $domain, $recipient and $recipient_delimiter of this recipient in it,
 * each also as ${name} and ${name?text}; empty: there is none, or it is no address */
struct str luser_address(const struct conf *c, struct arena *a, struct str name, struct str rcpt);
/* luser_check - false with why: relaybox cannot do what luser_relay says */
bool luser_check(const char *value, struct buf *why);

#endif
