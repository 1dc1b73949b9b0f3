/* said - who answered, and what, out of the text that tells people why mail was refused: "host NAME[IP] said: REPLY (in reply to
 * COMMAND)" and its kin, Postfix's words. The text is what survives in the queue; a notice needs the parts (RFC 3464 section 2.3.6:
 * the diagnostic code is the server's reply and nothing else). */
#ifndef CORE_MSG_SAID_H
#define CORE_MSG_SAID_H

#include "core/base/str.h"

struct said { struct str host, reply; };       /* views into the text; reply begins with its code */
/* said_parse - false: these are our own words */
bool said_parse(struct str text, struct said *out);

#endif
