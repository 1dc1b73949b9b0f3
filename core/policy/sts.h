/* sts - the MTA-STS policies of the domains that we send to (RFC 8461), one keeper for all: asked for when a domain is first sent to,
 * in force for as long as the policy says, whatever becomes of its web server meanwhile, looked up again when its TXT record may have
 * changed, and fetched anew long before it ends. They are in a file that outlives us (sts_file.c).
 *
 * Who sends asks sts_find. Where that knows enough nobody waits; else one lookup, and at most one fetch, bounded by LIMIT_STS_TIME,
 * stands between a domain and its first message. What cannot be had is no policy: the standard has no other answer (section 3.3). */
#ifndef CORE_POLICY_STS_H
#define CORE_POLICY_STS_H

#include "core/base/pool.h"
#include "core/net/dns.h"
#include "core/net/tls.h"
#include "core/policy/sts_policy.h"

struct sts;
struct sts_options {
	struct loop *loop;
	struct dns *dns;
	struct pool *pool;             /* writes the file; NULL: nobody else, it is written at once */
	const char *file;              /* NULL: nothing outlives us */
	uint16_t port;                 /* of the web servers; FETCH_HTTPS but in tests */
};
struct sts *sts_new(const struct sts_options *o);
void sts_free(struct sts *s);          /* nobody is told; NULL: nothing */

/* a domain's policy, as far as it counts now */
struct sts_known {
	enum sts_mode mode;            /* STS_NO_MODE: there is none, or `why` it could not be had */
	struct str text;               /* "mode: enforce\n…", for sts_policy_parse; a view, until the keeper is called again */
	usec until;                    /* wall: it ends */
	enum sts_failure { STS_FINE, STS_NOT_FETCHED, STS_NOT_VALID, STS_NOT_PROVEN /* its web server */ } failure;
	const char *why;               /* why the last attempt to have it failed; "": it did not. A view, too */
};
/* sts_find - true: *out is what is known; of a name that no policy can be announced for that there is none. False: nothing is, and
 * somebody has to ask. domain: of the MX records. tls: who is trusted with what has to be fetched */
bool sts_find(struct sts *s, struct str domain, struct tls_context *tls, struct sts_known *out);
struct sts_wait;
/* fn - sts_find is true now. Never from inside of sts_ask */
typedef void (*sts_fn)(void *ctx);
/* sts_ask - where sts_find was false. NULL: too many domains are being asked about */
struct sts_wait *sts_ask(struct sts *s, struct str domain, struct tls_context *tls, sts_fn fn, void *ctx);
/* sts_begin - the same, and nobody waits for it */
void sts_begin(struct sts *s, struct str domain, struct tls_context *tls);
void sts_cancel(struct sts_wait *w);
/* sts_doubt - mail waits because of this policy: the next question to DNS does not wait for its time (section 5.1) */
void sts_doubt(struct sts *s, struct str domain);

/* --- the file: pure, fuzzed --------------------------------------------------------------------------------------------- */

/* "relaybox sts 1", a line for each domain, "end": DOMAIN ID FETCHED MODE MAX_AGE PATTERN …, between single blanks; FETCHED in seconds */
struct sts_line {
	struct str domain, id;
	usec fetched;                  /* wall */
	struct str text;               /* in the words of a policy, for sts_policy_parse, which has read it */
	const struct sts_policy *policy;
};
void sts_file_begin(struct buf *out);
void sts_file_add(struct buf *out, const struct sts_line *x);
void sts_file_end(struct buf *out);
/* sts_file_read - false: some of it is wrong, and fn may have been told of what stood before it */
bool sts_file_read(struct str text, void (*fn)(void *ctx, const struct sts_line *x), void *ctx);
/* sts_policy_write - as sts_policy_parse reads it */
void sts_policy_write(const struct sts_policy *p, struct buf *out);

#endif
