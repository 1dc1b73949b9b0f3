/* session_private - what session.c and session_policy.c share. */
#ifndef CORE_DAEMON_SESSION_PRIVATE_H
#define CORE_DAEMON_SESSION_PRIVATE_H

#include "core/cleanup/cleanup.h"
#include "core/daemon/relay.h"

struct session {
	struct list link;              /* relay's sessions */
	struct loop_task free_task;
	struct loop_timer name_timer;
	struct relay *relay;
	const struct service *service;
	struct conn *conn;
	struct smtp_server smtp;
	struct arena arena;            /* of the transaction */
	struct ipaddr address;
	struct client *client;
	struct dns_query *name_query;
	struct cleanup *message;
	unsigned pid;                  /* pseudo pid in the log */
	int64_t uid;                   /* >= 0: local submission */
	usec deadline;
	size_t consumed;               /* bytes of conn->in that the machine is done with */
	const char *tls_note;
	struct str sender_given;       /* as the client wrote it; the envelope has it completed */
	bool waiting;                  /* an answer is on its way from elsewhere */
	bool running;                  /* inside session_go */
	bool committing, ended, eof, expect_proxy, connect_logged, exempt, in_tls, tls_done;
	bool foreign;                  /* a loopback address that a proxy told us: another host's, or nobody's */
	char client_name[256], client_address[46];
	char client_text[256 + 46 + 4]; /* "name[address]" */
	/* judging one recipient */
	struct access_request request;
	struct access_run run;
	struct dns_query *domain_query;
	struct verify_wait *verify;
};

void session_answer(struct session *s, const struct reply *r);
void session_continue(struct session *s);      /* after an answer that came later */
/* session_refuse - answer MAIL or RCPT with a refusal and log it */
void session_refuse(struct session *s, const struct reply *r);
/* session_is_local - mail written on this host: its addresses and headers are completed */
bool session_is_local(const struct session *s);
/* session_policy_recipient - judge s->smtp.rcpt; answers at once (s->waiting off again) or later */
void session_policy_recipient(struct session *s);
void session_policy_cancel(struct session *s);

/* --- session_log.c --- */
void session_log_connect(struct session *s);
void session_log_disconnect(struct session *s);
void session_log_tls(struct session *s);
/* session_log_break - how a session ends that does not end with QUIT: "lost connection", "timeout" … */
void session_log_break(struct session *s, const char *what);
void session_log_hangup(struct session *s);                   /* the machine ended it: s->smtp.hangup */
/* session_log_reject - MAIL or RCPT was refused with the reply `text` */
void session_log_reject(struct session *s, const char *text);
void session_log_refused(struct session *s);                  /* the machine itself said no to MAIL or RCPT */

#endif
