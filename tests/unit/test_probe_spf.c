/* test_probe_spf.c - SPF: the grammar, the macros with RFC 7208's own examples, and check_host() over a table of records. */
#include <stdio.h>

#include "core/base/mem.h"
#include "core/probe/spf.h"
#include "tests/unit/t.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

T(spf_terms)
{
	static const struct { const char *in; int kind; char qualifier; const char *spec; unsigned cidr4, cidr6; } rows[] = {
		{ "all", SPF_ALL, '+', "", 32, 128 }, { "-ALL", SPF_ALL, '-', "", 32, 128 }, { "?all", SPF_ALL, '?', "", 32, 128 },
		{ "a", SPF_A, '+', "", 32, 128 }, { "a/24", SPF_A, '+', "", 24, 128 }, { "a//64", SPF_A, '+', "", 32, 64 },
		{ "a/24//64", SPF_A, '+', "", 24, 64 }, { "~a:x.example/0", SPF_A, '~', "x.example", 0, 128 },
		{ "mx:%{d2}.x.example//48", SPF_MX, '+', "%{d2}.x.example", 32, 48 }, { "mx:%{l/}.example", SPF_MX, '+', "%{l/}.example", 32, 128 },
		{ "include:_spf.example.com", SPF_INCLUDE, '+', "_spf.example.com", 32, 128 }, { "ptr", SPF_PTR, '+', "", 32, 128 },
		{ "ip4:192.0.2.0/24", SPF_IP4, '+', "192.0.2.0", 24, 128 }, { "ip6:2001:db8::/32", SPF_IP6, '+', "2001:db8::", 32, 32 },
		{ "exists:%{ir}.%{v}._spf.%{d}", SPF_EXISTS, '+', "%{ir}.%{v}._spf.%{d}", 32, 128 },
		{ "redirect=_spf.example.com", SPF_REDIRECT, '+', "_spf.example.com", 32, 128 },
		{ "exp=explain.%{d}", SPF_EXP, '+', "explain.%{d}", 32, 128 }, { "foo=bar", SPF_OTHER, '+', "bar", 32, 128 },
		{ "ra.x=", SPF_OTHER, '+', "", 32, 128 }, { "a:example.com.", SPF_A, '+', "example.com.", 32, 128 },
		{ "all:x.example", -1, 0, NULL, 0, 0 }, { "include", -1, 0, NULL, 0, 0 }, { "include:", -1, 0, NULL, 0, 0 },
		{ "include:a b", -1, 0, NULL, 0, 0 }, { "a:", -1, 0, NULL, 0, 0 }, { "a/33", -1, 0, NULL, 0, 0 }, { "a//129", -1, 0, NULL, 0, 0 },
		{ "a/", -1, 0, NULL, 0, 0 }, { "a/024", -1, 0, NULL, 0, 0 }, { "all/8", -1, 0, NULL, 0, 0 }, { "ip4:1.2.3", -1, 0, NULL, 0, 0 },
		{ "ip4:::1", -1, 0, NULL, 0, 0 }, { "ip4:::ffff:1.2.3.4", -1, 0, NULL, 0, 0 }, { "ip6:1.2.3.4", -1, 0, NULL, 0, 0 },
		{ "ip4", -1, 0, NULL, 0, 0 }, { "ip4:[1.2.3.4]", -1, 0, NULL, 0, 0 }, { "a:%{x}.example", -1, 0, NULL, 0, 0 },
		{ "a:%{d", -1, 0, NULL, 0, 0 }, { "a:100%.example", -1, 0, NULL, 0, 0 }, { "a:localhost", -1, 0, NULL, 0, 0 },
		{ "a:x.123", -1, 0, NULL, 0, 0 }, { "a:x.-e", -1, 0, NULL, 0, 0 }, { "exists", -1, 0, NULL, 0, 0 }, { "redirect=", -1, 0, NULL, 0, 0 },
		{ "redirect:x.example", -1, 0, NULL, 0, 0 }, { "9x=1", -1, 0, NULL, 0, 0 }, { "=1", -1, 0, NULL, 0, 0 }, { "ipv4:1.2.3.4", -1, 0, NULL, 0, 0 },
		{ "", -1, 0, NULL, 0, 0 }, { "+", -1, 0, NULL, 0, 0 }, { "--all", -1, 0, NULL, 0, 0 }, { "v=spf1", SPF_OTHER, '+', "spf1", 32, 128 },
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		struct spf_term t;
		bool good = spf_term_parse(str_of(rows[i].in), &t);

		ROW("%s", rows[i].in);
		CHECK_INT(good, rows[i].kind >= 0);
		if (!good || rows[i].kind < 0)
			continue;
		CHECK_INT(t.kind, rows[i].kind);
		CHECK_INT(t.qualifier, rows[i].qualifier);
		CHECK_VIEW(t.spec, rows[i].spec);
		CHECK_INT(t.cidr4, rows[i].cidr4);
		CHECK_INT(t.cidr6, rows[i].cidr6);
	}
}

/* --- a world of records --------------------------------------------------------------------------------------------- */

static const struct { const char *name; enum dns_type type; const char *value; } world[] = {
	{ "pass.test", DNS_TXT, "v=spf1 ip4:192.0.2.0/24 -all" },
	{ "fail.test", DNS_TXT, "v=spf1 ip4:198.51.100.1 -all exp=why.fail.test" },
	{ "why.fail.test", DNS_TXT, "%{i} is not one of %{d}'s; see http://%{d}/?%{S}" },
	{ "soft.test", DNS_TXT, "v=spf1 ~all" },
	{ "neutral.test", DNS_TXT, "v=spf1 ?all" },
	{ "open.test", DNS_TXT, "v=spf1 +all" },
	{ "end.test", DNS_TXT, "v=spf1 ip4:198.51.100.1" },
	{ "bare.test", DNS_TXT, "v=spf1" },
	{ "other.test", DNS_TXT, "v=spf10 -all" }, { "other.test", DNS_TXT, "something" },
	{ "two.test", DNS_TXT, "v=spf1 -all" }, { "two.test", DNS_TXT, "v=spf1 ~all" },
	{ "typo.test", DNS_TXT, "v=spf1 ip4:192.0.2.1 ipv4:192.0.2.2 -all" },
	{ "twice.test", DNS_TXT, "v=spf1 redirect=pass.test redirect=pass.test" },
	{ "a.test", DNS_TXT, "v=spf1 a -all" }, { "a.test", DNS_A, "192.0.2.7" }, { "a.test", DNS_AAAA, "2001:db8::7" },
	{ "net.test", DNS_TXT, "v=spf1 a:a.test/24//32 -all" },
	{ "mx.test", DNS_TXT, "v=spf1 mx -all" }, { "mx.test", DNS_MX, "none.test" }, { "mx.test", DNS_MX, "a.test" },
	{ "incl.test", DNS_TXT, "v=spf1 include:fail.test include:pass.test -all" },
	{ "inclnone.test", DNS_TXT, "v=spf1 include:none.test -all" },
	{ "inclagain.test", DNS_TXT, "v=spf1 include:again.test -all" },
	{ "redir.test", DNS_TXT, "v=spf1 ip4:203.0.113.1 redirect=pass.test" },
	{ "redirnone.test", DNS_TXT, "v=spf1 redirect=none.test" },
	{ "redirall.test", DNS_TXT, "v=spf1 -all redirect=open.test" },
	{ "loop.test", DNS_TXT, "v=spf1 include:loop.test -all" },
	{ "ring.test", DNS_TXT, "v=spf1 redirect=ring.test" },
	{ "exists.test", DNS_TXT, "v=spf1 exists:%{ir}.%{v}.%{l}.list.test -all" },
	{ "1.2.0.192.in-addr.bob.list.test", DNS_A, "127.0.0.2" },
	{ "ptr.test", DNS_TXT, "v=spf1 ptr:good.test -all" }, { "1.2.0.192.in-addr.arpa", DNS_PTR, "bad.test" },
	{ "1.2.0.192.in-addr.arpa", DNS_PTR, "host.good.test" }, { "host.good.test", DNS_A, "192.0.2.1" }, { "bad.test", DNS_A, "192.0.2.99" },
	{ "ptrbad.test", DNS_TXT, "v=spf1 ptr:bad.test -all" }, { "ptrnear.test", DNS_TXT, "v=spf1 ptr:ood.test -all" },
	{ "p.test", DNS_TXT, "v=spf1 exists:%{p}.p.test -all" }, { "host.good.test.p.test", DNS_A, "127.0.0.1" },
	{ "void2.test", DNS_TXT, "v=spf1 a:n1.test a:n2.test ip4:192.0.2.1 -all" },
	{ "void3.test", DNS_TXT, "v=spf1 a:n1.test a:n2.test exists:n3.test ip4:192.0.2.1 -all" },
	{ "ten.test", DNS_TXT, "v=spf1 a:a.test a:a.test a:a.test a:a.test a:a.test a:a.test a:a.test a:a.test a:a.test a:a.test -all" },
	{ "eleven.test", DNS_TXT, "v=spf1 include:ten.test ip4:192.0.2.1 -all" },
	{ "early.test", DNS_TXT, "v=spf1 ip4:192.0.2.1 include:ten.test -all" },
	{ "case.test", DNS_TXT, "V=SPF1 IP4:192.0.2.1 -ALL" },
	{ "r.test", DNS_TXT, "v=spf1 exists:%{r}.test -all" },
	{ "helo.test", DNS_TXT, "v=spf1 exists:%{h}.%{o}.seen.test -all" }, { "me.example.sender.example.seen.test", DNS_A, "127.0.0.1" },
	{ "mxmany.test", DNS_TXT, "v=spf1 mx -all" }, { "mxmany.test", DNS_MX, "m1.test" }, { "mxmany.test", DNS_MX, "m2.test" },
	{ "mxmany.test", DNS_MX, "m3.test" }, { "mxmany.test", DNS_MX, "m4.test" }, { "mxmany.test", DNS_MX, "m5.test" },
	{ "mxmany.test", DNS_MX, "m6.test" }, { "mxmany.test", DNS_MX, "m7.test" }, { "mxmany.test", DNS_MX, "m8.test" },
	{ "mxmany.test", DNS_MX, "m9.test" }, { "mxmany.test", DNS_MX, "m10.test" }, { "mxmany.test", DNS_MX, "m11.test" },
};

static void fill(struct dns_record *r, const char *value)
{
	if (r->type == DNS_A || r->type == DNS_AAAA)
		ipaddr_parse(str_of(value), &r->address);
	else if (r->type == DNS_TXT)
		r->data = (uint8_t *)(uintptr_t)value, r->data_n = (uint16_t)strlen(value);
	else
		snprintf(r->target, sizeof(r->target), "%s", value);
}

static struct fact *waiting[64];
static size_t n_waiting;

static void ask(void *ctx, struct fact *f)
{
	(void)ctx;
	waiting[n_waiting++] = f;
}

/* what was asked is answered between two tries, as on the wire */
static void answer_all(struct facts *facts)
{
	while (n_waiting) {
		struct fact *f = waiting[--n_waiting];
		struct dns_record records[16];
		struct dns_answer a = { .records = records };
		bool exists = false;

		memset(records, 0, sizeof(records));
		for (size_t i = 0; i < COUNT(world); i++) {
			exists |= strcmp(world[i].name, f->name) == 0;
			if (strcmp(world[i].name, f->name) != 0 || world[i].type != f->type)
				continue;
			records[a.n].type = f->type;
			fill(&records[a.n++], world[i].value);
		}
		a.status = strcmp(f->name, "again.test") == 0 ? DNS_AGAIN : a.n ? DNS_OK : exists ? DNS_NODATA : DNS_NXDOMAIN;
		facts_learn(facts, f, &a);
	}
}

static int tries;

static void evaluate(struct facts *facts, struct spf *s)
{
	tries = 0;
	facts_init(facts, ask, NULL);
	s->facts = facts;
	while (!spf_evaluate(s) && ++tries < 100)
		answer_all(facts);
	/* the explanation may have been asked for by the last try */
	answer_all(facts);
	spf_evaluate(s);
}

T(spf_results)
{
	static const struct { const char *domain, *client; enum spf_result want; const char *why; } rows[] = {
		{ "pass.test", "192.0.2.1", SPF_PASS, "ip4:192.0.2.0/24" }, { "pass.test", "192.0.3.1", SPF_FAIL, "-all" },
		{ "pass.test", "2001:db8::1", SPF_FAIL, "-all" }, { "soft.test", "192.0.2.1", SPF_SOFTFAIL, "~all" },
		{ "neutral.test", "192.0.2.1", SPF_NEUTRAL, "?all" }, { "open.test", "192.0.2.1", SPF_PASS, "+all" },
		{ "end.test", "192.0.2.1", SPF_NEUTRAL, "" }, { "bare.test", "192.0.2.1", SPF_NEUTRAL, "" },
		{ "none.test", "192.0.2.1", SPF_NONE, "" }, { "other.test", "192.0.2.1", SPF_NONE, "" },
		{ "two.test", "192.0.2.1", SPF_PERMERROR, "two.test has 2 SPF records" },
		{ "typo.test", "192.0.2.1", SPF_PERMERROR, "\"ipv4:192.0.2.2\" is not understood" },
		{ "twice.test", "192.0.2.1", SPF_PERMERROR, "is there twice" }, { "again.test", "192.0.2.1", SPF_TEMPERROR, "again.test" },
		{ "a.test", "192.0.2.7", SPF_PASS, "a" }, { "a.test", "192.0.2.8", SPF_FAIL, "-all" }, { "a.test", "2001:db8::7", SPF_PASS, "a" },
		{ "net.test", "192.0.2.200", SPF_PASS, "a:a.test/24//32" }, { "net.test", "2001:db8:ffff::1", SPF_PASS, "a:a.test" },
		{ "mx.test", "192.0.2.7", SPF_PASS, "mx" }, { "mx.test", "192.0.2.8", SPF_FAIL, "-all" },
		{ "incl.test", "192.0.2.1", SPF_PASS, "include:pass.test" }, { "incl.test", "203.0.113.1", SPF_FAIL, "-all" },
		{ "inclnone.test", "192.0.2.1", SPF_PERMERROR, "include:none.test has no SPF record" },
		{ "inclagain.test", "192.0.2.1", SPF_TEMPERROR, "again.test" }, { "redir.test", "192.0.2.1", SPF_PASS, "ip4:192.0.2.0/24" },
		{ "redir.test", "192.0.3.1", SPF_FAIL, "-all" }, { "redirnone.test", "192.0.2.1", SPF_PERMERROR, "redirect=none.test" },
		{ "redirall.test", "192.0.2.1", SPF_FAIL, "-all" }, { "loop.test", "192.0.2.1", SPF_PERMERROR, "more than 10 lookups" },
		{ "ring.test", "192.0.2.1", SPF_PERMERROR, "more than 10 lookups" }, { "exists.test", "192.0.2.1", SPF_PASS, "exists:" },
		{ "exists.test", "192.0.2.2", SPF_FAIL, "-all" }, { "ptr.test", "192.0.2.1", SPF_PASS, "ptr:good.test" },
		{ "ptrbad.test", "192.0.2.1", SPF_FAIL, "-all" }, { "ptrnear.test", "192.0.2.1", SPF_FAIL, "-all" },
		{ "p.test", "192.0.2.1", SPF_PASS, "exists:%{p}" }, { "void2.test", "192.0.2.1", SPF_PASS, "ip4:" },
		{ "void3.test", "192.0.2.1", SPF_PERMERROR, "more than 2 lookups find nothing" }, { "ten.test", "192.0.2.7", SPF_PASS, "a:a.test" },
		{ "eleven.test", "192.0.2.1", SPF_PERMERROR, "more than 10 lookups" }, { "early.test", "192.0.2.1", SPF_PASS, "ip4:" },
		{ "case.test", "192.0.2.1", SPF_PASS, "IP4:" }, { "r.test", "192.0.2.1", SPF_PERMERROR, "macro" },
		{ "helo.test", "192.0.2.1", SPF_PASS, "exists:" }, { "mxmany.test", "192.0.2.1", SPF_PERMERROR, "more than 10 hosts" },
		{ "not..a.name", "192.0.2.1", SPF_NONE, "" },
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		struct spf s = { .domain = rows[i].domain, .sender = "bob@sender.example", .helo = "me.example" };
		struct facts facts;

		ipaddr_parse(str_of(rows[i].client), &s.client);
		evaluate(&facts, &s);
		ROW("%s %s: %s", rows[i].domain, rows[i].client, s.why);
		CHECK_STR(spf_result_word(s.result), spf_result_word(rows[i].want));
		CHECK(strstr(s.why, rows[i].why) != NULL);
		CHECK(tries < 100);
		facts_fini(&facts);
	}
}

T(spf_explains_a_fail)
{
	struct spf s = { .domain = "fail.test", .sender = "bob+1@sender.example", .helo = "me.example" };
	struct facts facts;

	ipaddr_parse(STR("192.0.2.1"), &s.client);
	evaluate(&facts, &s);
	CHECK_STR(s.explanation, "192.0.2.1 is not one of fail.test's; see http://fail.test/?bob%2B1%40sender.example");
	facts_fini(&facts);
}

T(spf_walks_for_the_worst_case)
{
	static const struct { const char *domain; enum spf_result want; unsigned lookups, voids; char all; bool ptr, variable; } rows[] = {
		{ "pass.test", SPF_NEUTRAL, 0, 0, '-', false, false }, { "incl.test", SPF_NEUTRAL, 2, 0, '-', false, false },
		{ "redir.test", SPF_NEUTRAL, 1, 0, '-', false, false }, { "eleven.test", SPF_NEUTRAL, 11, 0, '-', false, false },
		{ "early.test", SPF_NEUTRAL, 11, 0, '-', false, false }, { "void3.test", SPF_NEUTRAL, 3, 3, '-', false, false },
		{ "end.test", SPF_NEUTRAL, 0, 0, 0, false, false }, { "open.test", SPF_NEUTRAL, 0, 0, '+', false, false },
		{ "ptr.test", SPF_NEUTRAL, 1, 0, '-', true, false }, { "exists.test", SPF_NEUTRAL, 1, 0, '-', false, true },
		{ "typo.test", SPF_PERMERROR, 0, 0, 0, false, false }, { "two.test", SPF_PERMERROR, 0, 0, 0, false, false },
		{ "none.test", SPF_NONE, 0, 0, 0, false, false }, { "again.test", SPF_TEMPERROR, 0, 0, 0, false, false },
		{ "inclnone.test", SPF_PERMERROR, 1, 0, '-', false, false },
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		struct spf s = { .domain = rows[i].domain, .helo = "me.example" };
		struct facts facts;

		evaluate(&facts, &s);
		ROW("%s: %s", rows[i].domain, s.why);
		CHECK_STR(spf_result_word(s.result), spf_result_word(rows[i].want));
		CHECK_INT(s.lookups, rows[i].lookups);
		CHECK_INT(s.voids, rows[i].voids);
		CHECK_INT(s.all, rows[i].all);
		CHECK_INT(s.uses_ptr, rows[i].ptr);
		CHECK_INT(s.variable, rows[i].variable);
		facts_fini(&facts);
	}
}

T(spf_walks_end_where_records_include_each_other)
{
	static const char *const domains[] = { "loop.test", "ring.test" };

	for (size_t i = 0; i < COUNT(domains); i++) {
		struct spf s = { .domain = domains[i], .helo = "me.example" };
		struct facts facts;

		evaluate(&facts, &s);
		ROW("%s", domains[i]);
		CHECK_INT(s.result, SPF_PERMERROR);
		CHECK(s.lookups > SPF_LOOKUPS);
		facts_fini(&facts);
	}
}

/* RFC 7208 section 7.4 */
T(spf_macros_of_the_rfc)
{
	static const struct { const char *in, *want, *client; } rows[] = {
		{ "%{s}", "strong-bad@email.example.com", NULL }, { "%{o}", "email.example.com", NULL }, { "%{d}", "email.example.com", NULL },
		{ "%{d4}", "email.example.com", NULL }, { "%{d3}", "email.example.com", NULL }, { "%{d2}", "example.com", NULL },
		{ "%{d1}", "com", NULL }, { "%{dr}", "com.example.email", NULL }, { "%{d2r}", "example.email", NULL }, { "%{l}", "strong-bad", NULL },
		{ "%{l-}", "strong.bad", NULL }, { "%{lr}", "strong-bad", NULL }, { "%{lr-}", "bad.strong", NULL }, { "%{l1r-}", "strong", NULL },
		{ "%{ir}.%{v}._spf.%{d2}", "3.2.0.192.in-addr._spf.example.com", NULL },
		{ "%{lr-}.lp._spf.%{d2}", "bad.strong.lp._spf.example.com", NULL },
		{ "%{lr-}.lp.%{ir}.%{v}._spf.%{d2}", "bad.strong.lp.3.2.0.192.in-addr._spf.example.com", NULL },
		{ "%{ir}.%{v}.%{l1r-}.lp._spf.%{d2}", "3.2.0.192.in-addr.strong.lp._spf.example.com", NULL },
		{ "%{d2}.trusted-domains.example.net", "example.com.trusted-domains.example.net", NULL },
		{ "%{ir}.%{v}._spf.%{d2}",
			"1.0.b.c.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6._spf.example.com", "2001:db8::cb01" },
		{ "%%%_%-%{p}", "% %20unknown", NULL }, { "%{S}", "strong-bad%40email.example.com", NULL }, { "%{c}", NULL, NULL }, { "%{q}", NULL, NULL },
		{ "%", NULL, NULL },
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		struct spf s = { .sender = "strong-bad@email.example.com", .helo = "me.example" };
		struct facts facts;
		char out[256];
		int known;

		facts_init(&facts, ask, NULL);
		s.facts = &facts;
		ipaddr_parse(str_of(rows[i].client ? rows[i].client : "192.0.2.3"), &s.client);
		ROW("%s", rows[i].in);
		while ((known = spf_expand(&s, str_of(rows[i].in), "email.example.com", false, out)) == 0)
			answer_all(&facts);
		CHECK_INT(known, rows[i].want ? 1 : -1);
		if (known > 0)
			CHECK_STR(out, rows[i].want);
		facts_fini(&facts);
	}
}

T(spf_long_names_lose_labels_at_the_left)
{
	struct spf s = { .sender = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa@x.example", .helo = "me.example" };
	struct facts facts;
	char out[256];

	facts_init(&facts, ask, NULL);
	s.facts = &facts;
	ipaddr_parse(STR("192.0.2.3"), &s.client);
	CHECK_INT(spf_expand(&s, STR("%{l}.%{l}.%{l}.%{l}.%{l}.end.example"), "x.example", false, out), 1);
	CHECK(strlen(out) <= 253 && strlen(out) > 180);
	CHECK(strcmp(out + strlen(out) - 12, ".end.example") == 0 && out[0] == 'a');
	facts_fini(&facts);
}
