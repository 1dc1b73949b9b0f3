/* auth_private - what the files of the room share: auth.c (settings, which backend), auth_table.c, auth_dovecot.c. */
#ifndef CORE_AUTH_AUTH_PRIVATE_H
#define CORE_AUTH_AUTH_PRIVATE_H

#include <sys/socket.h>

#include "core/auth/dovecot.h"
#include "core/auth/scram.h"
#include "core/map/map.h"
#include "core/net/conn.h"

struct auth_login { char *user, *entry; };
struct auth {
	const struct conf *conf;
	const struct auth_backend *backend;
	char offers[AUTH_CHANNELS][64];
	bool scram;                             /* the backend can do it */
	/* tables */
	struct maps passwords;
	struct auth_login *logins;              /* of SMTPD_SASL_USERS */
	size_t n_logins;
	char *decoy;                            /* an entry of nobody's, for users that do not exist */
	/* Dovecot */
	struct sockaddr_storage server;
	uint16_t port;                          /* of server; 0: a unix socket */
	socklen_t server_len;
};
struct auth_check {
	struct auth *auth;                      /* not after cancelling */
	struct loop *loop;
	auth_fn fn;                             /* NULL: cancelled */
	void *ctx;
	enum auth_verdict verdict;
	char *user, *password, *entry;          /* ours, wiped */
	bool tls, known;                        /* known: there is such a user */
	char client[46], server[46];
	char why[LIMIT_AUTH_WHY];
	struct pool_job job;
	bool working;                           /* the pool has the job */
	struct loop_timer timer;
	struct loop_task task;                  /* tells, or frees */
	struct scram_check *scram;              /* NULL: it is about a password */
	struct conn *conn;
	struct dovecot dovecot;
};
struct auth_backend {
	bool (*open)(struct auth *a, struct conf_diag *diag);
	void (*ask)(struct auth_check *c, struct pool *pool);
	void (*go_on)(struct auth_check *c, struct str message); /* NULL: no question has two steps */
	bool burns;
};
extern const struct auth_backend auth_table, auth_dovecot;

struct scram_check {
	struct scram exchange;
	struct buf challenge;
	uint8_t secret[32];
	bool shown;                             /* the client knows the password; it has yet to hear that we know it, too */
};

/* auth_tell - the verdict is final: fn is called at the end of this tick */
void auth_tell(struct auth_check *c, enum auth_verdict v);
void auth_check_free(struct auth_check *c);

#endif
