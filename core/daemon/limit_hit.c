/* limit_hit - see limit_hit.h. */
#include "core/daemon/limit_hit.h"

#include "core/base/metric.h"

static const char *const limits[] = {
	[LIMIT_HIT_SESSIONS] = "sessions", [LIMIT_HIT_MEMORY] = "memory", [LIMIT_HIT_ROOM] = "room",
	[LIMIT_HIT_CLIENT_SESSIONS] = "client_sessions", [LIMIT_HIT_CLIENT_CONNECTIONS] = "client_connection_rate",
	[LIMIT_HIT_CLIENT_MESSAGES] = "client_message_rate", [LIMIT_HIT_CLIENT_RECIPIENTS] = "client_recipient_rate",
	[LIMIT_HIT_CLIENT_LOGINS] = "client_auth_rate", [LIMIT_HIT_HTTP] = "http_connections",
};
METRIC_MANY(hits, "relaybox_limits", "Times somebody met a limit.", "limit", limits);

void limit_hit(enum limit_hit what)
{
	hits[what]++;
}
