/* privilege - from root to mail_owner, in the order that leaves nothing behind: helper forked, groups, group, user, no way
 * back. Started as any other user: nothing to drop, no helper. */
#ifndef CORE_DAEMON_PRIVILEGE_H
#define CORE_DAEMON_PRIVILEGE_H

#include <sys/types.h>

#include "core/daemon/identity.h"
#include "core/daemon/settings.h"

/* privilege_fork_helper - when root is to be given up: start the privileged helper, which may open again what the settings were read
 * from. announced: sockets of inherit.h that it must not keep; apart: nor
 * standard error, where somebody may wait for its end. Its descriptor, or -1 when none is needed or none could be had (logged). */
int privilege_fork_helper(const struct settings *s, const struct identity *owner, size_t announced, bool apart, pid_t *pid);
/* privilege_drop - become the owner; 0, or -1 with the reason logged */
int privilege_drop(const struct identity *owner);
/* privilege_harden - no core files with other people's mail in them, no new privileges, many descriptors; returns how many
 * descriptors may be open */
size_t privilege_harden(void);

#endif
