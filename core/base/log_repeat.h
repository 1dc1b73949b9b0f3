/* log_repeat - bounds what the daemon itself says in the same words: LIMIT_LOG_REPEATS times within LIMIT_LOG_WINDOW it is written, then
 * counted, and how often is told when the time is over. The latest LIMIT_LOG_TEXTS texts are known. Only for log.c. */
#ifndef CORE_BASE_LOG_REPEAT_H
#define CORE_BASE_LOG_REPEAT_H

#include "core/base/clock.h"
#include "core/base/log.h"

struct log_said {
	uint64_t key;              /* hash of what was said; 0: nothing */
	usec over;                 /* mono */
	unsigned n, more;          /* written, only counted */
	enum log_severity severity;
	char service[16], text[240];   /* cut */
};
bool log_repeat_is_enough(enum log_severity severity, const char *service, struct str text, usec now); /* true: counted, not to be written */
bool log_repeat_waiting(void);                         /* is something only counted? */
bool log_repeat_take(usec now, struct log_said *out);  /* one whose time is over; false: none (any more) */

#endif
