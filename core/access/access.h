/* access - may this client do this? Restriction lists (smtpd_relay_restrictions, smtpd_recipient_restrictions), judged as
 * a resumable pure machine: what needs the network (DNS, address verification) is asked of the owner.
 *
 * An unknown restriction stops the start (conf_diag error), never the mail: ignoring one could open a relay. */
#ifndef CORE_ACCESS_ACCESS_H
#define CORE_ACCESS_ACCESS_H

#include "core/route/route.h"

enum access_stage { ACCESS_RELAY, ACCESS_RECIPIENT, ACCESS_STAGES };
struct access_list;            /* a compiled restriction list */
struct access_list *access_compile(const char *text, const char *parameter, const struct conf *c, struct conf_diag *diag);
void access_list_free(struct access_list *l);
/* access_list_closes - does it come to a word that refuses strangers? One of the two lists must, or the relay is open */
bool access_list_closes(const struct access_list *l);

struct access_request {        /* what is judged; views stay valid until the verdict */
	struct router *router;
	const struct conf *conf;
	struct ipaddr client;
	struct str client_name;    /* "unknown" or verified */
	bool local;                /* unix submit socket or sendmail -bs */
	bool authenticated;
	struct str helo, sender, rcpt;
};
enum access_outcome { ACCESS_OK, ACCESS_REFUSE, ACCESS_ASK_DOMAIN, ACCESS_ASK_VERIFY };
struct access_run {            /* one evaluation, resumable */
	const struct access_request *request;
	const struct access_list *list[ACCESS_STAGES]; /* in order; NULL = nothing to check */
	size_t stage, at;
	struct str question;       /* ACCESS_ASK_DOMAIN: the domain (must have MX or A/AAAA); ACCESS_ASK_VERIFY: the address */
	struct reply reply;        /* ACCESS_REFUSE */
	bool pending;              /* reply is a deferral, unless a later word refuses for good (defer_if_permit) */
};
void access_begin(struct access_run *r, const struct access_request *q, const struct access_list *relay, const struct access_list *recipient);
/* access_next - go on; after ACCESS_ASK_* call access_answer first */
enum access_outcome access_next(struct access_run *r);
void access_answer(struct access_run *r, const struct reply *answer); /* 2xx: yes; 4xx: unknown now; 5xx: no */

#endif
