/* session_private - what the files of a session share: session.c (life, the walk of an event), session_begin.c (from the accepted
 * socket to the greeting), session_mail.c (what each event does), session_auth.c (logins), session_policy.c (may it be
 * done?), session_log.c.
 *
 * An event of the server machine goes through phases: check (our own noes), judge (restriction lists), act, answer. Each may have
 * to wait, all in the same way: `waits` says for what, whoever brings the answer calls session_wake, and the walk goes on in the
 * phase where it stopped. */
#ifndef CORE_DAEMON_SESSION_PRIVATE_H
#define CORE_DAEMON_SESSION_PRIVATE_H

#include "core/base/log.h"
#include "core/cleanup/cleanup.h"
#include "core/daemon/judge.h"
#include "core/daemon/relay.h"

enum session_phase { SESSION_READY /* for the next event */, SESSION_CHECK, SESSION_JUDGE, SESSION_ACT, SESSION_ANSWER };
enum session_wait { SESSION_WAITS_NOT,
	SESSION_WAITS_NAME,            /* the client's host name */
	SESSION_WAITS_TLS,             /* the handshake */
	SESSION_WAITS_POLICY,          /* DNS or a probe, for a restriction */
	SESSION_WAITS_AUTH,            /* a password, or who knows the users */
	SESSION_WAITS_COMMIT,          /* the flush: not cancelled by anything */
	SESSION_WAITS_SLOW,            /* a client that makes errors: smtpd_error_sleep_time */
	SESSION_WAITS_ROOM,            /* content that cannot be taken now */
	SESSION_WAITS_TURN,            /* the other clients: it had many commands in one step */
};

struct session {
	struct list link;              /* relay's sessions */
	struct loop_task free_task, turn_task;
	struct loop_timer timer;       /* of the wait for a name, or of a slow answer */
	struct relay *relay;
	const struct service *service; /* and with it the settings that the session began with */
	struct conn *conn;
	struct smtp_server smtp;
	struct arena arena;            /* of the transaction */
	struct ipaddr address;
	struct client *client;
	struct dns_query *name_query;
	struct cleanup *message;
	struct auth_check *auth;       /* a login under way */
	unsigned pid;                  /* pseudo pid in the log */
	int64_t uid;                   /* >= 0: local submission */
	usec deadline;
	size_t consumed;               /* bytes of conn->in that the machine is done with */
	const char *tls_note;
	struct session_cert *cert;     /* of the client, NULL: it has none */
	struct str sender_given;       /* as the client wrote it; the envelope has it completed */
	enum smtp_server_event event;  /* under way; SMTP_SERVER_EVENTS: the connection itself, before the greeting */
	enum session_phase phase;
	enum session_wait waits;
	struct reply *answer;          /* to the event under way; code 0: none yet. NULL between events */
	void (*wake)(struct session *s); /* session_wake, for session_policy.c, which the walk calls and which knows no walk */
	bool running;                  /* inside session_go */
	bool slowed;                   /* the next command has waited already */
	bool ended, eof, expect_proxy, connect_logged, exempt, in_tls, tls_done;
	bool foreign;                  /* a loopback address that a proxy told us: another host's, or nobody's */
	enum access_name name_state;
	char client_address[46];
	/* the verified name, "name[address]", and what the address says it is ("unknown", or a name that may be another's); all in … */
	const char *client_name, *client_text, *reverse_name;
	char *names;                   /* … this, or constant: ten thousand idle sessions have it */
	/* judging */
	struct judge judge;
	struct session_report *report; /* NULL: nothing to tell the postmaster yet */
	struct action_wish *wishes;    /* what rules want done with the message of this transaction; in the arena */
};

/* what restrictions ask of a certificate */
struct session_cert { char of_cert[200], of_key[200]; };

/* --- session_cert.c --- */
/* session_take_cert - the handshake is over. NULL, or why the client has to go: there must be one that is trusted */
const char *session_take_cert(struct session *s);
const char *session_cert_note(struct session *s); /* for the Received field; in the arena */

/* --- session.c --- */
void session_go(struct session *s);            /* as far as input and answers reach */
static inline void session_wait(struct session *s, enum session_wait what) { s->waits = what; }
void session_wake(struct session *s);          /* what was waited for has come: go on, and send */
void session_deadline(struct session *s, bool fresh, size_t got);
void session_end(struct session *s);           /* the connection is gone */
void session_hang_up(struct session *s, int code, const char *enhanced, const char *text); /* code 0: without a reply */
/* session_conf - what the session lives by now */
static inline const struct conf *session_conf(const struct session *s) { return service_conf(s->service); }
static inline struct router *session_router(const struct session *s) { return s->service->settings->router; }

/* --- session_begin.c --- */
void session_identify(struct session *s);      /* find the client's name, then greet */
void session_begin(struct session *s);         /* the address is known: TLS from the start, or identify */
void session_read_proxy(struct session *s);
void session_start_tls(struct session *s);
void session_on_timer(struct loop_timer *t);

/* --- session_mail.c --- */
struct session_event {
	void (*check)(struct session *s, struct reply *r);     /* a refusal into r, or nothing */
	int judged;                    /* an enum access_event, or -1 */
	/* the answer into r, or session_wait: r is filled then before session_wake. NULL: the event wants no answer */
	void (*act)(struct session *s, struct reply *r);
	bool logs;                     /* a refusal is told as "reject" */
};
extern const struct session_event session_events[SMTP_SERVER_EVENTS + 1];
void session_abort_message(struct session *s);

/* --- session_auth.c: what SMTP_SERVER_AUTH does --- */
void session_auth_check(struct session *s, struct reply *r);
void session_auth(struct session *s, struct reply *r);
void session_auth_under_tls(struct session *s);        /* the handshake is over: what may be used now */

/* --- session_policy.c --- */
/* session_is_local - mail written on this host, or by a client in local_header_rewrite_clients: its header is completed */
bool session_is_local(const struct session *s);
/* session_over - has this client done more of it than the limit allows? It is counted, too */
bool session_over(struct session *s, enum client_rate what, int64_t limit);
/* session_policy_begin - set out to judge `event`; false: there is nothing to judge */
bool session_policy_begin(struct session *s, enum access_event event);
/* session_policy_go - judge on; false: the session waits. Else s->answer has the refusal, or code 0 */
bool session_policy_go(struct session *s);
void session_policy_cancel(struct session *s);
/* session_policy_slept - the time that a restriction waits is over: judge on */
void session_policy_slept(struct session *s);
/* session_is_listed - is this address known here, as far as it is ours? false with the refusal */
bool session_is_listed(struct session *s, struct str address, bool sender, struct reply *no);

/* session_add_footer - smtpd_reject_footer behind a refusal, after it was logged */
void session_add_footer(struct session *s, struct reply *no);
void session_on_refused(void *ctx, size_t at);         /* … behind one of the machine's own */

/* --- session_report.c --- */
void session_report_begin(struct session *s);                  /* keep a transcript, if somebody may want it */
void session_report_in(struct session *s, struct str text);    /* a command; nothing while content is read */
void session_report_out(struct session *s, size_t before);     /* what was added to the output since it was this long */
/* session_report_answer - a refusal of ours, of a restriction list or not; session_report_machine - what was added is the machine's own */
void session_report_answer(struct session *s, const struct reply *a, bool judged);
void session_report_machine(struct session *s, size_t before);
void session_report_end(struct session *s);

/* --- session_log.c --- */
/* session_log_client - the keys of the JSON form that each line about a client has: event, client (its address), name */
void session_log_client(const struct session *s, struct log_line *l, const char *event);
/* session_log_say - one record of free text about the client, with these keys */
void session_log_say(const struct session *s, enum log_severity sev, const char *event, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));
void session_log_connect(struct session *s);
void session_log_disconnect(struct session *s);
void session_log_tls(struct session *s);
/* session_log_break - how a session ends that does not end with QUIT: session_lost (the client is gone), "timeout" … */
extern const char session_lost[];
void session_log_break(struct session *s, const char *what);
void session_log_hangup(struct session *s);                    /* the machine ended it: s->smtp.hangup */
/* session_log_reject - "NOQUEUE: what: RCPT from …: text; from=<…> …"; what: "reject", "reject_warning", "warn" … */
void session_log_reject(struct session *s, const char *what, const struct reply *r);
void session_log_refused(struct session *s);                   /* the machine itself said no to MAIL or RCPT */

#endif
