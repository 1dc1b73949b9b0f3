/* identity - who relayd is once root is given up: mail_owner, by name or by number, or an account of the usual name.
 *
 * It must be its own: whoever shares a uid with other programs (nobody) can be stopped, read and written to by them. */
#ifndef CORE_DAEMON_IDENTITY_H
#define CORE_DAEMON_IDENTITY_H

#include <sys/types.h>

#include "core/conf/conf.h"

struct identity {
	uid_t uid;
	gid_t gid;
	char name[64];                 /* of the account, or the number; for logs */
	bool drop;                     /* root is to be given up for it */
};
/* identity_find - who will serve; false with why, which says how to make an account. Started as an ordinary user: that user */
bool identity_find(const struct conf *c, struct identity *out, struct buf *why);

#endif
