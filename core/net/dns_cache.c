/* dns_cache.c - see dns_cache.h. Keeping wire form costs one parse per hit and saves a second representation. */
#include "core/net/dns_cache.h"

#include "core/base/limits.h"
#include "core/base/mem.h"

void dns_cache_init(struct dns_cache *c)
{
	*c = (struct dns_cache){ 0 };
	table_init(&c->entries);
	list_init(&c->lru);
}

static void drop(struct dns_cache *c, struct dns_cached *e)
{
	table_take(&c->entries, str_of(e->key));
	list_remove(&e->lru);
	c->count--;
	c->bytes -= e->n;
	mem_free(e->key);
	mem_free(e);
}

void dns_cache_clear(struct dns_cache *c)
{
	while (!list_is_empty(&c->lru))
		drop(c, LIST_ITEM(list_first(&c->lru), struct dns_cached, lru));
}

void dns_cache_fini(struct dns_cache *c)
{
	dns_cache_clear(c);
	table_fini(&c->entries);
}

const struct dns_cached *dns_cache_find(struct dns_cache *c, const char *key, usec now)
{
	struct dns_cached *e = table_find(&c->entries, str_of(key));

	if (!e)
		return NULL;
	if (e->expires <= now) {
		drop(c, e);
		return NULL;
	}
	list_remove(&e->lru);
	list_append(&c->lru, &e->lru);
	return e;
}

void dns_cache_remove(struct dns_cache *c, const char *key)
{
	struct dns_cached *e = table_find(&c->entries, str_of(key));

	if (e)
		drop(c, e);
}

void dns_cache_add(struct dns_cache *c, const char *key, const uint8_t *wire, size_t n, bool authentic, usec now, uint32_t ttl)
{
	struct dns_cached *e = table_find(&c->entries, str_of(key));

	if (e)
		drop(c, e);
	if (ttl == 0)
		return;
	e = mem_alloc(sizeof(*e) + n);
	e->stored = now;
	e->expires = now + (usec)ttl * USEC_PER_SEC;
	e->authentic = authentic;
	e->n = n;
	e->key = mem_dupz(key);
	memcpy(e->wire, wire, n);
	table_add(&c->entries, str_of(key), e);
	list_append(&c->lru, &e->lru);
	c->count++;
	c->bytes += n;
	while (c->count > LIMIT_DNS_CACHE || c->bytes > LIMIT_DNS_CACHE_BYTES)
		drop(c, LIST_ITEM(list_first(&c->lru), struct dns_cached, lru));
}
