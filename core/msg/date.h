/* date - RFC 5322 section 3.3 dates, and the stamps of logs and mailq. Pure: the time and the zone offset are arguments. */
#ifndef CORE_MSG_DATE_H
#define CORE_MSG_DATE_H

#include "core/base/clock.h"

/* date_offset - minutes east of UTC of the machine's zone (TZ) at that time; remembered for the second that was asked for last */
int date_offset(usec wall);
void date_rfc5322(char out[40], usec wall, int offset_minutes);     /* "Sun, 22 Nov 2026 10:00:00 +0900" plus " (JST)" is not added */
void date_mbox(char out[32], usec wall, int offset_minutes);        /* "Sun Nov 22 10:00:00 2026": mbox From_ line, mailq (without the year: first 19) */
void date_rfc3339(char out[40], usec wall, int offset_minutes);

#endif
