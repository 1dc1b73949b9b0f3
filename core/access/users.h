/* users - which of the system's users may do what: authorized_submit_users, authorized_flush_users, authorized_mailq_users. */
#ifndef CORE_ACCESS_USERS_H
#define CORE_ACCESS_USERS_H

#include <stdbool.h>
#include <stdint.h>

/* users_include - is uid in the list? Its words are login names, or "static:anyone". An unknown uid is nobody's name. */
bool users_include(const char *list, int64_t uid);

#endif
