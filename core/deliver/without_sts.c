/* without_sts - in place of the policies of MTA-STS and the reports of TLSRPT, in builds that leave them out (config.mk): no domain has a
 * policy, nothing is counted, and the parameters that would ask for it are refused (core/conf/without.c). */
#include "core/deliver/smtp/smtp_report.h"
#include "core/deliver/tls_report.h"
#include "core/policy/sts.h"

struct sts *sts_new(const struct sts_options *o) { return NULL; }
void sts_free(struct sts *s) { }
struct sts_wait *sts_ask(struct sts *s, struct str domain, struct tls_context *tls, sts_fn fn, void *ctx) { return NULL; }
void sts_begin(struct sts *s, struct str domain, struct tls_context *tls) { }
void sts_cancel(struct sts_wait *w) { }
void sts_doubt(struct sts *s, struct str domain) { }

bool sts_find(struct sts *s, struct str domain, struct tls_context *tls, struct sts_known *out)
{
	*out = (struct sts_known){ .mode = STS_NO_MODE, .why = "" };
	return true;
}

struct tls_report *tls_report_new(struct deliver *d) { return NULL; }
void tls_report_free(struct tls_report *r) { }
void tls_report_flush(struct tls_report *r) { }
void smtp_report(struct smtp_session *s, enum tlsrpt_result result, const char *why) { }
void smtp_report_handshake(struct smtp_session *s, const char *why) { }
void smtp_report_passed(struct deliver *d, const struct smtp_profile *p, const struct smtp_target *t, const struct tls_demand *x) { }
void smtp_report_tested(struct smtp_session *s, const char *wrong) { }
void smtp_report_test(struct smtp_session *s) { }
