/* rights - root's work on what somebody else owns, done as that somebody: what lies there cannot make root touch anything else, and what is
 * made there is theirs. Of a process with one thread. */
#ifndef CORE_BASE_RIGHTS_H
#define CORE_BASE_RIGHTS_H

#include <stdbool.h>
#include <sys/types.h>

/* rights_become - effective user and group, and no other groups; nothing for whom they are, or who is not root. 0, or -1 with errno */
int rights_become(uid_t uid, gid_t gid);
int rights_back(void);                         /* to whom we were */

#endif
