/* smtp_hosts - one next hop made into a list of addresses: MX records by preference, each host's addresses, both
 * protocols mixed, nothing at or behind our own place in the list (RFC 5321 section 5.1, RFC 7505).
 *
 * All hosts of a domain are looked up at once; the resolver's cache answers the next delivery. A name server that does
 * not answer defers (threats G5). The hosts file counts, for names without dots behind a private resolver are the rule
 * in containers. */
#include <stdio.h>
#include <stdlib.h>

#include "core/base/mem.h"
#include "core/base/random.h"
#include "core/deliver/deliver_private.h"
#include "core/deliver/smtp/smtp_hosts.h"
#include "core/deliver/smtp/smtp_profile.h"

struct mx_host {
	struct smtp_hosts *owner;
	struct dns_query *query;
	char name[256];
	unsigned preference;
	struct ipaddr *v;
	size_t n;
};
struct smtp_hosts {
	struct deliver *d;
	const struct smtp_profile *profile;
	char name[256];
	bool check_loop, null_mx, mx_missing;
	struct dns_query *query;
	struct mx_host host[LIMIT_CLIENT_MX];
	size_t n, pending;
	bool again;                    /* a lookup failed for a while */
	char why[200];                 /* of a lookup that failed */
	struct smtp_candidate *v;
	size_t n_v;
	bool we_are_mx;
	smtp_hosts_fn fn;
	void *ctx;
};

static void hosts_free(struct smtp_hosts *h)
{
	for (size_t i = 0; i < h->n; i++)
		mem_free(h->host[i].v);
	mem_free(h->v);
	mem_free(h);
}

void smtp_hosts_cancel(struct smtp_hosts *h)
{
	if (!h)
		return;
	if (h->query)
		dns_cancel(h->query);
	for (size_t i = 0; i < h->n; i++)
		if (h->host[i].query)
			dns_cancel(h->host[i].query);
	hosts_free(h);
}

static void finish(struct smtp_hosts *h, int code, const char *enhanced, const char *text)
{
	struct smtp_hosts_result r = { .v = h->v, .n = h->n_v, .we_are_mx = h->we_are_mx };

	if (code) {
		r.n = 0;
		reply_set(&r.failed, code, enhanced, "%s", text);
	}
	h->fn(h->ctx, &r);
	hosts_free(h);
}

static void finish_not_found(struct smtp_hosts *h)
{
	char text[300];
	bool defer = h->again || (!h->mx_missing && h->profile->conf->smtp_defer_if_no_mx_address_found);

	snprintf(text, sizeof(text), "Host or domain name not found. %s", h->why);
	finish(h, defer ? 451 : 550, h->again ? "4.4.3" : defer ? "4.4.4" : "5.4.4", text);
}

/* --- ordering ----------------------------------------------------------------------------------------------------- */

static int by_preference(const void *a, const void *b)
{
	const struct mx_host *x = a, *y = b;

	return x->preference < y->preference ? -1 : x->preference > y->preference;
}

static void shuffle_hosts(struct smtp_hosts *h)
{
	for (size_t i = h->n; i > 1; i--) {
		size_t j = random_below((uint32_t)i);
		struct mx_host t = h->host[i - 1];

		h->host[i - 1] = h->host[j];
		h->host[j] = t;
	}
}

static void add_family(struct smtp_hosts *h, size_t from, size_t to, int family, struct smtp_candidate *out, size_t *n)
{
	size_t deepest = 0;

	for (size_t i = from; i < to; i++)
		deepest = h->host[i].n > deepest ? h->host[i].n : deepest;
	/* the first address of each host, then the second of each: one bad host must not fill the list */
	for (size_t depth = 0; depth < deepest; depth++) {
		for (size_t i = from; i < to; i++) {
			const struct mx_host *m = &h->host[i];
			size_t seen = 0, k = 0;

			for (; k < m->n; k++)
				if (m->v[k].family == family && seen++ == depth)
					break;
			if (k == m->n)
				continue;
			out[*n] = (struct smtp_candidate){ .address = m->v[k], .preference = m->preference };
			memcpy(out[*n].host, m->name, sizeof(m->name));
			(*n)++;
		}
	}
}

/* hosts from..to have the same preference: mix their addresses */
static void add_group(struct smtp_hosts *h, size_t from, size_t to, size_t room)
{
	enum { ANY, IPV4, IPV6 };
	const struct conf *c = h->profile->conf;
	bool v4_first = c->smtp_address_preference == IPV4 || (c->smtp_address_preference == ANY && random_below(2));
	bool mix = c->smtp_balance_inet_protocols || c->smtp_address_preference == ANY;
	struct smtp_candidate *a = mem_array(NULL, room + 1, sizeof(*a)), *b = mem_array(NULL, room + 1, sizeof(*b));
	size_t na = 0, nb = 0, i = 0, j = 0;

	add_family(h, from, to, v4_first ? AF_INET : AF_INET6, a, &na);
	add_family(h, from, to, v4_first ? AF_INET6 : AF_INET, b, &nb);
	while (i < na || j < nb) {
		if (i < na)
			h->v[h->n_v++] = a[i++];
		if (j < nb && (mix || i == na))
			h->v[h->n_v++] = b[j++];
	}
	mem_free(a);
	mem_free(b);
}

static void order(struct smtp_hosts *h)
{
	size_t total = 0, from = 0;

	if (h->profile->conf->smtp_randomize_addresses)
		shuffle_hosts(h);
	qsort(h->host, h->n, sizeof(h->host[0]), by_preference);
	for (size_t i = 0; i < h->n; i++)
		total += h->host[i].n;
	h->v = mem_array(NULL, total + 1, sizeof(*h->v));
	for (size_t i = 1; i <= h->n; i++) {
		if (i < h->n && h->host[i].preference == h->host[from].preference)
			continue;
		add_group(h, from, i, total);
		from = i;
	}
}

/* our own address in the list: what is not better than we are would only send the mail back */
static void cut_at_ourselves(struct smtp_hosts *h)
{
	for (size_t i = 0; i < h->n_v; i++) {
		size_t keep = 0;

		if (!route_leads_home(h->d->o.router, &h->v[i].address))
			continue;
		h->we_are_mx = true;
		while (keep < i && h->v[keep].preference < h->v[i].preference)
			keep++;
		h->n_v = keep;
		return;
	}
}

/* --- addresses ------------------------------------------------------------------------------------------------------ */

static void all_known(struct smtp_hosts *h)
{
	char text[300];

	order(h);
	if (!h->n_v) {
		finish_not_found(h);
		return;
	}
	if (h->check_loop)
		cut_at_ourselves(h);
	if (h->n_v) {
		finish(h, 0, "", "");
		return;
	}
	snprintf(text, sizeof(text), "mail for %s loops back to myself", h->name);
	finish(h, 554, "5.4.6", text);
}

static void on_addresses(void *ctx, const struct dns_addresses *a)
{
	struct mx_host *m = ctx;
	struct smtp_hosts *h = m->owner;

	m->query = NULL;
	if (a->status == DNS_OK && a->n) {
		m->v = mem_array(NULL, a->n, sizeof(*m->v));
		memcpy(m->v, a->v, a->n * sizeof(*m->v));
		m->n = a->n;
	} else {
		h->again |= a->status == DNS_AGAIN;
		snprintf(h->why, sizeof(h->why), "%s", a->why);
	}
	if (--h->pending == 0)
		all_known(h);
}

static void add_host(struct smtp_hosts *h, struct str name, unsigned preference)
{
	struct mx_host *m = &h->host[h->n];

	if (h->n == LIMIT_CLIENT_MX || !name.n || name.n >= sizeof(m->name))
		return;
	m->owner = h;
	m->preference = preference;
	memcpy(m->name, name.p, name.n);
	h->n++;
}

static void ask_addresses(struct smtp_hosts *h)
{
	const struct conf *conf = h->profile->conf;
	bool native = strstr(conf->smtp_host_lookup, "native") != NULL || conf->disable_dns_lookups;

	h->pending = h->n;
	for (size_t i = 0; i < h->n; i++)
		h->host[i].query = dns_lookup_host(h->d->o.dns, str_of(h->host[i].name), h->profile->families,
			native ? DNS_NATIVE : DNS_HOSTS, on_addresses, &h->host[i]);
}

/* --- MX ------------------------------------------------------------------------------------------------------------- */

static void take_mx(struct smtp_hosts *h, const struct dns_answer *a)
{
	for (size_t i = 0; i < a->n; i++)
		add_host(h, str_of(a->records[i].target), a->records[i].preference);
	h->null_mx = h->n == 0;
}

static void on_mx(void *ctx, const struct dns_answer *a)
{
	struct smtp_hosts *h = ctx;
	char text[300];

	h->query = NULL;
	if (a->status == DNS_OK && a->n) {
		take_mx(h, a);
		if (h->null_mx) {
			snprintf(text, sizeof(text), "Domain %s does not accept mail (nullMX)", h->name);
			finish(h, 556, "5.1.10", text);
			return;
		}
	} else if (a->status == DNS_AGAIN && !h->profile->conf->ignore_mx_lookup_error) {
		snprintf(text, sizeof(text), "Host or domain name not found. %s", a->why);
		finish(h, 451, "4.4.3", text);
		return;
	} else {
		h->mx_missing = true;
		add_host(h, str_of(h->name), 0);
	}
	ask_addresses(h);
}

struct smtp_hosts *smtp_hosts_find(struct deliver *d, const struct smtp_profile *p, struct str host, bool use_mx,
	bool check_loop, smtp_hosts_fn fn, void *ctx)
{
	struct smtp_hosts *h = MEM_NEW(struct smtp_hosts);

	h->d = d;
	h->profile = p;
	h->check_loop = check_loop;
	h->fn = fn;
	h->ctx = ctx;
	memcpy(h->name, host.p, host.n < sizeof(h->name) ? host.n : sizeof(h->name) - 1);
	if (use_mx) {
		h->query = dns_ask(d->o.dns, str_of(h->name), DNS_MX, on_mx, h);
		return h;
	}
	add_host(h, str_of(h->name), 0);
	h->mx_missing = true;
	ask_addresses(h);
	return h;
}
