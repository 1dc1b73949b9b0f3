/* helper_confine - what the privileged helper gives up before it serves: all capabilities but three, and all system calls but
 * those that mailboxes and tables need. Its children become users and lose the three as well. */
#ifndef CORE_DELIVER_LOCAL_HELPER_CONFINE_H
#define CORE_DELIVER_LOCAL_HELPER_CONFINE_H

/* helper_confine - for good; 0, or -1 with errno and *what */
int helper_confine(const char **what);
/* helper_give_up_all - the three as well; 0, or -1 with errno */
int helper_give_up_all(void);

#endif
