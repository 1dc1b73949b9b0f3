/* conn_private - what conn.c (sockets and events) and conn_tls.c (the same through a TLS session) share. */
#ifndef CORE_NET_CONN_PRIVATE_H
#define CORE_NET_CONN_PRIVATE_H

#include "core/net/conn.h"

#define CONN_TLS_MEMORY (40 * 1024)    /* of the library, for one session: two records and the keys */

struct conn_tls {
	struct conn *c;
	struct tls_session *s;
	struct buf net_in, net_out;    /* cipher text on the loop's side */
	struct buf job_in, job_out;    /* cipher text of a handshake step: the pool's while busy */
	struct pool_job job;
	enum tls_step step;            /* how that step ended */
	char why[160];
	bool server;
	bool started;                  /* a client said its first word */
	bool answered;                 /* a step was done */
	bool busy;                     /* the session belongs to a pool thread */
	bool ready;                    /* the handshake is done */
	bool more;                     /* c->in was full: there may be more to decrypt without another read */
	bool net_eof;                  /* the socket ended */
};

struct conn_private {
	struct loop *loop;
	struct loop_io io;
	struct loop_timer timer;
	usec deadline, armed;          /* wanted; what the timer is set to (never later than wanted) */
	struct loop_task task;         /* for events that must not come from inside an owner's call */
	struct loop_task free_task;
	struct list warm;
	conn_fn fn;
	struct conn_tls *tls;
	int fail_due;                  /* errno to report from the task */
	bool connecting, eof, paused, failed, closed;
	bool muted;                    /* close after send: no more events */
	bool lingering;                /* all is sent; reading on so that no reset destroys it */
	bool in_callback;
	bool had_output, sent_due;
	bool write_dead;               /* the peer takes nothing any more */
	bool freed;                    /* to be freed when the pool gives the session back */
};

ptrdiff_t conn_fill(int fd, struct buf *b);            /* one bounded read to the end of b: as read(2) */
void conn_tell(struct conn *c, enum conn_event ev);
void conn_fail(struct conn *c, int error, const char *why); /* report CONN_FAILED; why NULL: conn_error_text */
void conn_pump(struct conn *c);                        /* after every callback: flush, CONN_SENT, interest */
void conn_send(struct conn *c);                        /* write what the socket takes now */
void conn_release(struct conn *c);

void conn_tls_receive(struct conn *c);                 /* the socket is readable */
void conn_tls_go_on(struct conn *c);                   /* start the handshake, or decrypt what there was no room for */
bool conn_tls_has_work(const struct conn *c);          /* conn_tls_go_on has something to do */
void conn_tls_seal(struct conn *c);                    /* encrypt c->out */
bool conn_tls_take_back(struct conn *c);                /* a running handshake step is not needed; true: it is no longer the pool's */
void conn_tls_free(struct conn_tls *t);

#endif
