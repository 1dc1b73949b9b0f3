/* work - the parts of having a token that burn or wait: the signature of a request (RS256), and the flush of what must outlive us. Where there is
 * a pool one of its threads does them, and those of one credential in their order. */
#ifndef CORE_OAUTH_WORK_H
#define CORE_OAUTH_WORK_H

#include "core/base/pool.h"
#include "core/net/loop.h"
#include "core/oauth/credential.h"

struct oauth_work;
/* done - never from inside of the call that begins it. body: of the request that was signed; good false: there is none, and why says so, or the
 * file could not be written */
typedef void (*oauth_work_fn)(void *ctx, bool good, struct str body, const char *why);
/* of: the same for all work on one credential, not 0. pool NULL: it is done at once. Texts are borrowed for the call */
struct oauth_work *oauth_work_sign(struct loop *l, struct pool *p, uint64_t of, const struct oauth_credential *c, usec now, oauth_work_fn done, void *ctx);
/* folder: made if it is not there; NULL: the path has one. beside: the credential's file. Written by root, it belongs to the owner of
 * the folder, or of that file, whoever will have to read it */
struct oauth_save { const char *folder, *path, *beside; };
struct oauth_work *oauth_work_save(struct loop *l, struct pool *p, uint64_t of, const struct oauth_save *where, struct str text, oauth_work_fn done,
	void *ctx);
void oauth_work_forget(struct oauth_work *w);          /* it is done all the same, and nobody hears of it. NULL: nothing */

#endif
