/* term - text in the columns of a terminal: how many there are, and how many a text takes.
 *
 * A cut never splits a UTF-8 sequence; wide (East Asian) characters count twice, combining ones nothing; control characters
 * and bytes that are no UTF-8 become '?', so no text of strangers moves the cursor. */
#ifndef CORE_BASE_TERM_H
#define CORE_BASE_TERM_H

#include "core/base/buf.h"

size_t term_width(int fd);             /* columns; 0: not a terminal, nothing is cut */
bool term_is_utf8(void);               /* by LC_ALL, LC_CTYPE, LANG: the first that is set */
size_t term_columns(struct str s);     /* that s takes */
/* term_cell - append s in exactly `width` columns: padded, or cut and ended with an ellipsis; 0: as it is, unpadded */
void term_cell(struct buf *out, struct str s, size_t width);

#endif
