/* probe_dns - MX records, the hosts behind them, their addresses, and the names of those. */
#include "core/probe/probe.h"

#include <stdlib.h>

#include "core/base/mem.h"
#include "core/net/dns_codec.h"
#include "core/net/idn.h"
#include "core/probe/probe_seen.h"

/* one question on its way: whom the answer is for */
struct question {
	struct probe *probe;
	size_t host;
	struct probe_address *address;
};

static struct question *ask(struct probe *p, size_t host, struct probe_address *a)
{
	struct question *q = MEM_NEW(struct question);

	*q = (struct question){ p, host, a };
	probe_hold(p);
	return q;
}

static void answered(struct question *q)
{
	struct probe *p = q->probe;

	mem_free(q);
	probe_release(p);
}

static void on_ptr(void *ctx, enum dns_status status, const char *name, const char *why)
{
	struct question *q = ctx;

	q->address->ptr_status = status;
	snprintf(q->address->ptr, sizeof(q->address->ptr), "%s", name ? name : "");
	snprintf(q->address->ptr_why, sizeof(q->address->ptr_why), "%s", why ? why : "");
	probe_address_end(q->probe, q->address);
	answered(q);
}

void probe_ptr_start(struct probe *p, struct probe_address *a)
{
	probe_address_begin(a);
	dns_lookup_name(p->opt->dns, &a->ip, on_ptr, ask(p, 0, a));
}

static int compare(const void *a, const void *b)
{
	const struct ipaddr *x = a, *y = b;

	return x->family != y->family ? (x->family == AF_INET ? -1 : 1) : memcmp(x->b, y->b, sizeof(x->b));
}

size_t probe_choose(const struct ipaddr *v, size_t n, struct ipaddr out[PROBE_ADDRESSES])
{
	struct ipaddr all[LIMIT_DNS_RECORDS];
	size_t v4 = 0, v6, some4, some6;

	n = n < LIMIT_DNS_RECORDS ? n : LIMIT_DNS_RECORDS;
	for (size_t i = 0; i < n; i++) {
		all[i] = v[i];
		v4 += v[i].family == AF_INET;
	}
	qsort(all, n, sizeof(*all), compare);
	v6 = n - v4;
	some6 = v6 < PROBE_ADDRESSES / 2 ? v6 : PROBE_ADDRESSES / 2;
	some4 = v4 < PROBE_ADDRESSES - some6 ? v4 : PROBE_ADDRESSES - some6;
	some6 = v6 < PROBE_ADDRESSES - some4 ? v6 : PROBE_ADDRESSES - some4;
	for (size_t i = 0; i < some4 + some6; i++)
		out[i] = all[i < some4 ? i : v4 + i - some4];
	return some4 + some6;
}

static void on_addresses(void *ctx, const struct dns_addresses *found)
{
	struct question *q = ctx;
	struct probe *p = q->probe;
	struct probe_host *h = &p->hosts[q->host];
	struct ipaddr chosen[PROBE_ADDRESSES];
	size_t n = probe_choose(found->v, found->n, chosen);

	h->more = found->n - n;
	h->status = found->status;
	snprintf(h->why, sizeof(h->why), "%s", found->why);
	for (size_t i = 0; i < n; i++) {
		bool fresh;
		struct probe_address *a = probe_seen_or_new(p, h, &chosen[i], &fresh);

		h->v[h->n++] = a;
		if (fresh) {
			probe_ptr_start(p, a);
			probe_smtp_start(p, h, a);
		}
	}
	answered(q);
}

static void on_alias(void *ctx, const struct dns_answer *a)
{
	struct question *q = ctx;

	q->probe->hosts[q->host].is_alias = a->status == DNS_OK && a->n > 0;
	answered(q);
}

static void add_host(struct probe *p, const char *name, uint16_t preference)
{
	struct ipaddr literal;
	size_t at = p->n_hosts;

	if (at == PROBE_HOSTS) {
		p->more_hosts++;
		return;
	}
	p->n_hosts++;
	snprintf(p->hosts[at].name, sizeof(p->hosts[at].name), "%s", name);
	p->hosts[at].preference = preference;
	/* DNS rules about MX hosts do not hold for a server that was named by hand, which may be in the hosts file */
	dns_lookup_host(p->opt->dns, str_of(p->hosts[at].name), p->opt->families, p->opt->server ? DNS_HOSTS : DNS_ONLY, on_addresses, ask(p, at, NULL));
	if (!p->opt->server && !p->implicit_mx && !ipaddr_parse(str_of(name), &literal))
		dns_ask(p->opt->dns, str_of(p->hosts[at].name), DNS_CNAME, on_alias, ask(p, at, NULL));
}

static int compare_mx(const void *a, const void *b)
{
	const struct dns_record *const *x = a, *const *y = b;

	return (*x)->preference != (*y)->preference ? ((*x)->preference < (*y)->preference ? -1 : 1) : strcmp((*x)->target, (*y)->target);
}

/* add_in_order - the records by preference, equal ones by name: servers turn their answers, and what is told should not turn */
static void add_in_order(struct probe *p, const struct dns_answer *a)
{
	const struct dns_record *order[LIMIT_DNS_RECORDS];
	size_t n = a->n < LIMIT_DNS_RECORDS ? a->n : LIMIT_DNS_RECORDS;

	for (size_t i = 0; i < n; i++)
		order[i] = &a->records[i];
	qsort(order, n, sizeof(*order), compare_mx);
	for (size_t i = 0; i < n; i++)
		add_host(p, order[i]->target, order[i]->preference);
}

static void on_mx(void *ctx, const struct dns_answer *a)
{
	struct question *q = ctx;
	struct probe *p = q->probe;

	p->mx_known = true;
	p->mx_status = a->status;
	p->authentic = a->authentic;
	p->signature = a->signature;
	p->mx_endless = a->endless;
	p->mx_rcode = a->rcode;
	p->mx_error = a->error;
	snprintf(p->mx_why, sizeof(p->mx_why), "%s", a->why);
	if (a->status == DNS_OK && a->n == 1 && !a->records[0].target[0]) {
		p->null_mx = true;
	} else if (a->status == DNS_OK && a->n) {
		add_in_order(p, a);
	} else if (a->status == DNS_NODATA) {
		p->implicit_mx = true;
		add_host(p, p->target, 0);
	}
	answered(q);
}

bool probe_server_parse(struct str s, struct str *host, uint16_t *port)
{
	ptrdiff_t colon = str_rchr(s, ':');
	uint64_t n;

	*host = s;
	if (colon >= 0 && (str_chr(s, ':') == colon || (colon && s.p[colon - 1] == ']'))) {
		if (!str_to_u64(str_from(s, (size_t)colon + 1), &n) || !n || n > 65535)
			return false;
		*port = (uint16_t)n;
		*host = str_head(s, (size_t)colon);
	}
	if (host->n > 2 && host->p[0] == '[' && host->p[host->n - 1] == ']')
		*host = str_make(host->p + 1, host->n - 2);
	return true;
}

void probe_dns_start(struct probe *p)
{
	struct str name = str_of(p->target);
	struct ipaddr literal;
	char clean[256];

	if (p->opt->server || ipaddr_parse(name, &literal)) {
		struct str host = name;

		if (p->opt->server)
			probe_server_parse(name, &host, &p->port);
		else if (name.n > 2 && name.p[0] == '[')
			host = str_make(name.p + 1, name.n - 2);
		p->wrapper = p->opt->wrapper || (p->port == 465 && p->opt->may_wrap);
		snprintf(clean, sizeof(clean), "%.*s", STR_ARG(host));
		if (!p->opt->server)
			snprintf(p->target, sizeof(p->target), "%s", clean);
		p->mx_known = p->literal = true;
		add_host(p, clean, 0);
	} else if (strpbrk(p->target, "@:/")) {
		p->mx_known = p->no_name = true;
		p->mx_status = DNS_NXDOMAIN;
	} else {
		if (!str_is_ascii(name) && idn_to_ascii(name, clean)) {
			snprintf(p->given, sizeof(p->given), "%s", p->target);
			snprintf(p->target, sizeof(p->target), "%s", clean);
			name = str_of(p->target);
		}
		/* names are made of it, and a policy is asked for by it */
		if (dns_name_clean(name, clean))
			snprintf(p->target, sizeof(p->target), "%s", clean);
		dns_ask(p->opt->dns, str_of(p->target), DNS_MX, on_mx, ask(p, 0, NULL));
	}
}
