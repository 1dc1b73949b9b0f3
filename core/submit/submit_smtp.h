/* submit_smtp - one SMTP session that hands one message over, from the connection to the final reply: the submit socket's
 * and the direct way's. Runs its own loop until it is over. */
#ifndef CORE_SUBMIT_SUBMIT_SMTP_H
#define CORE_SUBMIT_SUBMIT_SMTP_H

#include <sys/socket.h>

#include "core/conf/conf.h"
#include "core/msg/envelope.h"
#include "core/msg/reply.h"
#include "core/net/dns.h"

/* where to, and what is expected there */
struct submit_server {
	const char *name;              /* for messages and certificates */
	int fd;                        /* a connected socket, taken over; -1: connect to `address` */
	struct sockaddr_storage address;
	socklen_t address_n;
	enum conf_tls_level tls;       /* NONE, MAY, ENCRYPT, VERIFY, SECURE */
	bool tls_wrapper;              /* TLS from the first byte */
	const char *user, *password;   /* AUTH; NULL: none */
};
struct submit_outcome {
	struct reply reply;            /* the server's word on the content; code 0: it did not come so far, see why */
	bool accepted;                 /* the server has taken it for at least one recipient */
	bool retry_plain;              /* the TLS handshake failed where TLS was only welcome */
	bool stopped;                  /* submit_watch's stage is reached */
	bool doubtful;                 /* lost after the last byte: the server may have taken it */
	size_t refused;                /* recipients that were refused */
	bool refused_later;            /* … with a 4xx */
	struct reply first_refusal;    /* a 5xx before a 4xx */
	enum verdict *verdicts;        /* of each recipient (the caller's array): what RCPT was answered; DONE before that */
	struct buf refusals;           /* "a@b: 550 5.1.1 …; c@d: …" (buf_init by the caller) */
	char why[400];
};
/* submit_watch - look on at the sessions of this process, and end them early (mxcheck --send); borrowed, NULL: no more.
 * Then each command waits for its answer. mark: '>' sent, '<' received, '*' what happened; passwords are left out */
enum submit_stop { SUBMIT_STOP_NEVER, SUBMIT_STOP_EHLO, SUBMIT_STOP_TLS, SUBMIT_STOP_AUTH, SUBMIT_STOP_MAIL, SUBMIT_STOP_RCPT };
struct submit_watch {
	void (*line)(void *ctx, char mark, struct str line);
	void *ctx;
	enum submit_stop stop;         /* QUIT after this stage */
	const struct dns_options *dns; /* for the direct way */
};
void submit_watch(const struct submit_watch *w);
const struct submit_watch *submit_watching(void);
void submit_smtp_run(struct loop *l, const struct conf *c, struct submit_server *to, const struct envelope *e,
	struct str content, struct submit_outcome *out);

#endif
