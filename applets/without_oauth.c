/* without_oauth - in place of relayctl_oauth.c in builds that leave OAuth2 out (config.mk). */
#include "applets/relayctl_oauth.h"

int relayctl_oauth(const struct relayctl_oauth *x, char **args, int n)
{
	return applet_fail(EX_UNAVAILABLE, "this build has OAuth2 left out");
}
