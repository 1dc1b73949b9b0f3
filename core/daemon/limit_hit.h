/* limit_hit - counts each time that a limit was met and somebody had to do without: relaybox_limits_total */
#ifndef CORE_DAEMON_LIMIT_HIT_H
#define CORE_DAEMON_LIMIT_HIT_H

enum limit_hit { LIMIT_HIT_SESSIONS, LIMIT_HIT_MEMORY, LIMIT_HIT_ROOM, LIMIT_HIT_CLIENT_SESSIONS, LIMIT_HIT_CLIENT_CONNECTIONS,
	LIMIT_HIT_CLIENT_MESSAGES, LIMIT_HIT_CLIENT_RECIPIENTS, LIMIT_HIT_CLIENT_LOGINS, LIMIT_HIT_HTTP };
void limit_hit(enum limit_hit what);

#endif
