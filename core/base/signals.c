/* signals - see signals.h. */
#include "core/base/signals.h"

#include <sys/syscall.h>
#include <unistd.h>

enum { RESERVED_FIRST = 32, RESERVED_LAST = 34, IGNORE = 1, KERNEL_SET = 8 /* bytes of its signal set */ };

void signals_ignore_reserved(void)
{
	/* the kernel's own struct: handler, flags, restorer, mask */
	static const unsigned long ignore[4] = { IGNORE };

	for (int signo = RESERVED_FIRST; signo <= RESERVED_LAST; signo++)
		(void)syscall(SYS_rt_sigaction, signo, ignore, 0L, KERNEL_SET);
}
