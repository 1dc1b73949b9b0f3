/* endpoint - a request to a token endpoint or its like, and what its answer means, in words: which of the many things that may be wrong
 * is, and what a person can do about it. */
#ifndef CORE_OAUTH_ENDPOINT_H
#define CORE_OAUTH_ENDPOINT_H

#include "core/net/fetch.h"
#include "core/oauth/credential.h"

struct endpoint { struct loop *loop; struct dns *dns; struct tls_context *tls; };
/* endpoint_post - a form, to a URL that fetch_split takes; fn as in fetch.h */
struct fetch *endpoint_post(const struct endpoint *e, struct str url, struct str form, fetch_fn fn, void *ctx);
/* endpoint_hear - true: there is a token in out; else why[n] says in words what is wrong, without control characters. What out has
 * lives in the arena. now: wall; a clock that is far from the endpoint's is told, for it is a reason of many refusals */
bool endpoint_hear(const struct fetch_answer *a, usec now, struct arena *arena, struct oauth_answer *out, char *why, size_t n);
/* endpoint_skew - how far this clock is ahead of an HTTP date (date_http); 0 also where it is none */
usec endpoint_skew(struct str date, usec now);

#endif
