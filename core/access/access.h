/* access - may this client do this? The one language of rules: smtpd_*_restrictions of a listener, compiled once into
 * programs, and judged by a resumable pure machine.
 *
 * A list is a program of rows; a row is a word and its argument (a table, a list of DNS, another list). A table's answer may
 * itself be a list, so an evaluation has a stack. What needs the network or a log is handed to the owner: access_next stops with
 * one pending question, and goes on after access_answer. Texts and codes are Postfix's (access(5), postconf(5)).
 *
 * An unknown restriction stops the start (conf_diag error), never the mail: ignoring one could open a relay. */
#ifndef CORE_ACCESS_ACCESS_H
#define CORE_ACCESS_ACCESS_H

#include "core/base/limits.h"
#include "core/msg/action.h"
#include "core/route/route.h"

enum access_stage { ACCESS_CLIENT, ACCESS_HELO, ACCESS_SENDER, ACCESS_RELAY, ACCESS_RECIPIENT, ACCESS_DATA, ACCESS_END_OF_DATA,
	ACCESS_ETRN, ACCESS_STAGES };
/* when the owner asks; which lists that means depends on smtpd_delay_reject */
enum access_event { ACCESS_AT_CONNECT, ACCESS_AT_HELO, ACCESS_AT_MAIL, ACCESS_AT_RCPT, ACCESS_AT_DATA, ACCESS_AT_END, ACCESS_AT_ETRN,
	ACCESS_EVENTS };

struct access_rules;                   /* the compiled lists, classes and tables of one listener; borrow conf */
struct access_rules *access_rules_new(const struct conf *c, struct conf_diag *diag); /* never NULL; what is wrong is in diag */
void access_rules_free(struct access_rules *rules);
void access_rules_refresh(struct access_rules *rules, usec now_mono);  /* tables that changed are read again */
/* access_rules_close - do the lists of a recipient come to a word that refuses strangers? Else the relay is open */
bool access_rules_close(const struct access_rules *rules);
/* access_rules_know_recipients - does a list hold a word that can tell which recipients of other servers exist? */
bool access_rules_know_recipients(const struct access_rules *rules);
/* access_rules_ask - would anything be judged at this event? */
bool access_rules_ask(const struct access_rules *rules, enum access_event event);

enum access_name { ACCESS_NAME_VERIFIED, ACCESS_NAME_WRONG /* a name that is another address's */, ACCESS_NAME_NONE,
	ACCESS_NAME_LATER /* the lookup failed for now */ };
struct access_request {                /* what is judged; views stay valid until the verdict. p NULL: not said yet */
	struct router *router;
	const struct conf *conf;
	struct arena *arena;               /* for lists that tables give, and replies put off */
	struct ipaddr client;
	struct str client_name;            /* "unknown" or verified */
	struct str reverse_name;           /* what the address says, and may be another's: "unknown" or a name */
	struct str login;                  /* empty: nobody logged in */
	struct str client_address;         /* as text */
	enum access_name name;
	bool local;                        /* unix submit socket or sendmail -bs */
	bool authenticated, tls;
	struct str ccert[2];               /* fingerprints of the client's certificate and its key; empty: it has none */
	struct str ccert_name;             /* its common name */
	bool ccert_trusted;
	bool ahead;                        /* the client sent more behind this command */
	bool many;                         /* at DATA and the end: more than one recipient, so rcpt is not one of them */
	struct str helo, sender, rcpt, etrn;
	struct str sender_given, rcpt_given;       /* as the client wrote them, which replies repeat; no p: as above */
	size_t n_rcpts;                    /* accepted before this one */
	/* is this address, of a domain of ours, known here? false with the refusal in no; sender says which it is */
	bool (*is_listed)(void *ctx, struct str address, bool sender, struct reply *no);
	void *ctx;
	struct buf *trace;                 /* rows (core/base/row.h) of each list, each word and what it said; NULL: nobody asks why */
};
enum access_outcome {
	ACCESS_DONE,                       /* run->result: ACTION_OK, or ACTION_REJECT or _DEFER with run->reply */
	ACCESS_ASK,                        /* run->question; access_answer, then go on */
	/* run->say (NULL: nothing) and run->reply belong in the log, run->effect (ACTION_NONE: nothing) is to be done to the
	 * message; go on */
	ACCESS_SAY,
};
enum access_question { ACCESS_NO_QUESTION,
	ACCESS_DOMAIN,                     /* key: has this name MX or addresses? */
	ACCESS_PROBE,                      /* key: an address; is it deliverable? */
	ACCESS_DNSLIST,                    /* key: a name; its addresses, and its text as why */
	ACCESS_HOSTS,                      /* key: a domain; run->hosts says which hosts of it, with their addresses */
	ACCESS_SLEEP,                      /* key: so many seconds; the answer is their end */
};
/* the hosts of a domain. MX: a domain without a record is its own, as for mail; NS: a domain without a record has those of the
 * domain above it; A: itself */
enum access_hosts { ACCESS_HOSTS_A, ACCESS_HOSTS_MX, ACCESS_HOSTS_NS };
struct access_host {
	const char *name;
	unsigned preference;               /* MX */
	const struct ipaddr *addresses;
	size_t n;
};
struct access_answer {
	int code;                          /* 2xx: yes; 4xx: not known now; 5xx: no */
	const char *enhanced;              /* ACCESS_PROBE: "5.1.1"; may be "" */
	const char *text;                  /* why, for the reply; "" */
	bool null_mx;                      /* ACCESS_DOMAIN: it says that it takes no mail (RFC 7505) */
	const struct ipaddr *addresses;    /* ACCESS_DNSLIST */
	size_t n_addresses;
	const struct access_host *hosts;   /* ACCESS_HOSTS */
	size_t n_hosts;
};
struct access_frame {                  /* one list under way */
	const struct access_list *list;
	unsigned at;
	uint8_t who;                       /* whom its words without one of their own refuse, as enum access_who; 0: the stage's */
	bool warn_all, warn_next;          /* warn_if_reject: of the row that called this list; before the next row */
};
struct access_later {                  /* a refusal for now that waits for what else is said; code 0: none */
	int code;
	char enhanced[12];
	struct str text;                   /* in the request's arena */
};
struct access_run {                    /* one evaluation, resumable */
	const struct access_request *request;
	const struct access_rules *rules;
	const enum access_stage *stages;
	size_t n_stages, stage;
	struct access_frame stack[LIMIT_ACCESS_DEPTH];
	size_t depth;
	unsigned steps;                    /* words judged */
	enum access_question question;
	struct str asked;                  /* of the question */
	enum access_hosts hosts;           /* of ACCESS_HOSTS */
	struct access_later if_permit, if_reject;
	enum action_kind result;
	const char *say;                   /* ACCESS_SAY: "reject_warning", "warn", "info"; at the end: a mistake of configuration, or NULL */
	struct action effect;              /* ACCESS_SAY; its text is in the request's arena */
	bool told;                         /* an answer gave something to say */
	struct reply *reply;               /* the owner's */
};
/* access_footer - smtpd_reject_footer_maps and smtpd_reject_footer: r gets the words that belong behind it, from q's client, and more */
struct access_value { const char *name; struct str value; };
void access_footer(const struct access_rules *rules, const struct access_request *q, const struct access_value *more, size_t n, struct reply *r);
/* access_begin - reply is where the words of a refusal go; a verdict of ACTION_OK leaves it alone or not */
void access_begin(struct access_run *r, const struct access_rules *rules, enum access_event event, const struct access_request *q,
	struct reply *reply);
enum access_outcome access_next(struct access_run *r);
void access_answer(struct access_run *r, const struct access_answer *a);

#endif
