/* client_private - what the files of the SMTP client machine share: client.c (the ring of expected replies and the loop),
 * client_session.c (greeting to READY), client_mail.c (transactions), client_content.c (their content), client_phase.c (words).
 * Nothing outside core/smtp includes this. */
#ifndef CORE_SMTP_CLIENT_PRIVATE_H
#define CORE_SMTP_CLIENT_PRIVATE_H

#include "core/msg/downgrade.h"
#include "core/smtp/client.h"
#include "core/smtp/content.h"
#include "core/smtp/grammar.h"

/* what a step says when there is no event for the owner */
#define CLIENT_GO_ON ((enum smtp_client_event)100)

/* by what the next reply will be judged */
enum client_expect { EXPECT_GREETING, EXPECT_EHLO, EXPECT_HELO, EXPECT_STARTTLS, EXPECT_AUTH, EXPECT_MAIL, EXPECT_RCPT,
	EXPECT_DATA, EXPECT_CHUNK, EXPECT_END, EXPECT_RSET, EXPECT_QUIT, EXPECTS };
struct client_expected {
	enum client_expect what;
	size_t count;          /* so many replies of this kind in a row */
};
#define CLIENT_RING 8          /* MAIL, RCPT, DATA or chunks, end, RSET: equal neighbours share a place */

enum client_rest { REST_BUSY, REST_HELLO, REST_TLS, REST_CHALLENGE, REST_AUTH_DONE, REST_READY, REST_OVER };
enum client_body { BODY_NONE, BODY_ASK, BODY_OPEN, BODY_SENT };
enum rcpt_state { RCPT_UNSENT, RCPT_LOCAL, RCPT_SENT, RCPT_ACCEPTED, RCPT_JUDGED }; /* LOCAL: refused here, not told yet */

/* one transaction */
struct client_tx {
	bool runs;
	struct smtp_tx tx;
	unsigned char *states;           /* enum rcpt_state per recipient */
	size_t states_cap;
	size_t n_accepted;               /* and without a final word */
	size_t n_local;                  /* in state LOCAL */
	size_t next_send, next_reply, sweep;
	bool sweeping;                   /* c->reply is the word on all recipients that are not judged */
	bool finishing;                  /* c->reply is the word on all recipients that were accepted */
	bool failed;                     /* refused as a whole: replies that still come count for nothing */
	bool refused_mail;               /* … by the reply to MAIL */
	bool refused_rcpt;               /* a recipient was */
	bool telling;                    /* every yes so far had an enhanced code about an address */
	bool done;                       /* the last DONE was given */
	bool sent;                       /* the server heard of the transaction */
	bool ended;                      /* it answered the end of data: its side of the transaction is over */
	bool chunking, pipelining, utf8;
	enum client_body body;
	struct content_out content;
	struct downgrade *downgrade;     /* the content has 8 bits and the server 7; NULL: goes as it is */
};

struct smtp_client_private {
	struct client_expected ring[CLIENT_RING];
	unsigned head, held;
	struct grammar_reply parser;
	enum client_rest rest;           /* what the session waits for when no reply is outstanding */
	bool told;                       /* the event of this rest was given */
	bool tls;
	bool judging;                    /* a judge runs: c->phase is that of the reply */
	bool early;                      /* input came with the last reply: no command asked for it */
	bool later;                      /* a transaction ended: a reply too many to it may be waiting */
	bool doubt;                      /* what is said about recipients is sure only once the replies proved to be in step */
	bool telling;                    /* enhanced codes tell the answers to MAIL and RCPT from those to content */
	bool initial;                    /* the initial response waits in scratch for 334 */
	bool dead;                       /* the session ends when all is told: c->why */
	struct client_tx slots[2];
	struct client_tx *t;             /* the transaction that runs, or the last one */
	struct client_tx *ahead;         /* begun behind it, its first replies come after its end; NULL: none */
	struct buf scratch;
	struct buf seven;                /* the piece that is being sent, in 7 bits */
};

/* --- client.c --- */
void client_expect(struct smtp_client *c, enum client_expect what, size_t count);
void client_rest(struct smtp_client *c, enum client_rest rest);
/* client_break - the session is over: what is still to be told is told, then BROKEN with why */
enum smtp_client_event client_break(struct smtp_client *c, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* client_yes - the reply is a 2xx that can answer MAIL, RCPT, content or RSET: those of other commands are out of step */
bool client_yes(const struct smtp_client *c);
void client_send(struct smtp_client *c, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* --- client_session.c --- judge: the reply is in c->reply */
enum smtp_client_event client_on_greeting(struct smtp_client *c);
enum smtp_client_event client_on_ehlo(struct smtp_client *c);
enum smtp_client_event client_on_helo(struct smtp_client *c);
enum smtp_client_event client_on_starttls(struct smtp_client *c);
enum smtp_client_event client_on_auth(struct smtp_client *c);
void client_ehlo_line(void *ctx, unsigned line, struct str text);

/* --- client_mail.c --- */
enum smtp_client_event client_on_mail(struct smtp_client *c);
enum smtp_client_event client_on_rcpt(struct smtp_client *c);
enum smtp_client_event client_on_data(struct smtp_client *c);
enum smtp_client_event client_on_chunk(struct smtp_client *c);
enum smtp_client_event client_on_end(struct smtp_client *c);
enum smtp_client_event client_on_rset(struct smtp_client *c);
enum smtp_client_event client_tell(struct smtp_client *c);      /* the next event about recipients, or GO_ON */
enum smtp_client_event client_tell_body(struct smtp_client *c);
void client_fail_all(struct smtp_client *c);                    /* c->reply ends the transaction for everybody */
void client_end(struct smtp_client *c);                         /* no reply is outstanding: RSET or READY, when it is over */
enum smtp_client_event client_go_ahead(struct smtp_client *c);  /* the one that was begun ahead runs from here on */

#endif
