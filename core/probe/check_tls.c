/* check_tls - MTA-STS (RFC 8461) and TLS reporting (RFC 8460). */
#include "core/policy/sts_policy.h"
#include "core/policy/tags.h"
#include "core/probe/probe.h"

#define DAY 86400

static const char delivery_advice[] = "senders that obey the policy do not deliver there: correct the host, or the policy";

static void judge_policy_host(struct probe *p, const struct sts_policy *s, int h)
{
	enum probe_verdict v = s->mode == STS_ENFORCE ? PROBE_PROBLEM : PROBE_WARNING;
	const struct probe_host *x = &p->hosts[h];

	if (!sts_policy_has(s, str_of(x->name))) {
		probe_find(p, v, PROBE_HOST(h), "mta-sts", delivery_advice, "the policy does not name %s", x->name);
		return;
	}
	for (size_t k = 0; k < x->n; k++) {
		const struct probe_address *a = x->v[k];
		const char *wrong = !a->tls_done ? "there is no TLS" : a->tls.trust < TLS_TRUSTED ? "its certificate is not trusted" :
			!a->name_matches ? "its certificate is for another name" :
			!a->tls.names[0] ? "its certificate has no subjectAltName" :
			a->varying && (a->varying->info.trust < TLS_TRUSTED || !a->varying->name_matches) ? "some connections get a certificate that does not verify" : NULL;

		if (wrong && a->stage == PROBE_FINISHED)
			probe_find(p, v, PROBE_ADDRESS(h, k), "mta-sts", delivery_advice, "the policy asks for verified TLS, but %s", wrong);
	}
}

static void judge_patterns(struct probe *p, const struct sts_policy *s)
{
	for (size_t i = 0; i < s->n_mx; i++) {
		struct sts_policy one = { .mx = { s->mx[i] }, .n_mx = 1 };
		bool used = false;

		for (size_t h = 0; h < p->n_hosts; h++)
			used |= sts_policy_has(&one, str_of(p->hosts[h].name));
		if (!used)
			probe_find(p, PROBE_NOTE, PROBE_DOMAIN, "mta-sts", "remove it, if no MX host of that name is to come",
				"\"mx: %.*s\" stands for no MX host", STR_ARG(str_head(s->mx[i], 200)));
	}
}

static void judge_policy(struct probe *p)
{
	struct str type = str_of(p->sts.type), at;
	struct sts_policy s;
	const char *wrong = sts_policy_parse(buf_view(&p->sts.text), &s, &at);

	if (wrong) {
		probe_find_wrong(p, "mta-sts", "policy", wrong, at);
		return;
	}
	probe_find(p, PROBE_OK, PROBE_DOMAIN, "mta-sts", NULL, "%s, for %llu days", sts_mode_word(s.mode), (unsigned long long)s.max_age / DAY);
	if (!sts_policy_is_plain(type))
		probe_find(p, PROBE_PROBLEM, PROBE_DOMAIN, "mta-sts", "serve it as text/plain (RFC 8461 3.2)", "senders pass by a policy whose type is \"%.*s\"", STR_ARG(type));
	if (s.mode == STS_ENFORCE && s.max_age < DAY)
		probe_find(p, PROBE_WARNING, PROBE_DOMAIN, "mta-sts", "a week or more protects those who send seldom", "the policy is kept for %llu seconds",
			(unsigned long long)s.max_age);
	if (s.mode != STS_ENFORCE)
		probe_find(p, PROBE_NOTE, PROBE_DOMAIN, "mta-sts", s.mode == STS_TESTING ? "once the reports are fine: mode: enforce" : NULL,
			"mode %s: nobody insists on TLS", sts_mode_word(s.mode));
	if (s.mode == STS_NONE)
		return;
	for (size_t h = 0; h < p->n_hosts; h++)
		judge_policy_host(p, &s, (int)h);
	judge_patterns(p, &s);
}

/* is there a policy that no record points to? A wildcard answers for any name, and says nothing */
static void look_for_policy(struct probe *p)
{
	const struct fact *f, *any;
	char name[300];

	snprintf(name, sizeof(name), "mta-sts.%s", p->target);
	f = facts_get(&p->facts, name, DNS_A);
	snprintf(name, sizeof(name), "no-such-host.%s", p->target);
	any = f && f->n ? facts_get(&p->facts, name, DNS_A) : NULL;
	if (!any || any->n || any->status == DNS_AGAIN || !p->opt->tls)
		return;
	if (!p->sts.asked)
		probe_sts_start(p);
	if (p->sts.fetched)
		probe_find(p, PROBE_WARNING, PROBE_DOMAIN, "mta-sts", "publish the record, or take the policy away: without it nobody asks for the policy",
			"a policy at https://mta-sts.%s, but no record at _mta-sts.%s", p->target, p->target);
}

void check_sts(struct probe *p)
{
	const struct fact *f;
	const char *wrong;
	struct str text, id, at;
	char name[300];

	snprintf(name, sizeof(name), "_mta-sts.%s", p->target);
	f = facts_get(&p->facts, name, DNS_TXT);
	if (f && !f->n && f->status != DNS_AGAIN)
		look_for_policy(p);
	if (!f || !probe_one_record(p, "mta-sts", f, STR("v=STSv1"), &text, p->null_mx || p->sts.fetched ? NULL : "publish a policy so that senders insist on TLS"))
		return;
	wrong = sts_record_parse(text, &id, &at);
	if (wrong)
		probe_find_wrong(p, "mta-sts", "record", wrong, at);
	if (!p->sts.asked)
		probe_sts_start(p);
	if (p->sts.fetched)
		judge_policy(p);
	else
		probe_find(p, p->opt->tls ? PROBE_PROBLEM : PROBE_NOTE, PROBE_DOMAIN, "mta-sts",
			p->opt->tls ? "serve it there, with a certificate for that name" : NULL,
			"no policy at https://mta-sts.%s/.well-known/mta-sts.txt: %s", p->target, p->sts.why);
}

void check_tlsrpt(struct probe *p)
{
	struct str text, at, rua, rest, scheme, body;
	const struct fact *f;
	const char *wrong;
	char name[300];

	snprintf(name, sizeof(name), "_smtp._tls.%s", p->target);
	f = facts_get(&p->facts, name, DNS_TXT);
	if (!f || !probe_one_record(p, "tls-rpt", f, STR("v=TLSRPTv1"), &text,
			p->null_mx ? NULL : "have failures of TLS reported: a TXT record at _smtp._tls"))
		return;
	wrong = tlsrpt_parse(text, &rua, &at);
	if (wrong)
		probe_find_wrong(p, "tls-rpt", "", wrong, at);
	else
		probe_find(p, PROBE_OK, PROBE_DOMAIN, "tls-rpt", NULL, "reports go to %.*s", STR_ARG(str_head(rua, 200)));
	for (rest = wrong ? STR_EMPTY : rua; uri_next(&rest, &scheme, &body) > 0;)
		if (str_ieq(scheme, STR("mailto")))
			probe_find_deaf(p, "tls-rpt", str_from(body, (size_t)(str_rchr(body, '@') + 1)));
}
