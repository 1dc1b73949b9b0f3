/* completion - how bash, zsh and fish complete command lines of the applets. The scripts are a few lines each: they hand the
 * words to `relaybox --complete`, which answers from the tables that --help is made from. */
#ifndef APPLETS_COMPLETION_H
#define APPLETS_COMPLETION_H

#include "applets/applet.h"

#define COMPLETION_SHELLS "bash|zsh|fish"
/* completion_script - to stdout; names: all that the binary answers to, with spaces between; false: no such shell */
bool completion_script(const char *shell, const char *names);
/* completion_answer - what the last of the words may be, one a line, a TAB and a description after it; nothing: a file. The first
 * word is an option or an operand of the applet. bash gives "--name=value" in three words, the others in one.
 * *directory: what the line says after -c; true: queue ids are wanted, too. */
bool completion_answer(const struct applet *a, char **words, int n, const char **directory);

#endif
