/* probe_seen - see probe_seen.h. */
#include "core/probe/probe_seen.h"

#include "core/base/hash.h"
#include "core/base/mem.h"

struct probe_seen {
	struct table by;               /* servers by address, port and name; by address, port and certificate */
	struct kept { struct probe_address *address; char *name, *certificate; } ring[PROBE_SEEN];
	size_t n;
};

struct waiting { struct list node; struct probe *probe; };

/* --- an address and its owners --------------------------------------------------------------------------------------------- */

void probe_address_begin(struct probe_address *a)
{
	a->going++;
}

void probe_address_free(struct probe_address *a)
{
	if (a->others) {
		a->others--;
		return;
	}
	mem_free(a->chain);
	mem_free(a->other);
	mem_free(a->unnamed);
	mem_free(a->varying);
	mem_free(a->ciphers);
	mem_free(a);
}

/* --- what is remembered ------------------------------------------------------------------------------------------------------ */

static void key_of(struct buf *b, const struct probe *p, const struct probe_address *a, const char *what)
{
	buf_init(b, 512);
	buf_printf(b, "%s %u %s", a->text, p->port, what);
}

static void forget_key(struct probe_seen *s, char *key, const struct probe_address *a)
{
	if (key && table_find(&s->by, str_of(key)) == a)
		table_take(&s->by, str_of(key));
	mem_free(key);
}

static void forget(struct probe_seen *s, struct kept *k)
{
	if (!k->address)
		return;
	forget_key(s, k->name, k->address);
	forget_key(s, k->certificate, k->address);
	k->address->kept = NULL;
	probe_address_free(k->address);
	memset(k, 0, sizeof(*k));
}

struct probe_seen *probe_seen_new(void)
{
	struct probe_seen *s = MEM_NEW(struct probe_seen);

	table_init(&s->by);
	return s;
}

void probe_seen_free(struct probe_seen *s)
{
	for (size_t i = 0; i < PROBE_SEEN; i++)
		forget(s, &s->ring[i]);
	table_fini(&s->by);
	mem_free(s);
}

static char *remember(struct probe_seen *s, struct str key, struct probe_address *a)
{
	table_add(&s->by, key, a);
	return str_dup(key);
}

struct probe_address *probe_seen_or_new(struct probe *p, const struct probe_host *h, const struct ipaddr *ip, bool *fresh)
{
	struct probe_address *a = MEM_NEW(struct probe_address), *known = NULL;
	struct probe_seen *s = p->opt->seen;
	struct buf key;

	a->ip = *ip;
	ipaddr_format(&a->ip, a->text);
	list_init(&a->waiting);
	key_of(&key, p, a, h->name);
	known = s ? table_find(&s->by, buf_view(&key)) : NULL;
	*fresh = !known;
	if (known) {
		probe_address_free(a);
		a = known;
		if (a->going) {
			struct waiting *w = MEM_NEW(struct waiting);

			w->probe = p;
			list_append(&a->waiting, &w->node);
			probe_hold(p);
		}
	} else if (s) {
		struct kept *k = &s->ring[s->n++ % PROBE_SEEN];

		forget(s, k);
		*k = (struct kept){ .address = a, .name = remember(s, buf_view(&key), a) };
		a->kept = k;
	}
	a->others += s != NULL;
	buf_fini(&key);
	return a;
}

bool probe_seen_alike(const struct probe *p, struct probe_address *a)
{
	const struct probe_address *other = NULL;
	struct buf key;

	if (!p->opt->seen || p->opt->deep || !a->n_chain)
		return false;
	key_of(&key, p, a, a->tls.sha256);
	other = table_find(&p->opt->seen->by, buf_view(&key));
	buf_fini(&key);
	if (!other || other->other || other->unnamed)
		return false;
	a->old_tls = other->old_tls;
	return true;
}

void probe_address_end(struct probe *p, struct probe_address *a)
{
	struct buf key;

	if (--a->going)
		return;
	if (a->kept && a->n_chain && a->stage == PROBE_FINISHED) {
		key_of(&key, p, a, a->tls.sha256);
		a->kept->certificate = remember(p->opt->seen, buf_view(&key), a);
		buf_fini(&key);
	}
	LIST_EACH(&a->waiting, at, next) {
		struct waiting *w = LIST_ITEM(at, struct waiting, node);

		list_remove(at);
		probe_release(w->probe);
		mem_free(w);
	}
}
