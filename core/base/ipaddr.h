/* ipaddr - addresses and networks as bytes. A network is `address` or `net/prefix`, with [brackets] allowed around an address
 * (cidr_table(5), mynetworks); bits after the prefix must be zero, and the error says what to write instead. */
#ifndef CORE_BASE_IPADDR_H
#define CORE_BASE_IPADDR_H

#include <netinet/in.h>
#include <sys/socket.h>

#include "core/base/buf.h"

/* one address: IPv4 is kept as IPv4; IPv4-mapped IPv6 is turned into IPv4 at parse */
struct ipaddr {
	int family;            /* AF_INET, AF_INET6, AF_UNSPEC (none) */
	uint8_t b[16];         /* network order; IPv4 in b[0..3] */
};
bool ipaddr_parse(struct str s, struct ipaddr *out);           /* "1.2.3.4", "::1", "[::1]", "IPv6:::1" */
void ipaddr_from_bytes(const void *p, size_t n, struct ipaddr *out);   /* 4 or 16 of them, in network order */
void ipaddr_from_sockaddr(const struct sockaddr *sa, struct ipaddr *out);
/* ipaddr_to_sockaddr - for connect and bind; the length that counts */
socklen_t ipaddr_to_sockaddr(const struct ipaddr *a, uint16_t port, struct sockaddr_storage *out);
void ipaddr_format(const struct ipaddr *a, char out[46]);
bool ipaddr_eq(const struct ipaddr *a, const struct ipaddr *b);
bool ipaddr_is_loopback(const struct ipaddr *a);
bool ipaddr_is_nowhere(const struct ipaddr *a);                /* "this host" of RFC 1122, 3.2.1.3: 0.0.0.0/8; and :: */
bool ipaddr_is_public(const struct ipaddr *a);                 /* everybody may reach it (ipaddr_public.c) */
/* ipaddr_inner - the IPv4 address that a translator sends this IPv6 one to: NAT64 (RFC 6052), 6to4 (RFC 3056), compatible (RFC 4291).
 * false: none. For the question where mail comes out, never for rights: who says that he is such an address need not be the other */
bool ipaddr_inner(const struct ipaddr *a, struct ipaddr *out);

struct network {
	struct ipaddr net;
	unsigned prefix;
};
bool network_parse(struct str s, struct network *out, struct buf *why);
bool network_has(const struct network *n, const struct ipaddr *a);

#endif
