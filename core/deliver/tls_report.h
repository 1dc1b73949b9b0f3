/* tls_report - keeps the counts of core/policy/tlsrpt.h over restarts, and once a day sends what was counted to the domains that ask for it
 * (RFC 8460): by mail, which is signed as any other of ours, and by HTTPS. One domain after the other; one that cannot be asked about, or
 * takes no report, is tried again every hour for two days. Sessions that carry mail with TLS-Required: No are not counted, so that reports
 * do not report on themselves (section 5.3). */
#ifndef CORE_DELIVER_TLS_REPORT_H
#define CORE_DELIVER_TLS_REPORT_H

#include "core/policy/tlsrpt.h"

struct deliver;
struct tls_report;
struct tls_report *tls_report_new(struct deliver *d);  /* d has a store */
void tls_report_free(struct tls_report *r);            /* NULL: nothing */
void tls_report_count(struct tls_report *r, const struct tlsrpt_session *s);
void tls_report_flush(struct tls_report *r);           /* the file is written; the pool must be idle. NULL: nothing */

#endif
