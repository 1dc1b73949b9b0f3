/* smtp_answer - the recipients of a try get their answers, in Postfix's words; what is no answer yet is remembered. */
#ifndef CORE_DELIVER_SMTP_SMTP_ANSWER_H
#define CORE_DELIVER_SMTP_SMTP_ANSWER_H

#include "core/deliver/smtp/smtp_try.h"

/* smtp_answer_give - to the recipient of that row of the job, unless it has one. answered: it is a server's, about this mail */
void smtp_answer_give(struct smtp_try *t, size_t row, const struct reply *r, const char *relay, const char *mta, bool answered);
void smtp_answer_left(struct smtp_try *t);             /* what is remembered is the last word on everybody who is left */
/* smtp_answer_remember - said_by: NULL: nobody; dest_bad: no session could be had */
void smtp_answer_remember(struct smtp_try *t, const struct reply *r, const struct smtp_target *said_by, bool dest_bad);
void smtp_answer_remember_connect(struct smtp_try *t, const struct reply *r, bool no_way);
void smtp_answer_log(struct smtp_try *t, const char *text);    /* … and the next server is asked */
/* about recipient i of the transaction that runs */
void smtp_answer_refused(struct smtp_try *t, size_t i, const struct reply *r);
void smtp_answer_sent(struct smtp_try *t, size_t i, const struct reply *r, bool no_dsn);
void smtp_answer_accepted(struct smtp_try *t, const struct smtp_session *s, const struct reply *r);
void smtp_answer_forget(struct smtp_try *t);           /* all that was said in this transaction */

#endif
