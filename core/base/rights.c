/* rights - see rights.h. The real user stays, so that the way back is open: this is for root's own good, and keeps nobody in. */
#include "core/base/rights.h"

#include <grp.h>
#include <sys/auxv.h>
#include <unistd.h>

int rights_keep_own(void)
{
	uid_t uid = getuid();
	gid_t gid = getgid();

	return !getauxval(AT_SECURE) || (setresgid(gid, gid, gid) == 0 && setresuid(uid, uid, uid) == 0) ? 0 : -1;
}

int rights_back(void)
{
	if (geteuid() == getuid() && getegid() == getgid())
		return 0;
	return seteuid(getuid()) == 0 && setegid(getgid()) == 0 ? 0 : -1;
}

int rights_become(uid_t uid, gid_t gid)
{
	if (getuid() != 0)
		return 0;
	if (rights_back() != 0)
		return -1;
	if (uid == 0)
		return 0;
	return setgroups(0, NULL) == 0 && setegid(gid) == 0 && seteuid(uid) == 0 ? 0 : -1;
}
