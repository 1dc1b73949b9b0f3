/* term - text in the columns of a terminal: how many there are, and how many a text takes.
 *
 * A cut never splits a UTF-8 sequence; wide (East Asian) characters count twice, combining ones nothing; control characters
 * and bytes that are no UTF-8 become '?' in a cell and \033 in a line, so no text of strangers moves the cursor. */
#ifndef CORE_BASE_TERM_H
#define CORE_BASE_TERM_H

#include <stdio.h>

#include "core/base/buf.h"

size_t term_width(int fd);             /* columns; 0: not a terminal, nothing is cut */
bool term_is_utf8(void);               /* by LC_ALL, LC_CTYPE, LANG: the first that is set */
size_t term_columns(struct str s);     /* that s takes */
/* term_cell - append s in exactly `width` columns: padded, or cut and ended with an ellipsis; 0: as it is, unpadded */
void term_cell(struct buf *out, struct str s, size_t width);
/* term_text - append s as it may be shown: what steers a terminal, or is no UTF-8, as \033, \302\233 and so on; TAB stays */
void term_text(struct buf *out, struct str s);
/* term_cut - s, or the whole characters of it that fit, into out[size], for a later term_text; a NUL in it becomes '?' */
void term_cut(struct str s, char *out, size_t size);
/* term_print - term_text to a stream */
void term_print(FILE *to, struct str s);

#endif
