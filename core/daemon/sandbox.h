/* sandbox - after the start relayd needs little of the kernel: give the rest up (threats F4).
 *
 * seccomp: no program is ever run, nothing is mounted, traced or loaded: these calls answer EPERM. Landlock, where the
 * privileged helper does local delivery: files are written below the queue and log folders only, besides those that alias
 * tables name at the start, and none is executed.
 * Where the kernel lacks one of them it is skipped with one log line; sandbox = required makes that an error. */
#ifndef CORE_DAEMON_SANDBOX_H
#define CORE_DAEMON_SANDBOX_H

#include "core/conf/conf.h"
#include "core/route/route.h"

/* sandbox_close - for good, for this thread and all that come after; call before threads are made. write_only_queue: with
 * Landlock's write rules. 0, or -1 with the reason logged. */
int sandbox_close(const struct conf *c, const struct router *aliases, bool write_only_queue);

#endif
