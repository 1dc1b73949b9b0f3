/* match - Postfix's pattern lists: mynetworks, mydestination, relay_domains … (docs/postfix-semantics.md, lists).
 *
 * Elements: text, !element, /file (its lines are elements), type:table (a hit matches, its value is ignored). First
 * match wins. Addresses: net/prefix, address, [v6]/prefix. Domains: the name itself; with `parents`, also its
 * subdomains; `.example.com` matches subdomains only. */
#ifndef CORE_MAP_MATCH_H
#define CORE_MAP_MATCH_H

#include "core/base/ipaddr.h"
#include "core/map/map.h"

struct match;
enum match_kind { MATCH_HOSTS, MATCH_DOMAINS, MATCH_DOMAINS_PARENTS };
struct match *match_open(enum match_kind kind, const char *list, struct buf *why); /* NULL with why */
void match_close(struct match *m);
enum map_answer match_domain(struct match *m, struct str domain);      /* MAP_FOUND / MAP_NONE / MAP_ERROR */
enum map_answer match_address(struct match *m, const struct ipaddr *a);/* MATCH_HOSTS */
void match_refresh(struct match *m, usec now_mono);

#endif
