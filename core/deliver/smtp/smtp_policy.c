/* smtp_policy - see smtp_policy.h. */
#include "core/deliver/smtp/smtp_policy.h"

#include "core/base/fs.h"
#include "core/base/mem.h"
#include "core/deliver/deliver_private.h"
#include "core/net/dns_files.h"
#include "core/net/fetch.h"

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
	if (q->sts)
		sts_cancel(q->sts);
	q->sts = NULL;
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
static bool ask_sts(struct smtp_policy *q);

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
		q->query = dns_ask(q->d->o.dns, str_of(name), (enum dns_type)((unsigned)type | DNS_PROVEN), on_answer, q);
		return false;
	}
	tls_demand_settle(q->demand, q->profile->conf, q->dane);
	q->dane = NULL;
	return ask_sts(q);
}

/* --- MTA-STS -------------------------------------------------------------------------------------------------------------- */

bool smtp_policy_domain(const struct smtp_profile *p, const struct smtp_target *t, struct str *domain)
{
	struct nexthop hop;
	struct buf why;
	bool good;

	if (!p->use_mx)
		return false;
	buf_init(&why, 300);
	good = nexthop_parse(str_of(t->site), 25, &hop, &why) && !hop.unix_path && !hop.literal;
	*domain = hop.host;
	buf_fini(&why);
	return good;
}

static struct sts *keeper(struct deliver *d)
{
	if (!d->sts)
		d->sts = sts_new(&(struct sts_options){ .loop = d->o.loop, .dns = d->o.dns, .pool = d->o.store ? d->o.pool : NULL,
			.file = d->o.store ? "sts" : NULL, .port = FETCH_HTTPS });
	return d->sts;
}

static void on_sts(void *ctx)
{
	struct smtp_policy *q = ctx;

	q->sts = NULL;
	if (ask_sts(q))
		q->go_on(q);
}

static bool lists(const struct sts_known *known, const char *host)
{
	struct sts_policy p;
	struct str at;

	return known->mode != STS_NO_MODE && !sts_policy_parse(known->text, &p, &at) && sts_policy_has(&p, str_of(host));
}

/* true: the demand is settled */
static bool ask_sts(struct smtp_policy *q)
{
	struct tls_demand *x = q->demand;
	const struct conf *c = q->profile->conf;
	struct str domain = STR_EMPTY;
	struct sts_known known;
	bool by_mx, proven;

	if (!c->smtp_tls_mta_sts && !tls_wish_insists(q->wish))
		return true;
	by_mx = smtp_policy_domain(q->profile, q->target, &domain);
	proven = !by_mx;
	if (by_mx && q->profile->web && q->d->o.dns && tls_demand_may_obey(x)) {
		if (!sts_find(keeper(q->d), domain, q->profile->web, &known)) {
			q->sts = sts_ask(q->d->sts, domain, q->profile->web, on_sts, q);
			if (q->sts)
				return false;
			reply_set(&x->failed, 451, "4.4.3", "too many MTA-STS policies are being looked up");
			return true;
		}
		proven = lists(&known, q->target->host);
		if (c->smtp_tls_mta_sts)
			tls_demand_obey(x, c, &known, domain, str_of(q->target->host));
		if (x->failed.code)
			sts_doubt(q->d->sts, domain);
	}
	if (tls_wish_insists(q->wish))
		tls_demand_insist(x, c, q->wish, proven, str_of(q->target->site));
	return true;
}

void smtp_policy_doubt(struct deliver *d, const struct tls_demand *x)
{
	if (x && x->sts == STS_ENFORCE && d->sts)
		sts_doubt(d->sts, str_of(x->sts_domain));
}

bool smtp_policy_sts(struct deliver *d, struct smtp_profile *p, const struct smtp_target *t, struct sts_known *out, bool *asked)
{
	struct str domain;

	*asked = false;
	if (!p->web || !p->conf->smtp_tls_mta_sts || !d->o.dns || !smtp_policy_domain(p, t, &domain))
		return false;
	if (sts_find(keeper(d), domain, p->web, out))
		return true;
	*asked = true;
	sts_begin(d->sts, domain, p->web);
	return false;
}

/* --- all of it -------------------------------------------------------------------------------------------------------------- */

enum tls_wish smtp_policy_wish(const struct smtp_profile *p, const struct delivery *job, const struct smtp_target *t)
{
	const struct envelope *e = job->envelope;

	if (t->address.family == AF_UNSPEC || (p->lmtp && ipaddr_is_loopback(&t->address)))
		return TLS_WISH_NONE;
	if (e->flags & ENVELOPE_REQUIRETLS)
		return p->lmtp ? TLS_WISH_ENDS : TLS_WISH_REQUIRED;
	return !p->lmtp && e->tls_required.n && p->conf->tls_required_enable ? TLS_WISH_OPTIONAL : TLS_WISH_NONE;
}

bool smtp_policy_ask(struct smtp_policy *q, struct deliver *d, struct smtp_profile *p, const struct smtp_target *t, enum tls_wish wish)
{
	smtp_policy_fini(q);
	smtp_profile_refresh_all(d);
	q->d = d;
	q->profile = p;
	q->target = t;
	q->wish = wish;
	q->demand = MEM_NEW(struct tls_demand);
	smtp_tls_find(p, t, q->demand, NULL);
	if (q->demand->failed.code)
		return true;
	if (wish == TLS_WISH_OPTIONAL) {
		tls_demand_relax(q->demand, p->conf);
		if (!q->demand->unsettled)
			return true;
	}
	if (!q->demand->unsettled)
		return ask_sts(q);
	if (!d->o.dns || !dns_proves(d->o.dns)) {
		reply_set(&q->demand->failed, 451, "4.7.5", UNBELIEVED, q->demand->level->word);
		return true;
	}
	q->dane = begin(p, t, q->demand->level);
	return ask_next(q);
}
