/* dns_codec - what dns.c needs to know of a reply beyond dns_parse_reply (dns.h). Names are read in dns_wire.c, records in dns_record.c. */
#ifndef CORE_NET_DNS_CODEC_H
#define CORE_NET_DNS_CODEC_H

#include "core/net/dns.h"

enum { DNS_QUERY_MAX = 512, DNS_UDP_SIZE = 1232 };
enum dns_rcode { DNS_RCODE_OK = 0, DNS_RCODE_FORMERR = 1, DNS_RCODE_SERVFAIL = 2, DNS_RCODE_NXDOMAIN = 3, DNS_RCODE_NOTIMP = 4,
	DNS_RCODE_REFUSED = 5, DNS_RCODE_MALFORMED = -1 };

struct dns_reply {
	int rcode;             /* with EDNS's upper bits; DNS_RCODE_MALFORMED: it is for us, but cannot be read */
	bool truncated;
	bool authentic, authoritative; /* AD, AA as the server sent it */
	bool negative_proof;   /* an SOA came with "no": asking on for the alias's target would be in vain */
	uint32_t ttl;          /* how long this may be remembered; 0: not at all */
};
/* dns_decode - as dns_parse_reply, with the details. out->why is left alone */
int dns_decode(struct arena *a, const uint8_t *p, size_t n, uint16_t id, struct str name, enum dns_type type,
	struct dns_answer *out, struct dns_reply *r);
/* dns_encode - as dns_build_query, with EDNS or without */
size_t dns_encode(uint8_t out[DNS_QUERY_MAX], uint16_t id, struct str name, enum dns_type type, bool edns, bool dnssec, bool recursion);
/* dns_name_clean - lower case, without the last dot; false: not a name (labels of 1 to 63 printable bytes, 253 in all) */
bool dns_name_clean(struct str name, char out[256]);
const char *dns_type_name(enum dns_type t);
/* dns_explain - fill a->why in Postfix's words, from a->status */
void dns_explain(struct dns_answer *a, const char *name, enum dns_type type);

#endif
