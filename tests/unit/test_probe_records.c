/* test_probe_records.c - DMARC, DKIM, BIMI, MTA-STS, TLS-RPT and HTTP answers: what is taken, what is refused and where. */
#include <stdio.h>

#include "core/base/mem.h"
#include "core/net/http.h"
#include "core/probe/facts.h"
#include "core/policy/sts_policy.h"
#include "core/probe/records.h"
#include "tests/unit/t.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static const char rsa1024[] = "MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDhVSB58BrSQGaWNmZWDWxIi2eB48GbgD9AfcYq+NIZKqg31GGLvo7MGK73iWQl8qmNwSyQND"
	"n9aNpyS+PWP7lJTTzcNrC0V12DyCp9vRzOi6lNJjpZHIrMYCFH20TB0CJ8gA2jUHx3tmU2n2qgrIcJh3VbDh7RJKx/1tVwdn41/QIDAQAB";
static const char rsa2048[] = "MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAuWGIJNQGfxtFXOPq+0tl3Q1DG/jqRSe2PGbUNpX1+Vm8gE30QLKyiGEskxxCVxas6y"
	"p8KO6ZfmNrPDJtTwLRDyNkiMLX8M4XjOB4RjgOdevRp/2KZsJ7ZHZTCDOMY7dU5TyOTfBjwLpvhwPMAJgNbebRi1Gl6Bf18Usm7QDlIRfxw1Gy"
	"6Jo/pCGrqeJFeJsEpCTtMw0+gmwBzfYjSJhTVdN7YIJ2krgeCigxwBAC4Y87ZCd1rTLWG5XIq+bi4sGErYCHYPOY/d9Iby6MgeOvjrPaPIb0oE"
	"1fk3hipUqCM7aHAA572ri0ZkPOLOG7MV4KQpiuAOtgDOBnV+LDXSFkDwIDAQAB";
static const char ed25519[] = "HXsP59bkPQiBeEin0oTPEz6wCiPXNG9C4PRAdL42Ekc=";
static const char ec256[] = "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEzBymS66kIeHlIZ2m8hVwIQsGCc3n+L6CoEilA2IKrsdZK2I8F4leE6wX50bdbOp6hbi3o8ZQek"
	"rG77DtlNFVFQ==";

static void check(const char *wrong, struct str at, const char *want, const char *where)
{
	char got[200];

	CHECK_STR(wrong ? wrong : "", want ? want : "");
	snprintf(got, sizeof(got), "%.*s", STR_ARG(str_trim(at)));
	if (want && where)
		CHECK_STR(got, where);
}

T(dmarc_records)
{
	static const struct { const char *in, *want, *at; } rows[] = {
		{ "v=DMARC1; p=none", NULL, NULL }, { "v=DMARC1;p=reject;", NULL, NULL }, { "v=DMARC1 ; p = Quarantine ; pct=0", NULL, NULL },
		{ "v=DMARC1; p=reject; rua=mailto:a@b.example!10m,mailto:c@d.example; ruf=mailto:x@y.example; fo=1:d:s; adkim=s; aspf=r; ri=86400",
			NULL, NULL },
		{ "v=DMARC1; p=reject; np=reject; psd=n; t=y; x=1", NULL, NULL },
		{ "v = DMARC1;p=none", NULL, NULL }, { "v\t=\tDMARC1\t; p=none", NULL, NULL },
		{ "p=none; v=DMARC1", "the version must come first", "p=none" }, { "v=DMARC2; p=none", "not the version that is known", "v=DMARC2" },
		{ "v=DMARC10; p=none", "not the version that is known", "v=DMARC10" },
		{ "v=DMARC1", "missing", "p" }, { "v=DMARC1; rua=mailto:a@b.example", NULL, NULL }, { "v=DMARC1; rua=a@b.example", "not a mailto: address", "a@b.example" },
		{ "v=DMARC1; p=rejekt", "not one of the values it may have", "p=rejekt" }, { "v=DMARC1; p=rejekt; rua=mailto:a@b.example", NULL, NULL },
		{ "v=DMARC1; p=reject; sp=no", "not one of the values it may have", "sp=no" },
		{ "v=DMARC1; p=none; np=no", "not one of the values it may have", "np=no" },
		{ "v=DMARC1 p=none", "not the version that is known", "v=DMARC1 p=none" },
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		struct dmarc d;
		struct str at;

		ROW("%s", rows[i].in);
		check(dmarc_parse(str_of(rows[i].in), &d, &at), at, rows[i].want, rows[i].at);
	}
}

/* a tag that is wrong counts as its default, and the others stay (RFC 9989 4.7) */
T(dmarc_tags_that_are_wrong)
{
	static const struct { const char *in, *why, *at, *unknown; } rows[] = {
		{ "v=DMARC1; p=reject", NULL, NULL, "" }, { "v=DMARC1; p=reject; psd=yes", "not one of the values it may have", "psd=yes", "" },
		{ "v=DMARC1; p=reject; pct=101", "not one of the values it may have", "pct=101", "" },
		{ "v=DMARC1; p=reject; pct=-1", "not one of the values it may have", "pct=-1", "" },
		{ "v=DMARC1; adkim=x; p=reject", "not one of the values it may have", "adkim=x", "" },
		{ "v=DMARC1; p=reject; fo=2", "not one of the values it may have", "fo=2", "" }, { "v=DMARC1; p=reject; fo=1:2", "not one of the values it may have", "fo=1:2", "" },
		{ "v=DMARC1; p=reject; fo = 1 : d:s", NULL, NULL, "" }, { "v=DMARC1; p=reject; p=none", "there twice", "p=none", "" },
		{ "v=DMARC1; p=reject; rua", "not name=value", "rua", "" }, { "v=DMARC1; p=reject; =x", "not name=value", "=x", "" },
		{ "v=DMARC1; p=reject; rua=a@b.example", "not a mailto: address", "a@b.example", "" },
		{ "v=DMARC1; p=reject; rua=mailto:b.example", "not a mailto: address", "mailto:b.example", "" },
		{ "v=DMARC1; p=reject; rua=mailto: a@b.example", "not a mailto: address", "mailto: a@b.example", "" },
		{ "v=DMARC1; p=reject; ruf=mailto:a@b.example,mailto:c d@e.example", "not a mailto: address", "mailto:c d@e.example", "" },
		{ "v=DMARC1; p=reject; rua=mailto:a@b.example!10x", "not a mailto: address", "mailto:a@b.example!10x", "" },
		{ "v=DMARC1; p=reject; rua=mailto:a@b.example!10M , mailto:c@d.example,", NULL, NULL, "" },
		{ "v=DMARC1; p=reject; ruaa=mailto:a@b.example; x=1", NULL, NULL, "ruaa=mailto:a@b.example" },
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		struct dmarc d;
		struct str at;

		ROW("%s", rows[i].in);
		CHECK(!dmarc_parse(str_of(rows[i].in), &d, &at));
		CHECK_VIEW(d.values[DMARC_P], "reject");
		CHECK(!d.only_none);
		CHECK_INT(d.n_wrong, rows[i].why != NULL);
		check(d.n_wrong ? d.wrong[0].why : NULL, d.n_wrong ? d.wrong[0].at : STR_EMPTY, rows[i].why, rows[i].at);
		CHECK_VIEW(d.unknown, rows[i].unknown);
	}
}

T(dmarc_values)
{
	struct dmarc d;
	struct str at;

	CHECK(!dmarc_parse(STR("v=DMARC1; p=none; sp = reject ; aspf=x; rua=mailto:a@b.example"), &d, &at));
	CHECK_VIEW(d.values[DMARC_P], "none");
	CHECK_VIEW(d.values[DMARC_SP], "reject");
	CHECK_VIEW(d.values[DMARC_RUA], "mailto:a@b.example");
	CHECK(d.values[DMARC_PCT].p == NULL);
	CHECK(d.values[DMARC_ASPF].p == NULL);
}

T(records_begin_with_their_version)
{
	static const struct { const char *text, *version; bool want; } rows[] = {
		{ "v=STSv1; id=1", "STSv1", true }, { "v=STSv1", "STSv1", true }, { "v=STSv1 ;id=1", "STSv1", true }, { "v=STSv10; id=1", "STSv1", false },
		{ "v = STSv1; id=1", "STSv1", false }, { "V=STSv1; id=1", "STSv1", false }, { "v=stsv1; id=1", "STSv1", false }, { " v=STSv1;", "STSv1", false },
		{ "v = DMARC1; p=none", "DMARC1", true }, { "v= DMARC1", "DMARC1", true }, { "v=DMARC12;", "DMARC1", false }, { "", "DMARC1", false },
		{ "v=TLSRPTv1;rua=x", "TLSRPTv1", true }, { "v=TLSRPTv2;rua=x", "TLSRPTv1", false }, { "v =BIMI1;", "BIMI1", true },
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		ROW("%s", rows[i].text);
		CHECK_INT(tags_begin(str_of(rows[i].text), str_of(rows[i].version)), rows[i].want);
	}
}

T(report_addresses)
{
	struct str rest = STR("mailto:a@b.example!50k , https://c.example/x,mailto:@d"), scheme, body;

	CHECK_INT(uri_next(&rest, &scheme, &body), 1);
	CHECK_VIEW(scheme, "mailto");
	CHECK_VIEW(body, "a@b.example");
	CHECK_INT(uri_next(&rest, &scheme, &body), 1);
	CHECK_VIEW(scheme, "https");
	CHECK_VIEW(body, "//c.example/x");
	CHECK_INT(uri_next(&rest, &scheme, &body), -1);
	CHECK_INT(uri_next(&rest, &scheme, &body), 0);
}

T(dkim_keys)
{
	static const struct { const char *before, *key, *after, *want, *at, *type; unsigned bits; bool revoked, testing; } rows[] = {
		{ "v=DKIM1; p=", rsa2048, "", NULL, NULL, "RSA 2048", 2048, false, false },
		{ "p=", rsa1024, "; t=s", NULL, NULL, "RSA 1024", 1024, false, false },
		{ "v=DKIM1; k=rsa; t=s:y; p=", rsa1024, "; n=hello", NULL, NULL, "RSA 1024", 1024, false, true },
		{ "v=DKIM1; k=ed25519; p=", ed25519, "", NULL, NULL, "Ed25519", 256, false, false },
		{ "v=DKIM1; p=", "", "", NULL, NULL, "", 0, true, false },
		{ "v=DKIM1; k=rsa", "", "", "missing", "p", "", 0, false, false },
		{ "v=DKIM2; p=", rsa1024, "", "not the version that is known", NULL, "", 0, false, false },
		{ "k=rsa; v=DKIM1; p=", rsa1024, "", "not the version that is known", NULL, "", 0, false, false },
		{ "v=DKIM1; k=dsa; p=", rsa1024, "", "not one of the values it may have", "k=dsa", "", 0, false, false },
		{ "v=DKIM1; p=!", rsa1024, "", "not base64", "p", "", 0, false, false },
		{ "v=DKIM1; p=", "AAAA", "", "not a public key of its kind", "p", "", 0, false, false },
		{ "v=DKIM1; p=", ec256, "", "not a public key of its kind", "p", "", 0, false, false },
		{ "v=DKIM1; k=ed25519; p=", rsa1024, "", "not a public key of its kind", "p", "", 0, false, false },
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		struct dkim key;
		struct str at;
		char text[1000];

		snprintf(text, sizeof(text), "%s%s%s", rows[i].before, rows[i].key, rows[i].after);
		ROW("%.60s", text);
		check(dkim_parse(str_of(text), &key, &at), at, rows[i].want, rows[i].at);
		if (rows[i].want)
			continue;
		CHECK_STR(key.key, rows[i].type);
		CHECK_INT(key.bits, rows[i].bits);
		CHECK_INT(key.revoked, rows[i].revoked);
		CHECK_INT(key.testing, rows[i].testing);
	}
}

T(dkim_blanks_in_the_key)
{
	struct dkim key;
	struct str at;
	char text[1000];

	snprintf(text, sizeof(text), "v=DKIM1; p=%.20s  %.40s\t%s", rsa2048, rsa2048 + 20, rsa2048 + 60);
	CHECK(!dkim_parse(str_of(text), &key, &at));
	CHECK_INT(key.bits, 2048);
}

T(short_records)
{
	static const struct { int kind; const char *in, *want, *at; } rows[] = {
		{ 'b', "v=BIMI1; l=https://x.example/a.svg; a=https://x.example/a.pem", NULL, NULL }, { 'b', "v=BIMI1; l=; a=;", NULL, NULL },
		{ 'b', "v=BIMI1; a=", "missing", "l" }, { 'b', "v=BIMI1; l=http://x.example/a.svg", "not an https: address", "http://x.example/a.svg" },
		{ 's', "v=STSv1; id=20260101T000000;", NULL, NULL }, { 's', "v=STSv1;id=1", NULL, NULL }, { 's', "v=STSv1;", "missing", "id" },
		{ 's', "v=STSv1; id=a-b", "an id has letters and digits only", "a-b" },
		{ 's', "v=STSv1; id=", "an id has 1 to 32 letters and digits", "" },
		{ 's', "v=STSv1; id=123456789012345678901234567890123", "an id has 1 to 32 letters and digits", NULL },
		{ 's', "v=STSv2; id=1", "not the version that is known", "v=STSv2" },
		{ 'r', "v=TLSRPTv1; rua=mailto:a@b.example", NULL, NULL },
		{ 'r', "v=TLSRPTv1;rua=mailto:a@b.example,https://b.example/v1", NULL, NULL }, { 'r', "v=TLSRPTv1;", "missing", "rua" },
		{ 'r', "v=TLSRPTv1; rua=http://x.example", "not a list of mailto: and https: addresses", NULL },
		{ 'r', "v=TLSRPTv1; rua=a@b.example", "not a list of mailto: and https: addresses", NULL },
		{ 'r', "v=TLSRPTv1; rua=", "nobody is named", NULL },
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		struct str v[BIMI_TAGS], at, text = str_of(rows[i].in);

		ROW("%s", rows[i].in);
		check(rows[i].kind == 'b' ? bimi_parse(text, v, &at) : rows[i].kind == 's' ? sts_record_parse(text, v, &at) : tlsrpt_parse(text, v, &at),
			at, rows[i].want, rows[i].at);
	}
}

T(sts_policies)
{
	static const struct { const char *in, *want, *at; int mode; unsigned mx; } rows[] = {
		{ "version: STSv1\r\nmode: enforce\r\nmx: mx.x.example\r\nmx: *.y.example\r\nmax_age: 604800\r\n", NULL, NULL, STS_ENFORCE, 2 },
		{ "version:STSv1\nmode:testing\nmax_age:0\nmx:a.b\nother: thing", NULL, NULL, STS_TESTING, 1 },
		{ "version: STSv1\nmode: none\nmax_age: 1\n", NULL, NULL, STS_NONE, 0 },
		{ "version: STSv1\nmode: testing\nmax_age: 1\nmx: a.b\nmode: enforce\nmax_age: x\n", NULL, NULL, STS_TESTING, 1 },
		{ "version: STSv1\nmode: enforce\nmax_age: 1\n", "missing", "mx", 0, 0 },
		{ "mode: none\nmax_age: 1\n", "missing", "version", 0, 0 }, { "version: STSv1\nmax_age: 1\n", "missing", "mode", 0, 0 },
		{ "version: STSv1\nmode: none\n", "missing", "max_age", 0, 0 }, { "", "missing", "version", 0, 0 },
		{ "version: STSv2\n", "not a version that is known", "version: STSv2", 0, 0 },
		{ "version: STSv1\nmode: strict\n", "not a mode: enforce, testing or none", "mode: strict", 0, 0 },
		{ "version: STSv1\nmax_age: 31557601\n", "not a number of seconds up to 31557600", "max_age: 31557601", 0, 0 },
		{ "version: STSv1\nmax_age: week\n", "not a number of seconds up to 31557600", "max_age: week", 0, 0 },
		{ "version: STSv1\nmx: mx.*.example\n", "not a host name or *.domain", "mx: mx.*.example", 0, 0 },
		{ "version: STSv1\nmx:\n", "not a host name or *.domain", "mx:", 0, 0 },
		{ "<html>\n", "not key: value", "<html>", 0, 0 },
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		struct sts_policy p;
		struct str at;

		ROW("%s", rows[i].in);
		check(sts_policy_parse(str_of(rows[i].in), &p, &at), at, rows[i].want, rows[i].at);
		if (rows[i].want)
			continue;
		CHECK_INT(p.mode, rows[i].mode);
		CHECK_INT(p.n_mx, rows[i].mx);
	}
}

T(sts_patterns)
{
	struct sts_policy p = { .mx = { STR("mx.x.example"), STR("*.y.example") }, .n_mx = 2 };

	CHECK(sts_policy_has(&p, STR("mx.x.example")));
	CHECK(sts_policy_has(&p, STR("MX.x.example.")));
	CHECK(sts_policy_has(&p, STR("a.y.example")));
	CHECK(!sts_policy_has(&p, STR("y.example")));
	CHECK(!sts_policy_has(&p, STR("a.b.y.example")));
	CHECK(!sts_policy_has(&p, STR("x.example")));
}

/* --- facts ---------------------------------------------------------------------------------------------------------- */

T(reverse_names)
{
	static const struct { const char *in, *want; } rows[] = {
		{ "192.0.2.25", "25.2.0.192.bl.example" },
		{ "2001:db8::1", "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.bl.example" },
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		struct ipaddr a;
		char out[256];

		ipaddr_parse(str_of(rows[i].in), &a);
		fact_reverse(&a, "bl.example", out);
		CHECK_STR(out, rows[i].want);
	}
}

static unsigned asked;

static void count_question(void *ctx, struct fact *f)
{
	(void)ctx, (void)f;
	asked++;
}

T(facts_are_asked_once_and_bounded)
{
	static const struct dns_answer answer = { .status = DNS_NODATA };
	const struct fact *f;
	struct facts facts;

	facts_init(&facts, count_question, NULL);
	CHECK(!facts_get(&facts, "X.example.", DNS_A));
	CHECK(!facts_get(&facts, "x.EXAMPLE", DNS_A));
	CHECK_INT(asked, 1);
	CHECK_INT(facts.missing, 2);
	CHECK(!facts_get(&facts, "x.example", DNS_MX));
	facts_learn(&facts, facts.first, &answer);
	f = facts_get(&facts, "x.example", DNS_MX);
	CHECK(f && f->status == DNS_NODATA);
	CHECK_INT(facts_get(&facts, "not a name", DNS_A)->status, DNS_NXDOMAIN);
	for (int i = 0; i < LIMIT_PROBE_FACTS; i++) {
		char name[32];

		snprintf(name, sizeof(name), "n%d.example", i);
		facts_get(&facts, name, DNS_A);
	}
	CHECK_INT(asked, LIMIT_PROBE_FACTS);
	f = facts_get(&facts, "one.more.example", DNS_A);
	CHECK(f && f->status == DNS_AGAIN);
	facts_fini(&facts);
}

/* --- HTTP ----------------------------------------------------------------------------------------------------------- */

T(http_answers)
{
	static const struct { const char *in; bool ended; enum http_result want; int status; const char *type, *body; } rows[] = {
		{ "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 3\r\n\r\nabc", false, HTTP_OK, 200, "text/plain", "abc" },
		{ "HTTP/1.1 200 OK\r\ncontent-length:2\r\n\r\nabc", false, HTTP_OK, 200, "", "ab" },
		{ "HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc", false, HTTP_OK, 200, "", "abc" },
		{ "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 404 Not Found\r\n\r\n", true, HTTP_OK, 404, "", "" },
		{ "HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n", false, HTTP_NEED_MORE, 0, NULL, NULL },
		{ "HTTP/1.1 101 Switching Protocols\r\n\r\nHTTP/1.1 200 OK\r\n\r\nabc", true, HTTP_OK, 101, "", "" },
		{ "HTTP/1.0 200 OK\r\n\r\nabc", true, HTTP_OK, 200, "", "abc" }, { "HTTP/1.1 200 OK\r\n\r\nabc", false, HTTP_NEED_MORE, 0, NULL, NULL },
		{ "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nabc", false, HTTP_NEED_MORE, 0, NULL, NULL },
		{ "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nabc", true, HTTP_BAD, 0, NULL, NULL },
		{ "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\n\r\n", false, HTTP_OK, 200, "", "abcde" },
		{ "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nd", false, HTTP_NEED_MORE, 0, NULL, NULL },
		{ "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n", true, HTTP_BAD, 0, NULL, NULL },
		{ "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nx\r\nabc\r\n", false, HTTP_BAD, 0, NULL, NULL },
		{ "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabcd\r\n", false, HTTP_BAD, 0, NULL, NULL },
		{ "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\nabcd\r\n", false, HTTP_BAD, 0, NULL, NULL },
		{ "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nabc", true, HTTP_BAD, 0, NULL, NULL },
		{ "HTTP/1.1 200 OK\r\nContent-Length: 21\r\n\r\n", false, HTTP_BAD, 0, NULL, NULL },
		{ "HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n", false, HTTP_BAD, 0, NULL, NULL },
		{ "HTTP/1.1 301 Moved\r\nLocation: https://x.example/\r\nContent-Length: 2\r\n\r\nno", false, HTTP_OK, 301, "", "no" },
		{ "HTTP/1.1 404 No\r\n\r\n", false, HTTP_NEED_MORE, 0, NULL, NULL }, { "HTTP/1.1 404 No\r\n\r\n", true, HTTP_OK, 404, "", "" },
		{ "HTTP/1.1 204 No Content\r\n\r\n", false, HTTP_OK, 204, "", "" }, { "HTTP/1.1 304 Not Modified\r\n\r\n", false, HTTP_OK, 304, "", "" }, { "SSH-2.0-x\r\n\r\n", false, HTTP_BAD, 0, NULL, NULL },
		{ "", false, HTTP_NEED_MORE, 0, NULL, NULL }, { "", true, HTTP_BAD, 0, NULL, NULL }, { "HTTP/1.1 200 OK\r\n", true, HTTP_BAD, 0, NULL, NULL },
		{ "HTTP/1.1 200 OK\r\n\r\n123456789012345678901", true, HTTP_BAD, 0, NULL, NULL },
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		struct http_answer a;
		const char *why = "";
		struct buf body;

		buf_init(&body, 20);
		ROW("%s", rows[i].in);
		CHECK_INT(http_parse_answer(str_of(rows[i].in), rows[i].ended, &a, &body, &why), rows[i].want);
		if (rows[i].want == HTTP_OK) {
			CHECK_INT(a.status, rows[i].status);
			CHECK_VIEW(a.type, rows[i].type);
			CHECK_STR(buf_cstr(&body), rows[i].body);
		}
		CHECK_INT(rows[i].want == HTTP_BAD, *why != 0);
		buf_fini(&body);
	}
}
