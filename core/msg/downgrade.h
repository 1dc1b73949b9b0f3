/* downgrade - a message of 8-bit content for a server that takes only 7 (RFC 6152 section 3): what Postfix's client makes of it.
 *
 * A part that says 8bit or binary becomes quoted-printable; multiparts and attached messages say 7bit and are gone into (RFC 2045
 * section 6.4). A part that says 7bit or nothing stays, unless it holds 8-bit bytes after all, or so much that it cannot be
 * looked through first: then it is encoded, too. A message that has no MIME gets the fields. Header fields stay as they are.
 *
 * Pure: pieces of any size in, CRLF lines out, the same whatever the pieces were. */
#ifndef CORE_MSG_DOWNGRADE_H
#define CORE_MSG_DOWNGRADE_H

#include "core/base/buf.h"

struct downgrade;
struct downgrade *downgrade_new(void);
void downgrade_free(struct downgrade *d);              /* NULL: nothing */
/* downgrade_add - CRLF text in; `last` with the final piece, which may be empty. false: it cannot be done (8-bit bytes in a
 * part that says base64 or quoted-printable), and nothing more is to be added */
bool downgrade_add(struct downgrade *d, struct str piece, bool last, struct buf *out);

#endif
