/* dns_host.c - addresses of a host and the verified name of an address, made of single questions and the hosts file.
 *
 * Each kind begins with a struct dns_query, so that dns_cancel and dns_free know it; `end` cancels its parts. */
#include <stdio.h>

#include "core/base/mem.h"
#include "core/net/dns_private.h"

enum { FAMILY_V4 = 1, FAMILY_V6 = 2, PTR_NAMES = 4 };

/* --- host to addresses -------------------------------------------------------------------------------------------- */

struct host_query {
	struct dns_query q;            /* first */
	dns_addresses_fn fn;
	void *ctx;
	struct part { struct host_query *h; struct dns_query *query; } parts[2];
	unsigned pending;
	bool heard[4];                 /* by enum dns_status */
	char clean[256];
	int families;
	unsigned turn, turns;          /* names to try: the search list's, and the name as it is */
	bool again;                    /* one of the names before could not be looked up now */
	struct dns_addresses result;
};

static void host_end(struct dns_query *q)
{
	struct host_query *h = (struct host_query *)q;

	for (int i = 0; i < 2; i++)
		dns_cancel(h->parts[i].query);
}

static void host_finish(struct host_query *h)
{
	h->q.running = true;
	h->fn(h->ctx, &h->result);
	dns_query_free(&h->q);
}

static void host_run(struct loop_task *t)
{
	host_finish(LIST_ITEM(t, struct host_query, q.task));
}

/* IPv4 before IPv6, each family turned by one more than the time before */
static void add_addresses(struct host_query *h, const struct ipaddr *v, size_t n, size_t stride)
{
	size_t most = LIMIT_DNS_RECORDS / 2, turn = h->q.d->turn;
	struct dns_addresses *r = &h->result;

	for (size_t i = 0; i < n && i < most; i++) {
		const struct ipaddr *a = (const struct ipaddr *)(const void *)((const char *)v + (turn + i) % n * stride);
		size_t at = r->n;

		if (a->family == AF_INET)
			for (at = 0; at < r->n && r->v[at].family == AF_INET;)
				at++;
		memmove(&r->v[at + 1], &r->v[at], (r->n - at) * sizeof(r->v[0]));
		r->v[at] = *a;
		r->n++;
	}
}

static void ask_turn(struct host_query *h);

/* every part of this turn's name is answered; what could not be looked up now may be there later, unless another name is */
static void end_turn(struct host_query *h)
{
	struct dns_addresses *r = &h->result;
	bool found = h->heard[DNS_OK];

	h->again |= h->heard[DNS_AGAIN];
	if (!found && ++h->turn < h->turns) {
		ask_turn(h);
		return;
	}
	h->q.d->turn++;
	r->status = found ? DNS_OK : h->again ? DNS_AGAIN : h->heard[DNS_NODATA] ? DNS_NODATA : DNS_NXDOMAIN;
	if (found)
		r->why[0] = 0;
	host_finish(h);
}

static void on_part(void *ctx, const struct dns_answer *a)
{
	struct part *part = ctx;
	struct host_query *h = part->h;
	struct dns_addresses *r = &h->result;

	part->query = NULL;
	h->heard[a->status] = true;
	r->authentic &= a->authentic;
	if (a->status == DNS_OK)
		add_addresses(h, &a->records[0].address, a->n, sizeof(a->records[0]));
	else if (a->status == DNS_AGAIN || !r->why[0])
		snprintf(r->why, sizeof(r->why), "%s", a->why);
	if (--h->pending == 0)
		end_turn(h);
}

static void ask_part(struct host_query *h, int i, const char *name, enum dns_type type)
{
	h->parts[i].h = h;
	h->parts[i].query = dns_ask(h->q.d, str_of(name), type, on_part, &h->parts[i]);
	h->pending++;
}

static unsigned count_dots(const char *name)
{
	unsigned n = 0;

	for (; *name; name++)
		n += *name == '.';
	return n;
}

/* the name of this turn: the list's after or before the one as it is, by the name's dots; false: it would be too long */
static bool turn_name(const struct host_query *h, char out[256])
{
	const struct dns_conf *c = &h->q.d->conf;
	bool first = count_dots(h->clean) >= c->ndots;
	unsigned as_it_is = first || h->turns == 1 ? 0 : h->turns - 1;

	if (h->turn == as_it_is || h->turn - first >= c->n_search)
		return snprintf(out, 256, "%s", h->clean) < 256;
	return snprintf(out, 256, "%s.%s", h->clean, c->search[h->turn - first]) < 256;
}

static void ask_turn(struct host_query *h)
{
	char name[256];

	while (!turn_name(h, name))
		h->turn++;
	if (!h->again)
		h->result.why[0] = 0;
	h->heard[DNS_NODATA] = h->heard[DNS_NXDOMAIN] = h->heard[DNS_AGAIN] = false;
	if (h->families & FAMILY_V4)
		ask_part(h, 0, name, DNS_A);
	if (h->families & FAMILY_V6)
		ask_part(h, 1, name, DNS_AAAA);
}

static void answer_later(struct host_query *h, enum dns_status status, struct str host, const char *why)
{
	h->result.status = status;
	if (why)
		snprintf(h->result.why, sizeof(h->result.why), "%s: %.100s", why, host.n && host.n < 256 ? host.p : "");
	loop_defer(h->q.d->loop, &h->q.task);
}

static bool is_wanted(int families, const struct ipaddr *a)
{
	return families & (a->family == AF_INET ? FAMILY_V4 : FAMILY_V6);
}

/* true: answered without a question */
static bool answer_at_once(struct host_query *h, struct str host, const char *clean, int families, enum dns_source from)
{
	struct ipaddr v[LIMIT_DNS_RECORDS / 2];
	bool known = false;
	size_t n = 0;

	if (ipaddr_parse(host, &v[0])) {
		n = is_wanted(families, &v[0]);
		known = true;
	} else if (from != DNS_ONLY && clean) {
		n = hosts_find(&h->q.d->hosts, clean, families, v, sizeof(v) / sizeof(v[0]), &known);
		known = known && strcmp(clean, "localhost") == 0;
	}
	for (size_t i = 0; i < n; i++)
		add_addresses(h, &v[i], 1, sizeof(v[0]));
	if (n)
		answer_later(h, DNS_OK, host, NULL);
	else if (known)
		answer_later(h, DNS_NODATA, str_of(clean), "no address of a usable family");
	return n || known;
}

struct dns_query *dns_lookup_host(struct dns *d, struct str host, int families, enum dns_source from, dns_addresses_fn fn, void *ctx)
{
	struct host_query *h = MEM_NEW(struct host_query);
	bool is_name = dns_name_clean(host, h->clean) && h->clean[0];
	bool absolute = host.n > 0 && host.p[host.n - 1] == '.';

	dns_look_at_files(d);
	dns_query_init(&h->q, d, host_run);
	h->q.end = host_end;
	h->fn = fn;
	h->ctx = ctx;
	if (answer_at_once(h, host, is_name ? h->clean : NULL, families, from))
		return &h->q;
	if (!is_name) {
		answer_later(h, DNS_NXDOMAIN, STR_EMPTY, "not a valid host name");
		return &h->q;
	}
	h->result.authentic = true;
	h->families = families;
	h->turns = from == DNS_NATIVE && !absolute ? 1 + (unsigned)d->conf.n_search : 1;
	if (families & (FAMILY_V4 | FAMILY_V6))
		ask_turn(h);
	else
		answer_later(h, DNS_NODATA, str_of(h->clean), "no address family is enabled");
	return &h->q;
}

/* --- address to verified name ------------------------------------------------------------------------------------- */

struct name_query {
	struct dns_query q;            /* first */
	dns_name_fn fn;
	void *ctx;
	struct ipaddr a;
	struct dns_query *part;
	char names[PTR_NAMES][256];
	unsigned n, at;
	bool again;
	enum dns_status status;
	const char *name;
	char why[400];
};

static void name_end(struct dns_query *q)
{
	dns_cancel(((struct name_query *)q)->part);
}

static void name_run(struct loop_task *t)
{
	struct name_query *n = LIST_ITEM(t, struct name_query, q.task);

	n->q.running = true;
	n->fn(n->ctx, n->status, n->name, n->why);
	dns_query_free(&n->q);
}

static void name_finish(struct name_query *n, enum dns_status status, const char *name)
{
	n->status = status;
	n->name = name;
	name_run(&n->q.task);
}

static void try_name(struct name_query *n);

static void on_forward(void *ctx, const struct dns_addresses *a)
{
	struct name_query *n = ctx;
	char text[46];

	n->part = NULL;
	n->again |= a->status == DNS_AGAIN;
	for (size_t i = 0; i < a->n; i++)
		if (ipaddr_eq(&a->v[i], &n->a)) {
			n->why[0] = 0;
			name_finish(n, DNS_OK, n->names[n->at]);
			return;
		}
	ipaddr_format(&n->a, text);
	if (n->at == 0)
		snprintf(n->why, sizeof(n->why), "hostname %.255s does not resolve to address %s", n->names[0], text);
	n->at++;
	try_name(n);
}

static void try_name(struct name_query *n)
{
	int family = n->a.family == AF_INET ? FAMILY_V4 : FAMILY_V6;

	if (n->at < n->n)
		n->part = dns_lookup_host(n->q.d, str_of(n->names[n->at]), family, DNS_HOSTS, on_forward, n);
	else
		name_finish(n, n->again ? DNS_AGAIN : DNS_NODATA, "unknown");
}

/* what a PTR says ends up in logs and headers: letters, digits, '-', '_' and dots, and not an address */
static bool is_host_name(const char *name)
{
	struct ipaddr a;

	for (const char *p = name; *p; p++)
		if (!ascii_is_alnum(*p) && *p != '-' && *p != '_' && *p != '.')
			return false;
	return *name && *name != '-' && !ipaddr_parse(str_of(name), &a);
}

static void on_ptr(void *ctx, const struct dns_answer *a)
{
	struct name_query *n = ctx;

	n->part = NULL;
	n->again = a->status == DNS_AGAIN;
	for (size_t i = 0; i < a->n && n->n < PTR_NAMES; i++)
		if (is_host_name(a->records[i].target))
			snprintf(n->names[n->n++], sizeof(n->names[0]), "%s", a->records[i].target);
	if (!n->n)
		snprintf(n->why, sizeof(n->why), "%s", a->n ? "address resolves to no valid host name" : a->why);
	try_name(n);
}

static void reverse_name(const struct ipaddr *a, char out[80])
{
	size_t n = 0;

	if (a->family == AF_INET) {
		snprintf(out, 80, "%d.%d.%d.%d.in-addr.arpa", a->b[3], a->b[2], a->b[1], a->b[0]);
		return;
	}
	for (int i = 15; i >= 0; i--)
		n += (size_t)snprintf(out + n, 80 - n, "%x.%x.", a->b[i] & 15, a->b[i] >> 4);
	snprintf(out + n, 80 - n, "ip6.arpa");
}

struct dns_query *dns_lookup_name(struct dns *d, const struct ipaddr *a, dns_name_fn fn, void *ctx)
{
	struct name_query *n = MEM_NEW(struct name_query);
	const char *known;
	char reverse[80];

	dns_look_at_files(d);
	dns_query_init(&n->q, d, name_run);
	n->q.end = name_end;
	n->fn = fn;
	n->ctx = ctx;
	n->a = *a;
	known = hosts_name(&d->hosts, a);
	if (known || (a->family != AF_INET && a->family != AF_INET6)) {
		n->status = known ? DNS_OK : DNS_NODATA;
		snprintf(n->names[0], sizeof(n->names[0]), "%s", known ? known : "unknown");
		n->name = n->names[0];
		loop_defer(d->loop, &n->q.task);
		return &n->q;
	}
	reverse_name(a, reverse);
	n->part = dns_ask(d, str_of(reverse), DNS_PTR, on_ptr, n);
	return &n->q;
}
