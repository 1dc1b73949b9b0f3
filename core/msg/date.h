/* date - RFC 5322 section 3.3 dates, the stamps of logs and mailq, and the dates of HTTP. Pure: the time and the zone offset are
 * arguments. */
#ifndef CORE_MSG_DATE_H
#define CORE_MSG_DATE_H

#include <stdbool.h>

#include "core/base/clock.h"
#include "core/base/str.h"

/* date_offset - minutes east of UTC of the machine's zone (TZ) at that time; remembered for the second that was asked for last */
int date_offset(usec wall);
void date_rfc5322(char out[40], usec wall, int offset_minutes);     /* "Sun, 22 Nov 2026 10:00:00 +0900" plus " (JST)" is not added */
void date_mbox(char out[32], usec wall, int offset_minutes);        /* "Sun Nov 22 10:00:00 2026": mbox From_ line, mailq (without the year: first 19) */
void date_rfc3339(char out[40], usec wall, int offset_minutes);
/* date_http - "Sun, 06 Nov 1994 08:49:37 GMT" (RFC 9110 section 5.6.7, the fixed form), from 1970 on; false: it is none, out is left alone */
bool date_http(struct str s, usec *out);

#endif
