/* smtp_policy - see smtp_policy.h. */
#include "core/deliver/smtp/smtp_policy.h"

#include "core/base/fs.h"
#include "core/base/mem.h"
#include "core/deliver/deliver_private.h"
#include "core/net/dns_files.h"

#define UNBELIEVED "TLS level %s needs a validating resolver: let /etc/resolv.conf name one on this machine (nameserver 127.0.0.1), or say " \
	"\"options trust-ad\" if the way to it is safe"

void smtp_policy_free_demand(struct tls_demand *x)
{
	if (!x)
		return;
	tls_demand_fini(x);
	mem_free(x);
}

static void stop_asking(struct smtp_policy *q)
{
	dns_cancel(q->query);
	q->query = NULL;
	if (q->dane)
		dane_fini(q->dane);
	mem_free(q->dane);
	q->dane = NULL;
}

void smtp_policy_fini(struct smtp_policy *q)
{
	stop_asking(q);
	smtp_policy_free_demand(q->demand);
	q->demand = NULL;
}

bool smtp_policy_believes(const struct tls_level *level, struct buf *why)
{
	struct dns_conf c;
	struct buf text;

	if (!level->dane)
		return true;
	buf_init(&text, LIMIT_CONF_FILE);
	if (fs_read_file("/etc/resolv.conf", &text) < 0)
		buf_clear(&text);
	dns_conf_parse(&c, buf_view(&text));
	buf_fini(&text);
	if (dns_conf_proves(&c))
		return true;
	buf_printf(why, UNBELIEVED, level->word);
	return false;
}

/* --- DANE --------------------------------------------------------------------------------------------------------------- */

static struct dane *begin(const struct smtp_profile *p, const struct smtp_target *t, const struct tls_level *level)
{
	struct dane_site site = { .port = t->port, .only = level->only, .address = t->address.family == AF_INET6 ? DNS_AAAA : DNS_A };
	struct dane *made = MEM_NEW(struct dane);
	struct ipaddr literal;
	struct nexthop hop;
	struct buf why;

	buf_init(&why, 300);
	if (nexthop_parse(str_of(t->site), 25, &hop, &why) && !hop.unix_path && !ipaddr_parse(str_of(t->host), &literal)) {
		site.host = str_of(t->host);
		if (p->use_mx && !hop.literal)
			site.nexthop = hop.host;
	}
	dane_begin(made, &site);
	buf_fini(&why);
	return made;
}

static bool ask_next(struct smtp_policy *q);

static void on_answer(void *ctx, const struct dns_answer *a)
{
	struct smtp_policy *q = ctx;

	q->query = NULL;
	dane_answer(q->dane, a);
	if (ask_next(q))
		q->go_on(q);
}

/* true: the demand is settled */
static bool ask_next(struct smtp_policy *q)
{
	enum dns_type type;
	char name[300];

	if (dane_next(q->dane, name, &type)) {
		q->query = dns_ask(q->dns, str_of(name), (enum dns_type)((unsigned)type | DNS_PROVEN), on_answer, q);
		return false;
	}
	tls_demand_settle(q->demand, q->conf, q->dane);
	q->dane = NULL;
	return true;
}

bool smtp_policy_ask(struct smtp_policy *q, struct deliver *d, struct smtp_profile *p, const struct smtp_target *t)
{
	smtp_policy_fini(q);
	smtp_profile_refresh_all(d);
	q->demand = MEM_NEW(struct tls_demand);
	smtp_tls_find(p, t, q->demand, NULL);
	if (!q->demand->unsettled || q->demand->failed.code)
		return true;
	if (!d->o.dns || !dns_proves(d->o.dns)) {
		reply_set(&q->demand->failed, 451, "4.7.5", UNBELIEVED, q->demand->level->word);
		return true;
	}
	q->dns = d->o.dns;
	q->conf = p->conf;
	q->dane = begin(p, t, q->demand->level);
	return ask_next(q);
}
