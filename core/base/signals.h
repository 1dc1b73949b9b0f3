/* signals - what sigaction(2) of this libc refuses. */
#ifndef CORE_BASE_SIGNALS_H
#define CORE_BASE_SIGNALS_H

/* signals_ignore_reserved - those that the libc keeps for itself (32 to 34): whoever may send us a signal may send them, too, and by
 * default they end the process. Nothing here needs them; setuid(2) with threads sets its own handler and restores this. */
void signals_ignore_reserved(void);

#endif
