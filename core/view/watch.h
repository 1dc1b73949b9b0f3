/* watch - a view that is shown again and again on a terminal, until its reader has seen enough: q or Ctrl-C. */
#ifndef CORE_VIEW_WATCH_H
#define CORE_VIEW_WATCH_H

#include <stddef.h>

#include "core/base/clock.h"

/* watch_repeat - sample now, and after each interval again: until it gives what is not 0, which is given back, was called `count` times
 * (0: however often), or the reader wants to end. Keys count at once and are not shown where standard input is a terminal */
int watch_repeat(usec interval, size_t count, int (*sample)(void *ctx), void *ctx);

#endif
