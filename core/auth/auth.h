/* auth - is this user who he says he is? By his password, or by SCRAM (core/auth/scram.h), where he shows that he knows it. One backend for each listener: tables of ours (smtpd_sasl_password_maps, SMTPD_SASL_USERS), or
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
/* auth_mechanisms - what may be used on such a channel, for the EHLO reply: "PLAIN LOGIN", or "" (smtpd_sasl_security_options,
 * smtpd_sasl_tls_security_options, smtpd_sasl_mechanism_filter, smtpd_tls_auth_only). AUTH_BOUND: TLS that can export (TLS 1.3) */
enum auth_channel { AUTH_IN_CLEAR, AUTH_UNDER_TLS, AUTH_BOUND, AUTH_CHANNELS };
const char *auth_mechanisms(const struct auth *a, enum auth_channel channel);
bool auth_burns(const struct auth *a);         /* it needs the pool */
uint16_t auth_port(const struct auth *a);      /* the TCP port of Dovecot's server; 0: none is called */

enum auth_verdict { AUTH_YES, AUTH_NO, AUTH_LATER, AUTH_MORE };
struct auth_question {                          /* texts are borrowed for the call of auth_ask */
	const char *user, *password;            /* or NULL, and: */
	const char *mechanism;                  /* SCRAM-SHA-256 … */
	struct str message;                     /* of the client, decoded */
	const uint8_t *exporter;                /* of the channel, 32 bytes; NULL: it has none */
	const uint8_t *secret;                  /* 32 bytes that stay what they are: salts of users that do not exist are made of them */
	bool tls;
	const char *client, *server;            /* addresses as text; "": not known */
};
/* v: AUTH_YES: text is who he is. AUTH_MORE: text is the challenge, and auth_go_on is called, or auth_cancel. AUTH_NO, AUTH_LATER: text is
 * whom it was about. why: for the reply and the log, or "" */
typedef void (*auth_fn)(void *ctx, enum auth_verdict v, const char *text, const char *why);
struct auth_check;
/* auth_ask - fn is called once (and once more for each auth_go_on), never before this returns, unless it is cancelled. pool: for password
 * hashes; not NULL where auth_burns */
struct auth_check *auth_ask(struct auth *a, struct loop *l, struct pool *pool, const struct auth_question *q, auth_fn fn, void *ctx);
void auth_go_on(struct auth_check *c, struct str message);
void auth_cancel(struct auth_check *c);         /* NULL: nothing */

#endif
