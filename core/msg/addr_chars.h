/* addr_chars - what the two address grammars share; private to core/msg. */
#ifndef CORE_MSG_ADDR_CHARS_H
#define CORE_MSG_ADDR_CHARS_H

#include "core/base/str.h"

bool addr_is_atext(char c);
/* addr_drop_route - take an obsolete source route off the front of a path; false: it is not one */
bool addr_drop_route(struct str *s);

#endif
