/* submission - what sendmail and mail share: who the user is, what the input is, the envelope, the hand-over. */
#ifndef APPLETS_SUBMISSION_H
#define APPLETS_SUBMISSION_H

#include "core/conf/conf.h"
#include "core/msg/envelope.h"
#include "core/msg/inject.h"
#include "core/submit/own_server.h"
#include "core/submit/submit.h"

/* submission_conf - the configuration; a server that was given replaces its relayhost for this mail. NULL: said */
struct conf *submission_conf(struct own_server *own, bool verbose);

struct submission {
	const struct conf *conf;
	struct arena arena;
	struct str sender;             /* canonical, "" = null sender; set by submission_sender */
	char *full_name;               /* owned; "" = none, NULL: that of the user */
	struct inject_rcpts rcpts;
	bool extract;                  /* -t */
	bool author;                   /* a new message, not one that is handed on */
	bool requiretls;               /* it goes on by proven TLS, or not at all (RFC 8689) */
	bool smtputf8;                 /* asked for, whatever the header holds */
	unsigned notify;               /* enum dsn_notify */
	enum dsn_ret ret;
	struct str envid;
	const char *verp;              /* -XV: the two delimiters; a message of its own for each recipient. NULL: not */
	bool own_server;               /* sent to a server of its own (mail -S): later runs, and mail kept by others, do not go there */
	bool verbose;
	const struct submit_options *options;  /* who looks on; NULL: nobody */
};
void submission_init(struct submission *s, const struct conf *c);
void submission_fini(struct submission *s);
/* submission_sender - from the text of an option such as -f ("" and "<>" = null sender, a display name is fine), or the login name
 * when text is NULL; 0, or a sysexits code after saying why */
int submission_sender(struct submission *s, const char *option, const char *text);
/* submission_dsn - notices, from the texts of -N, -R and -V (NULL: not given); what makes no sense is told, and ignored */
void submission_dsn(struct submission *s, const char *notify, const char *ret, const char *id);
/* submission_read - standard input up to its end, or to a line "." when dot_ends, as CRLF lines; bounded by
 * message_size_limit. 0, or a sysexits code after saying why */
int submission_read(const struct conf *c, bool dot_ends, struct buf *out);
/* submission_send - a message in CRLF lines: header as inject.h says, then on its way. A sysexits code; failures are said */
int submission_send(struct submission *s, struct str message);

#endif
