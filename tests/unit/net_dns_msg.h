/* net_dns_msg.h - make DNS messages, good and bad, for the tests of core/net. */
#ifndef TESTS_UNIT_NET_DNS_MSG_H
#define TESTS_UNIT_NET_DNS_MSG_H

#include <string.h>

#include "core/net/dns_codec.h"

struct msg {
	uint8_t p[66000];
	size_t n;
};

static inline void msg_u16(struct msg *m, unsigned v)
{
	m->p[m->n++] = (uint8_t)(v >> 8);
	m->p[m->n++] = (uint8_t)v;
}

static inline void msg_u32(struct msg *m, uint32_t v)
{
	msg_u16(m, v >> 16);
	msg_u16(m, v & 0xffff);
}

static inline void msg_bytes(struct msg *m, const void *p, size_t n)
{
	memcpy(m->p + m->n, p, n);
	m->n += n;
}

/* "@" stands for a pointer to the question's name */
static inline void msg_name(struct msg *m, const char *name)
{
	while (*name && *name != '@') {
		size_t n = strcspn(name, ".");

		m->p[m->n++] = (uint8_t)n;
		msg_bytes(m, name, n);
		name += n + (name[n] == '.');
	}
	if (*name)
		msg_u16(m, 0xc00c);
	else
		m->p[m->n++] = 0;
}

/* a reply: flags 0x8180 is an ordinary good one */
static inline void msg_begin(struct msg *m, unsigned id, unsigned flags, const char *name, enum dns_type type)
{
	m->n = 0;
	msg_u16(m, id);
	msg_u16(m, flags);
	msg_u16(m, 1);
	for (int i = 0; i < 3; i++)
		msg_u16(m, 0);
	msg_name(m, name);
	msg_u16(m, type);
	msg_u16(m, 1);
}

/* section 0 answer, 1 authority, 2 additional */
static inline void msg_count(struct msg *m, int section)
{
	uint8_t *p = m->p + 6 + 2 * section;
	unsigned n = (unsigned)(p[0] << 8 | p[1]) + 1;

	p[0] = (uint8_t)(n >> 8);
	p[1] = (uint8_t)n;
}

static inline size_t msg_rr(struct msg *m, int section, const char *owner, unsigned type, uint32_t ttl)
{
	msg_count(m, section);
	msg_name(m, owner);
	msg_u16(m, type);
	msg_u16(m, 1);
	msg_u32(m, ttl);
	msg_u16(m, 0);
	return m->n;
}

static inline void msg_end(struct msg *m, size_t from)
{
	m->p[from - 2] = (uint8_t)((m->n - from) >> 8);
	m->p[from - 1] = (uint8_t)(m->n - from);
}

static inline void msg_a(struct msg *m, const char *owner, uint32_t ttl, uint32_t address)
{
	size_t at = msg_rr(m, 0, owner, DNS_A, ttl);

	msg_u32(m, address);
	msg_end(m, at);
}

static inline void msg_aaaa(struct msg *m, const char *owner, uint32_t ttl, const uint8_t address[16])
{
	size_t at = msg_rr(m, 0, owner, DNS_AAAA, ttl);

	msg_bytes(m, address, 16);
	msg_end(m, at);
}

/* CNAME, PTR, NS: no preference; MX: with one */
static inline void msg_target(struct msg *m, const char *owner, enum dns_type type, uint32_t ttl, unsigned preference, const char *to)
{
	size_t at = msg_rr(m, 0, owner, type, ttl);

	if (type == DNS_MX)
		msg_u16(m, preference);
	msg_name(m, to);
	msg_end(m, at);
}

static inline void msg_soa(struct msg *m, const char *owner, uint32_t ttl, uint32_t minimum)
{
	size_t at = msg_rr(m, 1, owner, DNS_SOA, ttl);

	msg_name(m, "ns.example");
	msg_name(m, "root.example");
	for (int i = 0; i < 4; i++)
		msg_u32(m, 1);
	msg_u32(m, minimum);
	msg_end(m, at);
}

/* an OPT record with upper bits of the rcode */
static inline void msg_opt(struct msg *m, unsigned upper)
{
	size_t at = msg_rr(m, 2, "", 41, (uint32_t)upper << 24);

	msg_end(m, at);
}

#endif
