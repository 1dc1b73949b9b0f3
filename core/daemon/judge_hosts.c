/* judge_hosts - the hosts of a domain with their addresses, for restrictions that ask about them (core/access/access.h,
 * ACCESS_HOSTS): MX, NS or the domain itself, then one host after the other. */
#include "core/daemon/judge.h"

static void next_host(struct judge *j);

static void finish(struct judge *j, int code)
{
	j->query = NULL;
	judge_answer(j, &(struct access_answer){ .code = code, .enhanced = "", .text = "", .hosts = j->hosts, .n_hosts = j->n_hosts });
}

static void add_host(struct judge *j, const char *name, unsigned preference)
{
	if (j->n_hosts < LIMIT_ACCESS_HOSTS)
		j->hosts[j->n_hosts++] = (struct access_host){ .name = arena_z(j->arena, str_of(name)), .preference = preference };
}

static void on_addresses(void *ctx, const struct dns_addresses *a)
{
	struct judge *j = ctx;
	struct access_host *h = &j->hosts[j->host_at++];
	size_t n = a->status != DNS_OK ? 0 : a->n < LIMIT_ACCESS_LISTED ? a->n : LIMIT_ACCESS_LISTED;
	struct ipaddr *kept = ARENA_ARRAY(j->arena, struct ipaddr, n);

	/* a host whose addresses are not known is asked about by its name */
	if (kept && n)
		memcpy(kept, a->v, n * sizeof(*kept));
	h->addresses = kept;
	h->n = kept ? n : 0;
	next_host(j);
}

static void next_host(struct judge *j)
{
	if (j->host_at == j->n_hosts)
		finish(j, 250);
	else
		j->query = dns_lookup_host(j->dns, str_of(j->hosts[j->host_at].name), 3, DNS_ONLY, on_addresses, j);
}

static void on_servers(void *ctx, const struct dns_answer *a);

/* none_named - a domain without such a record: mail goes to itself, and its zone begins above */
static void none_named(struct judge *j)
{
	ptrdiff_t dot = str_chr(j->host_domain, '.');

	if (j->run.hosts == ACCESS_HOSTS_MX) {
		add_host(j, arena_z(j->arena, j->run.asked), 0);
		next_host(j);
	} else if (dot >= 0 && (size_t)dot + 1 < j->host_domain.n) {
		j->host_domain = str_from(j->host_domain, (size_t)dot + 1);
		j->query = dns_ask(j->dns, j->host_domain, DNS_NS, on_servers, j);
	} else {
		finish(j, 550);
	}
}

static void on_servers(void *ctx, const struct dns_answer *a)
{
	struct judge *j = ctx;

	if (a->status == DNS_AGAIN) {
		finish(j, 450);
		return;
	}
	/* an empty name takes no mail (RFC 7505), and is no host */
	for (size_t i = 0; a->status == DNS_OK && i < a->n; i++)
		if (a->records[i].target[0])
			add_host(j, a->records[i].target, a->records[i].preference);
	if (a->status == DNS_OK && a->n)
		next_host(j);
	else
		none_named(j);
}

bool judge_ask_hosts(struct judge *j)
{
	j->hosts = ARENA_ARRAY(j->arena, struct access_host, LIMIT_ACCESS_HOSTS);
	j->n_hosts = j->host_at = 0;
	j->host_domain = j->run.asked;
	if (!j->hosts) {
		access_answer(&j->run, &(struct access_answer){ .code = 450, .enhanced = "", .text = "" });
		return false;
	}
	if (j->run.hosts == ACCESS_HOSTS_A) {
		add_host(j, arena_z(j->arena, j->run.asked), 0);
		next_host(j);
	} else {
		j->query = dns_ask(j->dns, j->run.asked, j->run.hosts == ACCESS_HOSTS_MX ? DNS_MX : DNS_NS, on_servers, j);
	}
	return true;
}
