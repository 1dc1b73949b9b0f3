/* users - see users.h. */
#include "core/access/users.h"

#include <pwd.h>

#include "core/base/str.h"

bool users_include(const char *list, int64_t uid)
{
	struct str rest = str_of(list), one;
	const struct passwd *pw;

	while (str_word(&rest, ", \t\r\n", &one)) {
		if (str_starts(one, STR("static:")))
			return true;
		pw = getpwuid((uid_t)uid);
		if (pw && str_eq(one, str_of(pw->pw_name)))
			return true;
	}
	return false;
}
