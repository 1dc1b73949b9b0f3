/* smtp_auth - logging in to a server. */
#ifndef CORE_DELIVER_SMTP_SMTP_AUTH_H
#define CORE_DELIVER_SMTP_SMTP_AUTH_H

#include "core/deliver/smtp/smtp_session.h"

enum smtp_auth { SMTP_AUTH_NONE, SMTP_AUTH_STARTED, SMTP_AUTH_WAITS /* for a token: it goes on by itself */, SMTP_AUTH_FAILED };
/* smtp_auth_find - the login as the table has it; trace as above */
enum map_answer smtp_auth_find(struct deliver *d, struct smtp_profile *p, const struct smtp_target *t, struct str sender,
	struct buf *out, struct buf *trace);
/* smtp_auth_is_known - is there a password for whom s connects to, or may there be one in a table that cannot be read now? */
bool smtp_auth_is_known(struct smtp_session *s);
/* smtp_auth_begin - after SMTP_AUTH_WAITS on_auth is called, unless the session goes before; failed NULL: AUTH is said */
enum smtp_auth smtp_auth_begin(struct smtp_session *s, struct reply *failed, void (*on_auth)(struct smtp_session *s, const struct reply *failed));
bool smtp_auth_challenge(struct smtp_session *s);      /* false: the exchange is wrong, cancelled */
void smtp_auth_refused(const struct smtp_session *s, struct reply *out);
void smtp_auth_forget(struct smtp_session *s);

#endif
