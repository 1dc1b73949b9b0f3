/* dane - see dane.h: the way from a next hop to the records that count. */
#include "core/policy/dane.h"

#include <stdio.h>

#include "core/base/format.h"
#include "core/base/mem.h"

static void settle(struct dane *x, enum dane_result result)
{
	x->stage = DANE_SETTLED;
	x->result = result;
}

static void fail(struct dane *x, const char *what, const char *name)
{
	format_text(x->why, sizeof(x->why), "%s%s%.250s", what, *name ? " for " : "", name);
	settle(x, DANE_FAILED);
}

/* nothing is proven about this host */
static void do_without(struct dane *x, const char *what)
{
	if (x->only)
		fail(x, what, "");
	else
		settle(x, DANE_MAY);
}

static void copy_name(char out[256], struct str name)
{
	size_t n = name.n && name.p[name.n - 1] == '.' ? name.n - 1 : name.n;

	n = n < 255 ? n : 255;
	for (size_t i = 0; i < n; i++)
		out[i] = ascii_lower(name.p[i]);
	out[n] = 0;
}

void dane_begin(struct dane *x, const struct dane_site *site)
{
	*x = (struct dane){ .address = site->address, .port = site->port, .only = site->only };
	copy_name(x->host, site->host);
	copy_name(x->nexthop, site->nexthop);
	x->stage = x->nexthop[0] ? DANE_ASKS_MX : DANE_ASKS_ADDRESS;
	if (!x->host[0])
		do_without(x, "non DNSSEC destination");
}

void dane_fini(struct dane *x)
{
	for (size_t i = 0; i < x->n; i++)
		mem_free((void *)(uintptr_t)x->v[i].data);
	mem_free(x->v);
	x->v = NULL;
	x->n = 0;
}

bool dane_next(const struct dane *x, char name[300], enum dns_type *type)
{
	static const enum dns_type types[] = { [DANE_ASKS_MX] = DNS_MX, [DANE_ASKS_EXPANDED] = DNS_TLSA, [DANE_ASKS_HOST] = DNS_TLSA };

	if (x->stage == DANE_SETTLED)
		return false;
	*type = x->stage == DANE_ASKS_ADDRESS ? x->address : types[x->stage];
	if (*type == DNS_TLSA)
		snprintf(name, 300, "_%u._tcp.%s", x->port, x->stage == DANE_ASKS_EXPANDED ? x->expanded : x->host);
	else
		snprintf(name, 300, "%s", *type == DNS_MX ? x->nexthop : x->host);
	return true;
}

/* --- answers ------------------------------------------------------------------------------------------------------------ */

/* the MX records may be others than those that led to the host: what is proven must lead there */
static void take_mx(struct dane *x, const struct dns_answer *a)
{
	bool leads = a->status == DNS_OK ? false : strcmp(x->host, x->nexthop) == 0;

	for (size_t i = 0; i < a->n && a->status == DNS_OK; i++)
		leads |= str_ieq(str_of(a->records[i].target), str_of(x->host));
	if (!a->authentic && x->only) {
		do_without(x, "non DNSSEC destination");
		return;
	}
	if (a->authentic && !leads) {
		fail(x, "the host is not, or no longer, among the MX records", x->nexthop);
		return;
	}
	if (a->authentic)
		copy_name(x->expanded_nexthop, str_of(a->canonical));
	x->stage = DANE_ASKS_ADDRESS;
}

static void take_address(struct dane *x, const struct dns_answer *a)
{
	if (!a->authentic) {
		do_without(x, "non DNSSEC destination");
		return;
	}
	copy_name(x->expanded, str_of(a->canonical));
	x->stage = x->expanded[0] && strcmp(x->expanded, x->host) != 0 ? DANE_ASKS_EXPANDED : DANE_ASKS_HOST;
}

static void keep_usable(struct dane *x, const struct dns_answer *a)
{
	x->v = mem_array(NULL, a->n, sizeof(*x->v));
	for (size_t i = 0; i < a->n; i++) {
		struct tlsa *t = &x->v[x->n];
		uint8_t *own;

		if (tlsa_parse(a->records[i].data, a->records[i].data_n, t))
			continue;
		own = mem_alloc(t->n);
		memcpy(own, t->data, t->n);
		t->data = own;
		x->n++;
	}
}

static void take_records(struct dane *x, const struct dns_answer *a)
{
	if (a->status != DNS_OK || !a->n || !a->authentic) {
		if (x->stage == DANE_ASKS_EXPANDED)
			x->stage = DANE_ASKS_HOST;
		else
			do_without(x, "no TLSA records found");
		return;
	}
	memcpy(x->base, x->stage == DANE_ASKS_EXPANDED ? x->expanded : x->host, sizeof(x->base));
	keep_usable(x, a);
	if (x->n)
		settle(x, DANE_MATCH);
	else if (x->only)
		fail(x, "TLSA records unusable", "");
	else
		settle(x, DANE_ENCRYPT);
}

void dane_answer(struct dane *x, const struct dns_answer *a)
{
	static void (*const take[])(struct dane *x, const struct dns_answer *a) = { [DANE_ASKS_MX] = take_mx,
		[DANE_ASKS_ADDRESS] = take_address, [DANE_ASKS_EXPANDED] = take_records, [DANE_ASKS_HOST] = take_records };
	static const char *const failures[] = { [DANE_ASKS_MX] = "MX lookup error", [DANE_ASKS_ADDRESS] = "address lookup error",
		[DANE_ASKS_EXPANDED] = "TLSA lookup error", [DANE_ASKS_HOST] = "TLSA lookup error" };
	char where[300];

	if (x->stage == DANE_SETTLED)
		return;
	if (a->status != DNS_AGAIN) {
		take[x->stage](x, a);
		return;
	}
	snprintf(where, sizeof(where), "%s:%u", x->stage == DANE_ASKS_MX ? x->nexthop : x->host, x->port);
	fail(x, failures[x->stage], where);
}

/* --- the server's certificates ------------------------------------------------------------------------------------------ */

size_t dane_names(const struct dane *x, const char *out[3])
{
	const char *const all[] = { x->base, x->nexthop, x->expanded_nexthop };
	size_t n = 0;

	for (size_t i = 0; i < 3; i++)
		if (*all[i])
			out[n++] = all[i];
	return n;
}

bool dane_matches(const struct dane *x, const struct tls_link *chain, size_t n, bool name_ok)
{
	for (size_t i = 0; i < x->n; i++)
		if (tlsa_counts(x->v, x->n, i) && tlsa_matches(&x->v[i], chain, n, name_ok))
			return true;
	return false;
}
