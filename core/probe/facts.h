/* facts - what DNS says, asked once: the checks of mxcheck are written as if every answer were there already.
 *
 * A check asks for a fact and gets NULL when it is not known yet; then it returns, the question goes out, and the check runs
 * again from its beginning when the answer came. So a check is a plain function without states or callbacks, however long
 * the chain of its questions is, and a test gives it a table instead of a network. The cost is a few repeated steps over
 * memory; a resolver's answer takes a thousand times longer. */
#ifndef CORE_PROBE_FACTS_H
#define CORE_PROBE_FACTS_H

#include "core/base/arena.h"
#include "core/net/dns.h"

struct fact {
	struct fact *next;
	const char *name;
	enum dns_type type;            /* perhaps with DNS_UNCHECKED */
	struct ipaddr at;              /* who is asked, without recursion; AF_UNSPEC: the resolver */
	bool known;
	enum dns_status status;
	bool authentic;                /* validated by the resolver */
	bool authoritative;            /* this and the next as in struct dns_answer */
	int rcode, error;
	struct dns_signature signature;
	const struct dns_record *records; /* in an order of their own: servers turn theirs, and what is told must not turn */
	size_t n;
};

struct facts {
	struct arena arena;
	struct fact *first;
	size_t n;
	unsigned missing;              /* counts up with each fact that was wanted and is not known */
	/* ask - find out: facts_learn follows, later or at once. NULL: nothing more is learned */
	void (*ask)(void *ctx, struct fact *f);
	void *ctx;
};

void facts_init(struct facts *f, void (*ask)(void *ctx, struct fact *f), void *ctx);
void facts_fini(struct facts *f);
/* facts_get - NULL: not known yet. Past LIMIT_PROBE_FACTS, and for what is no name, the answer is DNS_AGAIN or NXDOMAIN */
const struct fact *facts_get(struct facts *f, const char *name, enum dns_type type);
const struct fact *facts_get_at(struct facts *f, const struct ipaddr *at, const char *name, enum dns_type type);
void facts_learn(struct facts *f, struct fact *x, const struct dns_answer *a);
struct str fact_text(const struct fact *x, size_t i);          /* a TXT record */
/* dns names that are made of addresses: "4.3.2.1" + zone, nibbles for IPv6 */
void fact_reverse(const struct ipaddr *a, const char *zone, char out[256]);

#endif
