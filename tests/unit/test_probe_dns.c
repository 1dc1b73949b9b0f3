/* What is said of records that a domain has beside its policies: MX, DKIM keys, block lists, CAA, DNSSEC, parked domains, records in
 * the wrong place, what large receivers ask. DNS is a table. */
#include <stdio.h>
#include <stdlib.h>

#include "core/base/mem.h"
#include "core/net/dns_codec.h"
#include "core/probe/probe.h"
#include "tests/unit/t.h"

#define NOW (1700000000 * USEC_PER_SEC)

/* the world, a line each: "NAME TYPE VALUE"; VALUE again: SERVFAIL, nx: there is no such name. What is not there has no records.
 * "!TYPE" is asked without validation; a zone that is named by "AD" is secure */
static const char *world;
static struct fact *waiting[300];
static size_t n_waiting;

static const struct { const char *word; enum dns_type type; } types[] = {
	{ "A", DNS_A }, { "AAAA", DNS_AAAA }, { "TXT", DNS_TXT }, { "MX", DNS_MX }, { "NS", DNS_NS }, { "SOA", DNS_SOA }, { "CAA", DNS_CAA }, { "DS", DNS_DS },
	{ "NSEC3", DNS_NSEC3PARAM }, { "PTR", DNS_PTR },
};

static enum dns_type type_of(struct str word)
{
	bool unchecked = str_starts(word, STR("!"));

	if (unchecked)
		word = str_from(word, 1);
	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
		if (str_eq(word, str_of(types[i].word)))
			return (enum dns_type)(types[i].type | (unchecked ? DNS_UNCHECKED : 0));
	return 0;
}

static void ask(void *ctx, struct fact *f)
{
	(void)ctx;
	waiting[n_waiting++] = f;
}

/* put_data - CAA "FLAGS TAG VALUE"; DS "DIGEST-TYPE"; NSEC3 "ROUNDS"; all else as it stands */
static void put_data(struct dns_record *r, enum dns_type type, struct str value, uint8_t room[300])
{
	struct str word;
	uint64_t n = 0;

	r->data = room;
	if (type == DNS_CAA) {
		struct str tag = STR_EMPTY;

		str_word(&value, " ", &word);
		str_to_u64(word, &n);
		str_word(&value, " ", &tag);
		value = str_trim(value);
		room[0] = (uint8_t)n;
		room[1] = (uint8_t)tag.n;
		memcpy(room + 2, tag.p ? tag.p : "", tag.n);
		memcpy(room + 2 + tag.n, value.p ? value.p : "", value.n);
		r->data_n = (uint16_t)(2 + tag.n + value.n);
	} else if (type == DNS_DS || type == DNS_NSEC3PARAM) {
		str_to_u64(value, &n);
		memset(room, 0, 8);
		room[2] = type == DNS_DS ? 0 : (uint8_t)(n >> 8);
		room[3] = (uint8_t)n;
		r->data_n = 8;
	} else {
		memcpy(room, value.p, value.n);
		r->data_n = (uint16_t)value.n;
	}
}

static void answer(struct facts *facts, struct fact *f)
{
	static struct dns_record records[10];
	static uint8_t rooms[10][300];
	struct dns_answer a = { .status = DNS_NODATA, .records = records };
	struct str rest = str_of(world), line, name, type;

	memset(records, 0, sizeof(records));
	while (str_cut(&rest, '\n', &line)) {
		struct dns_record *r = &records[a.n];

		if (!str_cut(&line, ' ', &name) || !str_cut(&line, ' ', &type) || !str_eq(name, str_of(*f->name ? f->name : ".")))
			continue;
		if (str_eq(type, STR("AD")))
			a.authentic = true;
		if (type_of(type) != f->type)
			continue;
		if (str_eq(line, STR("again")) || str_eq(line, STR("nx"))) {
			a.status = str_eq(line, STR("nx")) ? DNS_NXDOMAIN : DNS_AGAIN;
			a.rcode = a.status == DNS_AGAIN ? DNS_RCODE_SERVFAIL : 0;
			continue;
		}
		r->type = f->type;
		snprintf(r->name, sizeof(r->name), "%s", f->name);
		if (f->type == DNS_A || f->type == DNS_AAAA)
			ipaddr_parse(line, &r->address);
		else if (f->type == DNS_MX || f->type == DNS_NS || f->type == DNS_PTR)
			snprintf(r->target, sizeof(r->target), "%.*s", STR_ARG(line));
		else
			put_data(r, f->type, line, rooms[a.n]);
		a.status = DNS_OK;
		a.n++;
	}
	facts_learn(facts, f, &a);
}

static struct probe_options opt;
static struct probe_address addresses[2];

static void begin(struct probe *p)
{
	memset(p, 0, sizeof(*p));
	memset(&opt, 0, sizeof(opt));
	memset(addresses, 0, sizeof(addresses));
	opt.families = 3;
	opt.port = 25;
	opt.now = NOW;
	opt.helo_name = "me.test";
	opt.client.family = AF_UNSPEC;
	p->opt = &opt;
	p->port = 25;
	snprintf(p->target, sizeof(p->target), "x.test");
}

static void host(struct probe *p, const char *name, const char *address)
{
	struct probe_host *h = &p->hosts[p->n_hosts];
	struct probe_address *a = &addresses[p->n_hosts++];

	snprintf(h->name, sizeof(h->name), "%s", name);
	h->status = DNS_OK;
	h->v[0] = a;
	h->n = address != NULL;
	if (address && ipaddr_parse(str_of(address), &a->ip))
		ipaddr_format(&a->ip, a->text);
}

/* said - every finding: "verdict check: text" */
static const char *said(struct probe *p, void (*check)(struct probe *p), const char *records)
{
	static struct buf got;

	buf_fini(&got);
	buf_init(&got, 8000);
	world = records;
	facts_init(&p->facts, ask, NULL);
	p->dry = true;
	for (check(p); n_waiting; check(p))
		while (n_waiting)
			answer(&p->facts, waiting[--n_waiting]);
	p->dry = false;
	check(p);
	for (size_t k = 0; k < p->n_findings; k++)
		buf_printf(&got, "%s %s: %s\n", probe_verdict_word(p->findings[k].verdict), p->findings[k].check, p->findings[k].text);
	mem_free(p->findings);
	p->findings = NULL;
	facts_fini(&p->facts);
	return buf_cstr(&got);
}

/* --- MX ------------------------------------------------------------------------------------------------------------------------ */

T(mx_that_is_not_there_is_told)
{
	static const struct { enum dns_status status; bool null, implicit, endless, lost, no_name; const char *target, *want; } rows[] = {
		{ DNS_OK, true, false, false, false, false, "x.test", "note mx: null MX: this domain takes no mail\n" },
		{ DNS_OK, false, true, false, false, false, "x.test", "note mx: no MX record: mail goes to the address of the domain\n" },
		{ DNS_NXDOMAIN, false, false, true, false, false, "x.test", "problem mx: aliases without an end\n" },
		{ DNS_NXDOMAIN, false, false, false, false, false, "x.test", "problem mx: the domain does not exist\n" },
		{ DNS_AGAIN, false, false, false, true, false, "x.test", "problem mx: nothing can be looked up from here: SERVFAIL\n" },
		{ DNS_AGAIN, false, false, false, false, false, "x.test", "problem mx: why (the resolver: SERVFAIL, or no answer in time)\n" },
		{ DNS_OK, false, false, false, false, false, "x..test", "problem mx: not a domain name\n" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct probe p;

		ROW("%zu", i);
		begin(&p);
		snprintf(p.target, sizeof(p.target), "%s", rows[i].target);
		p.mx_status = rows[i].status;
		p.null_mx = rows[i].null;
		p.implicit_mx = rows[i].implicit;
		p.mx_endless = rows[i].endless;
		p.lost = rows[i].lost;
		p.mx_rcode = DNS_RCODE_SERVFAIL;
		snprintf(p.mx_why, sizeof(p.mx_why), "why");
		CHECK_STR(said(&p, check_mx, ""), rows[i].want);
	}
}

/* --- DKIM ---------------------------------------------------------------------------------------------------------------------- */

/* of 1024 bits */
#define KEY1024 "MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDwIRP/UC3SBsEmGqZ9ZJW3/DkMoGeLnQg1fWn7/zYtIxN2SnFCjxOCKG9v3b4jYfcTNh5ijSsq631uBItLa7od+v/RtdC2UzJ1lWT947qR+Rcac2gbto/NMqJ0fzfVjH4OuKhitdY9tf6mcwGjaNBcWToIMmPSPDdQPNUYckcQ2QIDAQAB"

T(dkim_key_of_a_selector_is_judged)
{
	static const struct { const char *world, *want; } rows[] = {
		{ "s1._domainkey.x.test TXT v=DKIM1; k=rsa; p=" KEY1024, "warning dkim: s1: RSA 1024\n" },
		{ "s1._domainkey.x.test TXT v=DKIM1; p=", "warning dkim: s1: the key is revoked\n" }, { "s1._domainkey.x.test TXT nx", "problem dkim: s1: no key\n" },
		{ "", "problem dkim: s1: no key: the name has no TXT record\n" },
		{ "s1._domainkey.x.test TXT v=DKIM1; p=\ns1._domainkey.x.test TXT v=DKIM1; p=", "problem dkim: s1: more than one record\n" },
		{ "s1._domainkey.x.test TXT again", "warning dkim: s1: cannot be looked up now: SERVFAIL, or no answer in time\n" },
		{ "s1._domainkey.x.test TXT again\n. SOA again", "problem dkim: nothing can be looked up from here: SERVFAIL\n" },
		{ "s1._domainkey.x.test TXT again\ns1._domainkey.x.test !TXT v=DKIM1; p=",
		  "problem dkim: bogus: SERVFAIL, but an answer without validation: the DNSSEC signatures of s1._domainkey.x.test are wrong\n" },
		{ "s1._domainkey.x.test TXT v=DKIM1; k=rsa; t=y; s=other; h=sha1; p=" KEY1024,
		  "warning dkim: s1: RSA 1024\nnote dkim: s1: the key is for testing\nproblem dkim: s1: s=other: the key is not for mail\nproblem dkim: s1: h=sha1\n" },
		{ "s1._domainkey.x.test TXT v=DKIM1; k=rsa; s=email; h=sha1:sha256; p=" KEY1024, "warning dkim: s1: RSA 1024\n" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char expanded[600];
		struct probe p;

		ROW("%s", rows[i].world);
		begin(&p);
		opt.selectors[0] = "s1";
		/* who asks without validation gets no other answer, where none is said */
		if (strstr(rows[i].world, "again") && !strstr(rows[i].world, "!TXT"))
			snprintf(expanded, sizeof(expanded), "%s\ns1._domainkey.x.test !TXT again", rows[i].world);
		else
			snprintf(expanded, sizeof(expanded), "%s", rows[i].world);
		CHECK_STR(said(&p, check_dkim, expanded), rows[i].want);
	}
}

/* --- block lists --------------------------------------------------------------------------------------------------------------- */

T(block_lists_are_believed_when_they_are_alive)
{
#define ALIVE "2.0.0.127.bl.test A 127.0.0.2\n"
	static const struct { const char *world, *want; } rows[] = {
		{ ALIVE, "ok dnsbl: not in bl.test\n" }, { "", "warning dnsbl: bl.test has no test entry (RFC 5782 5): what it does not list may be listed\nok dnsbl: not in bl.test\n" },
		{ ALIVE "1.2.0.192.bl.test A 127.0.0.3", "problem dnsbl: listed in bl.test as 127.0.0.3\n" },
		{ ALIVE "1.2.0.192.bl.test A 127.0.0.3\n1.2.0.192.bl.test TXT spam seen\n1.2.0.192.bl.test TXT zzz", "problem dnsbl: listed in bl.test as 127.0.0.3: spam seen\n" },
		{ ALIVE "1.2.0.192.bl.test A 127.255.255.254", "note dnsbl: bl.test answers 127.255.255.254: an error, not a listing\n" },
		{ ALIVE "1.2.0.192.bl.test A 127.255.0.254", "problem dnsbl: listed in bl.test as 127.255.0.254\n" },
		{ ALIVE "1.2.0.192.bl.test A 127.0.255.254", "problem dnsbl: listed in bl.test as 127.0.255.254\n" },
		{ ALIVE "1.2.0.192.bl.test A 10.0.0.1", "warning dnsbl: bl.test answers 10.0.0.1: it is no block list (any more)\n" },
		{ ALIVE "1.0.0.127.bl.test A 127.0.0.2\n1.2.0.192.bl.test A 127.0.0.2", "warning dnsbl: bl.test lists everything, also its entry that must not be there (RFC 5782 5)\n" },
		{ ALIVE "1.0.0.127.bl.test A 127.255.255.254", "ok dnsbl: not in bl.test\n" }, { ALIVE "1.0.0.127.bl.test A 10.0.0.1", "ok dnsbl: not in bl.test\n" },
		{ "2.0.0.127.bl.test A again", "ok dnsbl: not in bl.test\n" }, { ALIVE "1.2.0.192.bl.test A again", "note dnsbl: bl.test does not answer\n" },
		{ "bl.test SOA nx", "warning dnsbl: bl.test does not exist: it is no block list (any more)\n" },
		{ ALIVE "bl.test SOA nx\n1.2.0.192.bl.test A 127.0.0.3", "problem dnsbl: listed in bl.test as 127.0.0.3\n" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct probe p;

		ROW("%s", rows[i].world);
		begin(&p);
		host(&p, "mx.x.test", "192.0.2.1");
		opt.dnsbl[0] = "bl.test";
		CHECK_STR(said(&p, check_dnsbl, rows[i].world), rows[i].want);
	}
}

T(names_are_looked_for_in_lists_of_names)
{
	static const struct { bool server, literal; const char *host, *world, *want; } rows[] = {
		{ false, false, "mx.x.test", "", "ok dnsbl: x.test is not in nl.test\nok dnsbl: mx.x.test is not in nl.test\n" },
		{ false, false, "mx.x.test", "x.test.nl.test A 127.0.1.2", "problem dnsbl: x.test is listed in nl.test as 127.0.1.2\nok dnsbl: mx.x.test is not in nl.test\n" },
		{ true, false, "mx.x.test", "", "ok dnsbl: mx.x.test is not in nl.test\n" }, { false, true, "mx.x.test", "", "ok dnsbl: mx.x.test is not in nl.test\n" },
		{ false, false, "192.0.2.1", "", "ok dnsbl: x.test is not in nl.test\n" }, { false, false, "", "", "ok dnsbl: x.test is not in nl.test\n" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct probe p;
		char all[400];

		ROW("%zu", i);
		begin(&p);
		host(&p, rows[i].host, NULL);
		opt.name_lists[0] = "nl.test";
		opt.server = rows[i].server;
		p.literal = rows[i].literal;
		snprintf(all, sizeof(all), "test.nl.test A 127.0.1.2\n%s", rows[i].world);
		CHECK_STR(said(&p, check_dnsbl, all), rows[i].want);
	}
}

T(lists_and_selectors_have_their_bound)
{
	const char *list[PROBE_WORDS + 1] = { NULL };
	struct probe_options o = { .port = 25 };

	CHECK(!probe_add_word(list, ""));
	list[0] = NULL;
	for (int i = 0; i < PROBE_WORDS; i++)
		CHECK(probe_add_word(list, "a"));
	CHECK(!probe_add_word(list, "b"));
	CHECK(list[PROBE_WORDS] == NULL);
	CHECK(probe_add_lists(&o));
	CHECK(o.dnsbl[4] && !o.dnsbl[5] && o.name_lists[1] && !o.name_lists[2]);
	CHECK(probe_add_lists(&o) && probe_add_lists(&o));
	CHECK(!probe_add_lists(&o));
}

/* --- CAA ------------------------------------------------------------------------------------------------------------------------ */

T(authorities_that_may_issue_are_told)
{
	static const struct { const char *host, *world, *want; } rows[] = {
		{ "mx.x.test", "mx.x.test CAA 0 issue ca.example; validationmethods=dns-01", "ok caa: CAA of mx.x.test: certificates come from ca.example\n" },
		{ "mx.x.test", "x.test CAA 0 issue ca.example\nx.test CAA 0 issue other.example", "ok caa: CAA of x.test: certificates come from ca.example, other.example\n" },
		{ "mx.x.test", "test CAA 0 issue ca.example", "" }, { "mx.x.test", "", "" }, { "192.0.2.1", "192.0.2.1 CAA 0 issue ca.example", "" },
		{ "mx.x.test", "mx.x.test CAA 0 issue ;\nx.test CAA 0 issue ca.example", "note caa: CAA of mx.x.test: nobody may issue certificates\n" },
		{ "mx.x.test", "mx.x.test CAA 0 ISSUE ca.example", "ok caa: CAA of mx.x.test: certificates come from ca.example\n" },
		{ "mx.x.test", "mx.x.test CAA 0 iodef mailto:a@x", "" }, { "mx.x.test", "mx.x.test CAA 0 isue ca.example", "note caa: a CAA record of mx.x.test has a tag that nobody knows: isue\n" },
		{ "mx.x.test", "mx.x.test CAA 128 isue ca.example", "warning caa: a CAA record of mx.x.test has a tag that nobody knows, and is critical, so nobody issues: isue\n" },
		{ "mx.x.test", "mx.x.test CAA again", "warning caa: the CAA records of mx.x.test cannot be looked up\n" },
		{ "mx.x.test", "mx.x.test CAA 0", "warning caa: a CAA record of mx.x.test cannot be read\n" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct probe p;

		ROW("%s", rows[i].world);
		begin(&p);
		host(&p, rows[i].host, NULL);
		CHECK_STR(said(&p, check_caa, rows[i].world), rows[i].want);
	}
}

/* --- DNSSEC --------------------------------------------------------------------------------------------------------------------- */

T(signatures_and_what_is_above_them_are_judged)
{
	enum { DAY = 86400, T0 = 1700000000 };
	static const struct { bool authentic; enum dns_status status; struct dns_signature s; const char *world, *want; } rows[] = {
		{ true, DNS_OK, { T0 - DAY, T0 + 30 * DAY, 13 }, "", "ok dnssec: secure\n" },
		{ true, DNS_OK, { T0 - 70 * DAY, T0 + 10 * DAY - 2, 13 }, "", "ok dnssec: secure\nwarning dnssec: the signatures end in 9 days\n" },
		{ true, DNS_OK, { T0 - 70 * DAY, T0 + 10 * DAY, 13 }, "", "ok dnssec: secure\n" },
		{ true, DNS_OK, { T0 - 70 * DAY, T0 + 2 * DAY - 1, 13 }, "", "ok dnssec: secure\nwarning dnssec: the signatures end in 47 hours\n" },
		{ true, DNS_OK, { T0 - 70 * DAY, T0 + 2 * DAY, 13 }, "", "ok dnssec: secure\nwarning dnssec: the signatures end in 2 days\n" },
		{ true, DNS_OK, { T0 - 70 * DAY, T0, 13 }, "", "ok dnssec: secure\nwarning dnssec: the signatures end in 0 hours\n" },
		{ true, DNS_OK, { T0 - 70 * DAY, T0 - 1, 13 }, "", "ok dnssec: secure\n" },
		{ true, DNS_OK, { T0 - DAY, T0 + 30 * DAY, 7 }, "", "ok dnssec: secure\nwarning dnssec: the zone is signed with SHA-1 (algorithm 7)\n" },
		{ true, DNS_OK, { T0 - DAY, T0 + 30 * DAY, 5 }, "", "ok dnssec: secure\nwarning dnssec: the zone is signed with SHA-1 (algorithm 5)\n" },
		{ true, DNS_OK, { T0 - DAY, T0 + 30 * DAY, 1 }, "", "ok dnssec: secure\nwarning dnssec: the zone is signed with SHA-1 (algorithm 1)\n" },
		{ true, DNS_OK, { T0 - DAY, T0 + 30 * DAY, 3 }, "", "ok dnssec: secure\nwarning dnssec: the zone is signed with SHA-1 (algorithm 3)\n" },
		{ true, DNS_OK, { T0 - DAY, T0 + 30 * DAY, 8 }, "", "ok dnssec: secure\n" }, { true, DNS_OK, { T0 - DAY, T0 + 30 * DAY, 4 }, "", "ok dnssec: secure\n" },
		{ true, DNS_OK, { T0 - DAY, T0 + 30 * DAY, 13 }, "x.test NS ns.x.test\nx.test DS 1", "ok dnssec: secure\nwarning dnssec: the DS record of x.test has a SHA-1 digest only\n" },
		{ true, DNS_OK, { T0 - DAY, T0 + 30 * DAY, 13 }, "x.test NS ns.x.test\nx.test DS 1\nx.test DS 2", "ok dnssec: secure\n" },
		{ true, DNS_OK, { T0 - DAY, T0 + 30 * DAY, 13 }, "x.test NS ns.x.test\nx.test NSEC3 100", "ok dnssec: secure\nnote dnssec: NSEC3 with 100 iterations\n" },
		{ true, DNS_OK, { T0 - DAY, T0 + 30 * DAY, 13 }, "x.test NS ns.x.test\nx.test NSEC3 257", "ok dnssec: secure\nwarning dnssec: NSEC3 with 257 iterations\n" },
		{ true, DNS_OK, { T0 - DAY, T0 + 30 * DAY, 13 }, "x.test NS ns.x.test\nx.test NSEC3 0", "ok dnssec: secure\n" },
		{ false, DNS_OK, { 0, 0, 0 }, "", "note dnssec: not known: the resolver does not validate\n" }, { false, DNS_OK, { 0, 0, 0 }, ". AD x", "note dnssec: unsigned\n" },
		{ false, DNS_OK, { T0, T0 + DAY, 8 }, ". AD x", "warning dnssec: signed, but nobody can believe it: no DS record that counts in the zone above\n" },
		{ false, DNS_AGAIN, { 0, 0, 0 }, "x.test !MX mx.x.test", "problem dnssec: bogus: SERVFAIL, but an answer without validation: the DNSSEC signatures of x.test are wrong\n" },
		{ false, DNS_AGAIN, { 0, 0, 0 }, "x.test !MX again", "" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct probe p;

		ROW("%zu", i);
		begin(&p);
		p.authentic = rows[i].authentic;
		p.mx_status = rows[i].status;
		p.signature = rows[i].s;
		CHECK_STR(said(&p, check_dnssec, rows[i].world), rows[i].want);
	}
}

/* --- what a domain is for --------------------------------------------------------------------------------------------------------- */

T(both_families_and_places_of_records_are_looked_at)
{
	static const struct { const char *a, *b; int families; enum dns_status status; const char *world, *want; } rows[] = {
		{ "192.0.2.1", "2001:db8::1", 3, DNS_OK, "", "" }, { "192.0.2.1", NULL, 3, DNS_OK, "", "note address: no MX host has an IPv6 address\n" },
		{ "2001:db8::1", NULL, 3, DNS_OK, "", "warning address: no MX host has an IPv4 address\n" }, { "192.0.2.1", NULL, 1, DNS_OK, "", "" }, { NULL, NULL, 3, DNS_OK, "", "" },
		{ "192.0.2.1", NULL, 3, DNS_AGAIN, "", "" },
		{ NULL, NULL, 3, DNS_OK, "x.test NS ns.x.test\nns.x.test A 192.0.2.9", "note ns: no name server has an IPv6 address\n" },
		{ NULL, NULL, 3, DNS_OK, "x.test NS ns.x.test\nns.x.test A 192.0.2.9\nns.x.test AAAA again", "" },
		{ NULL, NULL, 3, DNS_OK, "x.test TXT v=DMARC1; p=none", "warning dmarc: a record with v=DMARC1 stands at x.test itself, not at _dmarc.x.test\n" },
		{ NULL, NULL, 3, DNS_OK, "x.test TXT v=STSv1; id=1", "warning mta-sts: a record with v=STSv1 stands at x.test itself, not at _mta-sts.x.test\n" },
		{ NULL, NULL, 3, DNS_OK, "_dmarc.x.test.x.test TXT v=DMARC1; p=none", "warning dmarc: the record stands at _dmarc.x.test.x.test\n" },
		{ NULL, NULL, 3, DNS_OK, "_dmarc.x.test TXT v=DMARC1; p=none\n_dmarc.x.test.x.test TXT v=DMARC1; p=none", "" },
		{ NULL, NULL, 3, DNS_OK, "_smtp._tls.x.test.x.test TXT v=TLSRPTv1; rua=mailto:a@x", "warning tls-rpt: the record stands at _smtp._tls.x.test.x.test\n" },
		{ NULL, NULL, 3, DNS_OK, "_dmarc.x.test.x.test TXT other", "" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct probe p;

		ROW("%zu", i);
		begin(&p);
		opt.families = rows[i].families;
		if (rows[i].a)
			host(&p, "a.test", rows[i].a);
		if (rows[i].b)
			host(&p, "b.test", rows[i].b);
		p.hosts[0].status = rows[i].status;
		CHECK_STR(said(&p, check_use, rows[i].world), rows[i].want);
	}
	{
		struct probe p;

		ROW("twice");
		begin(&p);
		host(&p, "mx.x.test.x.test", NULL);
		host(&p, "mx.x.test", NULL);
		CHECK_STR(said(&p, check_use, ""), "warning mx: mx.x.test.x.test has the domain in it twice\n");
	}
}

T(parked_domains_let_nobody_send_or_take_mail)
{
	static const struct { bool parked, null; const char *world, *want; } rows[] = {
		{ true, true, "x.test TXT v=spf1 -all\n_dmarc.x.test TXT v=DMARC1; p=reject", "" },
		{ true, false, "x.test TXT v=spf1 -all\n_dmarc.x.test TXT v=DMARC1; p=reject", "problem parked: parked, but it takes mail\n" },
		{ true, true, "x.test TXT v=spf1 -all", "problem parked: parked, but DMARC does not have forged mail refused\n" },
		{ true, true, "_dmarc.x.test TXT v=DMARC1; p=reject", "problem parked: parked, but SPF does not forbid all mail\n" },
		{ true, true, "x.test TXT v=spf1 ~all\n_dmarc.x.test TXT v=DMARC1; p=reject", "problem parked: parked, but SPF does not forbid all mail\n" },
		{ true, true, "x.test TXT v=spf1 ip4:192.0.2.1 -all\n_dmarc.x.test TXT v=DMARC1; p=reject", "problem parked: null MX, but SPF lets somebody send\n" },
		{ false, true, "x.test TXT v=spf1 ip4:192.0.2.1 -all", "warning parked: null MX, but SPF lets somebody send\n" }, { false, true, "x.test TXT v=spf1 +all", "warning parked: null MX, but SPF lets somebody send\n" },
		{ false, true, "", "" }, { false, false, "x.test TXT v=spf1 +all", "" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct probe p;

		ROW("%zu", i);
		begin(&p);
		opt.parked = rows[i].parked;
		p.null_mx = rows[i].null;
		CHECK_STR(said(&p, check_use, rows[i].world), rows[i].want);
	}
}

T(what_large_receivers_ask_of_senders)
{
	static const struct { const char *client, *world, *selector; bool null; const char *want; } rows[] = {
		{ NULL, "x.test TXT v=spf1 ip4:192.0.2.1 -all", NULL, false,
		  "note gmail: not what it asks of senders: DMARC missing\nnote yahoo: not what it asks of senders: DMARC missing\nnote microsoft: not what it asks of senders: DMARC missing\n" },
		{ "192.0.2.1", "x.test TXT v=spf1 ip4:192.0.2.1 -all\n1.2.0.192.in-addr.arpa PTR a.test\na.test A 192.0.2.1", NULL, false,
		  "note gmail: not what it asks of senders: DMARC missing\nnote yahoo: not what it asks of senders: DMARC missing\nnote microsoft: not what it asks of senders: DMARC missing\n" },
		{ "192.0.2.2", "x.test TXT v=spf1 ip4:192.0.2.1 -all\n2.2.0.192.in-addr.arpa PTR a.test\na.test A 192.0.2.1", "s1", false,
		  "note gmail: not what it asks of senders: SPF, DKIM, DMARC, a name of the address that sends missing\n"
		  "note yahoo: not what it asks of senders: SPF, DKIM, DMARC, a name of the address that sends missing\n"
		  "note microsoft: not what it asks of senders: SPF, DKIM, DMARC missing\n" },
		{ NULL, "", NULL, true, "" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct probe p;

		ROW("%zu", i);
		begin(&p);
		if (rows[i].client)
			ipaddr_parse(str_of(rows[i].client), &opt.client);
		opt.selectors[0] = rows[i].selector;
		p.null_mx = rows[i].null;
		CHECK_STR(said(&p, check_senders, rows[i].world), rows[i].want);
	}
}
