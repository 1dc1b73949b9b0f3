/* dns - an asynchronous stub resolver: hosts file, resolv.conf, EDNS0, TCP on truncation, random ids and a new random
 * port for every query, answers checked against server, port, id and question (threats G1-G6), a cache that obeys TTLs
 * (negative answers too, RFC 2308).
 *
 * A missing resolv.conf means 127.0.0.1. Both files are read again when they change. Name servers are asked in order
 * with a short first wait. SERVFAIL, REFUSED and silence are DNS_AGAIN: callers defer, they never bounce on them. */
#ifndef CORE_NET_DNS_H
#define CORE_NET_DNS_H

#include "core/base/arena.h"
#include "core/base/limits.h"
#include "core/base/ipaddr.h"
#include "core/net/loop.h"

enum dns_type { DNS_A = 1, DNS_NS = 2, DNS_CNAME = 5, DNS_SOA = 6, DNS_PTR = 12, DNS_MX = 15, DNS_TXT = 16, DNS_AAAA = 28,
	DNS_SRV = 33, DNS_DS = 43, DNS_NSEC3PARAM = 51, DNS_TLSA = 52, DNS_CAA = 257,
	/* or-ed to one of them: the answer even if its signatures are wrong (CD, RFC 4035 3.2.2); whether they are right (DO and AD),
	 * as dns_options.dnssec says for all questions. Such a question has an answer and a place in the cache of its own */
	DNS_UNCHECKED = 1 << 16, DNS_PROVEN = 1 << 17 };
enum dns_status { DNS_OK, DNS_NODATA /* the name exists, not this type */, DNS_NXDOMAIN, DNS_AGAIN };

struct dns_record {
	enum dns_type type;
	char name[256];        /* owner, lower case, without the last dot; "" = root */
	uint32_t ttl;          /* seconds left */
	uint16_t preference;   /* MX, SRV priority */
	uint16_t weight, port; /* SRV */
	char target[256];      /* MX, CNAME, PTR, NS, SRV: lower case, no last dot; "" = root (null MX) */
	struct ipaddr address; /* A, AAAA */
	uint8_t *data;         /* TXT (strings joined), TLSA, CAA, DS, NSEC3PARAM: raw; SOA: its five numbers (target is the server) */
	uint16_t data_n;
};
/* of the signatures that came with the records, the one that lasts longest (RFC 4034 3.1.5, Unix time); and the highest number
 * of an algorithm among them. Not verified here. algorithm 0: none came */
struct dns_signature { uint32_t from, until; uint8_t algorithm; };
struct dns_answer {
	enum dns_status status;
	bool authentic;        /* AD bit from a resolver on loopback or with `trust-ad` */
	bool from_hosts, from_cache;
	bool authoritative;    /* dns_ask_at: the server is one of the zone's (AA) */
	bool endless;          /* DNS_NXDOMAIN because its aliases never end */
	int rcode, error;      /* what the last server said; 0 and DNS_AGAIN: nothing, and errno says why (0: silence) */
	struct dns_signature signature;
	struct dns_record *records; /* of the type asked, aliases followed; at most LIMIT_DNS_RECORDS */
	size_t n;
	char canonical[256];   /* owner of the records: differs from the name asked when it is an alias */
	char why[160];         /* "Name service error for name=x type=MX: Host not found, try again" (Postfix's words) */
};
struct dns;
struct dns_query;
typedef void (*dns_fn)(void *ctx, const struct dns_answer *a); /* a is valid during the call */

struct dns_options {
	const char *resolv_conf;   /* NULL: /etc/resolv.conf */
	const char *hosts;         /* NULL: /etc/hosts */
	const char *server;        /* "ip" or "ip:port" or "[ip6]:port", or a list: instead of resolv.conf; NULL: none */
	bool no_cache;
	bool dnssec;               /* set the DO bit and AD (mxcheck, DANE) */
	bool trust_ad;             /* believe the AD bit of servers that are not on loopback, too (mxcheck, which only tells) */
};
bool dns_is_servers(struct str text);      /* may it be `server`? */
struct dns *dns_new(struct loop *l, const struct dns_options *o);
void dns_free(struct dns *d);              /* forgets all queries; not from inside a callback */
/* dns_ask - one question. fn is always called exactly once, never from inside dns_ask. The result may be cancelled. */
struct dns_query *dns_ask(struct dns *d, struct str name, enum dns_type type, dns_fn fn, void *ctx);
/* dns_ask_at - ask this server and no other, what it knows itself (no recursion): a referral's NS and address records answer
 * a question for them. Nothing is taken from the cache or put there. When nobody ever answers, further questions are not sent:
 * error is ECANCELED then */
struct dns_server;
struct dns_query *dns_ask_at(struct dns *d, const struct dns_server *at, struct str name, enum dns_type type, dns_fn fn, void *ctx);
const char *dns_failure(int rcode, int error); /* why an answer is DNS_AGAIN, in a few words */
void dns_cancel(struct dns_query *q);      /* fn will not be called (again: inside fn it does nothing). NULL: nothing */

/* dns_forget - the next question for the name's addresses or MX asks a server, also where they are another name's by an alias.
 * A question that is on its way already is not asked twice */
void dns_forget(struct dns *d, struct str name);
void dns_forget_all(struct dns *d);
size_t dns_remembered(const struct dns *d, size_t *bytes);     /* answers in the cache, and what they hold */
/* dns_proves - may every server that is asked be believed when it says that an answer is authentic? */
bool dns_proves(struct dns *d);

/* dns_addresses - all addresses of a host: an address literal itself, the hosts file, A and AAAA by `families` (1 = IPv4,
 * 2 = IPv6, 3 = both). Each answer rotates the order within a family (round robin). DNS_NATIVE is what getaddrinfo(3) does: the
 * search list of resolv.conf as well, by its ndots; the first name that has an address counts. */
enum dns_source { DNS_ONLY, DNS_HOSTS /* the hosts file first */, DNS_NATIVE };
struct dns_addresses {
	enum dns_status status;    /* DNS_OK when n > 0 */
	struct ipaddr v[LIMIT_DNS_RECORDS];
	size_t n;
	bool authentic;
	char why[160];
};
typedef void (*dns_addresses_fn)(void *ctx, const struct dns_addresses *a);
struct dns_query *dns_lookup_host(struct dns *d, struct str host, int families, enum dns_source from, dns_addresses_fn fn, void *ctx);
/* dns_lookup_name - verified host name of an address: PTR, then forward; "unknown" if either fails.
 * status: DNS_OK verified, DNS_NODATA no or wrong name (why says "hostname H does not resolve to address IP"), DNS_AGAIN */
typedef void (*dns_name_fn)(void *ctx, enum dns_status status, const char *name, const char *why);
struct dns_query *dns_lookup_name(struct dns *d, const struct ipaddr *a, dns_name_fn fn, void *ctx);

/* --- the codec: pure, fuzzed ------------------------------------------------------------------------------------ */
size_t dns_build_query(uint8_t out[512], uint16_t id, struct str name, enum dns_type type, bool dnssec); /* 0: not a name */
/* dns_parse_reply - 0 and records of `type` (CNAME chain followed) in the arena; -1: not an answer to this question */
int dns_parse_reply(struct arena *a, const uint8_t *p, size_t n, uint16_t id, struct str name, enum dns_type type,
	struct dns_answer *out, uint32_t *ttl, bool *truncated);

#endif
