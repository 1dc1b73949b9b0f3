/* hash - tables keyed by text or by number, seeded per process (SipHash-2-4) so that peers cannot pick collisions.
 *
 * table: text -> pointer; copies its keys, borrows its values. idmap: uint64 (never 0) -> pointer. */
#ifndef CORE_BASE_HASH_H
#define CORE_BASE_HASH_H

#include "core/base/str.h"

uint64_t hash_bytes(const void *p, size_t n);
uint64_t hash_siphash(uint64_t k0, uint64_t k1, const void *p, size_t n); /* with a key of one's own: same result everywhere */

struct table_slot;
struct table {
	struct table_slot *slots;
	size_t n, cap, used;
};
void table_init(struct table *t);
void table_fini(struct table *t);                                    /* frees keys, not values */
void *table_find(const struct table *t, struct str key);             /* NULL if absent */
void table_add(struct table *t, struct str key, void *value);        /* value != NULL; replaces */
void *table_take(struct table *t, struct str key);                   /* remove and return; NULL if absent */
/* table_each - walk: start with *cursor = 0; false at the end. Removing the current key is allowed. */
bool table_each(const struct table *t, size_t *cursor, struct str *key, void **value);

struct idmap {
	struct idmap_slot { uint64_t key; void *value; } *slots;
	size_t n, cap, used;
};
void idmap_init(struct idmap *m);
void idmap_fini(struct idmap *m);
void *idmap_find(const struct idmap *m, uint64_t key);
void idmap_add(struct idmap *m, uint64_t key, void *value);
void *idmap_take(struct idmap *m, uint64_t key);
bool idmap_each(const struct idmap *m, size_t *cursor, uint64_t *key, void **value); /* as table_each */

#endif
