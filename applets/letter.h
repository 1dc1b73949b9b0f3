/* letter - the text of a mail: from files, from standard input, or written by hand on a terminal, as mailx has it, without its commands (~). */
#ifndef APPLETS_LETTER_H
#define APPLETS_LETTER_H

#include "core/conf/conf.h"

/* letter_text - in CRLF lines: that of the file `quote` (NULL: none), then that of `file`, else of standard input; on a terminal the
 * subject is asked for where *subject is NULL (static storage). 0, or a sysexits code after saying why; 1 after Ctrl-C twice in a
 * row, the text then being saved */
int letter_text(const struct conf *c, const char *quote, const char *file, const char **subject, struct buf *out);
/* letter_save - add the text to ~/dead.letter and say so */
void letter_save(struct str text);

#endif
