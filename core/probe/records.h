/* records - what a domain says about its mail in TXT records and in an MTA-STS policy: parsers, and judges of one
 * value. Pure: bytes in; views into them out. They accept or say what is wrong, and where. */
#ifndef CORE_PROBE_RECORDS_H
#define CORE_PROBE_RECORDS_H

#include "core/net/tls.h"
#include "core/probe/facts.h"

/* tags_begin - the first tag is v=version, to the letter; blanks around '=' where DKIM's grammar is used (DMARC, BIMI) */
bool tags_begin(struct str text, struct str version);
/* tags_find - the first TXT record that begins so; *count of them */
struct str tags_find(const struct fact *f, struct str version, size_t *count);

/* --- "v=X; name=value; name=value" (RFC 7489 6.4, RFC 6376 3.2, RFC 8461 3.1, RFC 8460 3) --------------------------- */

struct tag_rule {
	struct str name;
	const char *allowed;           /* words separated by blanks; "#N": a number up to N; ":…": a list
	                                * with colons between; NULL: anything */
	bool required;
};
enum { TAGS_MOST = 16 };
/* tags_parse - values[i] is the value of rules[i], p == NULL when it is not there. version: the first tag must be v=version;
 * `optional`: it may be missing. Unknown tags are passed over. NULL: fine; else what is wrong, and *at: where */
const char *tags_parse(struct str text, struct str version, bool optional, const struct tag_rule *rules, size_t n, struct str *values,
	struct str *at);

enum { DMARC_P, DMARC_SP, DMARC_PCT, DMARC_RUA, DMARC_RUF, DMARC_ADKIM, DMARC_ASPF, DMARC_FO, DMARC_RF, DMARC_RI, DMARC_T, DMARC_NP, DMARC_PSD, DMARC_TAGS };
enum { DMARC_WRONG_MOST = 8 };
struct dmarc {
	struct str values[DMARC_TAGS]; /* of a tag that is wrong: p == NULL, its default counts (RFC 9989 4.7) */
	struct { struct str at; const char *why; } wrong[DMARC_WRONG_MOST]; /* such tags */
	size_t n_wrong;
	struct str unknown;            /* the first tag that nobody knows; empty: none */
	bool only_none;                /* p, sp or np is missing or wrong: p=none, for the sake of rua (RFC 7489 6.6.3) */
};
/* dmarc_parse - NULL: a policy; else why the record counts for nothing, and *at: where */
const char *dmarc_parse(struct str text, struct dmarc *out, struct str *at);
/* uri_next - the next of "mailto:a@b!10m, https://…": its scheme and what follows it, without a size. 1, 0: no more, -1: not one */
int uri_next(struct str *rest, struct str *scheme, struct str *body);

enum { DKIM_K, DKIM_P, DKIM_H, DKIM_T, DKIM_S, DKIM_TAGS };
struct dkim {
	struct str values[DKIM_TAGS];
	bool revoked, testing, mail;   /* mail: it may be used for that (s=) */
	char key[32];                  /* "RSA 2048", "Ed25519" */
	unsigned bits;
};
const char *dkim_parse(struct str text, struct dkim *out, struct str *at);

enum { BIMI_L, BIMI_A, BIMI_AVP, BIMI_LPS, BIMI_TAGS };
const char *bimi_parse(struct str text, struct str values[BIMI_TAGS], struct str *at);
const char *sts_record_parse(struct str text, struct str *at);         /* "v=STSv1; id=…" */
const char *tlsrpt_parse(struct str text, struct str *rua, struct str *at);

/* --- MTA-STS policies (RFC 8461 3.2) -------------------------------------------------------------------------------- */

enum { STS_MX_MOST = 64 };
struct sts_policy {
	enum sts_mode { STS_NO_MODE, STS_NONE, STS_TESTING, STS_ENFORCE } mode;
	uint64_t max_age;              /* seconds, at most 31557600 */
	struct str mx[STS_MX_MOST];    /* "mx.example.com", "*.example.com" */
	size_t n_mx;
};
const char *sts_policy_parse(struct str text, struct sts_policy *out, struct str *at);
bool sts_policy_has(const struct sts_policy *s, struct str mx);

#endif
