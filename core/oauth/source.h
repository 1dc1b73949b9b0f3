/* source - where a credential is: in the file that a password names, or it is the password itself. Also in builds without OAuth2, which show
 * such a password to nobody. */
#ifndef CORE_OAUTH_SOURCE_H
#define CORE_OAUTH_SOURCE_H

#include "core/base/buf.h"

/* credential_is - does a file with this text hold one (and not a bare token)? */
bool credential_is(struct str text);
/* oauth_source_read - the text of the credential; false: it is none */
bool oauth_source_read(struct str password, struct buf *text);
/* oauth_is - is this password the name of a credential's file, or a credential itself, and no token or file of one? */
bool oauth_is(struct str password);

#endif
