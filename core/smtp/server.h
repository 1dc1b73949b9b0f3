/* server - the SMTP server (RFC 5321) as a pure machine: bytes in, events and reply bytes out. No socket, no clock, no
 * file. relayd's sessions, `sendmail -bs` and the submit socket run it; tests feed it transcripts.
 *
 * The owner calls smtp_server_next in a loop. An event marked "answer" stops the machine until smtp_server_answer is
 * called with the reply, at once or much later (verification, a flush); pipelined commands wait in the input meanwhile,
 * and replies stay in order. The machine does syntax, order, limits, EHLO and framing; the owner does policy.
 * Input that is not consumed (half a line, a CR at the end) stays in the owner's buffer and is given again with more
 * behind it; at most LIMIT_SASL_RESPONSE bytes. Views in events and the envelope hold until the next smtp_server_next; the
 * envelope of a MESSAGE until it is answered and next is called. errors counts for the owner's delay from
 * soft_error_limit on; the hard limit is the machine's.
 * End of DATA is CRLF . CRLF and nothing else, whoever the client is (threats A1-A3); content arrives cleaned to CRLF
 * lines (core/msg/crlf.h). A BDAT chunk is never read as commands, whatever was refused (E1, E2). */
#ifndef CORE_SMTP_SERVER_H
#define CORE_SMTP_SERVER_H

#include "core/base/arena.h"
#include "core/msg/addr.h"
#include "core/msg/envelope.h"
#include "core/msg/reply.h"

struct smtp_server_options {
	const char *hostname;          /* in the EHLO reply */
	const char *banner;            /* text after "220 " */
	int64_t size_limit;            /* 0 = none; advertised */
	unsigned recipient_limit;      /* 452 beyond */
	unsigned soft_error_limit, hard_error_limit, junk_command_limit;
	bool starttls, tls_required;   /* offer; refuse MAIL before it (530 5.7.0) */
	bool auth;                     /* offer AUTH with auth_mechanisms (needs TLS unless auth_in_clear) */
	bool auth_in_clear;
	const char *auth_mechanisms;   /* "PLAIN LOGIN" */
	bool auth_as_of_old;           /* "AUTH=" in the EHLO reply, too */
	bool helo_required, vrfy_disabled, etrn, smtputf8, chunking, pipelining, dsn;
	bool requiretls;               /* offered under TLS (RFC 8689) */
	bool near;                     /* clients are on this machine: what wants TLS is safe without */
	bool forbid_early_pipelining;  /* 503 and hang up on talk before its turn (E5) */
	bool strict_envelopes;
	bool soft;                     /* 4xx where it would be 5xx, also in answers */
	bool lmtp;
	unsigned most_lines;           /* looked at in one smtp_server_next; 0: all there are */
	const char *discard_keywords;  /* EHLO words not to advertise, list */
	/* the machine's own refusal stands in out from `at` on: the owner may write it anew. NULL: nobody does */
	void (*refused)(void *ctx, size_t at);
	void *ctx;
};

enum smtp_server_event {
	SMTP_SERVER_WANT_INPUT,    /* consumed all it can; feed more */
	SMTP_SERVER_HELO,          /* answer (code 250 = the machine writes the full EHLO reply): s->helo, s->esmtp */
	SMTP_SERVER_MAIL,          /* answer: s->envelope.sender, flags, size (declared) … */
	SMTP_SERVER_RCPT,          /* answer: s->rcpt; a 2xx adds it to the envelope */
	SMTP_SERVER_DATA,          /* answer: code 354 goes on, else refuse (also sent before the first BDAT: answer 354, nothing is sent) */
	SMTP_SERVER_BODY,          /* s->chunk: content bytes, unstuffed, CRLF lines; valid until the next call */
	SMTP_SERVER_MESSAGE,       /* answer: the message is complete; 250 is the promise */
	SMTP_SERVER_RSET,          /* the transaction is gone (RSET, HELO, refused DATA or message, too big): drop what was kept; not before
	                              QUIT and HANGUP, which end it as well */
	SMTP_SERVER_STARTTLS,      /* 220 is in out: do the handshake, then smtp_server_tls_done */
	SMTP_SERVER_AUTH,          /* answer: s->auth_mechanism, s->auth_user, s->auth_password decoded; 235 / 535 / 454. SCRAM-…: s->auth_message
	                              and s->auth_step in their place, and 334, whose text is the challenge in base64, goes on */
	SMTP_SERVER_VRFY,          /* answer: s->rcpt */
	SMTP_SERVER_ETRN,          /* answer: s->argument */
	SMTP_SERVER_QUIT,          /* 221 is in out: close after send */
	SMTP_SERVER_HANGUP,        /* a last reply is in out (421: errors, junk, not SMTP): close after send; s->hangup says why */
	SMTP_SERVER_REFUSED,       /* the machine's own no to the address or size in MAIL or RCPT is in out: s->refusal; of s->argument */
};
#define SMTP_SERVER_EVENTS (SMTP_SERVER_REFUSED + 1)
enum smtp_server_hangup { SMTP_HANGUP_NONE, SMTP_HANGUP_ERRORS, SMTP_HANGUP_PIPELINING, SMTP_HANGUP_NOT_SMTP, SMTP_HANGUP_LONG_LINES,
	SMTP_HANGUP_LONG_SASL, SMTP_HANGUP_CONTENT, SMTP_HANGUP_BDAT, SMTP_HANGUP_REFUSED };
const char *smtp_server_hangup_text(enum smtp_server_hangup h); /* "too many errors", "improper command pipelining" … */
/* what the client is at; the verbs in the order of Postfix's "disconnect" line */
enum smtp_server_phase { SMTP_AT_HELO, SMTP_AT_EHLO, SMTP_AT_LHLO, SMTP_AT_STARTTLS, SMTP_AT_AUTH, SMTP_AT_MAIL, SMTP_AT_RCPT, SMTP_AT_DATA,
	SMTP_AT_BDAT, SMTP_AT_RSET, SMTP_AT_NOOP, SMTP_AT_VRFY, SMTP_AT_ETRN, SMTP_AT_HELP, SMTP_AT_QUIT, SMTP_AT_UNKNOWN, SMTP_AT_CONNECT,
	SMTP_AT_END };
const char *smtp_server_phase_text(enum smtp_server_phase p);  /* Postfix's word: "CONNECT", "EHLO", "END-OF-MESSAGE" … */

struct smtp_server_counts {        /* for "disconnect from … ehlo=1 mail=1 rcpt=0/1": ok / total per verb */
	const char *verb;
	unsigned ok, total;
};

struct smtp_server {
	struct smtp_server_options opt;
	struct buf *out;               /* the owner's output buffer: replies are appended */
	struct arena *arena;           /* of the transaction: reset by the machine at its end */
	struct envelope envelope;      /* filled while the transaction goes */
	struct addr rcpt;              /* SMTP_SERVER_RCPT, _VRFY */
	struct str rcpt_becomes;       /* the owner's, before it answers RCPT: the address completed; empty: as it is */
	unsigned rcpt_notify;
	struct str rcpt_orcpt;
	struct str chunk;              /* SMTP_SERVER_BODY */
	struct str argument;           /* ETRN, VRFY, REFUSED; the line that was no SMTP, where it may be shown */
	const char *refusal;           /* the reply of SMTP_SERVER_REFUSED */
	char helo[256];
	bool esmtp, tls, authenticated;
	int64_t declared_size;         /* MAIL SIZE=, 0 if not given */
	const char *auth_mechanism;
	char *auth_message;            /* during SMTP_SERVER_AUTH of a mechanism of the owner's; auth_user is NULL then, or was given by him */
	unsigned auth_step;            /* … the first message is 1 */
	char *auth_user, *auth_password; /* during SMTP_SERVER_AUTH, wiped after; the owner may give auth_user another name before a 235 */
	char user[256];                /* authenticated as */
	enum smtp_server_hangup hangup;
	enum smtp_server_phase phase;
	unsigned lines;                /* commands and responses that came whole so far, whatever became of them */
	bool yields;                   /* SMTP_SERVER_WANT_INPUT came for most_lines: there may be more to do with the input at hand */
	bool bare_lf;                  /* the content under way has lines that end in LF alone */
	unsigned errors;
	struct smtp_server_private *priv;
};
/* smtp_server_arena - the bound of the transaction's arena: room for as many recipients as may come, of any legal length */
size_t smtp_server_arena(const struct smtp_server_options *o);
void smtp_server_init(struct smtp_server *s, const struct smtp_server_options *o, struct buf *out, struct arena *a);
void smtp_server_fini(struct smtp_server *s);
void smtp_server_no_auth(struct smtp_server *s);       /* this client is not offered to log in */
void smtp_server_greet(struct smtp_server *s);         /* "220 banner" into out */
/* smtp_server_next - look at *in, consume from its front what is used */
enum smtp_server_event smtp_server_next(struct smtp_server *s, struct str *in);
void smtp_server_answer(struct smtp_server *s, const struct reply *r);
void smtp_server_tls_done(struct smtp_server *s);      /* forget everything but the connection (RFC 3207 section 4.2) */
/* smtp_server_deny - in place of the greeting: the reply that refuses the client. All it may still say is QUIT; `client` ("name[address]") is
 * borrowed */
void smtp_server_deny(struct smtp_server *s, const struct reply *r, const char *client);
bool smtp_server_wants_command(const struct smtp_server *s); /* what comes next in the input is a command */
bool smtp_server_reads_content(const struct smtp_server *s); /* what comes next is content, wanted or not */
bool smtp_server_sent_ahead(const struct smtp_server *s);    /* there was more input behind the command under way */
/* smtp_server_may_show - a line of the client that was a command may be logged or mailed: it brings no password, as AUTH does in any
 * spelling, and after it all that is no command, from a client that goes on although it was refused */
bool smtp_server_may_show(const struct smtp_server *s, struct str line);
bool smtp_server_is_idle(const struct smtp_server *s); /* no transaction open: a good moment to end (drain) */
bool smtp_server_had_mail(const struct smtp_server *s); /* MAIL was said */
size_t smtp_server_counts(const struct smtp_server *s, struct smtp_server_counts out[16]); /* verbs used, in Postfix's order */
const char *smtp_server_proto(const struct smtp_server *s); /* "SMTP", "ESMTP", "ESMTPS", "ESMTPSA", "UTF8SMTPS" … RFC 3848 */

#endif
