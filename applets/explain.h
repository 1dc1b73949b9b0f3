/* explain - what relayctl explain and sendmail -bv share: relayd's answer, or that of its files where no relayd runs. */
#ifndef APPLETS_EXPLAIN_H
#define APPLETS_EXPLAIN_H

#include "applets/applet.h"

struct explain_words { const char *word, *value; };    /* "from=" and its value; value NULL: not given */
/* explain_address - printed; a sysexits code, failures said. directory: of the configuration; words end with word NULL */
int explain_address(const struct conf *c, const char *directory, const char *address, const struct explain_words *words, bool json);

#endif
