/* helper_confine - what the privileged helper gives up before it serves: all capabilities but three; of the files all but the tables, the
 * log and mailboxes; TCP, signals and abstract sockets; and all system calls but those that it needs. Its children become users and lose the
 * three as well. */
#ifndef CORE_DELIVER_LOCAL_HELPER_CONFINE_H
#define CORE_DELIVER_LOCAL_HELPER_CONFINE_H

#include "core/deliver/local/helper.h"

/* helper_confine - for good, as far as it can be had: 0; or -1 with errno and *what of the first that could not */
int helper_confine(const struct helper_rules *rules, const char **what);
/* helper_give_up_all - the three as well; 0, or -1 with errno */
int helper_give_up_all(void);

#endif
