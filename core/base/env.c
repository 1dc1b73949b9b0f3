/* env - see env.h. A process that gained rights by being executed (AT_SECURE) has no environment at all. */
#include "core/base/env.h"

#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <unistd.h>

const char *env_get(const char *name)
{
	return getauxval(AT_SECURE) ? NULL : getenv(name);
}

bool env_each(const char *prefix, unsigned *cursor, const char **name, const char **value, unsigned *name_len)
{
	size_t n = strlen(prefix);

	if (getauxval(AT_SECURE) || !environ)
		return false;
	while (environ[*cursor]) {
		const char *entry = environ[(*cursor)++];
		const char *eq = strchr(entry, '=');

		if (!eq || strncmp(entry, prefix, n) != 0 || eq < entry + n)
			continue;
		*name = entry;
		*name_len = (unsigned)(eq - entry);
		*value = eq + 1;
		return true;
	}
	return false;
}
