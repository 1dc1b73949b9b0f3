/* sts_policy - what a domain publishes about TLS for its mail: the TXT records of MTA-STS (RFC 8461 3.1) and of TLS reporting (RFC 8460 3),
 * and the policy that the former announces (RFC 8461 3.2). Pure: views into the text come out. They accept, or say what is wrong and
 * where. */
#ifndef CORE_POLICY_STS_POLICY_H
#define CORE_POLICY_STS_POLICY_H

#include "core/base/str.h"

enum { STS_MX_MOST = 64, STS_ID_MOST = 32 };
struct sts_policy {
	enum sts_mode { STS_NO_MODE, STS_NONE, STS_TESTING, STS_ENFORCE } mode;
	uint64_t max_age;              /* seconds, at most 31557600 */
	struct str mx[STS_MX_MOST];    /* "mx.example.com", "*.example.com" */
	size_t n_mx;
};
const char *sts_policy_parse(struct str text, struct sts_policy *out, struct str *at);
bool sts_policy_has(const struct sts_policy *s, struct str mx);
/* sts_policy_is_plain - is this a Content-Type that a policy may have? Others are passed over (RFC 8461 3.2) */
bool sts_policy_is_plain(struct str type);
const char *sts_mode_word(enum sts_mode m);            /* "" for none at all */
/* "v=STSv1; id=…": the id is 1 to STS_ID_MOST letters and digits */
const char *sts_record_parse(struct str text, struct str *id, struct str *at);
/* "v=TLSRPTv1; rua=mailto:…,https://…" */
const char *tlsrpt_parse(struct str text, struct str *rua, struct str *at);

#endif
