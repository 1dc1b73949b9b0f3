/* submit_stdio - `sendmail -bs`: an SMTP server on standard input and output whose messages are handed on one by one with
 * submit_message. 250 to the end of a message means what it means there: durable, or in the next server's hands. */
#ifndef CORE_SUBMIT_SUBMIT_STDIO_H
#define CORE_SUBMIT_SUBMIT_STDIO_H

#include "core/conf/conf.h"

int submit_stdio(const struct conf *c, int in, int out);   /* a sysexits code: EX_OK also when the client just goes */

#endif
