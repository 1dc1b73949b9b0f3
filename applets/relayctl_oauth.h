/* relayctl_oauth - relayctl's request oauth: a person's consent becomes a token file, what a token file has is shown, and tried. */
#ifndef APPLETS_RELAYCTL_OAUTH_H
#define APPLETS_RELAYCTL_OAUTH_H

#include "applets/applet.h"
#include "core/conf/conf.h"

/* its options, in the order of relayctl's table */
enum relayctl_oauth_option { OAUTH_CLIENT_ID, OAUTH_SECRET_FILE, OAUTH_TENANT, OAUTH_SCOPE, OAUTH_USER, OAUTH_DEVICE, OAUTH_AUTHORIZE, OAUTH_TOKEN,
	OAUTH_RELAY, OAUTH_OPTIONS };
struct relayctl_oauth {
	const struct conf *conf;
	const char *options[OAUTH_OPTIONS];    /* NULL: not given */
};
extern const struct applet applet_relayctl;
/* relayctl_oauth - args: what stands behind "oauth"; a sysexits code, failures said */
int relayctl_oauth(const struct relayctl_oauth *x, char **args, int n);

#endif
