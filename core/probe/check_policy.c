/* check_policy - what a domain asks others to do: SPF and BIMI. DMARC is in check_dmarc.c, keys in check_dkim.c. */
#include "core/probe/probe.h"

#include "core/base/term.h"
#include "core/probe/records.h"
#include "core/probe/spf.h"

static const char again_advice[] = "ask again; if it stays, look at the name servers";

static void find(struct probe *p, enum probe_verdict v, const char *check, const char *advice, const char *text)
{
	probe_find(p, v, PROBE_DOMAIN, check, advice, "%s", text);
}

void probe_find_wrong(struct probe *p, const char *check, const char *what, const char *wrong, struct str at)
{
	char shown[120];

	term_cut(str_trim(at), shown, sizeof(shown));
	probe_find(p, PROBE_PROBLEM, PROBE_DOMAIN, check, "correct it: receivers pass over what they cannot read", "%s%s\"%s\": %s", what,
		*what ? ": " : "", shown, wrong);
}

bool probe_one_record(struct probe *p, const char *check, const struct fact *f, struct str starts, struct str *out, const char *missing)
{
	size_t n;

	*out = tags_find(f, str_from(starts, 2), &n);
	if (n == 1)
		return true;
	if (n > 1)
		probe_find(p, PROBE_PROBLEM, PROBE_DOMAIN, check, "keep one of them: several count as none", "%zu records", n);
	else if (f->status == DNS_AGAIN)
		find(p, PROBE_WARNING, check, again_advice, "cannot be looked up now");
	else if (!probe_find_alike(p, check, f, starts) && missing)
		find(p, PROBE_NOTE, check, missing, "no record");
	return false;
}

bool probe_find_alike(struct probe *p, const char *check, const struct fact *f, struct str starts)
{
	for (size_t i = 0; i < f->n; i++) {
		struct str rest = fact_text(f, i);
		char shown[120];

		size_t odd;

		while (rest.n && !str_istarts(rest, str_from(starts, 2)))
			rest = str_from(rest, 1);
		if (!rest.n)
			continue;
		rest = fact_text(f, i);
		term_cut(rest, shown, sizeof(shown));
		odd = str_istarts(rest, starts) ? spf_odd_byte(str_from(rest, starts.n)) : 1;
		/* the beginning may be right, and what follows not: a tab, or another version */
		if (!odd && rest.n > starts.n)
			probe_find(p, PROBE_WARNING, PROBE_DOMAIN, check, "correct it: receivers pass over it", "\"%s\": behind %.*s is the byte 0x%02x", shown,
				STR_ARG(starts), (unsigned char)rest.p[starts.n]);
		else
			probe_find(p, PROBE_WARNING, PROBE_DOMAIN, check, "correct it: receivers pass over it", "\"%s\" does not begin with %.*s%s", shown,
				STR_ARG(starts), !str_starts(rest, starts) ? "" : *check == 's' ? " and a blank" : ";");
		return true;
	}
	return false;
}

/* --- SPF ------------------------------------------------------------------------------------------------------------ */

static void judge_spf_client(struct probe *p, struct spf *s)
{
	static const struct { enum probe_verdict v; const char *advice; } rows[] = {
		[SPF_NONE] = { PROBE_NOTE, NULL }, [SPF_NEUTRAL] = { PROBE_WARNING, "name the address in the record" },
		[SPF_PASS] = { PROBE_OK, NULL }, [SPF_FAIL] = { PROBE_PROBLEM, "mail from this address is refused: name it in the record" },
		[SPF_SOFTFAIL] = { PROBE_WARNING, "mail from this address is suspect: name it in the record" },
		[SPF_TEMPERROR] = { PROBE_WARNING, "ask again" }, [SPF_PERMERROR] = { PROBE_PROBLEM, "correct the record" },
	};
	char client[46];

	ipaddr_format(&s->client, client);
	probe_find(p, rows[s->result].v, PROBE_DOMAIN, "spf", rows[s->result].advice, "%s: %s%s%s%s%s", client, spf_result_word(s->result),
		s->why[0] ? ", " : "", s->why, s->explanation[0] ? ": " : "", s->explanation);
}

/* a client asks for addresses of its own family only; where nobody may send in one, an error instead of a fail is no great harm */
static void judge_spf_voids(struct probe *p, const struct spf *s)
{
	static const char *const families[] = { "for IPv4 ", "for IPv6 ", "" };
	bool v4 = s->void_of[0] > SPF_VOIDS, v6 = s->void_of[1] > SPF_VOIDS, harm = (v4 && s->sends[0]) || (v6 && s->sends[1]) || (v4 && v6);

	probe_find(p, harm ? PROBE_PROBLEM : PROBE_WARNING, PROBE_DOMAIN, "spf", "remove names that have no address (RFC 7208 4.6.4)",
		"%s%u lookups find nothing, of at most %d", families[v4 && v6 ? 2 : v6], s->voids, SPF_VOIDS);
}

static void judge_spf_oddities(struct probe *p, const struct spf *s)
{
	static const struct { enum probe_verdict v; const char *before, *behind, *advice; } rows[SPF_ODDITIES] = {
		[SPF_ODD_BEHIND] = { PROBE_WARNING, "", ": nothing behind all is looked at", "put it before all, or take it out (RFC 7208 5.1)" },
		[SPF_ODD_REDIRECT] = { PROBE_WARNING, "redirect=", " beside all is never followed", "take one of both out (RFC 7208 6.1)" },
		[SPF_ODD_SWAPPED] = { PROBE_WARNING, "", " counts for nothing", "mechanisms are written with a colon: ip4:192.0.2.1; v=spf1 stands once" },
		[SPF_ODD_LONG] = { PROBE_NOTE, "the record of ", " is long: it may not fit a UDP answer", "keep it under 450 octets (RFC 7208 3.4)" },
		[SPF_ODD_WIDE] = { PROBE_WARNING, "", " lets a large part of the Internet send for this domain", "name your own addresses" },
	};
	bool open = s->open[0] || s->open[1];

	for (int i = 0; i < SPF_ODDITIES; i++)
		if (s->odd[i][0] && !(i == SPF_ODD_WIDE && s->open[0]))
			probe_find(p, rows[i].v, PROBE_DOMAIN, "spf", rows[i].advice, "%s%s%s", rows[i].before, s->odd[i], rows[i].behind);
	if (open && s->all != '+')
		probe_find(p, PROBE_PROBLEM, PROBE_DOMAIN, "spf", "name the addresses that send, and no others", "%s: everybody may send for this domain%s",
			s->opener, s->open[0] && s->open[1] ? "" : s->open[0] ? " over IPv4" : " over IPv6");
}

static void judge_spf(struct probe *p, const struct spf *s, const struct fact *own)
{
	if (s->result == SPF_NONE && !(own && probe_find_alike(p, "spf", own, STR("v=spf1"))))
		find(p, PROBE_WARNING, "spf", "say who may send for this domain: v=spf1 …", "no record");
	else if (s->result == SPF_TEMPERROR)
		find(p, PROBE_WARNING, "spf", own && own->status == DNS_AGAIN ? again_advice : "ask again; if it stays, take the name out of the record",
			s->why);
	else if (s->result == SPF_PERMERROR)
		find(p, PROBE_PROBLEM, "spf", "correct it: with an error the whole record counts for nothing", s->why);
	if (s->lookups > SPF_LOOKUPS)
		probe_find(p, PROBE_PROBLEM, PROBE_DOMAIN, "spf", "replace includes by addresses: past 10 the record counts for nothing (RFC 7208 4.6.4)",
			"%u lookups of at most %d", s->lookups, SPF_LOOKUPS);
	else if (s->voids > SPF_VOIDS)
		judge_spf_voids(p, s);
	else if (s->result == SPF_NEUTRAL)
		probe_find(p, PROBE_OK, PROBE_DOMAIN, "spf", NULL, "%u lookup%s of at most %d%s", s->lookups, s->lookups == 1 ? "" : "s", SPF_LOOKUPS,
			s->variable ? "; names that depend on the mail were not looked up" : "");
	if (s->result != SPF_NEUTRAL)
		return;
	judge_spf_oddities(p, s);
	if (s->all == '+')
		find(p, PROBE_PROBLEM, "spf", "end the record with -all or ~all", "+all: everybody may send for this domain");
	else if (s->all == '?' || !s->all)
		find(p, PROBE_WARNING, "spf", "end the record with -all or ~all", s->all ? "?all says nothing about forged mail" :
			"no all at its end: it says nothing about forged mail");
	if (s->uses_ptr)
		find(p, PROBE_WARNING, "spf", "name the addresses: ptr is slow and often passed over (RFC 7208 5.5)", "the record uses ptr");
}

void check_spf(struct probe *p)
{
	struct spf s = { .facts = &p->facts, .domain = p->target, .helo = p->opt->helo_name, .receiver = p->opt->helo_name,
		.sender = p->target };
	const char *from = p->opt->sender;
	const struct fact *f;
	char text[280] = "", sender[LIMIT_ADDRESS];

	if (!spf_evaluate(&s))
		return;
	f = facts_get(&p->facts, p->target, DNS_TXT);
	if (f)
		for (size_t i = 0; i < f->n && !*text; i++)
			if (spf_is_record(fact_text(f, i)))
				term_cut(fact_text(f, i), text, sizeof(text));
	if (*text)
		find(p, PROBE_OK, "spf", NULL, text);
	judge_spf(p, &s, f);
	if (from && strcmp(from, "<>")) {
		snprintf(sender, sizeof(sender), "%s%s%s", from, strchr(from, '@') ? "" : "@", strchr(from, '@') ? "" : p->target);
		s.sender = sender;
	}
	s.client = p->opt->client;
	if (s.client.family != AF_UNSPEC && spf_evaluate(&s))
		judge_spf_client(p, &s);
}

/* --- BIMI ----------------------------------------------------------------------------------------------------------- */

void check_bimi(struct probe *p)
{
	struct str text, at, values[BIMI_TAGS];
	const struct fact *f;
	const char *wrong, *org = check_dmarc_organisation(p);
	char name[300];

	snprintf(name, sizeof(name), "default._bimi.%s", p->target);
	f = facts_get(&p->facts, name, DNS_TXT);
	if (!f || !org)
		return;
	/* a domain without one has its organisation's */
	if (!f->n && f->status != DNS_AGAIN && strcmp(org, p->target)) {
		snprintf(name, sizeof(name), "default._bimi.%s", org);
		f = facts_get(&p->facts, name, DNS_TXT);
	}
	if (!f || !f->n || !probe_one_record(p, "bimi", f, STR("v=BIMI1"), &text, NULL))
		return;
	wrong = bimi_parse(text, values, &at);
	if (wrong) {
		probe_find_wrong(p, "bimi", "", wrong, at);
		return;
	}
	if (values[BIMI_L].n && !str_iends(values[BIMI_L], STR(".svg")))
		find(p, PROBE_WARNING, "bimi", "l= names an SVG file", "the logo is no .svg");
	else
		find(p, PROBE_OK, "bimi", NULL, values[BIMI_L].n ? "a logo" : "no logo is wanted");
	if (values[BIMI_L].n && !check_dmarc_enforces(p))
		find(p, PROBE_WARNING, "bimi", "logos are shown under p=quarantine or p=reject with pct=100 only", "DMARC is not enforced");
	if (values[BIMI_L].n && !values[BIMI_A].n)
		find(p, PROBE_NOTE, "bimi", "most mailbox providers ask for one: a=https://…", "no mark certificate");
}
