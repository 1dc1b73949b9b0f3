/* state - what outlives the process that had a token: a file for each credential, which every process that has tokens for it reads again
 * before it asks for one, so that a refresh token that was replaced is spent by nobody.
 *
 * Lines: the digest of the credential that it belongs to, the token's end in seconds, access token, refresh token, the last failure. */
#ifndef CORE_OAUTH_STATE_H
#define CORE_OAUTH_STATE_H

#include "core/base/buf.h"
#include "core/base/clock.h"

enum { OAUTH_STATE_PATH = 4300 };
struct oauth_state { struct str access_token, refresh_token, why; usec expiry; };      /* wall */

/* oauth_state_path - of a credential, by its file's name or by itself. directory NULL: FILE.state beside it */
void oauth_state_path(const char *directory, const char *file, char out[OAUTH_STATE_PATH]);
/* oauth_state_place - the directory that relayd keeps them in, when there is one and it may be used; else "". make: and where there is a queue
 * only, it is made as relayd would */
const char *oauth_state_place(const char *queue_directory, bool make, char out[OAUTH_STATE_PATH]);
void oauth_state_format(const struct oauth_state *s, const uint8_t source[32], struct buf *out);
/* oauth_state_parse - views into text; false: it is none, or another credential's */
bool oauth_state_parse(struct str text, const uint8_t source[32], struct oauth_state *out);

#endif
