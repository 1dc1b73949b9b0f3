/* check_dmarc - which policy holds for a domain (RFC 9989 4.10, the walk up the tree), and what it says. */
#include "core/base/term.h"
#include "core/probe/probe.h"
#include "core/probe/records.h"

enum { WALK_STEPS = 8 };                /* names that are asked (4.10): of a longer one the last seven labels */

/* what a walk from a domain finds */
struct dmarc_walk {
	const char *domain[WALK_STEPS]; /* the domain, and those above it that are asked */
	struct str text[WALK_STEPS];    /* the one record there; empty: none, or several, which count as none */
	size_t n;
	size_t org;                    /* the organisational domain */
	size_t policy;                 /* whose record holds; n: none */
	const struct fact *own;
	bool again;                    /* something that matters cannot be looked up now */
};

static void say(struct probe *p, enum probe_verdict v, const char *advice, const char *text)
{
	probe_find(p, v, PROBE_DOMAIN, "dmarc", advice, "%s", text);
}

/* above - the next name to ask; NULL: there is none */
static const char *above(const char *domain)
{
	size_t labels = 1;

	for (const char *c = domain; *c; c++)
		labels += *c == '.';
	do {
		domain = strchr(domain, '.');
		domain = domain ? domain + 1 : NULL;
	} while (domain && --labels >= WALK_STEPS);
	return domain;
}

static char psd_of(struct str text)
{
	struct dmarc d;
	struct str at;

	dmarc_parse(text, &d, &at);
	return d.values[DMARC_PSD].n == 1 ? ascii_lower(d.values[DMARC_PSD].p[0]) : 'u';
}

/* rules of 4.10.2: psd=n ends the walk here, psd=y one below, else the highest record is the organisation's */
static void judge_walk(struct dmarc_walk *w)
{
	size_t above_org = w->n;

	w->org = 0;
	for (size_t i = 0; i < w->n; i++) {
		char psd = w->text[i].n ? psd_of(w->text[i]) : 'u';

		if (psd == 'y' && i) {
			w->org = i - 1;
			above_org = i;
		} else if (w->text[i].n) {
			w->org = i;
		}
		if (psd != 'u')
			break;
	}
	w->policy = w->text[0].n ? 0 : w->text[w->org].n ? w->org : above_org;
}

/* walk - false: facts are missing. All names are asked for at once */
static bool walk(struct probe *p, const char *domain, struct dmarc_walk *w)
{
	unsigned missing = p->facts.missing;
	char name[300];

	*w = (struct dmarc_walk){ .n = 0 };
	for (; domain && w->n < WALK_STEPS; domain = above(domain)) {
		const struct fact *f;
		size_t n = 0;

		snprintf(name, sizeof(name), "_dmarc.%s", domain);
		f = facts_get(&p->facts, name, DNS_TXT);
		w->domain[w->n] = domain;
		if (f)
			w->text[w->n] = tags_find(f, STR("DMARC1"), &n);
		if (n != 1)
			w->text[w->n] = STR_EMPTY;
		w->own = w->n ? w->own : f;
		w->again |= f && f->status == DNS_AGAIN && (!w->n || strchr(domain, '.'));
		w->n++;
	}
	judge_walk(w);
	return p->facts.missing == missing;
}

static bool is_below(struct str name, struct str domain)
{
	return str_ieq(name, domain) || (name.n > domain.n && str_iends(name, domain) && name.p[name.n - domain.n - 1] == '.');
}

/* is it the same organisation? 1, 0, -1: facts are missing. Below each other is near enough: nobody has reports sent to a public
 * suffix */
static int is_ours(struct probe *p, const char *domain, struct str to)
{
	struct dmarc_walk here, there;
	char name[256];

	if (is_below(to, str_of(domain)) || is_below(str_of(domain), to))
		return 1;
	snprintf(name, sizeof(name), "%.*s", STR_ARG(str_head(to, 255)));
	if ((int)!walk(p, domain, &here) | (int)!walk(p, name, &there))
		return -1;
	return str_ieq(str_of(here.domain[here.org]), str_of(there.domain[there.org]));
}

void probe_find_deaf(struct probe *p, const char *check, struct str domain)
{
	const struct fact *mx, *a, *aaaa;
	char name[256];
	bool null;

	snprintf(name, sizeof(name), "%.*s", STR_ARG(str_head(domain, 255)));
	mx = facts_get(&p->facts, name, DNS_MX);
	if (!mx || mx->status == DNS_AGAIN)
		return;
	null = mx->n && !mx->records[0].target[0];
	a = mx->n ? mx : facts_get(&p->facts, name, DNS_A);
	aaaa = mx->n ? mx : facts_get(&p->facts, name, DNS_AAAA);
	if (a && aaaa && (null || (!a->n && !aaaa->n && a->status != DNS_AGAIN && aaaa->status != DNS_AGAIN)))
		probe_find(p, PROBE_WARNING, PROBE_DOMAIN, check, "name an address whose domain takes mail", "reports are to go to %s, which %s", name,
			null ? "takes no mail (null MX)" : mx->status == DNS_NXDOMAIN ? "does not exist" : "has no MX record and no address");
}

/* whoever is to get reports about others must agree (RFC 7489 7.1, RFC 9990 4) */
static void check_reports(struct probe *p, const char *domain, struct str list)
{
	struct str scheme, body;
	int more;

	while ((more = uri_next(&list, &scheme, &body)) != 0) {
		struct str to = more > 0 ? str_from(body, (size_t)(str_rchr(body, '@') + 1)) : STR_EMPTY;
		const struct fact *f;
		char name[600];
		size_t n;

		if (more < 0 || !str_ieq(scheme, STR("mailto")))
			continue;
		probe_find_deaf(p, "dmarc", to);
		if (is_ours(p, domain, to) != 0)
			continue;
		snprintf(name, sizeof(name), "%s._report._dmarc.%.*s", domain, STR_ARG(to));
		f = facts_get(&p->facts, name, DNS_TXT);
		if (!f)
			continue;
		tags_find(f, STR("DMARC1"), &n);
		if (f->status == DNS_AGAIN)
			probe_find(p, PROBE_WARNING, PROBE_DOMAIN, "dmarc", "ask again; if it stays, look at its name servers",
				"whether %.*s agrees to get reports cannot be looked up now", STR_ARG(to));
		else if (!n)
			probe_find(p, PROBE_WARNING, PROBE_DOMAIN, "dmarc", "have its owner publish \"v=DMARC1\" there, or nobody sends the reports",
				"%.*s does not agree to get reports: no record at %.280s", STR_ARG(to), name);
	}
}

/* tags that are wrong, unknown, or of the past */
static void judge_tags(struct probe *p, const struct dmarc *d)
{
	static const struct { int tag; const char *text; } gone[] = {
		{ DMARC_PCT, "pct= is not read any more (RFC 9989)" }, { DMARC_RF, "rf= is not read any more (RFC 9989)" },
		{ DMARC_RI, "ri= is not read any more (RFC 9989)" },
	};
	char shown[120];

	for (size_t i = 0; i < d->n_wrong; i++) {
		term_cut(d->wrong[i].at, shown, sizeof(shown));
		probe_find(p, PROBE_WARNING, PROBE_DOMAIN, "dmarc", "correct it: receivers pass over what they cannot read", "\"%s\": %s", shown, d->wrong[i].why);
	}
	if (d->unknown.n) {
		term_cut(d->unknown, shown, sizeof(shown));
		probe_find(p, PROBE_NOTE, PROBE_DOMAIN, "dmarc", "look at its spelling: receivers pass over it", "\"%s\" is a tag that nobody knows", shown);
	}
	for (size_t i = 0; i < sizeof(gone) / sizeof(gone[0]); i++)
		if (d->values[gone[i].tag].n)
			say(p, PROBE_NOTE, gone[i].tag == DMARC_PCT ? "take it out; to try a policy: t=y" : "take it out", gone[i].text);
}

/* the policy that holds for the domain itself */
static struct str policy_of(const struct dmarc_walk *w, const struct dmarc *d)
{
	if (d->only_none)
		return STR("none");
	return w->policy && d->values[DMARC_SP].n ? d->values[DMARC_SP] : d->values[DMARC_P];
}

static void judge_below(struct probe *p, const struct dmarc_walk *w, const struct dmarc *d)
{
	bool org = w->policy >= w->org;

	for (int i = 0; i < 2; i++) {
		struct str v = d->values[i ? DMARC_NP : DMARC_SP];

		if (v.n && !org)
			probe_find(p, PROBE_NOTE, PROBE_DOMAIN, "dmarc", "publish it there, or take it out", "%s=%.*s counts for nothing below the organisational domain %s",
				i ? "np" : "sp", STR_ARG(str_head(v, 20)), w->domain[w->org]);
	}
	if (!org)
		return;
	if (!w->policy && str_ieq(d->values[DMARC_SP], STR("none")))
		say(p, PROBE_WARNING, "protect the names below the domain, too", "sp=none: names below the domain can be forged");
	else if (str_ieq(d->values[DMARC_NP], STR("none")))
		say(p, PROBE_WARNING, "protect them, too", "np=none: names below the domain that do not exist can be forged");
}

static void judge_dmarc(struct probe *p, const struct dmarc_walk *w, const struct dmarc *d)
{
	struct str policy = policy_of(w, d), pct = d->values[DMARC_PCT];
	bool none = str_ieq(policy, STR("none"));

	if (w->policy)
		probe_find(p, PROBE_OK, PROBE_DOMAIN, "dmarc", NULL, "taken from %s", w->domain[w->policy]);
	judge_tags(p, d);
	if (d->only_none)
		say(p, PROBE_WARNING, "say p=none, p=quarantine or p=reject", d->values[DMARC_P].p ? "sp or np is wrong: the record counts as p=none" :
			"no valid p=: the record counts as p=none");
	if (none)
		say(p, PROBE_NOTE, "once the reports are fine: p=quarantine, then p=reject", "p=none: forged mail is only reported");
	else if (pct.n && !str_eq(pct, STR("100")))
		probe_find(p, PROBE_NOTE, PROBE_DOMAIN, "dmarc", "take pct= out", "the policy holds for %.*s%% of the mail at receivers that read pct=",
			STR_ARG(str_head(pct, 3)));
	else if (str_ieq(d->values[DMARC_T], STR("y")))
		say(p, PROBE_NOTE, "take t=y out once the reports are fine", "t=y: the policy is only tried");
	if (!none)
		judge_below(p, w, d);
	if (!d->values[DMARC_RUA].n)
		say(p, PROBE_NOTE, "name an address for reports: rua=mailto:…", "no reports are asked for");
	check_reports(p, w->domain[w->policy], d->values[DMARC_RUA]);
	check_reports(p, w->domain[w->policy], d->values[DMARC_RUF]);
}

void check_dmarc(struct probe *p)
{
	struct str text, where;
	struct dmarc_walk w;
	const char *wrong;
	char shown[300];
	struct dmarc d;
	size_t n;

	if (!walk(p, p->target, &w))
		return;
	tags_find(w.own, STR("DMARC1"), &n);
	if (w.policy == w.n || n > 1 || w.own->status == DNS_AGAIN || (w.policy && w.again)) {
		if (n <= 1 && w.again)
			say(p, PROBE_WARNING, "ask again; if it stays, look at the name servers", "cannot be looked up now");
		else
			probe_one_record(p, "dmarc", w.own, STR("v=DMARC1"), &text, "say what to do with forged mail: a TXT record at _dmarc");
		return;
	}
	wrong = dmarc_parse(w.text[w.policy], &d, &where);
	if (wrong) {
		probe_find_wrong(p, "dmarc", "", wrong, where);
		return;
	}
	term_cut(w.text[w.policy], shown, sizeof(shown));
	say(p, PROBE_OK, NULL, shown);
	judge_dmarc(p, &w, &d);
}

bool check_dmarc_enforces(struct probe *p)
{
	struct dmarc_walk w;
	struct dmarc d;
	struct str at;

	if (!walk(p, p->target, &w) || w.policy == w.n || dmarc_parse(w.text[w.policy], &d, &at))
		return false;
	return !str_ieq(policy_of(&w, &d), STR("none")) && !str_ieq(d.values[DMARC_SP], STR("none")) &&
		(!d.values[DMARC_PCT].n || str_eq(d.values[DMARC_PCT], STR("100"))) && !str_ieq(d.values[DMARC_T], STR("y"));
}

const char *check_dmarc_organisation(struct probe *p)
{
	struct dmarc_walk w;

	return walk(p, p->target, &w) ? w.domain[w.org] : NULL;
}
