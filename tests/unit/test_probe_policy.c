/* SPF, DMARC, DKIM and BIMI of a domain: what is said of the records that it has, and of those that it lacks */
#include <stdio.h>

#include "core/base/mem.h"
#include "core/probe/probe.h"
#include "tests/unit/t.h"

/* the world, a line each: "NAME text of the record", or "NAME again" */
static const char *world;
static struct fact *waiting[200];
static size_t n_waiting;

static void ask(void *ctx, struct fact *f)
{
	(void)ctx;
	waiting[n_waiting++] = f;
}

static void answer(struct facts *facts, struct fact *f)
{
	struct dns_record records[10];
	struct dns_answer a = { .status = DNS_NODATA, .records = records };
	struct str rest = str_of(world), line, name;
	unsigned type = (unsigned)f->type & ~(unsigned)DNS_UNCHECKED;
	bool takes_mail = true;

	memset(records, 0, sizeof(records));
	while (str_cut(&rest, '\n', &line)) {
		str_cut(&line, ' ', &name);
		if (!str_eq(name, str_of(f->name)))
			continue;
		if (f->type == DNS_MX && str_eq(line, STR("MX none")))
			takes_mail = false;
		/* "NAME A ADDRESS", "NAME MX none" (where reports go has one else); all else is text */
		if (str_starts(line, STR("A ")) != (type == DNS_A) || (type != DNS_A && type != DNS_TXT))
			continue;
		if (type == DNS_A)
			ipaddr_parse(str_from(line, 2), &records[a.n].address);
		a.status = str_eq(line, STR("again")) ? DNS_AGAIN : DNS_OK;
		if (a.status == DNS_AGAIN)
			break;
		records[a.n].data = (uint8_t *)(uintptr_t)line.p;
		records[a.n++].data_n = (uint16_t)line.n;
	}
	if (f->type == DNS_MX && takes_mail) {
		snprintf(records[0].target, sizeof(records[0].target), "mx.test");
		a.status = DNS_OK;
		a.n = 1;
	}
	facts_learn(facts, f, &a);
}

static void judge(const char *target, void (*check)(struct probe *p), struct buf *got)
{
	struct probe_options o = { .families = 3, .selectors = { "s1" } };
	struct probe p = { .opt = &o, .port = 25, .dry = true };

	facts_init(&p.facts, ask, NULL);
	snprintf(p.target, sizeof(p.target), "%s", target);
	for (check(&p); n_waiting; check(&p))
		while (n_waiting)
			answer(&p.facts, waiting[--n_waiting]);
	p.dry = false;
	check(&p);
	for (size_t k = 0; k < p.n_findings; k++)
		buf_printf(got, "%s %s\n", probe_verdict_word(p.findings[k].verdict), p.findings[k].text);
	mem_free(p.findings);
	facts_fini(&p.facts);
}

static const struct { void (*check)(struct probe *p); const char *target, *world, *want; } rows[] = {
	{ check_dmarc, "x.test", "", "note no record\n" },
	{ check_dmarc, "x.test", "_dmarc.x.test v=DMARC1; p=reject; rua=mailto:r@x.test", "ok v=DMARC1; p=reject; rua=mailto:r@x.test\n" },
	{ check_dmarc, "x.test", "_dmarc.x.test v=DMARC1; p=none; rua=mailto:r@x.test", "ok v=DMARC1; p=none; rua=mailto:r@x.test\nnote p=none: forged mail is only reported\n" },
	{ check_dmarc, "x.test", "_dmarc.x.test v=DMARC1; p=reject; rua=mailto:r@x.test\nx.test MX none",
		"ok v=DMARC1; p=reject; rua=mailto:r@x.test\nwarning reports are to go to x.test, which has no MX record and no address\n" },
	{ check_dmarc, "x.test", "_dmarc.x.test v=DMARC1; p=reject; rua=mailto:r@x.test\nx.test MX none\nx.test A 192.0.2.1",
		"ok v=DMARC1; p=reject; rua=mailto:r@x.test\n" },
	{ check_dmarc, "x.test", "_dmarc.x.test v=DMARC1; p=reject", "ok v=DMARC1; p=reject\nnote no reports are asked for\n" },
	{ check_dmarc, "x.test", "_dmarc.x.test v=DMARC1; p=reject\n_dmarc.x.test v=DMARC1; p=none", "problem 2 records\n" },
	{ check_dmarc, "x.test", "_dmarc.x.test v=DMARC1; p=reject; rua=mailto:r@x.test\n_dmarc.x.test other words", "ok v=DMARC1; p=reject; rua=mailto:r@x.test\n" },
	{ check_dmarc, "x.test", "_dmarc.x.test V=dmarc1; p=reject; rua=mailto:r@x.test", "warning \"V=dmarc1; p=reject; rua=mailto:r@x.test\" does not begin with v=DMARC1\n" },
	{ check_dmarc, "x.test", "_dmarc.x.test v=DMARC1; p=sometimes", "problem \"p=sometimes\": not one of the values it may have\n" },
	/* the policy is the domain's, else the organisation's, else the public suffix's */
	{ check_dmarc, "a.b.x.test", "_dmarc.b.x.test v=DMARC1; p=none; rua=mailto:r@x.test\n_dmarc.x.test v=DMARC1; p=reject; rua=mailto:r@x.test", "ok v=DMARC1; p=reject; rua=mailto:r@x.test\nok taken from x.test\n" },
	{ check_dmarc, "a.b.x.test", "_dmarc.b.x.test v=DMARC1; p=none; psd=n; rua=mailto:r@x.test\n_dmarc.x.test v=DMARC1; p=reject",
		"ok v=DMARC1; p=none; psd=n; rua=mailto:r@x.test\nok taken from b.x.test\nnote p=none: forged mail is only reported\n" },
	{ check_dmarc, "a.x.co.test", "_dmarc.x.co.test v=DMARC1; p=reject; rua=mailto:r@x.co.test\n_dmarc.co.test v=DMARC1; p=none; psd=y\n_dmarc.test v=DMARC1; p=none",
		"ok v=DMARC1; p=reject; rua=mailto:r@x.co.test\nok taken from x.co.test\n" },
	{ check_dmarc, "a.x.co.test", "_dmarc.co.test v=DMARC1; p=none; sp=reject; psd=y; rua=mailto:r@co.test\n_dmarc.test v=DMARC1; p=none",
		"ok v=DMARC1; p=none; sp=reject; psd=y; rua=mailto:r@co.test\nok taken from co.test\n" },
	{ check_dmarc, "co.test", "_dmarc.co.test v=DMARC1; p=reject; psd=y; rua=mailto:r@co.test", "ok v=DMARC1; p=reject; psd=y; rua=mailto:r@co.test\n" },
	{ check_dmarc, "a.b.c.d.e.f.g.h.x.test", "_dmarc.x.test v=DMARC1; p=reject; rua=mailto:r@x.test\n_dmarc.d.e.f.g.h.x.test v=DMARC1; p=none", "ok v=DMARC1; p=reject; rua=mailto:r@x.test\nok taken from x.test\n" },
	{ check_dmarc, "a.x.test", "_dmarc.a.x.test v=DMARC1; p=reject; sp=none; rua=mailto:r@x.test\n_dmarc.x.test v=DMARC1; p=reject",
		"ok v=DMARC1; p=reject; sp=none; rua=mailto:r@x.test\nnote sp=none counts for nothing below the organisational domain x.test\n" },
	{ check_dmarc, "a.x.test", "_dmarc.x.test v=DMARC1; p=reject; sp=none; rua=mailto:r@x.test", "ok v=DMARC1; p=reject; sp=none; rua=mailto:r@x.test\nok taken from x.test\nnote p=none: forged mail is only reported\n" },
	{ check_dmarc, "x.test", "_dmarc.x.test v=DMARC1; p=reject; sp=none; rua=mailto:r@x.test", "ok v=DMARC1; p=reject; sp=none; rua=mailto:r@x.test\nwarning sp=none: names below the domain can be forged\n" },
	/* what is wrong in a record does not end what is said of it */
	{ check_dmarc, "x.test", "_dmarc.x.test v = DMARC1; p = reject; rua=mailto:r@x.test", "ok v = DMARC1; p = reject; rua=mailto:r@x.test\n" },
	{ check_dmarc, "x.test", "_dmarc.x.test v=DMARC1; p=none; adkim=x; fo=2", "ok v=DMARC1; p=none; adkim=x; fo=2\nwarning \"adkim=x\": not one of the values it may have\nwarning \"fo=2\": not one of the values it may have\n"
		"note p=none: forged mail is only reported\nnote no reports are asked for\n" },
	{ check_dmarc, "x.test", "_dmarc.x.test v=DMARC1; rua=mailto:r@x.test", "ok v=DMARC1; rua=mailto:r@x.test\nwarning no valid p=: the record counts as p=none\nnote p=none: forged mail is only reported\n" },
	{ check_dmarc, "x.test", "_dmarc.x.test v=DMARC1; p=reject; pct=20; ri=3600; rf=afrf; rua=mailto:r@x.test", "ok v=DMARC1; p=reject; pct=20; ri=3600; rf=afrf; rua=mailto:r@x.test\n"
		"note pct= is not read any more (RFC 9989)\nnote rf= is not read any more (RFC 9989)\nnote ri= is not read any more (RFC 9989)\nnote the policy holds for 20% of the mail at receivers that read pct=\n" },
	{ check_dmarc, "x.test", "_dmarc.x.test v=DMARC1; p=reject; ruaa=1; rua=mailto:r@x.test", "ok v=DMARC1; p=reject; ruaa=1; rua=mailto:r@x.test\nnote \"ruaa=1\" is a tag that nobody knows\n" },
	/* reports leave the organisation */
	{ check_dmarc, "x.co.test", "_dmarc.x.co.test v=DMARC1; p=reject; rua=mailto:r@y.co.test", "ok v=DMARC1; p=reject; rua=mailto:r@y.co.test\n"
		"warning y.co.test does not agree to get reports: no record at x.co.test._report._dmarc.y.co.test\n" },
	{ check_dmarc, "x.co.test", "_dmarc.x.co.test v=DMARC1; p=reject; rua=mailto:r@y.co.test\nx.co.test._report._dmarc.y.co.test v=DMARC1", "ok v=DMARC1; p=reject; rua=mailto:r@y.co.test\n" },
	{ check_dmarc, "x.co.test", "_dmarc.x.co.test v=DMARC1; p=reject; rua=mailto: a@x.co.test,mailto:r@y.co.test\nx.co.test._report._dmarc.y.co.test again", "ok v=DMARC1; p=reject; rua=mailto: a@x.co.test,mailto:r@y.co.test\n"
		"warning \"mailto: a@x.co.test\": not a mailto: address\nwarning whether y.co.test agrees to get reports cannot be looked up now\n" },
	{ check_dmarc, "a.x.test", "_dmarc.a.x.test v=DMARC1; p=reject; rua=mailto:r@b.x.test\n_dmarc.x.test v=DMARC1; p=reject", "ok v=DMARC1; p=reject; rua=mailto:r@b.x.test\n" },
	{ check_dmarc, "a.x.test", "_dmarc.a.x.test v=DMARC1; p=reject; rua=mailto:r@x.test", "ok v=DMARC1; p=reject; rua=mailto:r@x.test\n" },
	{ check_dmarc, "a.x.test", "_dmarc.x.test v=DMARC1; p=reject; rua=mailto:r@x.test", "ok v=DMARC1; p=reject; rua=mailto:r@x.test\nok taken from x.test\n" },
	{ check_dmarc, "a.x.test", "_dmarc.a.x.test again\n_dmarc.x.test v=DMARC1; p=reject", "warning cannot be looked up now\n" },
	{ check_dmarc, "a.x.test", "_dmarc.a.x.test V=dmarc1; p=none\n_dmarc.x.test v=DMARC1; p=reject; rua=mailto:r@x.test",
		"ok v=DMARC1; p=reject; rua=mailto:r@x.test\nok taken from x.test\n" },
	{ check_dmarc, "x.test", "_dmarc.x.test again", "warning cannot be looked up now\n" },
	{ check_dkim, "x.test", "", "problem s1: no key: the name has no TXT record\n" }, { check_dkim, "x.test", "s1._domainkey.x.test again", "warning s1: cannot be looked up now: SERVFAIL, or no answer in time\n" },
	{ check_dkim, "x.test", "s1._domainkey.x.test v=DKIM1; p=", "warning s1: the key is revoked\n" },
	{ check_dkim, "x.test", "s1._domainkey.x.test v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=", "ok s1: Ed25519\n" },
	{ check_dkim, "x.test", "s1._domainkey.x.test v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=\n"
		"s1._domainkey.x.test v=DKIM1; p=", "problem s1: more than one record\n" },
	{ check_dkim, "x.test", "s1._domainkey.x.test v=DKIM2; p=x", "problem s1: \"v=DKIM2\": not the version that is known\n" },
	{ check_dkim, "x.test", "s1._domainkey.x.test v=DKIM1; h=sha1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=", "ok s1: Ed25519\nproblem s1: h=sha1\n" },
	{ check_spf, "x.test", "", "warning no record\n" }, { check_spf, "x.test", "x.test again", "warning x.test cannot be looked up now\n" }, { check_spf, "x.test", "x.test v=spf1 -all", "ok v=spf1 -all\nok 0 lookups of at most 10\n" },
	{ check_spf, "x.test", "x.test v=spf1 -all\nx.test v=spf1 ~all", "ok v=spf1 -all\nproblem x.test has 2 SPF records; there must be one\n" }, { check_spf, "x.test", "x.test v=spf1 +all", "ok v=spf1 +all\nok 0 lookups of at most 10\nproblem +all: everybody may send for this domain\n" },
	{ check_spf, "x.test", "x.test v=spf1 ip4:192.0.2.1 nonsense -all", "ok v=spf1 ip4:192.0.2.1 nonsense -all\nproblem x.test: \"nonsense\" is not understood\n" }, { check_spf, "x.test", "x.test v=spf10 -all", "warning \"v=spf10 -all\" does not begin with v=spf1 and a blank\n" },
	/* who may send: all that ends in everybody, however it is written */
	{ check_spf, "x.test", "x.test v=spf1 include:y.test -all\ny.test v=spf1 +all", "ok v=spf1 include:y.test -all\nok 1 lookup of at most 10\nproblem include:y.test: everybody may send for this domain\n" },
	{ check_spf, "x.test", "x.test v=spf1 include:y.test -all\ny.test v=spf1 include:z.test\nz.test v=spf1 ip4:0.0.0.0/0",
		"ok v=spf1 include:y.test -all\nok 2 lookups of at most 10\nproblem include:y.test: everybody may send for this domain over IPv4\n" },
	{ check_spf, "x.test", "x.test v=spf1 ip4:1.2.3.4/0 ip6:2001:db8::1/0 -all", "ok v=spf1 ip4:1.2.3.4/0 ip6:2001:db8::1/0 -all\nok 0 lookups of at most 10\nproblem ip4:1.2.3.4/0: everybody may send for this domain\n" },
	{ check_spf, "x.test", "x.test v=spf1 ip6:::/0 -all", "ok v=spf1 ip6:::/0 -all\nok 0 lookups of at most 10\nproblem ip6:::/0: everybody may send for this domain over IPv6\n" },
	{ check_spf, "x.test", "x.test v=spf1 ip4:0.0.0.0/1 ip4:128.0.0.0/1 -all", "ok v=spf1 ip4:0.0.0.0/1 ip4:128.0.0.0/1 -all\nok 0 lookups of at most 10\nproblem ip4:128.0.0.0/1: everybody may send for this domain over IPv4\n" },
	{ check_spf, "x.test", "x.test v=spf1 ip4:0.0.0.0/2 ip4:64.0.0.0/2 ip4:128.0.0.0/2 ip4:192.0.0.0/3 -all",
		"ok v=spf1 ip4:0.0.0.0/2 ip4:64.0.0.0/2 ip4:128.0.0.0/2 ip4:192.0.0.0/3 -all\nok 0 lookups of at most 10\nproblem ip4:192.0.0.0/3: everybody may send for this domain over IPv4\n" },
	{ check_spf, "x.test", "x.test v=spf1 ip4:0.0.0.0/1 -all", "ok v=spf1 ip4:0.0.0.0/1 -all\nok 0 lookups of at most 10\nwarning ip4:0.0.0.0/1 lets a large part of the Internet send for this domain\n" },
	{ check_spf, "x.test", "x.test v=spf1 a/0 -all\nx.test A 192.0.2.1", "ok v=spf1 a/0 -all\nok 1 lookup of at most 10\nproblem a/0: everybody may send for this domain over IPv4\n" },
	{ check_spf, "x.test", "x.test v=spf1 exists:y.test -all\ny.test A 127.0.0.2", "ok v=spf1 exists:y.test -all\nok 1 lookup of at most 10\nproblem exists:y.test: everybody may send for this domain\n" },
	{ check_spf, "x.test", "x.test v=spf1 redirect=y.test\ny.test v=spf1 ip4:0.0.0.0/0 -all", "ok v=spf1 redirect=y.test\nok 1 lookup of at most 10\nproblem ip4:0.0.0.0/0: everybody may send for this domain over IPv4\n" },
	/* and what does not */
	{ check_spf, "x.test", "x.test v=spf1 ?include:y.test -include:y.test -all\ny.test v=spf1 +all", "ok v=spf1 ?include:y.test -include:y.test -all\nok 2 lookups of at most 10\n" },
	{ check_spf, "x.test", "x.test v=spf1 include:y.test -all\ny.test v=spf1 ?all", "ok v=spf1 include:y.test -all\nok 1 lookup of at most 10\n" },
	{ check_spf, "x.test", "x.test v=spf1 ~ip4:0.0.0.0/0 ip4:0.0.0.0/0 -all", "ok v=spf1 ~ip4:0.0.0.0/0 ip4:0.0.0.0/0 -all\nok 0 lookups of at most 10\n" },
	{ check_spf, "x.test", "x.test v=spf1 -exists:y.test ip4:0.0.0.0/0 -all\ny.test A 127.0.0.2", "ok v=spf1 -exists:y.test ip4:0.0.0.0/0 -all\nok 1 lookup of at most 10\n" },
	{ check_spf, "x.test", "x.test v=spf1 exists:%{i}.y.test ip4:10.0.0.0/8 a/24 -all\nx.test A 192.0.2.1", "ok v=spf1 exists:%{i}.y.test ip4:10.0.0.0/8 a/24 -all\nok 2 lookups of at most 10; names that depend on the mail were not looked up\n" },
	/* lookups that find nothing are those of one client, who has one family */
	{ check_spf, "x.test", "x.test v=spf1 a:a.test a:b.test a:c.test -all\na.test A 192.0.2.1\nb.test A 192.0.2.2\nc.test A 192.0.2.3",
		"ok v=spf1 a:a.test a:b.test a:c.test -all\nwarning for IPv6 3 lookups find nothing, of at most 2\n" },
	{ check_spf, "x.test", "x.test v=spf1 ip6:2001:db8::1 a:a.test a:b.test a:c.test -all\na.test A 192.0.2.1\nb.test A 192.0.2.2\nc.test A 192.0.2.3",
		"ok v=spf1 ip6:2001:db8::1 a:a.test a:b.test a:c.test -all\nproblem for IPv6 3 lookups find nothing, of at most 2\n" },
	{ check_spf, "x.test", "x.test v=spf1 a:a.test a:b.test a:c.test -all", "ok v=spf1 a:a.test a:b.test a:c.test -all\nproblem 3 lookups find nothing, of at most 2\n" },
	{ check_spf, "x.test", "x.test v=spf1 a:a.test a:b.test -all\na.test A 192.0.2.1\nb.test A 192.0.2.2", "ok v=spf1 a:a.test a:b.test -all\nok 2 lookups of at most 10\n" },
	/* what counts for nothing */
	{ check_spf, "x.test", "x.test v=spf1 -all redirect=y.test", "ok v=spf1 -all redirect=y.test\nok 0 lookups of at most 10\nwarning redirect=y.test beside all is never followed\n" },
	{ check_spf, "x.test", "x.test v=spf1 ~all ip4:192.0.2.1", "ok v=spf1 ~all ip4:192.0.2.1\nok 0 lookups of at most 10\nwarning ip4:192.0.2.1: nothing behind all is looked at\n" },
	{ check_spf, "x.test", "x.test v=spf1 -all exp=why.x.test", "ok v=spf1 -all exp=why.x.test\nok 0 lookups of at most 10\n" },
	{ check_spf, "x.test", "x.test v=spf1 ip4=192.0.2.1 -all", "ok v=spf1 ip4=192.0.2.1 -all\nok 0 lookups of at most 10\nwarning ip4=192.0.2.1 counts for nothing\n" },
	{ check_spf, "x.test", "x.test v=spf1 v=spf1 moo=x -all", "ok v=spf1 v=spf1 moo=x -all\nok 0 lookups of at most 10\nwarning v=spf1 counts for nothing\n" },
	/* bytes that are no blanks */
	{ check_spf, "x.test", "x.test v=spf1\t-all", "warning \"v=spf1\t-all\": behind v=spf1 is the byte 0x09\n" },
	{ check_spf, "x.test", "x.test v=spf1\xc2\xa0-all", "warning \"v=spf1\xc2\xa0-all\": behind v=spf1 is the byte 0xc2\n" },
	{ check_spf, "x.test", "x.test v=spf1 ip4:192.0.2.1\t-all", "ok v=spf1 ip4:192.0.2.1\t-all\nproblem x.test: \"ip4:192.0.2.1\t-all\" has the byte 0x09: terms are parted by blanks\n" },
	{ check_bimi, "x.test", "", "" },
	{ check_bimi, "a.x.test", "default._bimi.x.test v=BIMI1; l=https://x.test/l.svg; a=https://x.test/l.pem\n_dmarc.x.test v=DMARC1; p=reject", "ok a logo\n" },
	{ check_bimi, "a.x.test", "default._bimi.x.test v=BIMI1; l=https://x.test/l.png\ndefault._bimi.a.x.test v=BIMI1; l=\n_dmarc.x.test v=DMARC1; p=reject", "ok no logo is wanted\n" },
	{ check_bimi, "a.x.test", "default._bimi.x.test v=BIMI1; l=https://x.test/l.svg", "" },
	{ check_bimi, "x.test", "default._bimi.x.test v = BIMI1; l=https://x.test/l.svg; a=https://x.test/l.pem; avp=brand; lps=x\n_dmarc.x.test v=DMARC1; p=reject", "ok a logo\n" },
	{ check_bimi, "x.test", "default._bimi.x.test v=BIMI1; l=https://x.test/l.svg; avp=both", "problem \"avp=both\": not one of the values it may have\n" },
	{ check_bimi, "x.test", "default._bimi.x.test v=BIMI1; l=https://x.test/l.svg; a=https://x.test/l.pem\n_dmarc.x.test v=DMARC1; p=reject; sp=none", "ok a logo\nwarning DMARC is not enforced\n" },
	{ check_tlsrpt, "x.test", "_smtp._tls.x.test v=TLSRPTv1; rua=mailto:a@x.test\n_smtp._tls.x.test v=TLSRPTv12; rua=x", "ok reports go to mailto:a@x.test\n" },
	{ check_tlsrpt, "x.test", "_smtp._tls.x.test v=TLSRPTv12; rua=x", "warning \"v=TLSRPTv12; rua=x\" does not begin with v=TLSRPTv1;\n" }, { check_bimi, "x.test", "default._bimi.x.test v=BIMI1; l=https://x.test/l.svg", "ok a logo\nwarning DMARC is not enforced\nnote no mark certificate\n" },
	{ check_bimi, "x.test", "default._bimi.x.test v=BIMI1; l=https://x.test/l.svg\n_dmarc.x.test v=DMARC1; p=reject", "ok a logo\nnote no mark certificate\n" },
	{ check_bimi, "x.test", "default._bimi.x.test v=BIMI1; l=https://x.test/l.svg\n_dmarc.x.test v=DMARC1; p=none", "ok a logo\nwarning DMARC is not enforced\nnote no mark certificate\n" },
};

/* an answer of 512 octets holds the longest record that is fine */
T(spf_records_may_be_too_long)
{
	static const struct { size_t n; const char *want; } lengths[] = { { 450, "" }, { 451, "note the record of x.test is long: it may not fit a UDP answer\n" } };

	for (size_t i = 0; i < 2; i++) {
		char text[600], *end;
		struct buf got;

		ROW("%zu", lengths[i].n);
		snprintf(text, sizeof(text), "x.test v=spf1%*s-all", (int)lengths[i].n - 10, "");
		end = strstr(text, "v=spf1");
		CHECK_INT(strlen(end), lengths[i].n);
		world = text;
		buf_init(&got, 4000);
		judge("x.test", check_spf, &got);
		end = strstr(buf_cstr(&got), "at most 10\n");
		CHECK(end != NULL);
		CHECK_STR(end ? end + 11 : "", lengths[i].want);
		buf_fini(&got);
	}
}

T(policies_of_a_domain_are_judged)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct buf got;

		ROW("%zu %s", i, rows[i].world);
		world = rows[i].world;
		buf_init(&got, 4000);
		judge(rows[i].target, rows[i].check, &got);
		CHECK_STR(buf_cstr(&got), rows[i].want);
		buf_fini(&got);
	}
}
