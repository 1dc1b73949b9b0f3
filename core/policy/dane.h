/* dane - what the DNS says about a server's certificate (RFC 6698, 7671, 7672): TLSA records one by one, and which of them, if any,
 * count for a host. The latter is a machine without a network: it names a question, is given the answer, and so on until it knows.
 *
 * Nothing is believed that is not proven: whoever gives the answers sets `authentic` only where a validating resolver said so. A
 * question without an answer (DNS_AGAIN) fails the host; it never means that there are no records. */
#ifndef CORE_POLICY_DANE_H
#define CORE_POLICY_DANE_H

#include "core/net/dns.h"
#include "core/net/tls.h"

/* --- records --------------------------------------------------------------------------------------------------------- */

struct tlsa { uint8_t usage, selector, matching; const uint8_t *data; size_t n; };
/* tlsa_parse - NULL: fine; else why SMTP clients pass it over: usages 0 and 1, unknown numbers, digests of a wrong length */
const char *tlsa_parse(const uint8_t *p, size_t n, struct tlsa *out);
/* tlsa_matches - usage 3: the first certificate; usage 2: one behind it that the first is validly signed under. `name_ok`:
 * the certificate is for the host, which usage 2 asks for and usage 3 does not */
bool tlsa_matches(const struct tlsa *t, const struct tls_link *chain, size_t n, bool name_ok);
/* tlsa_counts - false: v has a stronger digest for the same usage and selector, and this one is passed over (RFC 7671 9) */
bool tlsa_counts(const struct tlsa *v, size_t n, size_t i);

/* --- a host ---------------------------------------------------------------------------------------------------------- */

struct dane_site {
	struct str nexthop;    /* the domain whose MX records, or their absence, led to the host; empty: none were looked for */
	struct str host;       /* empty: there is no name, the next hop is an address or a socket */
	enum dns_type address; /* DNS_A or DNS_AAAA: what the connection is to */
	uint16_t port;
	bool only;             /* level dane-only: without usable records nothing is sent */
};
enum dane_result { DANE_MAY /* no proven records: TLS if there is any */, DANE_ENCRYPT /* none is usable: TLS with whomever */,
	DANE_MATCH /* one of v must match */, DANE_FAILED /* nothing is sent to this host now, by `why` */ };
struct dane {
	enum dane_stage { DANE_ASKS_MX, DANE_ASKS_ADDRESS, DANE_ASKS_EXPANDED, DANE_ASKS_HOST, DANE_SETTLED } stage;
	enum dane_result result;       /* when settled */
	char why[400];
	struct tlsa *v;                /* usable records; owned, and so is their data */
	size_t n;
	char base[256];                /* whose records they are: what the server is asked for (SNI) */
	/* names that its certificate may have, for usage 2: the base, and the next hop as written and without aliases. "" = none */
	char nexthop[256], expanded_nexthop[256];
	/* the rest is the machine's */
	char host[256], expanded[256];
	enum dns_type address;
	uint16_t port;
	bool only;
};
void dane_begin(struct dane *x, const struct dane_site *site);         /* to be ended with dane_fini */
/* dane_next - the next question; false: it is settled */
bool dane_next(const struct dane *x, char name[300], enum dns_type *type);
void dane_answer(struct dane *x, const struct dns_answer *a);
void dane_fini(struct dane *x);
/* dane_names - the names of x that are there; how many */
size_t dane_names(const struct dane *x, const char *out[3]);
/* dane_matches - does a record of x stand for this chain? name_ok: its first certificate is for one of dane_names */
bool dane_matches(const struct dane *x, const struct tls_link *chain, size_t n, bool name_ok);

#endif
