/* auth - is this user who he says he is? One backend for each listener: tables of ours (smtpd_sasl_password_maps, SMTPD_SASL_USERS), or
 * Dovecot's authentication server (smtpd_sasl_type, smtpd_sasl_path). A question is answered later; what it costs in time to say no does
 * not tell whether there is such a user. */
#ifndef CORE_AUTH_AUTH_H
#define CORE_AUTH_AUTH_H

#include "core/base/pool.h"
#include "core/conf/conf.h"
#include "core/net/loop.h"

struct auth;
/* auth_open - NULL where smtpd_sasl_auth_enable is off, and where diag has an error. Borrows c */
struct auth *auth_open(const struct conf *c, struct conf_diag *diag);
void auth_free(struct auth *a);
void auth_refresh(struct auth *a, usec now_mono);
/* auth_offers - may plain text mechanisms be used, under TLS or without it? (smtpd_sasl_security_options,
 * smtpd_sasl_tls_security_options, smtpd_tls_auth_only) */
bool auth_offers(const struct auth *a, bool tls);
bool auth_burns(const struct auth *a);         /* it needs the pool */
uint16_t auth_port(const struct auth *a);      /* the TCP port of Dovecot's server; 0: none is called */

enum auth_verdict { AUTH_YES, AUTH_NO, AUTH_LATER };
struct auth_question {                          /* texts are borrowed for the call of auth_ask */
	const char *user, *password;
	bool tls;
	const char *client, *server;            /* addresses as text; "": not known */
};
/* user: who he is (AUTH_YES); why: for the reply and the log, or "" */
typedef void (*auth_fn)(void *ctx, enum auth_verdict v, const char *user, const char *why);
struct auth_check;
/* auth_ask - fn is called once, never before this returns, unless it is cancelled. pool: for password hashes; not NULL where
 * auth_burns */
struct auth_check *auth_ask(struct auth *a, struct loop *l, struct pool *pool, const struct auth_question *q, auth_fn fn, void *ctx);
void auth_cancel(struct auth_check *c);

#endif
