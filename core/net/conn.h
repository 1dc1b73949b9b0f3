/* conn - a buffered stream, plain or TLS, client or server, behind one set of events.
 *
 * The owner reads from c->in (consume with buf_consume) and appends to c->out, then calls conn_flush (also done after
 * every callback). Reading stops while c->in is at its bound: back-pressure is in the kernel; who makes room outside of
 * a callback calls conn_flush, so that reading goes on. Output is written in one go (no Nagle stall: TCP_NODELAY is set).
 * The callback answers CONN_KEEP or CONN_CLOSE; after CONN_CLOSE, conn_close or conn_close_after_send there are no more
 * events and the conn is freed after the tick. No event comes from inside a call of this header.
 *
 * When the peer is gone while we write, what it had sent before (a last reply) is still read: the end comes as CONN_EOF
 * or CONN_FAILED from the reading side, and output is dropped until then. */
#ifndef CORE_NET_CONN_H
#define CORE_NET_CONN_H

#include <sys/socket.h>

#include "core/base/buf.h"
#include "core/net/loop.h"
#include "core/net/tls.h"

enum conn_event {
	CONN_CONNECTED,        /* client: the connection stands */
	CONN_DATA,             /* new bytes in c->in */
	CONN_SENT,             /* c->out ran empty (only after it was not) */
	CONN_TLS_READY,        /* the handshake is done: conn_tls tells what was agreed */
	CONN_EOF,              /* once: the peer finished sending; bytes in c->in are still good. c->why is not empty when
	                          a TLS session ended without its close_notify (it may be cut short) */
	CONN_FAILED,           /* once, the last event: c->error (errno) and c->why (text); also TLS failures. Then close it */
	CONN_DEADLINE,         /* conn_deadline passed; there is none now. While connecting: CONN_FAILED, ETIMEDOUT instead */
};
enum conn_next { CONN_KEEP, CONN_CLOSE };

struct conn {
	struct buf in, out;
	int fd;
	int error;             /* errno of CONN_FAILED; 0 for a TLS failure */
	bool unsent;                   /* … of a connection that failed before a packet left: there is no route, or it is not permitted */
	char why[160];         /* human text of CONN_FAILED */
	struct sockaddr_storage peer;
	socklen_t peer_len;
	void *ctx;             /* the owner's */
	uint64_t turn;         /* for whom handshakes of this connection are done, for fair turns; 0: for us */
	/* private from here */
	struct conn_private *priv;
};
typedef enum conn_next (*conn_fn)(struct conn *c, enum conn_event ev);

/* conn_accepted - take over an accepted, non-blocking socket (of any stream family; socketpairs too). in_max, out_max:
 * bounds of the buffers (memory is taken when needed and given back when idle). NULL with errno: fd is closed then */
struct conn *conn_accepted(struct loop *l, int fd, size_t in_max, size_t out_max, conn_fn fn, void *ctx);
/* conn_connect - start a connection (bind_to may be NULL); result by event, errors too. NULL with errno when no socket
 * can be made. The deadline stays set after CONN_CONNECTED: give the next one there */
struct conn *conn_connect(struct loop *l, const struct sockaddr *to, socklen_t to_len, const struct sockaddr *bind_to,
	socklen_t bind_len, size_t in_max, size_t out_max, usec deadline, conn_fn fn, void *ctx);
void conn_set_owner(struct conn *c, conn_fn fn, void *ctx);
void conn_deadline(struct conn *c, usec deadline_mono);        /* USEC_NEVER: none. Whole-request, not per read */
void conn_flush(struct conn *c);
/* conn_has_input - has anything come that no event told of: bytes, the end, an error? It stays where it is (and is asked of
 * the kernel: below TLS a record may turn out to hold no data) */
bool conn_has_input(const struct conn *c);
/* conn_memory - bytes that the connection holds: its buffers, and about what a TLS session has */
size_t conn_memory(const struct conn *c);
void conn_close(struct conn *c);                               /* now; unsent output is dropped */
const char *conn_error_text(int error);                         /* an errno in the words log readers know */
/* conn_close_after_send - no more events (whatever a running callback answers); sends what waits, then closes. Before a
 * connection or a TLS session stands there is nothing to send: closes now */
void conn_close_after_send(struct conn *c, usec deadline);
void conn_pause(struct conn *c, bool paused);                  /* stop / go on reading */
/* conn_doubt - what is sent from here on must be acknowledged by the peer's kernel within so long, or CONN_FAILED with
 * ETIMEDOUT (tcp(7), TCP_USER_TIMEOUT); 0: as long as TCP tries. Not on TCP: no effect */
void conn_doubt(struct conn *c, usec patience);
/* conn_start_tls - what is in c->out is sent first, in clear; c->in must be empty (threats B1, B2: the caller refuses
 * otherwise; here it is CONN_FAILED). Handshake steps run on the loop's pool (loop_use_pool), or at once without one;
 * bytes added to c->out meanwhile wait. peer: see tls.h (server: NULL), borrowed for the call. */
void conn_start_tls(struct conn *c, struct tls_context *ctx, const struct tls_peer *peer);
const struct tls_info *conn_tls(const struct conn *c);         /* NULL when plain or not yet CONN_TLS_READY */
struct tls_session *conn_tls_session(const struct conn *c);    /* for tls_session_save; NULL as above */

#endif
