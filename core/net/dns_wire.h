/* dns_wire - the parts of a DNS message (RFC 1035 section 4): numbers, names, the head of a record. Shared by dns_codec.c and dns_record.c. */
#ifndef CORE_NET_DNS_WIRE_H
#define CORE_NET_DNS_WIRE_H

#include "core/net/dns_codec.h"

enum { DNS_HEADER = 12 };

struct dns_reader {            /* of a whole message, for names point back */
	const uint8_t *p;
	size_t n, at;
	bool bad;              /* it was not what it should be; stays so */
};

struct dns_name {
	char text[256];
	bool odd;      /* holds bytes that text cannot show */
};

struct dns_rr {
	struct dns_name owner;
	unsigned type, class;
	uint32_t ttl;
	size_t data, data_n;   /* where in the message; within it unless the reader is bad */
};

static inline void dns_put16(uint8_t *p, unsigned v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

static inline unsigned dns_get16(const uint8_t *p)
{
	return (unsigned)p[0] << 8 | p[1];
}

static inline uint32_t dns_get32(const uint8_t *p)
{
	return (uint32_t)dns_get16(p) << 16 | dns_get16(p + 2);
}

size_t dns_put_name(uint8_t *p, struct str name);             /* a clean name (dns_name_clean); bytes written */
void dns_read_name(struct dns_reader *r, struct dns_name *out); /* compressed or not; r is behind it then */
void dns_read_rr(struct dns_reader *r, struct dns_rr *rr);      /* the same of a record */
/* dns_rr_name - a name in the data that must fill it from `skip` on; false: malformed */
bool dns_rr_name(const struct dns_reader *r, const struct dns_rr *rr, size_t skip, struct dns_name *out);

/* --- dns_record.c --- */
bool dns_type_is_known(enum dns_type t);
/* dns_read_record - rr as a record of a type that is known; what it points at is in the arena. False: malformed, or no memory. *odd: well
 * formed, but of no use as text */
bool dns_read_record(struct arena *a, const struct dns_reader *r, const struct dns_rr *rr, struct dns_record *out, bool *odd);

#endif
