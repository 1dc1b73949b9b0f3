/* smtp_report - what became of TLS in a session, for the domain's report (core/deliver/tls_report.h). Once for each session. */
#ifndef CORE_DELIVER_SMTP_SMTP_REPORT_H
#define CORE_DELIVER_SMTP_SMTP_REPORT_H

#include "core/deliver/smtp/smtp_session.h"
#include "core/policy/tlsrpt.h"

void smtp_report(struct smtp_session *s, enum tlsrpt_result result, const char *why);
/* smtp_report_handshake - a handshake failed, or its certificate is not the one to expect, by these words of core/net/tls */
void smtp_report_handshake(struct smtp_session *s, const char *why);
/* smtp_report_passed - no session was made: what x says of the host forbids it */
void smtp_report_passed(struct deliver *d, const struct smtp_profile *p, const struct smtp_target *t, const struct tls_demand *x);

/* smtp_report_tested - the domain's policy, which is only tested, would keep mail from this server: by its list, or by what is wrong */
void smtp_report_tested(struct smtp_session *s, const char *wrong);
void smtp_report_test(struct smtp_session *s);         /* the same under TLS: what is wrong is found here */

#endif
