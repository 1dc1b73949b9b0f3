/* local_user - the people of this host: who stands behind a local name, and does anybody? */
#ifndef CORE_ROUTE_LOCAL_USER_H
#define CORE_ROUTE_LOCAL_USER_H

#include <sys/types.h>

#include "core/route/route.h"

struct local_user { char name[LIMIT_USER_NAME], home[LIMIT_USER_HOME]; uid_t uid; };

/* local_user_name - the name that an address of a local domain stands for: its local part without quotes, lower case */
struct str local_user_name(struct arena *a, struct str address);
/* local_user_find - the account of that name, or of what is in front of its extension (recipient_delimiter): 1 found, 0 there is
 * none, -1 with errno */
int local_user_find(const struct conf *c, struct str name, struct local_user *out);
/* local_user_check - is this recipient, of a domain that ends here, an alias or an account? 2xx yes, 5xx no, 4xx unknown now. An
 * alias is looked for, not expanded: what is wrong with it is told when mail is delivered. */
void local_user_check(struct router *r, struct str rcpt, struct reply *out);

#endif
