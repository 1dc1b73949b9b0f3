/* access_private - what the files of the language of rules share: access.c (the machine), compile.c (text to programs), words.c (the
 * table of words), and the words themselves: words_client.c, words_address.c, words_table.c, words_dns.c, words_hosts.c,
 * words_login.c, words_ccert.c; template.c: texts
 * of replies with $names in them. */
#ifndef CORE_ACCESS_ACCESS_PRIVATE_H
#define CORE_ACCESS_ACCESS_PRIVATE_H

#include "core/access/access.h"

/* what a row says */
enum access_says {
	ACCESS_NEXT,           /* nothing: go on */
	ACCESS_PERMIT,         /* the list ends */
	ACCESS_REFUSE,         /* run->reply */
	ACCESS_WAIT,           /* run->question and run->asked; word->answered hears the answer */
	ACCESS_CALL,           /* run->call is to be judged in this row's place */
	ACCESS_TELL,           /* run->say and run->reply belong in the log, run->effect is to be done, then go on */
	ACCESS_TELL_PERMIT,    /* the same, and the list ends */
};
enum access_argument { ACCESS_NO_ARGUMENT, ACCESS_TABLE, ACCESS_ZONE, ACCESS_TEXT, ACCESS_SECONDS };
enum access_flag {
	ACCESS_CLOSES = 1,     /* a list with this word cannot be an open relay */
	ACCESS_ENDS = 2,       /* what stands behind it is never asked */
	ACCESS_WARNS = 4,      /* it only changes what the next row means */
	ACCESS_OLD_LISTS = 8,  /* reject_maps_rbl */
	ACCESS_CERTS = 32,     /* its note is told where clients are not asked for certificates */
	ACCESS_KNOWS = 16,     /* it can tell which recipients of other servers exist */
};
enum access_who { ACCESS_WHO_STAGE, ACCESS_WHO_CLIENT, ACCESS_WHO_HELO, ACCESS_WHO_SENDER, ACCESS_WHO_RECIPIENT, ACCESS_WHO_REVERSE, ACCESS_WHO_LOGIN,
	ACCESS_WHO_CCERT };
struct access_word;
struct access_row {
	const struct access_word *word;
	const struct access_list *list;    /* of a class */
	struct map *map;                   /* ACCESS_TABLE */
	struct str text;                   /* ACCESS_ZONE: the domain; ACCESS_TEXT */
	struct str filter;                 /* ACCESS_ZONE: "127.0.0.[2..11]"; empty: any address */
};
struct access_list {
	struct access_row *rows;
	size_t n;
};
struct access_word {
	const char *name;
	enum access_argument argument;
	unsigned flags;
	enum access_says (*judge)(struct access_run *r, const struct access_row *row); /* NULL: known, and not done here */
	/* after ACCESS_WAIT; the row is asked no more */
	enum access_says (*answered)(struct access_run *r, const struct access_row *row, const struct access_answer *a);
	enum access_who who;               /* of words that differ in what they ask about, and in which hosts of it */
	enum access_hosts hosts;
	const char *note;                  /* what an administrator should know who uses it, or what to do where it is not done; NULL: nothing */
};
const struct access_word *access_word_find(struct str name);
const char *access_word_nearest(struct str name);      /* NULL: none is near */
extern const struct access_word access_word_class;     /* a restriction class of the administrator's */
/* access_word_of_table - what a bare type:name means in a list of this stage; NULL: nothing */
const struct access_word *access_word_of_table(enum access_stage stage);

struct access_rules {
	const struct conf *conf;
	struct arena arena;                /* lists and texts */
	struct access_list lists[ACCESS_STAGES];
	struct access_class { struct str name; struct access_list list; } *classes;
	size_t n_classes;
	struct address_maps logins;        /* smtpd_sender_login_maps */
	struct map **maps;
	size_t n_maps;
	struct maps clientcerts;           /* relay_clientcerts */
	struct maps rbl_replies, footers;  /* rbl_reply_maps, smtpd_reject_footer_maps */
	struct match *backup_networks;     /* permit_mx_backup_networks; NULL: empty */
	/* a table's answer as a list; NULL when a word in it is unknown or names a table that no list names */
	const struct access_list *(*compile_answer)(const struct access_rules *rules, struct arena *a, struct str text);
	bool parents_match;                /* example.com in a table means its subdomains, too; else .example.com does */
};
extern const struct access_stage_row {
	const char *parameter;
	const char *class;                 /* "Recipient address", of "… rejected: …" */
} access_stages[ACCESS_STAGES];

/* --- trace.c: rows of what is judged, for who asks why --- */
struct access_mark {                   /* before a row is judged */
	size_t depth;
	int put_off, if_reject;
};
void access_trace_list(const struct access_run *r, enum access_stage stage);
void access_trace_row(const struct access_run *r, const struct access_row *row, enum access_says says, const struct access_mark *before);

/* --- for words --- */
/* access_given - the sender, or the recipient, as the client wrote it */
struct str access_given(const struct access_request *q, bool sender);
/* access_refuse - the reply "code enhanced <who>: Class rejected: why" */
enum access_says access_refuse(struct access_run *r, enum access_who who, int code, const char *enhanced, const char *why);
/* access_class - "Client host", "Sender address" … */
const char *access_class(const struct access_run *r, enum access_who who);
enum access_says access_temporary(struct access_run *r, struct str who);        /* a lookup failed */
enum access_says access_misconfigured(struct access_run *r, const char *what);  /* what is wrong goes to the log */
/* access_put_off - refuse for now, unless the list refuses for good, with what is in run->reply; "defer" as action refuses at once */
enum access_says access_put_off(struct access_run *r, const char *action);
enum access_says access_ask(struct access_run *r, enum access_question question, struct str key);
enum access_says access_call(struct access_run *r, const struct access_list *list);
enum access_says access_keep(struct access_run *r, struct access_later *later);  /* run->reply becomes *later, unless there is one */
/* access_relay_is_asked - true: the relay list does not come after the list under way. Else it does so no more, and the row says
 * ACCESS_CALL: relay list and recipient list are judged in this order */
bool access_relay_is_asked(struct access_run *r);
/* access_look - ask the row's table about the domain `name` and what is above it, or about an address and its nets (name empty);
 * subject is who is told. false: no entry; else *says */
bool access_look(struct access_run *r, const struct access_row *row, struct str subject, struct str name, struct str address,
	enum access_says *says);
/* access_template - `$name`, `${name}`, `${name?text}` and `${name:text}` of text into out: what the request says (postconf(5),
 * default_rbl_reply), and more */
void access_template(const struct access_request *q, struct str text, const struct access_value *more, size_t n, struct buf *out);
/* access_is_plain_local - no routing by the sender in it: a%b@here is no mail for here */
bool access_is_plain_local(struct str local);
bool access_is_ours(const struct access_request *q, enum map_answer *answer);

typedef enum access_says access_judge(struct access_run *r, const struct access_row *row);
typedef enum access_says access_hear(struct access_run *r, const struct access_row *row, const struct access_answer *a);
access_judge access_permit_inet_interfaces, access_permit_mynetworks, access_permit_sasl, access_unknown_client, access_unknown_reverse,
	access_plaintext, access_pipelining, access_invalid_helo, access_non_fqdn_helo, access_unknown_helo, access_naked_ip;
access_hear access_helo_answered;
access_judge access_auth_destination, access_relay_domains, access_unauth_reject, access_unauth_defer, access_non_fqdn_sender, access_non_fqdn_recipient,
	access_unlisted_sender, access_unlisted_recipient, access_unknown_sender_domain, access_unknown_recipient_domain,
	access_unverified_sender, access_unverified_recipient, access_many_recipients;
access_hear access_sender_domain_answered, access_recipient_domain_answered, access_sender_verified, access_recipient_verified;
access_judge access_check_client, access_check_reverse, access_check_helo, access_check_sender, access_check_recipient, access_check_etrn,
	access_check_login;
access_judge access_check_ccert, access_permit_ccert, access_permit_all_ccerts;
access_judge access_rbl_client, access_rhsbl, access_dnswl_client;
access_judge access_check_hosts, access_mx_backup, access_sleep;
access_hear access_hosts_answered, access_mx_backup_answered, access_slept;
access_hear access_listed, access_list_permits;
access_judge access_login_mismatch, access_user_mismatch, access_known_mismatch, access_stranger_mismatch;

#endif
