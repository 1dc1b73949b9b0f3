/* privilege - from root to mail_owner, in the order that leaves nothing behind: spool owned, helper forked, groups, group,
 * user, no way back. Started as any other user: nothing to drop, no helper. */
#ifndef CORE_DAEMON_PRIVILEGE_H
#define CORE_DAEMON_PRIVILEGE_H

#include <sys/types.h>

#include "core/daemon/settings.h"

/* privilege_prepare_spool - make queue_directory and its folders, owned by the user that will serve; go there (chdir).
 * 0, or -1 with the reason logged */
int privilege_prepare_spool(const struct conf *c);
/* privilege_fork_helper - when we are root and will not stay it: start the privileged helper, which may open the tables that
 * the settings name. Its descriptor, or -1 when none is needed or none could be had (logged). */
int privilege_fork_helper(const struct settings *s, pid_t *pid);
/* privilege_drop - become mail_owner when we are root; 0, or -1 with the reason logged */
int privilege_drop(const struct conf *c);
/* privilege_harden - no core files with other people's mail in them, no new privileges, many descriptors; returns how many
 * descriptors may be open */
size_t privilege_harden(void);

#endif
