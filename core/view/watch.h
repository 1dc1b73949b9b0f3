/* watch - a view that is shown again and again on a terminal, until its reader has seen enough: q or Ctrl-C. */
#ifndef CORE_VIEW_WATCH_H
#define CORE_VIEW_WATCH_H

#include <stdbool.h>

#include "core/base/clock.h"

/* watch_begin - keys count at once and are not shown, where standard input is a terminal; else nothing changes */
void watch_begin(void);
bool watch_wait(usec interval);        /* false: the reader wants to end */
void watch_end(void);                  /* the terminal as it was */

#endif
