/* dns_cache - replies as they came, for as long as they may be remembered; the least recently used goes first. */
#ifndef CORE_NET_DNS_CACHE_H
#define CORE_NET_DNS_CACHE_H

#include "core/base/clock.h"
#include "core/base/hash.h"
#include "core/base/list.h"

struct dns_cached {
	struct list lru;
	usec stored, expires;  /* monotonic */
	bool authentic;
	size_t n;
	char *key;
	uint8_t wire[];
};
struct dns_cache {
	struct table entries;
	struct list lru;       /* oldest first */
	size_t count, bytes;
};
void dns_cache_init(struct dns_cache *c);
void dns_cache_fini(struct dns_cache *c);
void dns_cache_clear(struct dns_cache *c);
const struct dns_cached *dns_cache_find(struct dns_cache *c, const char *key, usec now); /* NULL: not known, or no longer */
void dns_cache_remove(struct dns_cache *c, const char *key); /* nothing when it is not known */
void dns_cache_add(struct dns_cache *c, const char *key, const uint8_t *wire, size_t n, bool authentic, usec now, uint32_t ttl);

#endif
