/* check_dnsbl - are the addresses, or the names, in block lists; and is a list one at all (RFC 5782 5: what each must have, and must
 * not have)? */
#include "core/base/term.h"
#include "core/probe/probe.h"

enum list_kind { LIST_ADDRESSES, LIST_NAMES };
static const struct { const char *listed, *clean; } tests[] = { { "2.0.0.127", "1.0.0.127" }, { "test", "invalid" } };

/* what a list says: of a place, or (a test entry) of nothing */
struct entry { enum list_kind kind; struct probe_place at; const char *zone, *subject; };

static void judge_answer(struct probe *p, const struct entry *e, const char *name, const struct ipaddr *said)
{
	char answer[46], text[200] = "";
	const struct fact *reason;

	ipaddr_format(said, answer);
	if (said->b[0] != 127) {
		probe_find(p, PROBE_WARNING, e->at, "dnsbl", "do not use it", "%s answers %s: it is no block list (any more)", e->zone, answer);
	} else if (said->b[1] == 255 && said->b[2] == 255) {
		probe_find(p, PROBE_NOTE, e->at, "dnsbl", "ask from a resolver of your own: public ones are often refused",
			"%s answers %s: an error, not a listing", e->zone, answer);
	} else {
		reason = facts_get(&p->facts, name, DNS_TXT);
		if (reason && reason->n)
			term_cut(fact_text(reason, 0), text, sizeof(text));
		probe_find(p, PROBE_PROBLEM, e->at, "dnsbl", e->kind == LIST_NAMES ? "find out why, stop it, then ask the list to remove the name" :
			"find out why, stop it, then ask the list to remove the address", "%s%slisted in %s as %s%s%s", e->subject, *e->subject ? " is " : "",
			e->zone, answer, *text ? ": " : "", text);
	}
}

/* a list that has not what each has says nothing by its silence */
static bool is_alive(struct probe *p, const struct entry *e)
{
	char listed[280], clean[280];
	const struct fact *yes, *no;

	snprintf(listed, sizeof(listed), "%s.%s", tests[e->kind].listed, e->zone);
	snprintf(clean, sizeof(clean), "%s.%s", tests[e->kind].clean, e->zone);
	yes = facts_get(&p->facts, listed, DNS_A);
	no = facts_get(&p->facts, clean, DNS_A);
	if (!yes || !no)
		return false;
	if (no->n && no->records[0].address.b[0] == 127 && no->records[0].address.b[1] != 255) {
		probe_find(p, PROBE_WARNING, PROBE_DOMAIN, "dnsbl", "do not use it", "%s lists everything, also its entry that must not be there (RFC 5782 5)", e->zone);
		return false;
	}
	if (!yes->n && yes->status != DNS_AGAIN)
		probe_find(p, PROBE_WARNING, PROBE_DOMAIN, "dnsbl", "the list may be gone, or may not answer your resolver: ask from one of your own",
			"%s has no test entry (RFC 5782 5): what it does not list may be listed", e->zone);
	return true;
}

static void check_listing(struct probe *p, const struct entry *e, const char *name)
{
	const struct fact *f = facts_get(&p->facts, name, DNS_A), *itself = facts_get(&p->facts, e->zone, DNS_SOA);

	if (!f || !itself)
		return;
	/* who is listed nowhere is not found in a list that is not there */
	if (!f->n && itself->status == DNS_NXDOMAIN) {
		probe_find(p, PROBE_WARNING, e->at, "dnsbl", "correct its name, or do not ask it any more", "%s does not exist: it is no block list (any more)", e->zone);
	} else if (f->status == DNS_AGAIN) {
		probe_find(p, PROBE_NOTE, e->at, "dnsbl", "the list may be gone, or may not answer your resolver", "%s does not answer", e->zone);
	} else if (is_alive(p, e)) {
		if (!f->n)
			probe_find(p, PROBE_OK, e->at, "dnsbl", NULL, "%s%snot in %s", e->subject, *e->subject ? " is " : "", e->zone);
		for (size_t i = 0; i < f->n; i++)
			judge_answer(p, e, name, &f->records[i].address);
	}
}

static void check_name(struct probe *p, const char *zone, const char *subject)
{
	struct entry e = { LIST_NAMES, PROBE_DOMAIN, zone, subject };
	struct ipaddr literal;
	char name[600];

	snprintf(name, sizeof(name), "%s.%s", subject, zone);
	if (*subject && !ipaddr_parse(str_of(subject), &literal))
		check_listing(p, &e, name);
}

void check_dnsbl(struct probe *p)
{
	char name[256];

	for (size_t h = 0; h < p->n_hosts; h++)
		for (size_t k = 0; k < p->hosts[h].n; k++)
			for (const char *const *zone = p->opt->dnsbl; *zone; zone++) {
				struct entry e = { LIST_ADDRESSES, PROBE_ADDRESS(h, k), *zone, "" };

				fact_reverse(&p->hosts[h].v[k]->ip, *zone, name);
				check_listing(p, &e, name);
			}
	for (const char *const *zone = p->opt->name_lists; *zone; zone++) {
		if (!p->opt->server && !p->literal)
			check_name(p, *zone, p->target);
		for (size_t h = 0; h < p->n_hosts; h++)
			check_name(p, *zone, p->hosts[h].name);
	}
}

/* --- what to ask ---------------------------------------------------------------------------------------------------------- */

bool probe_add_word(const char **words, const char *word)
{
	size_t n = 0;

	while (words[n])
		n++;
	if (n < PROBE_WORDS)
		words[n] = word;
	return n < PROBE_WORDS && *word;
}

bool probe_add_lists(struct probe_options *o)
{
	static const char *const addresses[] = { "zen.spamhaus.org", "bl.spamcop.net", "b.barracudacentral.org", "psbl.surriel.com", "dnsbl.dronebl.org" };
	static const char *const names[] = { "dbl.spamhaus.org", "multi.surbl.org" };
	bool good = true;

	for (size_t i = 0; i < sizeof(addresses) / sizeof(addresses[0]); i++)
		good &= probe_add_word(o->dnsbl, addresses[i]);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		good &= probe_add_word(o->name_lists, names[i]);
	return good;
}
