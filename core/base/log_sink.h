/* log_sink - where finished log lines go: a gathering buffer in front of a descriptor, or a syslog socket.
 * Only for log.c. Never blocks for long: what a full pipe does not take waits in the buffer; when that is full, whole
 * records are dropped and counted, and a line says so as soon as there is room again. */
#ifndef CORE_BASE_LOG_SINK_H
#define CORE_BASE_LOG_SINK_H

#include "core/base/log.h"

int log_sink_open(enum log_sink sink, const char *path);  /* 0, or -1 with errno; the old sink stays on error */
int log_sink_reopen(void);                               /* 0, or -1 with errno: the old file goes on */
void log_sink_flush(void);
bool log_sink_is_open(void);
bool log_sink_is_syslog(void);
void log_sink_line(struct str line, enum log_severity sev); /* line without its newline; `sev` is for syslog */
unsigned long log_sink_take_lost(void);                  /* records dropped since the last call, if one can be written now */

#endif
