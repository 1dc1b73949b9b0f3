/* clients - see clients.h. An entry lives while it has connections; its rates are kept a little longer, until the table is
 * swept because it grew. */
#include "core/access/clients.h"

#include "core/base/mem.h"

#define SWEEP_AT 4096  /* entries; then those without connections go */

static struct str key_of(const struct ipaddr *a, unsigned prefix, char text[48])
{
	size_t n = a->family == AF_INET6 ? 16 : 4;

	text[0] = a->family == AF_INET6 ? '6' : '4';
	for (unsigned i = 0; i < n; i++) {
		unsigned kept = prefix <= 8 * i ? 0 : prefix - 8 * i;

		text[1 + i] = (char)(a->b[i] & (kept >= 8 ? 0xff : (uint8_t)(0xff00 >> kept)));
	}
	return str_make(text, n + 1);
}

void clients_init(struct clients *c)
{
	table_init(&c->table);
}

static void drop_idle(struct clients *c, bool all)
{
	size_t cursor = 0;
	struct str key;
	void *value;
	while (table_each(&c->table, &cursor, &key, &value)) {
		struct client *one = value;
		if (!all && one->connections)
			continue;
		table_take(&c->table, key);
		mem_free(one);
	}
}

void clients_fini(struct clients *c)
{
	drop_idle(c, true);
	table_fini(&c->table);
}

static struct client *enter(struct clients *c, struct str key)
{
	struct client *one = table_find(&c->table, key);

	if (!one) {
		if (c->table.n >= SWEEP_AT)
			drop_idle(c, false);
		one = MEM_NEW(struct client);
		table_add(&c->table, key, one);
	}
	one->connections++;
	return one;
}

struct client *clients_enter(struct clients *c, const struct ipaddr *a, unsigned prefix)
{
	char text[48];

	return enter(c, key_of(a, prefix, text));
}

struct client *clients_enter_user(struct clients *c, int64_t uid)
{
	char text[1 + sizeof(uid)] = "u";

	memcpy(text + 1, &uid, sizeof(uid));
	return enter(c, str_make(text, sizeof(text)));
}

void clients_leave(struct client *one)
{
	if (one->connections)
		one->connections--;
}

unsigned client_rate_count(struct client *c, enum client_rate what, usec now, usec unit)
{
	if (now - c->rate[what].since >= unit) {
		c->rate[what].since = now;
		c->rate[what].n = 0;
	}
	return ++c->rate[what].n;
}
