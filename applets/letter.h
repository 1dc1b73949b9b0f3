/* letter - a mail written by hand on a terminal, as mailx has it, without its commands (~). */
#ifndef APPLETS_LETTER_H
#define APPLETS_LETTER_H

#include "core/base/buf.h"

/* letter_read - the subject where *subject is NULL (static storage), then CRLF lines up to Ctrl-D or a line "."; 1 after
 * Ctrl-C twice in a row, the text then being saved; else 0 or a sysexits code after saying why */
int letter_read(const char **subject, struct buf *out);
/* letter_save - add the text to ~/dead.letter and say so */
void letter_save(struct str text);

#endif
