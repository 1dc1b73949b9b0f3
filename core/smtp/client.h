/* client - the SMTP and LMTP client (RFC 5321, 2033) as a pure machine: bytes in, events and command bytes out. relayd's
 * deliveries, sendmail's direct way, address probes and mxcheck run it.
 *
 * A ring of expected replies makes pipelining the normal case: every command sent appends what its reply will be
 * judged by. A recipient is DONE only with its own 2xx to RCPT and a 2xx to the end of data (threats E7). Replies that
 * came in clear before TLS never count after it (B2).
 *
 * A transaction ends with READY (a RSET is sent by itself where one is needed), NEXT or BROKEN. Each recipient has one RCPT event,
 * unless the session breaks before; then DONE speaks for those that were accepted. 421 is the word on all that is not
 * decided, and BROKEN follows. Whoever has no word at BROKEN, or when the connection ends, is to be tried again; with
 * c->unsure at BROKEN, also whom the transaction that runs has a refusal for, and a probe's yes.
 * Input that is not consumed stays in the owner's buffer and is given again with more behind it. With CHUNKING and
 * PIPELINING a small message's BODY may come before the RCPT events.
 *
 * A server that answers something twice makes each later reply look like the answer to the command before. What it says is
 * believed only where the replies are in step: 354 answers DATA and nothing else, and BDAT, which has no such word, is used
 * only where this connection's enhanced codes told address from content before, or where the server is our own. The bytes that belong to nobody while
 * nothing was asked are the owner's to find: none may have come when a transaction begins (conn_has_input). */
#ifndef CORE_SMTP_CLIENT_H
#define CORE_SMTP_CLIENT_H

#include "core/base/buf.h"
#include "core/msg/envelope.h"
#include "core/msg/reply.h"

enum smtp_extension { SMTP_EXT_PIPELINING = 1, SMTP_EXT_8BITMIME = 2, SMTP_EXT_SIZE = 4, SMTP_EXT_STARTTLS = 8,
	SMTP_EXT_DSN = 16, SMTP_EXT_CHUNKING = 32, SMTP_EXT_SMTPUTF8 = 64, SMTP_EXT_ENHANCED = 128, SMTP_EXT_AUTH = 256,
	SMTP_EXT_REQUIRETLS = 512, SMTP_EXT_XCLIENT = 1024, SMTP_EXT_VRFY = 2048, SMTP_EXT_ETRN = 4096 };

/* where the session is; each phase has Postfix's words for "while …" and "in reply to …" */
enum smtp_phase { SMTP_PHASE_CONNECT, SMTP_PHASE_GREETING, SMTP_PHASE_EHLO, SMTP_PHASE_STARTTLS, SMTP_PHASE_AUTH, SMTP_PHASE_READY,
	SMTP_PHASE_MAIL, SMTP_PHASE_RCPT, SMTP_PHASE_DATA, SMTP_PHASE_BODY, SMTP_PHASE_END, SMTP_PHASE_RSET, SMTP_PHASE_QUIT, SMTP_PHASES };
const char *smtp_phase_doing(enum smtp_phase p);   /* "sending MAIL FROM", "receiving the initial server greeting", … */
const char *smtp_phase_command(enum smtp_phase p); /* "MAIL FROM command", "end of DATA command" for "(in reply to X)" */

struct smtp_client_options {
	const char *helo_name;
	bool lmtp;
	bool never_ehlo;               /* HELO whatever the banner says (smtp_never_send_ehlo) */
	bool always_ehlo;              /* EHLO even when the banner lacks ESMTP (Postfix default yes) */
	bool chunking, pipelining;     /* use them when offered */
	bool in_step;                  /* the server is our own and answers each command once: BDAT from the first message on */
	unsigned discard;              /* extensions to ignore */
	size_t line_limit;             /* smtp_line_length_limit; 0 = none */
	bool keep_8bit;                /* 8-bit content goes as it is to servers that take 7 bits */
};
struct smtp_tx {                       /* one transaction; what it points at is borrowed until it ends */
	struct str sender;
	const struct rcpt *const *rcpts;
	size_t n_rcpts;
	uint64_t size;                 /* content bytes, for SIZE= */
	unsigned flags;                /* enum envelope_flags */
	struct str envid;
	enum dsn_ret ret;
	bool probe;                    /* stop after RCPT (address verification): RSET instead of DATA */
};
enum smtp_client_event {
	SMTP_CLIENT_WANT_INPUT,
	SMTP_CLIENT_HELLO,         /* EHLO/HELO was answered: c->extensions. The owner decides: smtp_client_starttls, _auth, or _ready */
	SMTP_CLIENT_STARTTLS,      /* server said 220: do the handshake, then smtp_client_tls_done (a new EHLO follows) */
	SMTP_CLIENT_TLS_REFUSED,   /* server said no to STARTTLS: c->reply */
	SMTP_CLIENT_AUTH,          /* a 334 challenge: c->reply.text (still base64); answer with smtp_client_auth_step */
	SMTP_CLIENT_AUTH_DONE,     /* c->reply: 235 (also where the server had another 2xx) or a refusal */
	SMTP_CLIENT_READY,         /* a transaction may begin: smtp_client_begin, or smtp_client_quit */
	SMTP_CLIENT_RCPT,          /* c->rcpt (index) was answered: c->reply (also when MAIL or DATA refused them all) */
	SMTP_CLIENT_BODY,          /* send content now: smtp_client_body until last */
	SMTP_CLIENT_DONE,          /* the transaction ended: c->reply is the word on every recipient that was accepted;
	                              LMTP: one DONE per accepted recipient with c->rcpt, c->last on the final one */
	SMTP_CLIENT_NEXT,          /* the transaction ended, and the one that was begun behind it runs from here on */
	SMTP_CLIENT_QUIT,          /* 221 came: close */
	SMTP_CLIENT_REFUSED,       /* greeting, EHLO or HELO refused: c->reply; the session is over */
	SMTP_CLIENT_BROKEN,        /* not SMTP, reply too long, unexpected reply: c->why; the session is over */
};
struct smtp_client {
	struct smtp_client_options opt;
	struct buf *out;
	unsigned extensions;           /* of the last EHLO */
	uint64_t size_limit;           /* SIZE argument, 0 = none or not told */
	char auth_mechanisms[256];     /* " PLAIN LOGIN …" as offered */
	char server_name[256];         /* from the 220 greeting */
	struct reply greeting, reply;
	struct reply ehlo;             /* the whole EHLO reply, for mxcheck */
	size_t rcpt;
	bool last;
	bool unsure;                   /* BROKEN: replies may have been taken for those to other commands */
	enum smtp_phase phase;         /* where it is, for deadlines and messages */
	char why[160];
	struct smtp_client_private *priv;
};
void smtp_client_init(struct smtp_client *c, const struct smtp_client_options *o, struct buf *out);
void smtp_client_fini(struct smtp_client *c);
enum smtp_client_event smtp_client_next(struct smtp_client *c, struct str *in);
void smtp_client_starttls(struct smtp_client *c);
void smtp_client_tls_done(struct smtp_client *c);      /* also right after init for implicit TLS: then greeting is awaited inside */
void smtp_client_auth(struct smtp_client *c, const char *mechanism, struct str initial_or_empty, bool has_initial); /* raw bytes; base64 here */
void smtp_client_auth_step(struct smtp_client *c, struct str response);  /* raw bytes; NULL p = cancel with "*" */
void smtp_client_ready(struct smtp_client *c);         /* no (more) TLS or AUTH: go to READY */
/* smtp_client_takes_next - the content is out, the server pipelines, and only its word on the whole is awaited: the next
 * transaction may begin behind it (RFC 2920 section 3.1). It saves a turn; it is never told of before NEXT, and where the
 * session breaks before NEXT, nothing of it has happened. */
bool smtp_client_takes_next(const struct smtp_client *c);
void smtp_client_begin(struct smtp_client *c, const struct smtp_tx *tx); /* at READY, or where it takes the next */
/* smtp_client_body - content in CRLF lines, any chunking; `last` with the final piece (may be empty). Adds dots or BDAT
 * framing. Content without a final CRLF gets one under DATA. Feed again when out has drained below the owner's mark. */
void smtp_client_body(struct smtp_client *c, struct str piece, bool last);
/* smtp_client_wire_new - the way that content takes to this server, in words of the content: in 7 bits where it takes no more, long lines
 * folded, but without dots and chunks. After BODY; any thread may use it then. smtp_client_wire_add - false: it cannot be converted */
struct smtp_client_wire;
struct smtp_client_wire *smtp_client_wire_new(const struct smtp_client *c);
bool smtp_client_wire_add(struct smtp_client_wire *w, struct str piece, bool last, struct buf *out);
void smtp_client_wire_free(struct smtp_client_wire *w);        /* NULL: nothing */
void smtp_client_quit(struct smtp_client *c);
bool smtp_client_is_reusable(const struct smtp_client *c); /* between transactions, nothing outstanding */

#endif
