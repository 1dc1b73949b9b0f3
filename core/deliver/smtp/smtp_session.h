/* smtp_session - one outbound connection. It serves at most one try and, between two of them, waits in its destination's idle
 * list. */
#ifndef CORE_DELIVER_SMTP_SMTP_SESSION_H
#define CORE_DELIVER_SMTP_SMTP_SESSION_H

#include "core/deliver/smtp/smtp_feed.h"
#include "core/deliver/smtp/smtp_tls.h"
#include "core/smtp/sasl.h"

struct smtp_dest;
struct smtp_try;

enum smtp_blame { SMTP_BLAME_CONNECT, SMTP_BLAME_SITE, SMTP_BLAME_BROKEN, SMTP_BLAME_FINAL };
enum smtp_state { SMTP_STATE_CONNECT, SMTP_STATE_TLS, SMTP_STATE_HELLO, SMTP_STATE_BUSY, SMTP_STATE_IDLE,
	SMTP_STATE_LEAVING /* QUIT is said, the server has not closed yet */, SMTP_STATE_GONE };
/* what a session tells the try that it serves */
struct smtp_session_ops {
	void (*ready)(struct smtp_try *t, struct smtp_session *s);     /* s begins to serve t */
	void (*rcpt)(struct smtp_try *t, size_t i, const struct reply *r);     /* RCPT i of the transaction was answered */
	void (*done)(struct smtp_try *t, ptrdiff_t i, const struct reply *r, bool no_dsn); /* i < 0: every accepted recipient */
	void (*over)(struct smtp_try *t);      /* the transaction ended, the session is free again */
	/* the session is gone. FINAL: after the content was complete, a copy may have been taken */
	void (*failed)(struct smtp_try *t, enum smtp_blame blame, const struct reply *r);
	void (*retry)(struct smtp_try *t, bool plain); /* the same address again; plain: without TLS */
	void (*stopped)(struct smtp_try *t, const struct reply *r);    /* deliver_options.stop is reached */
	struct smtp_try *(*take)(struct smtp_session *s, struct delivery *job);        /* s serves it from here on */
};
struct smtp_session {
	struct list link;              /* deliver.sessions */
	struct list idle;              /* smtp_dest.idle */
	struct loop_task free_task;
	struct deliver *d;
	const struct smtp_session_ops *ops;
	struct smtp_profile *profile;
	struct smtp_dest *dest;        /* where it waits between deliveries */
	struct smtp_try *try;          /* whom it serves */
	struct delivery *next;         /* begun behind that: the server has its commands, and has not judged them */
	struct conn *conn;
	struct smtp_client client;
	struct smtp_target target;
	struct tls_demand *demand;     /* owned */
	enum smtp_state state;
	uint8_t tls_id[32];            /* what a remembered TLS session must have in common with this one */
	bool tls_offered;              /* the server was offered one */
	bool plain;                    /* TLS failed with level may: this connection does without */
	bool backup;                   /* better addresses were failing when it was made */
	bool pumping;
	bool shared;                   /* equal addresses were there: it serves its turn and goes */
	bool reported;                 /* what became of TLS is counted */
	bool others;                   /* other hosts were left when it was made */
	bool answered;                 /* the server answered something in this transaction */
	bool no_way;                   /* this machine has no way to its address: that says nothing about the host */
	bool silent;                   /* its host gave no sign of life: the connection is gone for that */
	bool doubted;                  /* it had been idle for long, and the server has not answered since */
	unsigned uses;                 /* transactions begun */
	usec opened_at, connected_at;  /* mono */
	usec idle_since;
	struct sasl_client sasl;
	struct buf login;              /* user NUL password NUL */
	bool own_login;                /* … is the sender's, and not the server's or the next hop's */
	bool own_failed;               /* what failed concerns this mail, or mail of its login, and not the server */
	bool login_failed;             /* … it was own_login */
	struct buf token;              /* read, or had, in place of the password */
	struct str credential;         /* where the token is from: a file for core/oauth; or empty */
	struct oauth_wait *oauth;      /* a token that is not there yet */
	char *token_error;             /* what the server says of it, in words; NULL: nothing yet */
	void (*on_auth)(struct smtp_session *s, const struct reply *failed); /* it has come: AUTH is said, or failed says why not */
	struct smtp_feed feed;         /* the transaction's content */
};
/* smtp_session_suits - has it what the delivery's message wants of TLS? */
bool smtp_session_suits(const struct smtp_session *s, const struct delivery *job);
/* smtp_session_open - connect for t; the result is told to it by ops. Takes what t->policy has. NULL with errno when no socket can
 * be made */
struct smtp_session *smtp_session_open(struct smtp_try *t, const struct smtp_session_ops *ops);
void smtp_session_serve(struct smtp_session *s, struct smtp_try *t);   /* an idle session takes a delivery */
void smtp_session_quit(struct smtp_session *s);        /* say QUIT and go */
void smtp_session_drop(struct smtp_session *s);        /* close at once */

static inline const char *smtp_session_service(const struct smtp_session *s)
{
	return smtp_profile_service(s->profile);
}

/* --- for smtp_hello.c and smtp_pool.c -------------------------------------------------------------------------------- */
/* smtp_session_fail - the session ends, the try is told why */
void smtp_session_fail(struct smtp_session *s, enum smtp_blame blame, const struct reply *r);
void smtp_session_fail_text(struct smtp_session *s, enum smtp_blame blame, const char *enhanced, const char *text);
void smtp_session_set_deadline(struct smtp_session *s);
void smtp_session_pump(struct smtp_session *s);
/* smtp_session_stops - true: the delivery was to end after this stage, and has */
bool smtp_session_stops(struct smtp_session *s, enum deliver_stop stage);

#endif
