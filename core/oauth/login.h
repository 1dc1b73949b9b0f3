/* login - a person's consent becomes a refresh token: the device grant (RFC 8628), where the person enters a code in any browser; or, at
 * providers that give no right to send mail that way, the code grant with PKCE (RFC 6749 section 4.1, 7636), where the person copies the
 * address at which the browser ended. For programs that do nothing else meanwhile: it runs the loop until there is an answer. */
#ifndef CORE_OAUTH_LOGIN_H
#define CORE_OAUTH_LOGIN_H

#include "core/oauth/device.h"
#include "core/oauth/endpoint.h"

/* "*" in an address stands for the tenant */
struct oauth_provider { const char *name, *device, *authorize, *token, *scope, *server; };
const struct oauth_provider *oauth_provider_find(const char *name);    /* NULL: none is called so */

struct oauth_login {
	struct endpoint endpoint;
	struct str device, authorize, token;   /* addresses; one of the first two is empty */
	struct str client_id, client_secret, scope;
	/* show - the person shall enter this there */
	void (*show)(void *ctx, const struct oauth_device *d);
	/* paste - the person shall agree at url; the address where the browser ended goes to out. false: given up */
	bool (*paste)(void *ctx, struct str url, struct buf *out);
	void *ctx;
};
/* oauth_login - false with why[LIMIT_OAUTH_WHY] in words; out lives in the arena */
bool oauth_login(const struct oauth_login *l, struct arena *a, struct oauth_answer *out, char *why);

/* login_code - of what was pasted: the code alone, or an address with code=, which must have this state=. In the arena; empty with why */
struct str login_code(struct str pasted, struct str state, struct arena *a, const char **why);

#endif
