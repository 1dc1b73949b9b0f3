/* oauth - access tokens for logins at servers (RFC 6749), one keeper for all: a token is had where it is first needed, used until shortly
 * before its end, and renewed ahead. One request at a time for each credential; an endpoint that fails is asked again after a while, and
 * meanwhile mail waits. What the endpoint gives in place of the refresh token is durable before the access token is used. */
#ifndef CORE_OAUTH_OAUTH_H
#define CORE_OAUTH_OAUTH_H

#include "core/conf/conf.h"
#include "core/net/dns.h"
#include "core/net/loop.h"
#include "core/oauth/source.h"

struct oauth;
struct oauth_options {
	struct loop *loop;
	struct dns *dns;
	struct pool *pool;             /* for flushes and signatures; NULL: on the loop */
	const char *directory;         /* of what must outlive us (state.h); NULL or "": FILE.state beside each credential */
	bool fresh;                    /* a token that is had from now on; what was had before does not count */
};
struct oauth *oauth_new(const struct oauth_options *o);
void oauth_free(struct oauth *o);      /* nobody is told */

/* oauth_port - the port where a token for this credential is had, through https_proxy or not; 0: it is none */
uint16_t oauth_port(struct str password);

/* fn - token empty: none, with why. Never from inside of oauth_ask */
typedef void (*oauth_fn)(void *ctx, struct str token, const char *why);
struct oauth_wait;
/* oauth_ask - file: as in the password. c: for the authorities that are trusted; borrowed for the call */
struct oauth_wait *oauth_ask(struct oauth *o, struct str file, const struct conf *c, oauth_fn fn, void *ctx);
void oauth_cancel(struct oauth_wait *w);
/* oauth_refused - a server did not take this token: true, it was had before, and a new one is had next; false: it was new, so it is the
 * login that is wrong */
bool oauth_refused(struct oauth *o, struct str file, struct str token);

#endif
