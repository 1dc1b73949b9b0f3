/* facts.c - see facts.h. A domain needs a few dozen, so a list is enough. */
#include "core/probe/facts.h"

#include <stdio.h>
#include <stdlib.h>

#include "core/net/dns_codec.h"

void facts_init(struct facts *f, void (*ask)(void *ctx, struct fact *f), void *ctx)
{
	*f = (struct facts){ .ask = ask, .ctx = ctx };
	arena_init(&f->arena, LIMIT_PROBE_MEMORY);
}

void facts_fini(struct facts *f)
{
	arena_fini(&f->arena);
	f->first = NULL;
}

const struct fact *facts_get(struct facts *f, const char *name, enum dns_type type)
{
	static const struct ipaddr resolver;

	return facts_get_at(f, &resolver, name, type);
}

const struct fact *facts_get_at(struct facts *f, const struct ipaddr *at, const char *name, enum dns_type type)
{
	static const struct fact none = { .known = true, .status = DNS_NXDOMAIN }, again = { .known = true, .status = DNS_AGAIN };
	char clean[256];
	struct fact *x;

	if (!dns_name_clean(str_of(name), clean))
		return &none;
	for (x = f->first; x; x = x->next)
		if (x->type == type && strcmp(x->name, clean) == 0 && ipaddr_eq(&x->at, at))
			break;
	if (!x) {
		x = f->n < LIMIT_PROBE_FACTS ? ARENA_NEW(&f->arena, struct fact) : NULL;
		if (!x)
			return &again;
		x->name = arena_z(&f->arena, str_of(clean));
		x->type = type;
		x->at = *at;
		x->next = f->first;
		f->first = x;
		f->n++;
		if (f->ask)
			f->ask(f->ctx, x);
	}
	if (x->known)
		return x;
	f->missing++;
	return NULL;
}

static int compare(const void *a, const void *b)
{
	const struct dns_record *x = a, *y = b;
	size_t n = x->data_n < y->data_n ? x->data_n : y->data_n;
	int d = x->preference - y->preference;

	d = d ? d : strcmp(x->target, y->target);
	d = d ? d : x->address.family - y->address.family;
	d = d ? d : memcmp(x->address.b, y->address.b, sizeof(x->address.b));
	d = d || !n ? d : memcmp(x->data, y->data, n);
	return d ? d : x->data_n - y->data_n;
}

void facts_learn(struct facts *f, struct fact *x, const struct dns_answer *a)
{
	struct dns_record *r = a->n ? ARENA_ARRAY(&f->arena, struct dns_record, a->n) : NULL;

	x->known = true;
	x->status = a->n && !r ? DNS_AGAIN : a->status;
	x->authentic = a->authentic;
	x->authoritative = a->authoritative;
	x->rcode = a->rcode;
	x->error = a->error;
	x->signature = a->signature;
	for (size_t i = 0; r && i < a->n; i++) {
		r[i] = a->records[i];
		r[i].data = (uint8_t *)(uintptr_t)arena_str(&f->arena, str_make((const char *)r[i].data, r[i].data_n)).p;
		if (!r[i].data)
			r[i].data_n = 0;
	}
	if (r)
		qsort(r, a->n, sizeof(*r), compare);
	x->records = r;
	x->n = r ? a->n : 0;
}

struct str fact_text(const struct fact *x, size_t i)
{
	return str_make((const char *)x->records[i].data, x->records[i].data_n);
}

void fact_reverse(const struct ipaddr *a, const char *zone, char out[256])
{
	size_t n = 0;

	for (int i = a->family == AF_INET ? 3 : 15; i >= 0; i--)
		n += (size_t)(a->family == AF_INET ? snprintf(out + n, 256 - n, "%d.", a->b[i]) :
			snprintf(out + n, 256 - n, "%x.%x.", a->b[i] & 15, a->b[i] >> 4));
	snprintf(out + n, 256 - n, "%s", zone);
}
