/* rights - root's work on what somebody else owns, done as that somebody: what lies there cannot make root touch anything else, and what is
 * made there is theirs. Of a process with one thread. */
#ifndef CORE_BASE_RIGHTS_H
#define CORE_BASE_RIGHTS_H

#include <stdbool.h>
#include <sys/types.h>

/* rights_keep_own - nothing here is for set-user-ID or set-group-ID bits of the program: what they gave is given up for good. 0, or -1 with
 * errno */
int rights_keep_own(void);
/* rights_become - effective user and group, and no other groups; nothing for whom they are, or who is not root. 0, or -1 with errno */
int rights_become(uid_t uid, gid_t gid);
int rights_back(void);                         /* to whom we were */

#endif
