/* seccomp - one filter for this thread and all that come after: these system calls and no other. Whatever is not named answers
 * EPERM; another architecture's numbers (and x32's) end the process. */
#ifndef CORE_BASE_SECCOMP_H
#define CORE_BASE_SECCOMP_H

#include <stddef.h>

#define SECCOMP_CALLS_MAX 250          /* a jump of the filter reaches 255 instructions */
/* seccomp_allow - 0, or -1 with errno (ENOSYS: not on this architecture). Sets no_new_privs. */
int seccomp_allow(const int *calls, size_t n);

#endif
