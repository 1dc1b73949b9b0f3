/* hosts and their addresses: which are looked at, and what is said of those that cannot be reached or looked up */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/base/mem.h"
#include "core/net/dns_codec.h"
#include "core/probe/probe.h"
#include "core/probe/probe_out.h"
#include "tests/unit/t.h"

T(addresses_are_chosen_the_same_way_each_time)
{
	static const struct { const char *in, *want; } rows[] = {
		{ "", "" }, { "192.0.2.9 192.0.2.1", "192.0.2.1 192.0.2.9" }, { "2001:db8::2 192.0.2.1 2001:db8::1", "192.0.2.1 2001:db8::1 2001:db8::2" },
		{ "10.0.0.9 10.0.0.8 10.0.0.7 10.0.0.6 10.0.0.5 10.0.0.4 10.0.0.3 10.0.0.2 10.0.0.1",
			"10.0.0.1 10.0.0.2 10.0.0.3 10.0.0.4 10.0.0.5 10.0.0.6 10.0.0.7 10.0.0.8" },
		{ "10.0.0.9 10.0.0.8 10.0.0.7 10.0.0.6 10.0.0.5 10.0.0.4 10.0.0.3 10.0.0.2 2001:db8::1",
			"10.0.0.2 10.0.0.3 10.0.0.4 10.0.0.5 10.0.0.6 10.0.0.7 10.0.0.8 2001:db8::1" },
		{ "2001:db8::5 2001:db8::4 2001:db8::3 2001:db8::2 2001:db8::1 10.0.0.5 10.0.0.4 10.0.0.3 10.0.0.2 10.0.0.1",
			"10.0.0.1 10.0.0.2 10.0.0.3 10.0.0.4 2001:db8::1 2001:db8::2 2001:db8::3 2001:db8::4" },
		{ "2001:db8::9 2001:db8::8 2001:db8::7 2001:db8::6 2001:db8::5 2001:db8::4 2001:db8::3 2001:db8::2 10.0.0.1",
			"10.0.0.1 2001:db8::2 2001:db8::3 2001:db8::4 2001:db8::5 2001:db8::6 2001:db8::7 2001:db8::8" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct ipaddr v[16], out[PROBE_ADDRESSES];
		struct str rest = str_of(rows[i].in), word;
		char got[500] = "";
		size_t n = 0, at = 0;

		while (str_word(&rest, " ", &word))
			CHECK(ipaddr_parse(word, &v[n++]));
		n = probe_choose(v, n, out);
		for (size_t k = 0; k < n; k++) {
			char text[46];

			ipaddr_format(&out[k], text);
			at += (size_t)snprintf(got + at, sizeof(got) - at, "%s%s", k ? " " : "", text);
		}
		ROW("%s", rows[i].in);
		CHECK_STR(got, rows[i].want);
	}
}

/* --- findings ------------------------------------------------------------------------------------------------------- */

static struct { enum dns_status a, aaaa; } host_says;

static void ask(void *ctx, struct fact *f)
{
	struct dns_record record = { .type = f->type, .address = { .family = f->type == DNS_A ? AF_INET : AF_INET6 } };
	struct dns_answer a = { .status = f->type == DNS_A ? host_says.a : f->type == DNS_AAAA ? host_says.aaaa : DNS_AGAIN, .records = &record };

	a.n = a.status == DNS_OK;
	a.rcode = a.status == DNS_AGAIN ? DNS_RCODE_SERVFAIL : 0;
	facts_learn(ctx, f, &a);
}

static void judge(struct probe *p, struct probe_address *a, struct buf *got)
{
	p->n_hosts = 1;
	snprintf(p->hosts[0].name, sizeof(p->hosts[0].name), "mx.test");
	facts_init(&p->facts, ask, &p->facts);
	if (a) {
		ipaddr_format(&a->ip, a->text);
		a->ptr_status = DNS_OK;
		p->hosts[0].v[0] = a;
		p->hosts[0].n = 1;
	}
	check_hosts(p);
	for (size_t i = 0; i < p->n_findings; i++)
		if (p->findings[i].verdict != PROBE_OK)
			buf_printf(got, "%s %s: %s\n", probe_verdict_word(p->findings[i].verdict), p->findings[i].check, p->findings[i].text);
	mem_free(p->findings);
	facts_fini(&p->facts);
}

T(one_family_that_cannot_be_looked_up_is_told)
{
	static const struct { enum dns_status a, aaaa; size_t more; const char *want; } rows[] = {
		{ DNS_OK, DNS_NODATA, 0, "" }, { DNS_NODATA, DNS_OK, 0, "" }, { DNS_OK, DNS_OK, 0, "" },
		{ DNS_OK, DNS_AGAIN, 0, "warning address: the AAAA records of mx.test cannot be looked up: SERVFAIL, or no answer in time\n" },
		{ DNS_AGAIN, DNS_OK, 0, "warning address: the A records of mx.test cannot be looked up: SERVFAIL, or no answer in time\n" },
		{ DNS_OK, DNS_NXDOMAIN, 0, "warning address: mx.test does not exist when asked for AAAA records\n" },
		{ DNS_OK, DNS_NODATA, 3, "note address: 3 more addresses of mx.test were not looked at\n" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct probe_options o = { .families = 3, .port = 25 };
		struct probe p = { .opt = &o, .port = 25 };
		struct buf got;

		host_says.a = rows[i].a;
		host_says.aaaa = rows[i].aaaa;
		p.hosts[0].status = DNS_OK;
		p.hosts[0].more = rows[i].more;
		buf_init(&got, 4000);
		judge(&p, NULL, &got);
		ROW("%zu", i);
		CHECK_STR(buf_cstr(&got), rows[i].want);
		buf_fini(&got);
	}
}

T(addresses_that_nobody_else_reaches)
{
	static const struct { const char *address; bool good; } rows[] = {
		{ "192.0.1.1", true }, { "198.17.255.255", true }, { "198.18.0.1", false }, { "198.19.255.255", false }, { "198.20.0.0", true },
		{ "100.64.0.1", false }, { "10.1.2.3", false }, { "240.0.0.1", false }, { "192.0.0.8", false }, { "2a00:1450::1", true },
		{ "64:ff9b::c000:201", false }, { "64:ff9b:1::1", false }, { "fec0::1", false }, { "fe80::1", false }, { "fd00::1", false }, { "100::1", false },
		{ "100:0:0:1::1", true }, { "::1", false }, { "2001:2::1", false }, { "2001:2:1::1", true }, { "ff02::1", false },
	};

	host_says.a = host_says.aaaa = DNS_OK;
	for (size_t i = 0; i <= sizeof(rows) / sizeof(rows[0]); i++) {
		struct probe_options o = { .families = 3, .port = 25 };
		struct probe p = { .opt = &o, .port = 25 };
		struct probe_address a = { .stage = PROBE_FINISHED, .connect_time = 1 };
		bool good = false;
		struct buf got;

		/* mapped ones come from a record as they are; a parser turns them into IPv4 */
		a.ip = (struct ipaddr){ AF_INET6, { [10] = 0xff, 0xff, 8, 8, 8, 8 } };
		if (i < sizeof(rows) / sizeof(rows[0])) {
			CHECK(ipaddr_parse(str_of(rows[i].address), &a.ip));
			good = rows[i].good;
		}
		p.hosts[0].status = DNS_OK;
		buf_init(&got, 4000);
		judge(&p, &a, &got);
		ROW("%s", a.text);
		CHECK_INT(strstr(buf_cstr(&got), "is not a public address") == NULL, good);
		buf_fini(&got);
	}
}

T(a_route_that_is_missing_here_is_no_fault_of_the_domain)
{
	static const struct { const char *address; int error; bool no_route; const char *want; } rows[] = {
		{ "2a00:1450::1", ENETUNREACH, true, "note connect: not looked at: this machine has no route to IPv6\n" },
		{ "2a00:1450::1", EAFNOSUPPORT, true, "note connect: not looked at: this machine has no route to IPv6\n" },
		{ "2a00:1450::1", ENETUNREACH, false, "problem connect: network is unreachable\n" }, /* a router on the way says so */
		{ "8.8.8.8", ENETUNREACH, true, "problem connect: network is unreachable\n" },
		{ "2a00:1450::1", ECONNREFUSED, false, "problem connect: connection refused\n" },
	};

	host_says.a = host_says.aaaa = DNS_OK;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct probe_options o = { .families = 3, .port = 25 };
		struct probe p = { .opt = &o, .port = 25 };
		struct probe_address a = { .error = rows[i].error, .no_route = rows[i].no_route };
		struct buf got;

		CHECK(ipaddr_parse(str_of(rows[i].address), &a.ip));
		p.hosts[0].status = DNS_OK;
		buf_init(&got, 4000);
		judge(&p, &a, &got);
		ROW("%s %d", rows[i].address, rows[i].error);
		CHECK_STR(buf_cstr(&got), rows[i].want);
		buf_fini(&got);
	}
}

T(what_is_not_known_here_is_no_fault_of_the_server)
{
	static const struct { const char *why; unsigned old; const char *want; } rows[] = {
		{ "no protocol version in common: TLS 1.2 and 1.3 are spoken here (-0x6E80)", 6, "problem tls: no protocol version in common: TLS 1.2 and 1.3 are spoken here (-0x6E80); it speaks only TLS 1.0 or 1.1\n" },
		{ "no protocol version in common: TLS 1.2 and 1.3 are spoken here (-0x6E80)", 0, "problem tls: no protocol version in common: TLS 1.2 and 1.3 are spoken here (-0x6E80)\n" },
		{ "the peer refused the handshake: it finds no cipher, group or signature in common", 6, "warning tls: the peer refused the handshake: it finds no cipher, group or signature in common\n" },
		{ "the key is of a kind that cannot be verified here (Ed25519, RSA-PSS)", 4, "warning tls: the key is of a kind that cannot be verified here (Ed25519, RSA-PSS)\n" },
		{ "the peer refused the handshake: it does not accept our certificate", 4, "problem tls: the peer refused the handshake: it does not accept our certificate\n" },
		{ "an invalid record: the peer may not speak TLS", 0, "problem tls: an invalid record: the peer may not speak TLS\n" },
	};

	host_says.a = host_says.aaaa = DNS_OK;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct probe_options o = { .families = 3, .port = 25 };
		struct probe p = { .opt = &o, .port = 25 };
		struct probe_address a = { .stage = PROBE_TLS, .connect_time = 1, .old_tls = rows[i].old };
		struct buf got;

		snprintf(a.why, sizeof(a.why), "%s", rows[i].why);
		CHECK(ipaddr_parse(STR("8.8.8.8"), &a.ip));
		p.hosts[0].status = DNS_OK;
		buf_init(&got, 4000);
		judge(&p, &a, &got);
		ROW("%s", rows[i].why);
		CHECK_STR(buf_cstr(&got), rows[i].want);
		buf_fini(&got);
	}
}

/* MTA-STS looks at names of the subjectAltName only (RFC 8461 4.1) */
T(a_policy_asks_for_a_name_that_counts)
{
	static const struct { const char *names; bool matches; const char *want; } rows[] = {
		{ "mx.test", true, "" }, { "", true, "problem mta-sts: the policy asks for verified TLS, but its certificate has no subjectAltName\n" },
		{ "other.test", false, "problem mta-sts: the policy asks for verified TLS, but its certificate is for another name\n" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct probe_options o = { .families = 3, .port = 25, .tls = (struct tls_context *)(uintptr_t)1 };
		struct probe_address a = { .stage = PROBE_FINISHED, .tls_done = true, .tls = { .trust = TLS_TRUSTED }, .name_matches = rows[i].matches };
		struct probe p = { .opt = &o, .port = 25, .n_hosts = 1, .sts = { .asked = true, .fetched = true, .type = "text/plain" } };
		struct dns_record record = { .type = DNS_TXT, .data = (uint8_t *)(uintptr_t)"v=STSv1; id=1", .data_n = 13 };
		struct dns_answer answer = { .status = DNS_OK, .records = &record, .n = 1 };
		struct buf got;

		snprintf(p.target, sizeof(p.target), "x.test");
		snprintf(p.hosts[0].name, sizeof(p.hosts[0].name), "mx.test");
		snprintf(a.tls.names, sizeof(a.tls.names), "%s", rows[i].names);
		p.hosts[0].v[0] = &a;
		p.hosts[0].n = 1;
		buf_init(&p.sts.text, 1000);
		buf_z(&p.sts.text, "version: STSv1\r\nmode: enforce\r\nmx: mx.test\r\nmax_age: 604800\r\n");
		facts_init(&p.facts, NULL, NULL);
		CHECK(!facts_get(&p.facts, "_mta-sts.x.test", DNS_TXT));
		facts_learn(&p.facts, p.facts.first, &answer);
		check_sts(&p);
		buf_init(&got, 4000);
		for (size_t k = 0; k < p.n_findings; k++)
			if (p.findings[k].verdict != PROBE_OK)
				buf_printf(&got, "%s %s: %s\n", probe_verdict_word(p.findings[k].verdict), p.findings[k].check, p.findings[k].text);
		ROW("%s", rows[i].names);
		CHECK_STR(buf_cstr(&got), rows[i].want);
		buf_fini(&got);
		buf_fini(&p.sts.text);
		mem_free(p.findings);
		facts_fini(&p.facts);
	}
}

static enum dns_status list_itself, list_entry;
static bool no_test_entry, lists_all;

static void ask_list(void *ctx, struct fact *f)
{
	struct dns_record record = { .type = DNS_A, .address = { AF_INET, { 127, 0, 0, 2 } } };
	struct dns_answer a = { .status = f->type == DNS_SOA ? list_itself : f->type == DNS_A ? list_entry : DNS_NODATA, .records = &record };

	if (!strcmp(f->name, "1.0.0.127.bl.test") || (!strcmp(f->name, "2.0.0.127.bl.test") && !no_test_entry))
		a.status = f->name[0] == '2' ? DNS_OK : lists_all ? DNS_OK : DNS_NXDOMAIN;
	a.n = f->type == DNS_A && a.status == DNS_OK;
	facts_learn(ctx, f, &a);
}

T(a_block_list_that_is_gone_lists_nobody)
{
	static const struct { enum dns_status itself, entry; const char *want; } rows[] = {
		{ DNS_OK, DNS_NXDOMAIN, "ok not in bl.test" }, { DNS_NODATA, DNS_NXDOMAIN, "ok not in bl.test" }, { DNS_AGAIN, DNS_NXDOMAIN, "ok not in bl.test" },
		{ DNS_NXDOMAIN, DNS_NXDOMAIN, "warning bl.test does not exist: it is no block list (any more)" },
		{ DNS_NXDOMAIN, DNS_OK, "problem listed in bl.test as 127.0.0.2" }, { DNS_AGAIN, DNS_AGAIN, "note bl.test does not answer" },
		{ DNS_OK, DNS_OK, "warning bl.test lists everything, also its entry that must not be there (RFC 5782 5)" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct probe_options o = { .families = 3, .port = 25, .dnsbl = { "bl.test" } };
		struct probe_address a = { .ip = { AF_INET, { 192, 0, 2, 1 } } };
		struct probe p = { .opt = &o, .port = 25, .n_hosts = 1 };
		char got[200] = "";

		list_itself = rows[i].itself;
		list_entry = rows[i].entry;
		lists_all = strstr(rows[i].want, "everything") != NULL;
		p.hosts[0].v[0] = &a;
		p.hosts[0].n = 1;
		facts_init(&p.facts, ask_list, &p.facts);
		check_dnsbl(&p);
		ROW("%zu", i);
		CHECK_INT(p.n_findings, 1);
		if (p.n_findings)
			snprintf(got, sizeof(got), "%s %s", probe_verdict_word(p.findings[0].verdict), p.findings[0].text);
		CHECK_STR(got, rows[i].want);
		mem_free(p.findings);
		facts_fini(&p.facts);
	}
}

/* --- greetings and names ---------------------------------------------------------------------------------------------- */

T(greetings_in_parts_and_answers_without_a_name)
{
	static const struct { const char *banner, *ehlo; usec teaser, whole; const char *want; } rows[] = {
		{ "mx.test ESMTP", "mx.test", 1000, 2000, "" },
		{ "mx.test ESMTP\nmx.test ESMTP", "mx.test", 1000, 6 * USEC_PER_SEC, "note banner: the greeting's last line comes 6.0 seconds after its first\n" },
		{ "mx.test ESMTP", "mx.test", 1000, 6 * USEC_PER_SEC, "warning banner: the greeting takes 6.0 seconds\n" }, /* dripped */
		{ "mx.test ESMTP\nmx.test ESMTP", "mx.test", 6 * USEC_PER_SEC, 6 * USEC_PER_SEC, "warning banner: the greeting takes 6.0 seconds\n" },
		{ "mx.test ESMTP", "EHLO", 1, 1, "note ehlo: the answer to EHLO does not begin with a host name, but with \"EHLO\"\n" },
		{ "mx.test ESMTP", "Hello client.test", 1, 1, "note ehlo: the answer to EHLO does not begin with a host name, but with \"Hello\"\n" },
		{ "mx.test ESMTP", "SIZE 1000", 1, 1, "note ehlo: the answer to EHLO does not begin with a host name, but with \"SIZE\"\n" },
		{ "mx.test ESMTP", "localhost", 1, 1, "note ehlo: the server calls itself \"localhost\"\n" },
	};

	host_says.a = host_says.aaaa = DNS_OK;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct probe_options o = { .families = 3, .port = 25 };
		struct probe p = { .opt = &o, .port = 25 };
		struct probe_address a = { .stage = PROBE_FINISHED, .connect_time = 1, .teaser_time = rows[i].teaser, .banner_time = rows[i].whole,
			.banner = { .code = 220 }, .ehlo = { .code = 250 }, .extensions = 1u << 1 };
		struct buf got;

		snprintf(a.banner.text, sizeof(a.banner.text), "%s", rows[i].banner);
		snprintf(a.ehlo.text, sizeof(a.ehlo.text), "%s", rows[i].ehlo);
		CHECK(ipaddr_parse(STR("8.8.8.8"), &a.ip));
		p.hosts[0].status = DNS_OK;
		buf_init(&got, 4000);
		judge(&p, &a, &got);
		ROW("%zu", i);
		CHECK_STR(buf_cstr(&got), rows[i].want);
		buf_fini(&got);
	}
}

static void ask_alias(void *ctx, struct fact *f)
{
	struct dns_record record = { .type = DNS_CNAME, .target = "gone.test" };
	struct dns_answer a = { .status = DNS_NXDOMAIN, .records = &record };

	a.n = f->type == DNS_CNAME && !strcmp(f->name, "alias.test");
	a.status = a.n ? DNS_OK : DNS_NXDOMAIN;
	facts_learn(ctx, f, &a);
}

T(targets_that_are_not_there)
{
	static const struct { const char *target; bool no_name; const char *want; } rows[] = {
		{ "x.test", false, "the domain does not exist" }, { "alias.test", false, "the domain is an alias of gone.test, which does not exist" },
		{ "me@x.test", true, "an address, not a domain name" }, { "x.test:587", true, "not a domain name" }, { "https://x.test/", true, "a URL, not a domain name" },
		{ "https://me@x.test/", true, "a URL, not a domain name" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct probe_options o = { .families = 3 };
		struct probe p = { .opt = &o, .port = 25, .mx_known = true, .mx_status = DNS_NXDOMAIN, .no_name = rows[i].no_name };

		facts_init(&p.facts, ask_alias, &p.facts);
		snprintf(p.target, sizeof(p.target), "%s", rows[i].target);
		check_mx(&p);
		check_mx(&p); /* what is told twice is there once */
		ROW("%s", rows[i].target);
		CHECK_INT(p.n_findings, 1);
		CHECK_INT(p.count[PROBE_PROBLEM], 1);
		CHECK_STR(p.n_findings ? p.findings[0].text : "", rows[i].want);
		mem_free(p.findings);
		facts_fini(&p.facts);
	}
}

/* --- forms ------------------------------------------------------------------------------------------------------------ */

static char *nagios(const char *target, const char *text)
{
	struct probe_options o = { .families = 3, .warn_days = 21, .problem_days = 7, .slow_warning = 2 * USEC_PER_SEC };
	struct probe p = { .opt = &o, .port = 25, .n_hosts = 1 };
	char *out = NULL;
	size_t n;
	FILE *to = open_memstream(&out, &n);

	facts_init(&p.facts, NULL, NULL);
	snprintf(p.target, sizeof(p.target), "%s", target);
	snprintf(p.hosts[0].name, sizeof(p.hosts[0].name), "m|x.test");
	probe_find(&p, PROBE_PROBLEM, PROBE_HOST(0), "banner", NULL, "%s", text);
	CHECK_INT(probe_print_nagios(&p, to), 2);
	fclose(to);
	mem_free(p.findings);
	facts_fini(&p.facts);
	return out;
}

T(what_strangers_say_does_not_end_a_line_of_nagios)
{
	static const struct { const char *target, *text, *want; } rows[] = {
		{ "x.test", "554 no", "MXCHECK CRITICAL - x.test: m/x.test banner: 554 no | time=0.000s;2.000;;0\n" },
		{ "x|y.test", "a | time=1s\tb\nc", "MXCHECK CRITICAL - x/y.test: m/x.test banner: a / time=1s b\\012c | time=0.000s;2.000;;0\n" },
		{ "x\033[2J", "\033[31m", "MXCHECK CRITICAL - x\\033[2J: m/x.test banner: \\033[31m | time=0.000s;2.000;;0\n" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char *out = nagios(rows[i].target, rows[i].text);

		ROW("%zu", i);
		CHECK_STR(out, rows[i].want);
		free(out);
	}
}

static size_t changes(char **before, const char *text)
{
	struct probe_options o = { .families = 3 };
	struct probe p = { .opt = &o, .port = 25 };
	char *out = NULL;
	size_t n, found;
	FILE *to = open_memstream(&out, &n);

	facts_init(&p.facts, NULL, NULL);
	snprintf(p.target, sizeof(p.target), "x.test");
	probe_find(&p, PROBE_OK, PROBE_DOMAIN, "expiry", NULL, "%s", text);
	found = probe_changes(&p, before, to, false);
	fclose(to);
	CHECK_INT(n > 0, found > 0);
	free(out);
	mem_free(p.findings);
	facts_fini(&p.facts);
	return found;
}

T(a_day_less_is_no_change)
{
	static const struct { const char *before, *now; size_t n; } rows[] = {
		{ "100 days left", "99 days left", 0 }, { "the certificate expired 9 days ago", "the certificate expired 10 days ago", 0 },
		{ "2 days left", "the certificate expires in 1 day", 2 }, { "3 hosts", "4 hosts", 2 }, { "mx1 has 3 days", "mx2 has 3 days", 2 },
		{ "10 days left", "10 days left, and more", 2 },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char *before = NULL;

		CHECK_INT(changes(&before, rows[i].before), 0);
		ROW("%s", rows[i].now);
		CHECK_INT(changes(&before, rows[i].now), rows[i].n);
		mem_free(before);
	}
}

T(records_of_a_fact_do_not_turn)
{
	static const char *const texts[] = { "b", "a", "ab", "" };
	struct dns_record records[4];

	for (size_t turn = 0; turn < 4; turn++) {
		struct dns_answer a = { .status = DNS_OK, .records = records, .n = 4 };
		struct facts facts;
		const struct fact *f;

		memset(records, 0, sizeof(records));
		for (size_t i = 0; i < 4; i++) {
			records[i].data = (uint8_t *)(uintptr_t)texts[(i + turn) % 4];
			records[i].data_n = (uint16_t)strlen(texts[(i + turn) % 4]);
		}
		facts_init(&facts, NULL, NULL);
		CHECK(!facts_get(&facts, "x.test", DNS_TXT));
		facts_learn(&facts, facts.first, &a);
		f = facts_get(&facts, "x.test", DNS_TXT);
		CHECK(f && f->n == 4);
		if (!f)
			break;
		ROW("%zu", turn);
		CHECK_VIEW(fact_text(f, 0), "");
		CHECK_VIEW(fact_text(f, 1), "a");
		CHECK_VIEW(fact_text(f, 2), "ab");
		CHECK_VIEW(fact_text(f, 3), "b");
		facts_fini(&facts);
	}
}
