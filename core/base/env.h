/* env - the only place that reads the environment, so that what it may change is one list (threats C9). */
#ifndef CORE_BASE_ENV_H
#define CORE_BASE_ENV_H

#include <stdbool.h>

const char *env_get(const char *name);                 /* NULL if unset, or if the process is AT_SECURE */
/* env_each - walk variables whose name starts with prefix; start with *cursor = 0; false at the end */
bool env_each(const char *prefix, unsigned *cursor, const char **name, const char **value, unsigned *name_len);

#endif
