/* relayctl_login - what the requests of relayctl_oauth.h share, and the one that takes a person. */
#ifndef APPLETS_RELAYCTL_LOGIN_H
#define APPLETS_RELAYCTL_LOGIN_H

#include <limits.h>

#include "applets/relayctl_oauth.h"
#include "core/oauth/endpoint.h"

struct tool {
	const struct relayctl_oauth *x;
	const char *file;              /* absolute: it is the name under which relayd keeps its state */
	char absolute[PATH_MAX];
	struct arena arena;
	struct endpoint endpoint;
	struct buf text;               /* of the file */
	struct oauth_credential credential;
};

const char *tool_option(const struct tool *t, enum relayctl_oauth_option o);    /* "": not given */
struct str tool_first(const char *given, struct str or, const char *else_this);
int tool_open_network(struct tool *t);                 /* EX_OK, or a code, with the failure said */
void tool_print_when(usec when);                       /* "2026-11-29T23:50:00+00:00, in 52 min" */
/* tool_login - oauth login, provider NULL: it is told by options; a sysexits code, failures said */
int tool_login(struct tool *t, const char *provider);

#endif
