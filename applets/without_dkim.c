/* without_dkim - in place of mapgen_dkim.c in builds that leave DKIM out (config.mk). */
#include "applets/applet.h"
#include "applets/mapgen_dkim.h"

int mapgen_dkim(const char *domain, const char *selector)
{
	return applet_fail(EX_UNAVAILABLE, "this build has DKIM left out");
}
