/* server_private - what the files of the SMTP server machine share: server.c (events, answers, lines, hanging up),
 * server_command.c (one handler per verb), server_param.c (MAIL and RCPT parameters), server_content.c (DATA, BDAT),
 * server_auth.c. Nothing outside core/smtp includes this. */
#ifndef CORE_SMTP_SERVER_PRIVATE_H
#define CORE_SMTP_SERVER_PRIVATE_H

#include "core/smtp/content.h"
#include "core/smtp/server.h"

/* what a step says when there is no event for the owner */
#define SERVER_GO_ON ((enum smtp_server_event)100)
#define SERVER_NO_EVENT ((enum smtp_server_event)101)

enum server_state { SERVER_COMMAND, SERVER_LONG_LINE, SERVER_CONTENT, SERVER_CHUNK, SERVER_SWALLOW, SERVER_SASL, SERVER_CLOSED, SERVER_STATES };

/* rows of the verb table: the phases that are commands */
enum server_verb { VERB_HELO, VERB_EHLO, VERB_LHLO, VERB_STARTTLS, VERB_AUTH, VERB_MAIL, VERB_RCPT, VERB_DATA, VERB_BDAT,
	VERB_RSET, VERB_NOOP, VERB_VRFY, VERB_ETRN, VERB_HELP, VERB_QUIT, VERB_UNKNOWN, VERBS };
_Static_assert((int)VERB_UNKNOWN == (int)SMTP_AT_UNKNOWN, "a verb is a phase");

/* EHLO keywords, in Postfix's order */
enum server_offer { OFFER_PIPELINING = 1, OFFER_SIZE = 2, OFFER_VRFY = 4, OFFER_ETRN = 8, OFFER_STARTTLS = 16,
	OFFER_AUTH = 32, OFFER_ENHANCED = 64, OFFER_8BITMIME = 128, OFFER_DSN = 256, OFFER_SMTPUTF8 = 512,
	OFFER_CHUNKING = 1024, OFFER_REQUIRETLS = 2048 };

struct smtp_server_private {
	enum server_state state;
	enum smtp_server_event waiting;  /* unanswered event, or SERVER_NO_EVENT */
	enum smtp_server_event queued;   /* the next event, whatever the input, or SERVER_NO_EVENT */
	enum server_verb verb;           /* the command that runs */
	unsigned offer;
	bool input_waits;                /* there was more input behind this command */
	bool transaction;                /* MAIL was accepted */
	const char *denied;              /* the client may only QUIT; its name for the reply */
	bool stale;                      /* arena and envelope are done with: forget at the next call */
	bool bdat;                       /* a BDAT chunk of this transaction was accepted */
	bool after_bdat_error;           /* more chunks of the refused message are to come */
	bool last;                       /* BDAT LAST */
	bool double_cr;                  /* the command's line ended in CR CR LF */
	bool too_big;                    /* the message goes nowhere: read on to its end */
	struct content_in content;
	uint64_t chunk, chunk_left;
	uint64_t discarded;              /* bytes read for nothing in this session */
	size_t line_discarded;
	size_t rcpts_cap;
	unsigned overshoot, junk, long_lines;
	struct buf late;                 /* the reply after a refused chunk */
	bool late_is_error;
	struct buf scratch;              /* decoded xtext */
	unsigned mechanism, sasl_step;
	unsigned ok[VERBS], total[VERBS];
};

extern const struct server_verb_row {
	const char *name;
	unsigned flags;
	enum smtp_server_event (*run)(struct smtp_server *s, struct str args);
} server_verbs[VERBS];

/* --- server.c --- */
extern const char server_no_room[];    /* the reply when a transaction's memory is used up; not counted against the client */
/* server_say - write a reply line ("503 5.5.1 Error: …", no line end) and count it: an error from 400 on */
void server_say(struct smtp_server *s, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void server_count(struct smtp_server *s, int code);    /* count a reply that was written elsewhere */
enum smtp_server_event server_refuse(struct smtp_server *s, const char *text); /* server_say, then go on */
enum smtp_server_event server_hang_up(struct smtp_server *s, enum smtp_server_hangup why); /* after the last reply was written */
/* server_drop - end the transaction; then, if there was one, the owner is told with RSET before `event` */
enum smtp_server_event server_drop(struct smtp_server *s, enum smtp_server_event event);

/* --- server_command.c --- */
enum smtp_server_event server_dispatch(struct smtp_server *s, struct str line, const struct str *in);
void server_write_ehlo(struct smtp_server *s);
void server_add_rcpt(struct smtp_server *s);
bool server_offers(const struct smtp_server *s, enum server_offer bit);

/* --- server_param.c --- each gives NULL, or the reply that refuses the command (in s->priv->scratch or constant) */
const char *server_mail_params(struct smtp_server *s, struct str params);
const char *server_rcpt_params(struct smtp_server *s, struct str params);

/* --- server_content.c --- */
enum smtp_server_event server_data(struct smtp_server *s, struct str args);
enum smtp_server_event server_bdat(struct smtp_server *s, struct str args);
/* server_bdat_refuse - a BDAT that may not run: its chunk is swallowed first, then comes `text` */
enum smtp_server_event server_bdat_refuse(struct smtp_server *s, struct str args, const char *text);
enum smtp_server_event server_on_content(struct smtp_server *s, struct str *in);
enum smtp_server_event server_on_chunk(struct smtp_server *s, struct str *in);
enum smtp_server_event server_on_swallow(struct smtp_server *s, struct str *in);
void server_data_answer(struct smtp_server *s, const struct reply *r);
void server_message_answer(struct smtp_server *s, const struct reply *r);

/* --- server_auth.c --- */
enum smtp_server_event server_auth(struct smtp_server *s, struct str args);
enum smtp_server_event server_on_sasl(struct smtp_server *s, struct str *in);
void server_auth_answer(struct smtp_server *s, const struct reply *r);
void server_auth_wipe(struct smtp_server *s);

#endif
