/* tlsrpt - what became of TLS with the domains that we send to, counted for their reports (RFC 8460): for each UTC day, domain and
 * policy how many sessions succeeded and how many failed, and how. Pure: time is an argument, and the text of the file, which outlives us,
 * and of a report are bytes. */
#ifndef CORE_POLICY_TLSRPT_H
#define CORE_POLICY_TLSRPT_H

#include "core/base/buf.h"
#include "core/base/clock.h"
#include "core/base/list.h"

enum tlsrpt_type { TLSRPT_NO_POLICY, TLSRPT_TLSA, TLSRPT_STS, TLSRPT_TYPES };
enum tlsrpt_result { TLSRPT_GOOD, TLSRPT_STARTTLS_NOT_SUPPORTED, TLSRPT_CERTIFICATE_HOST_MISMATCH, TLSRPT_CERTIFICATE_EXPIRED,
	TLSRPT_CERTIFICATE_NOT_TRUSTED, TLSRPT_VALIDATION_FAILURE, TLSRPT_TLSA_INVALID, TLSRPT_DNSSEC_INVALID, TLSRPT_DANE_REQUIRED,
	TLSRPT_STS_FETCH_ERROR, TLSRPT_STS_INVALID, TLSRPT_STS_WEBPKI_INVALID, TLSRPT_RESULTS };

struct tlsrpt_session {
	struct str domain;             /* lower case */
	enum tlsrpt_type type;
	struct str policy;             /* its lines, as the domain publishes them, a line feed behind each; empty: none */
	enum tlsrpt_result result;
	struct str host, address, own_address; /* of a failure: of the MX, and ours */
	struct str reason;             /* … in our words; one line */
};
struct tlsrpt_failure {
	struct list link;
	enum tlsrpt_result result;
	uint64_t count;
	char *host, *address, *own_address, *reason;
};
struct tlsrpt_tally {
	struct list link;
	int64_t day;                   /* since 1970-01-01 */
	char *domain, *policy;
	enum tlsrpt_type type;
	uint64_t good, bad;
	struct list failures;          /* struct tlsrpt_failure; at most LIMIT_TLSRPT_FAILURES */
	size_t n_failures;
};
struct tlsrpt {
	struct list tallies;           /* struct tlsrpt_tally, the oldest in front */
	size_t n;                      /* at most LIMIT_TLSRPT_TALLIES … */
	size_t held;                   /* … of so many bytes, at most LIMIT_TLSRPT_HELD and one of them */
};
void tlsrpt_init(struct tlsrpt *r);
void tlsrpt_fini(struct tlsrpt *r);
int64_t tlsrpt_day(usec wall);
/* tlsrpt_count - false: there was no room, and what was counted longest ago went for it */
bool tlsrpt_count(struct tlsrpt *r, int64_t day, const struct tlsrpt_session *s);
/* tlsrpt_drop - what was counted for that domain on that day is told, or nobody wants to know */
void tlsrpt_drop(struct tlsrpt *r, int64_t day, struct str domain);

/* tlsrpt_write, tlsrpt_read - the file: lines of words. It is read to the letter or not at all: false, and r is empty */
void tlsrpt_write(const struct tlsrpt *r, struct buf *out);
bool tlsrpt_read(struct tlsrpt *r, struct str text);

struct tlsrpt_about { struct str organization, contact, id; };
/* tlsrpt_report - the report in JSON about what was counted for that domain on that day (RFC 8460 section 4.4); false: nothing */
bool tlsrpt_report(const struct tlsrpt *r, int64_t day, struct str domain, const struct tlsrpt_about *x, struct buf *out);
const char *tlsrpt_result_word(enum tlsrpt_result x);

#endif
