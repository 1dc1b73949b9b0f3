/* sign - the signature of one message (RFC 6376): rsa-sha256, relaxed/relaxed, over the whole body and the fields that say who writes
 * to whom about what. From is named once more than it is there, so that nobody adds another.
 *
 * The message comes as the next host will have it, in CRLF lines. Which key signs is decided at the end of its header section: that of
 * the domain of From, else of the next domain above it. A message is left as it is that has no such key, not exactly one From, or a line
 * among its fields that is none. */
#ifndef CORE_DKIM_SIGN_H
#define CORE_DKIM_SIGN_H

#include "core/dkim/keys.h"

struct dkim_signing;
struct dkim_signing *dkim_signing_new(const struct dkim_keys *keys);   /* keys are borrowed */
void dkim_signing_free(struct dkim_signing *s);        /* NULL: nothing */
/* dkim_signing_add - false: it will not be signed, and no more of it need be added */
bool dkim_signing_add(struct dkim_signing *s, struct str piece);
/* dkim_signing_end - after the last piece: the field, with its line ends, is added to out; nothing if it is not to be signed. now: Unix
 * seconds. False: the key failed */
bool dkim_signing_end(struct dkim_signing *s, uint64_t now, struct buf *out);

#endif
