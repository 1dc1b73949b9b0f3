/* match - Postfix's pattern lists: mynetworks, mydestination, relay_domains … (features.md section 4.5, lists).
 *
 * Elements: text, !element, /file (its lines are elements), type:table (a hit matches, its value is ignored). First
 * match wins. Addresses: net/prefix, address, [v6]/prefix. Domains: the name itself; with `parents`, also its
 * subdomains; `.example.com` matches subdomains only. */
#ifndef CORE_MAP_MATCH_H
#define CORE_MAP_MATCH_H

#include <netinet/in.h>
#include <sys/socket.h>

#include "core/map/map.h"

/* an address that matching understands: IPv4 is kept as IPv4; IPv4-mapped IPv6 is turned into IPv4 at parse */
struct ipaddr {
	int family;            /* AF_INET, AF_INET6, AF_UNSPEC (none) */
	uint8_t b[16];         /* network order; IPv4 in b[0..3] */
};
bool ipaddr_parse(struct str s, struct ipaddr *out);           /* "1.2.3.4", "::1", "[::1]", "IPv6:::1" */
void ipaddr_from_sockaddr(const struct sockaddr *sa, struct ipaddr *out);
/* ipaddr_to_sockaddr - for connect and bind; the length that counts */
socklen_t ipaddr_to_sockaddr(const struct ipaddr *a, uint16_t port, struct sockaddr_storage *out);
void ipaddr_format(const struct ipaddr *a, char out[46]);
bool ipaddr_eq(const struct ipaddr *a, const struct ipaddr *b);
bool ipaddr_is_loopback(const struct ipaddr *a);

struct match;
enum match_kind { MATCH_HOSTS, MATCH_DOMAINS, MATCH_DOMAINS_PARENTS };
struct match *match_open(enum match_kind kind, const char *list, struct buf *why); /* NULL with why */
void match_close(struct match *m);
enum map_answer match_domain(struct match *m, struct str domain);      /* MAP_FOUND / MAP_NONE / MAP_ERROR */
enum map_answer match_address(struct match *m, const struct ipaddr *a);/* MATCH_HOSTS */
void match_refresh(struct match *m, usec now_mono);

#endif
