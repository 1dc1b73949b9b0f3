/* check_senders - what large receivers ask of who sends to them, as far as DNS tells: one verdict for each. What they ask beyond it
 * (rates of complaint, a link to unsubscribe, addresses that sign) is not seen from here. */
#include "core/probe/probe.h"
#include "core/probe/spf.h"

/* what is there; UNKNOWN: nobody can tell from here, or not yet */
enum state { MISSING, THERE, UNKNOWN };
enum need { SPF, DKIM, DMARC, PTR, NEEDS };
static const char *const names[NEEDS] = { "SPF", "DKIM", "DMARC", "a name of the address that sends" };
static const struct { const char *check; bool needs[NEEDS]; const char *advice; } receivers[] = {
	{ "gmail", { true, true, true, true }, "Gmail refuses mail without SPF or DKIM, and from 5,000 a day on without all of it" },
	{ "yahoo", { true, true, true, true }, "Yahoo refuses mail without SPF or DKIM, and of those who send much without all of it" },
	{ "microsoft", { true, true, true, false }, "Outlook.com refuses mail of those who send 5,000 a day or more without it (550 5.7.515)" },
};

static enum state spf_state(struct probe *p)
{
	struct spf s = { .facts = &p->facts, .domain = p->target, .helo = p->opt->helo_name, .receiver = p->opt->helo_name, .sender = p->target,
		.client = p->opt->client };

	if (!spf_evaluate(&s) || s.result == SPF_TEMPERROR)
		return UNKNOWN;
	return p->opt->client.family != AF_UNSPEC ? s.result == SPF_PASS : s.result == SPF_NEUTRAL && (s.sends[0] || s.sends[1] || s.variable || s.uses_ptr);
}

static bool is_found(const struct probe *p, const char *check, enum probe_verdict v)
{
	for (size_t i = 0; i < p->n_findings; i++)
		if (!strcmp(p->findings[i].check, check) && p->findings[i].verdict == v)
			return true;
	return false;
}

/* the name of the address and the address of the name (FCrDNS) */
static enum state ptr_state(struct probe *p)
{
	char name[256];
	const struct fact *ptr, *a;

	if (p->opt->client.family == AF_UNSPEC)
		return UNKNOWN;
	fact_reverse(&p->opt->client, p->opt->client.family == AF_INET ? "in-addr.arpa" : "ip6.arpa", name);
	ptr = facts_get(&p->facts, name, DNS_PTR);
	if (!ptr || ptr->status == DNS_AGAIN)
		return UNKNOWN;
	for (size_t i = 0; i < ptr->n && i < 4; i++) {
		a = facts_get(&p->facts, ptr->records[i].target, p->opt->client.family == AF_INET ? DNS_A : DNS_AAAA);
		for (size_t k = 0; a && k < a->n; k++)
			if (ipaddr_eq(&a->records[k].address, &p->opt->client))
				return THERE;
	}
	return MISSING;
}

void check_senders(struct probe *p)
{
	enum state have[NEEDS];

	have[SPF] = spf_state(p);
	have[PTR] = ptr_state(p);
	/* the checks before this one have told */
	have[DKIM] = !p->opt->selectors[0] ? UNKNOWN : is_found(p, "dkim", PROBE_OK) && !is_found(p, "dkim", PROBE_PROBLEM) ? THERE : MISSING;
	have[DMARC] = is_found(p, "dmarc", PROBE_OK) ? THERE : MISSING;
	if (p->null_mx || p->opt->parked)
		return;
	for (size_t i = 0; i < sizeof(receivers) / sizeof(receivers[0]); i++) {
		char missing[120] = "", unknown[120] = "";

		for (int k = 0; k < NEEDS; k++) {
			char *to = have[k] == MISSING ? missing : unknown;
			size_t n = strlen(to);

			if (receivers[i].needs[k] && have[k] != THERE)
				snprintf(to + n, 120 - n, "%s%s", n ? ", " : "", names[k]);
		}
		if (*missing)
			probe_find(p, PROBE_NOTE, PROBE_DOMAIN, receivers[i].check, receivers[i].advice, "not what it asks of senders: %s missing", missing);
		else
			probe_find(p, PROBE_OK, PROBE_DOMAIN, receivers[i].check, NULL, "what DNS tells is what it asks of senders%s%s%s", *unknown ? " (not seen: " : "", unknown,
				*unknown ? ")" : "");
	}
}
