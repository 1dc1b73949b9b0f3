/* hash - see hash.h. Open addressing with linear probing; a removed entry leaves a mark, so that a walk may remove what
 * it stands on. Marks go when the table is rebuilt. SipHash-2-4: Aumasson and Bernstein, 2012. */
#include "core/base/hash.h"

#include <endian.h>
#include <pthread.h>

#include "core/base/mem.h"
#include "core/base/random.h"

enum { HASH_FIRST = 16 };

static uint64_t seed[2];
static pthread_once_t seed_once = PTHREAD_ONCE_INIT;

static void make_seed(void)
{
	random_bytes(seed, sizeof(seed));
}

static inline uint64_t rotl(uint64_t x, int b)
{
	return x << b | x >> (64 - b);
}

static inline void sip_round(uint64_t v[4])
{
	v[0] += v[1];
	v[1] = rotl(v[1], 13) ^ v[0];
	v[0] = rotl(v[0], 32);
	v[2] += v[3];
	v[3] = rotl(v[3], 16) ^ v[2];
	v[0] += v[3];
	v[3] = rotl(v[3], 21) ^ v[0];
	v[2] += v[1];
	v[1] = rotl(v[1], 17) ^ v[2];
	v[2] = rotl(v[2], 32);
}

static uint64_t little64(const unsigned char *p, size_t n)
{
	uint64_t x = 0;

	while (n--)
		x = x << 8 | p[n];
	return x;
}

static inline uint64_t load64(const unsigned char *p)
{
	uint64_t x;

	memcpy(&x, p, sizeof(x));
	return le64toh(x);
}

uint64_t hash_siphash(uint64_t k0, uint64_t k1, const void *data, size_t n)
{
	const unsigned char *p = data;
	uint64_t v[4] = { k0 ^ 0x736f6d6570736575u, k1 ^ 0x646f72616e646f6du, k0 ^ 0x6c7967656e657261u,
		k1 ^ 0x7465646279746573u };
	uint64_t last = (uint64_t)n << 56;

	for (; n >= 8; p += 8, n -= 8) {
		uint64_t m = load64(p);

		v[3] ^= m;
		sip_round(v);
		sip_round(v);
		v[0] ^= m;
	}
	last |= little64(p, n);
	v[3] ^= last;
	sip_round(v);
	sip_round(v);
	v[0] ^= last;
	v[2] ^= 0xff;
	for (int i = 0; i < 4; i++)
		sip_round(v);
	return v[0] ^ v[1] ^ v[2] ^ v[3];
}

uint64_t hash_bytes(const void *p, size_t n)
{
	pthread_once(&seed_once, make_seed);
	return hash_siphash(seed[0], seed[1], p, n);
}

/* --- table: text -> pointer ----------------------------------------------------------------------------------- */

struct table_slot {
	uint64_t hash;
	char *key;      /* NULL and value NULL: empty; NULL and value set: removed */
	size_t key_len;
	void *value;
};

static char removed;
#define REMOVED ((void *)&removed)

void table_init(struct table *t)
{
	*t = (struct table){ 0 };
}

void table_fini(struct table *t)
{
	for (size_t i = 0; i < t->cap; i++)
		mem_free(t->slots[i].key);
	mem_free(t->slots);
	table_init(t);
}

static struct table_slot *table_slot(const struct table *t, struct str key, uint64_t hash)
{
	if (!t->cap)
		return NULL;
	for (size_t i = hash & (t->cap - 1);; i = (i + 1) & (t->cap - 1)) {
		struct table_slot *s = &t->slots[i];

		if (s->key && s->hash == hash && str_eq(str_make(s->key, s->key_len), key))
			return s;
		if (!s->key && !s->value)
			return NULL;
	}
}

static struct table_slot *table_free_slot(const struct table *t, uint64_t hash)
{
	size_t i = hash & (t->cap - 1);

	while (t->slots[i].key || t->slots[i].value)
		i = (i + 1) & (t->cap - 1);
	return &t->slots[i];
}

static size_t capacity_for(size_t n)
{
	size_t cap = HASH_FIRST;

	while (cap < n * 2)
		cap *= 2;
	return cap;
}

static void table_rebuild(struct table *t)
{
	struct table_slot *old = t->slots;
	size_t old_cap = t->cap;

	t->cap = capacity_for(t->n + 1);
	t->slots = mem_alloc(t->cap * sizeof(*t->slots));
	t->used = t->n;
	for (size_t i = 0; i < old_cap; i++)
		if (old[i].key)
			*table_free_slot(t, old[i].hash) = old[i];
	mem_free(old);
}

void *table_find(const struct table *t, struct str key)
{
	struct table_slot *s = t->n ? table_slot(t, key, hash_bytes(key.p, key.n)) : NULL;

	return s ? s->value : NULL;
}

void table_add(struct table *t, struct str key, void *value)
{
	uint64_t hash = hash_bytes(key.p, key.n);
	struct table_slot *s = table_slot(t, key, hash);

	if (!value)
		BUG("table value is NULL");
	if (s) {
		s->value = value;
		return;
	}
	if ((t->used + 1) * 4 > t->cap * 3)
		table_rebuild(t);
	s = table_free_slot(t, hash);
	*s = (struct table_slot){ hash, str_dup(key), key.n, value };
	t->n++;
	t->used++;
}

void *table_take(struct table *t, struct str key)
{
	struct table_slot *s = t->n ? table_slot(t, key, hash_bytes(key.p, key.n)) : NULL;
	void *value;

	if (!s)
		return NULL;
	value = s->value;
	mem_free(s->key);
	*s = (struct table_slot){ .value = REMOVED };
	t->n--;
	return value;
}

bool table_each(const struct table *t, size_t *cursor, struct str *key, void **value)
{
	while (*cursor < t->cap) {
		struct table_slot *s = &t->slots[(*cursor)++];

		if (!s->key)
			continue;
		*key = str_make(s->key, s->key_len);
		*value = s->value;
		return true;
	}
	return false;
}

/* --- idmap: number -> pointer ----------------------------------------------------------------------------------- */

/* a keyed mix is enough for numbers that peers do not choose */
static uint64_t mix(uint64_t x)
{
	x ^= seed[0];
	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
	x = (x ^ x >> 27) * 0x94d049bb133111ebu;
	return x ^ x >> 31;
}

void idmap_init(struct idmap *m)
{
	pthread_once(&seed_once, make_seed);
	*m = (struct idmap){ 0 };
}

void idmap_fini(struct idmap *m)
{
	mem_free(m->slots);
	idmap_init(m);
}

/* idmap_place - index of key, or of the empty slot that ends its run */
static size_t idmap_place(const struct idmap *m, uint64_t key)
{
	size_t i = mix(key) & (m->cap - 1);

	while (m->slots[i].key != key && (m->slots[i].key || m->slots[i].value))
		i = (i + 1) & (m->cap - 1);
	return i;
}

static void idmap_rebuild(struct idmap *m)
{
	struct idmap old = *m;

	m->cap = capacity_for(m->n + 1);
	m->slots = mem_alloc(m->cap * sizeof(*m->slots));
	m->used = m->n;
	for (size_t i = 0; i < old.cap; i++)
		if (old.slots[i].key)
			m->slots[idmap_place(m, old.slots[i].key)] = old.slots[i];
	mem_free(old.slots);
}

void *idmap_find(const struct idmap *m, uint64_t key)
{
	if (!m->n || !key)
		return NULL;
	return m->slots[idmap_place(m, key)].value;
}

void idmap_add(struct idmap *m, uint64_t key, void *value)
{
	size_t i;

	if (!key || !value)
		BUG("idmap key or value is zero");
	if ((m->used + 1) * 4 > m->cap * 3)
		idmap_rebuild(m);
	i = idmap_place(m, key);
	if (!m->slots[i].key) {
		m->slots[i].key = key;
		m->n++;
		m->used++;
	}
	m->slots[i].value = value;
}

void *idmap_take(struct idmap *m, uint64_t key)
{
	void *value;
	size_t i;

	if (!m->n || !key)
		return NULL;
	i = idmap_place(m, key);
	if (!m->slots[i].key)
		return NULL;
	value = m->slots[i].value;
	m->slots[i].key = 0;
	m->slots[i].value = REMOVED;
	m->n--;
	return value;
}

bool idmap_each(const struct idmap *m, size_t *cursor, uint64_t *key, void **value)
{
	while (*cursor < m->cap) {
		size_t i = (*cursor)++;

		if (!m->slots[i].key)
			continue;
		*key = m->slots[i].key;
		*value = m->slots[i].value;
		return true;
	}
	return false;
}
