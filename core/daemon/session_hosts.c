/* session_hosts - the hosts of a domain with their addresses, for restrictions that ask about them (core/access/access.h,
 * ACCESS_HOSTS): MX, NS or the domain itself, then one host after the other. */
#include "core/daemon/session_private.h"

static void next_host(struct session *s);

static void finish(struct session *s, int code)
{
	s->query = NULL;
	session_policy_answer(s, &(struct access_answer){ .code = code, .enhanced = "", .text = "", .hosts = s->hosts, .n_hosts = s->n_hosts });
}

static void add_host(struct session *s, const char *name, unsigned preference)
{
	if (s->n_hosts < LIMIT_ACCESS_HOSTS)
		s->hosts[s->n_hosts++] = (struct access_host){ .name = arena_z(&s->arena, str_of(name)), .preference = preference };
}

static void on_addresses(void *ctx, const struct dns_addresses *a)
{
	struct session *s = ctx;
	struct access_host *h = &s->hosts[s->host_at++];
	size_t n = a->status != DNS_OK ? 0 : a->n < LIMIT_ACCESS_LISTED ? a->n : LIMIT_ACCESS_LISTED;
	struct ipaddr *kept = ARENA_ARRAY(&s->arena, struct ipaddr, n);

	/* a host whose addresses are not known is asked about by its name */
	if (kept && n)
		memcpy(kept, a->v, n * sizeof(*kept));
	h->addresses = kept;
	h->n = kept ? n : 0;
	next_host(s);
}

static void next_host(struct session *s)
{
	if (s->host_at == s->n_hosts)
		finish(s, 250);
	else
		s->query = dns_lookup_host(s->relay->dns, str_of(s->hosts[s->host_at].name), 3, DNS_ONLY, on_addresses, s);
}

static void on_servers(void *ctx, const struct dns_answer *a);

/* none_named - a domain without such a record: mail goes to itself, and its zone begins above */
static void none_named(struct session *s)
{
	ptrdiff_t dot = str_chr(s->host_domain, '.');

	if (s->run.hosts == ACCESS_HOSTS_MX) {
		add_host(s, arena_z(&s->arena, s->run.asked), 0);
		next_host(s);
	} else if (dot >= 0 && (size_t)dot + 1 < s->host_domain.n) {
		s->host_domain = str_from(s->host_domain, (size_t)dot + 1);
		s->query = dns_ask(s->relay->dns, s->host_domain, DNS_NS, on_servers, s);
	} else {
		finish(s, 550);
	}
}

static void on_servers(void *ctx, const struct dns_answer *a)
{
	struct session *s = ctx;

	if (a->status == DNS_AGAIN) {
		finish(s, 450);
		return;
	}
	/* an empty name takes no mail (RFC 7505), and is no host */
	for (size_t i = 0; a->status == DNS_OK && i < a->n; i++)
		if (a->records[i].target[0])
			add_host(s, a->records[i].target, a->records[i].preference);
	if (a->status == DNS_OK && a->n)
		next_host(s);
	else
		none_named(s);
}

bool session_ask_hosts(struct session *s)
{
	s->hosts = ARENA_ARRAY(&s->arena, struct access_host, LIMIT_ACCESS_HOSTS);
	s->n_hosts = s->host_at = 0;
	s->host_domain = s->run.asked;
	if (!s->hosts) {
		access_answer(&s->run, &(struct access_answer){ .code = 450, .enhanced = "", .text = "" });
		return false;
	}
	if (s->run.hosts == ACCESS_HOSTS_A) {
		add_host(s, arena_z(&s->arena, s->run.asked), 0);
		next_host(s);
	} else {
		s->query = dns_ask(s->relay->dns, s->run.asked, s->run.hosts == ACCESS_HOSTS_MX ? DNS_MX : DNS_NS, on_servers, s);
	}
	return true;
}
