/* What mxcheck found, in each of its forms: for people, for programs, for Nagios and Prometheus; and what changed between two runs. */
#include <stdio.h>
#include <stdlib.h>

#include "core/base/mem.h"
#include "core/probe/probe_looks.h"
#include "core/probe/probe_out.h"
#include "tests/unit/t.h"

#define NOW (1700000000 * USEC_PER_SEC)

/* --- something that was found ---------------------------------------------------------------------------------------------------- */

static struct probe_options opt;
static struct probe_address at[3];
static struct probe p;

static void address(struct probe_address *a, const char *ip)
{
	memset(a, 0, sizeof(*a));
	ipaddr_parse(str_of(ip), &a->ip);
	ipaddr_format(&a->ip, a->text);
}

static void forget(void)
{
	mem_free(p.findings);
	if (p.opt)
		facts_fini(&p.facts);
	memset(&p, 0, sizeof(p));
}

/* found - a domain with two hosts, three addresses and findings of all kinds */
static void found(bool wrong)
{
	forget();
	facts_init(&p.facts, NULL, NULL);
	memset(&opt, 0, sizeof(opt));
	opt.port = 25;
	opt.now = NOW;
	opt.warn_days = 21;
	opt.problem_days = 7;
	p.opt = &opt;
	snprintf(p.target, sizeof(p.target), "dom.test");
	p.n_hosts = 2;
	snprintf(p.hosts[0].name, sizeof(p.hosts[0].name), "mx1.test");
	snprintf(p.hosts[1].name, sizeof(p.hosts[1].name), "mx2.test");
	p.hosts[0].preference = 10;
	p.hosts[1].preference = 20;
	p.hosts[1].is_alias = true;
	address(&at[0], "192.0.2.1");
	address(&at[1], "2001:db8::1");
	address(&at[2], "192.0.2.2");
	p.hosts[0].v[0] = &at[0];
	p.hosts[0].v[1] = &at[1];
	p.hosts[0].n = 2;
	p.hosts[1].v[0] = &at[2];
	p.hosts[1].n = 1;
	at[0].stage = PROBE_FINISHED;
	at[0].connect_time = 1500;
	at[0].banner_time = 20000;
	at[0].ehlo_time = 300;
	at[0].tls_time = 5000;
	at[0].tls_done = at[0].tls_offered = true;
	at[0].name_matches = true;
	at[0].size_limit = 1000;
	at[0].ptr_status = DNS_OK;
	snprintf(at[0].ptr, sizeof(at[0].ptr), "mx1.test");
	snprintf(at[0].banner.text, sizeof(at[0].banner.text), "mx1 \"ESMTP\" \\ \001\xff");
	snprintf(at[0].ehlo.text, sizeof(at[0].ehlo.text), "mx1\nSIZE");
	at[0].tls.version = "TLSv1.3";
	snprintf(at[0].tls.cipher, sizeof(at[0].tls.cipher), "AES");
	snprintf(at[0].tls.subject, sizeof(at[0].tls.subject), "mx1.test");
	at[0].tls.bits = 128;
	at[0].tls.chain_length = 2;
	at[0].tls.not_before = NOW - USEC_PER_SEC;
	at[0].tls.not_after = NOW + 30 * 86400 * USEC_PER_SEC;
	at[1].stage = PROBE_FINISHED;
	at[1].ptr_status = DNS_NODATA;
	at[1].connect_time = 100;
	at[1].tls.not_after = NOW + 20 * 86400 * USEC_PER_SEC;
	at[2].ptr_status = DNS_NODATA;
	snprintf(at[2].why, sizeof(at[2].why), "connection refused");
	probe_find(&p, PROBE_OK, PROBE_DOMAIN, "mx", "no advice for what is fine", "2 hosts");
	probe_find(&p, PROBE_NOTE, PROBE_DOMAIN, "spf", "say more", "a note & <more>");
	if (wrong) {
		probe_find(&p, PROBE_WARNING, PROBE_HOST(1), "alias", "name the host itself", "mx2.test is an alias");
		probe_find(&p, PROBE_WARNING, PROBE_DOMAIN, "dmarc", NULL, "no \"record\" | none");
		probe_find(&p, PROBE_PROBLEM, PROBE_ADDRESS(1, 0), "connect", "start it", "connection refused");
		probe_find(&p, PROBE_PROBLEM, PROBE_ADDRESS(0, 1), "tls", NULL, "no TLS");
		probe_find(&p, PROBE_PROBLEM, PROBE_ADDRESS(0, 1), "tls", NULL, "none at all");
	}
	probe_find(&p, PROBE_OK, PROBE_ADDRESS(0, 0), "greeting", NULL, "in 20 ms");
}

/* --- for people -------------------------------------------------------------------------------------------------------------------- */

static char *text;
static size_t text_n;

/* done - at the end of a case */
static void done(void)
{
	forget();
	free(text);
	text = NULL;
}

static FILE *open_text(void)
{
	free(text);
	text = NULL;
	return open_memstream(&text, &text_n);
}

static const char *shown(const struct probe_style *s)
{
	FILE *to = open_text();

	probe_print_text(&p, to, s);
	fclose(to);
	return text;
}

T(text_begins_with_the_worst)
{
	found(true);
	CHECK_STR(shown(&(struct probe_style){ .width = 0 }),
		"problem  dom.test: connect of mx2.test [192.0.2.2]: connection refused -> start it\n"
		"  warning  dmarc       no \"record\" | none\n"
		"  MX 10 mx1.test\n"
		"    2001:db8::1\n"
		"      problem  tls         no TLS\n"
		"      problem  tls         none at all\n"
		"  MX 20 mx2.test\n"
		"    warning  alias       mx2.test is an alias\n"
		"                         -> name the host itself\n"
		"  3 problems, 2 warnings, 1 note, 2 fine (-v shows all)\n");
	CHECK_STR(shown(&(struct probe_style){ .verbose = true }),
		"problem  dom.test: connect of mx2.test [192.0.2.2]: connection refused -> start it\n"
		"  ok       mx          2 hosts\n"
		"  note     spf         a note & <more>\n"
		"                       -> say more\n"
		"  warning  dmarc       no \"record\" | none\n"
		"  MX 10 mx1.test\n"
		"    192.0.2.1\n"
		"      ok       greeting    in 20 ms\n"
		"    2001:db8::1\n"
		"      problem  tls         no TLS\n"
		"      problem  tls         none at all\n"
		"  MX 20 mx2.test\n"
		"    warning  alias       mx2.test is an alias\n"
		"                         -> name the host itself\n"
		"    192.0.2.2\n"
		"      problem  connect     connection refused\n"
		"                           -> start it\n"
		"  3 problems, 2 warnings, 1 note, 2 fine\n");
	CHECK_STR(shown(&(struct probe_style){ .quiet = true }), "problem  dom.test: connect of mx2.test [192.0.2.2]: connection refused -> start it\n");
	CHECK_STR(shown(&(struct probe_style){ .quiet = true, .colour = true }),
		"\033[31mproblem\033[0m  dom.test: connect of mx2.test [192.0.2.2]: connection refused -> start it\n");
	snprintf(p.given, sizeof(p.given), "d\303\266m.test");
	CHECK(!strncmp(shown(&(struct probe_style){ .quiet = true }), "problem  dom.test (d", 20));
	p.literal = true;
	CHECK(strstr(shown(&(struct probe_style){ .width = 0 }), "\n  mx1.test\n") != NULL);
	found(false);
	CHECK_STR(shown(&(struct probe_style){ .width = 0 }), "ok       dom.test: nothing wrong\n  0 problems, 0 warnings, 1 note, 2 fine (-v shows all)\n");
	CHECK_STR(shown(&(struct probe_style){ .quiet = true }), "");
	CHECK(!probe_worst(&p));
	done();
}

T(lines_break_between_words)
{
	found(false);
	probe_find(&p, PROBE_WARNING, PROBE_DOMAIN, "a-long-name-of-a-check", "one two three four five six seven eight nine ten eleven twelve", "x");
	probe_find(&p, PROBE_PROBLEM, PROBE_DOMAIN, "b", NULL, "worst");
	CHECK_STR(shown(&(struct probe_style){ .width = 60 }),
		"problem  dom.test: b: worst\n"
		"  warning  a-long-name-of-a-check x\n"
		"                       -> one two three four five six seven\n"
		"                       eight nine ten eleven twelve\n"
		"  1 problem, 1 warning, 1 note, 2 fine (-v shows all)\n");
	/* a narrow terminal is left alone */
	CHECK(strstr(shown(&(struct probe_style){ .width = 40 }), "-> one two three four five six seven eight nine ten eleven twelve\n") != NULL);
	CHECK(strstr(shown(&(struct probe_style){ .width = 41 }), "-> one two three\n") != NULL);
	/* the width itself still fits */
	CHECK(strstr(shown(&(struct probe_style){ .width = 58 }), "-> one two three four five six seven\n") == NULL);
	CHECK(strstr(shown(&(struct probe_style){ .width = 59 }), "-> one two three four five six seven\n") != NULL);
	done();
}

/* --- for programs ------------------------------------------------------------------------------------------------------------------- */

T(json_has_facts_and_findings)
{
	FILE *to = open_text();

	found(true);
	snprintf(p.given, sizeof(p.given), "dOm.test");
	probe_print_json(&p, to);
	fclose(to);
	CHECK_STR(text, "{\"target\": \"dom.test\", \"given\": \"dOm.test\", \"tool\": \"mxcheck\", \"version\": \"" RELAYBOX_VERSION "\", \"format\": 1, \"time\": \"2023-11-14T22:13:20+00:00\""
		", \"problems\": 3, \"warnings\": 2, \"notes\": 1, \"hosts\": ["
		"{\"name\": \"mx1.test\", \"preference\": 10, \"alias\": false, \"addresses\": ["
		"{\"address\": \"192.0.2.1\", \"ptr\": \"mx1.test\", \"reached\": true, \"finished\": true, \"connect_ms\": 1.500, \"banner_ms\": 20.000, \"ehlo_ms\": 0.300"
		", \"tls_ms\": 5.000, \"banner\": \"mx1 \\\"ESMTP\\\" \\\\ \\u0001\\ufffd\", \"ehlo\": \"mx1\\u000aSIZE\", \"size_limit\": 1000, \"starttls\": true"
		", \"tls\": {\"trust\": \"Anonymous\", \"version\": \"TLSv1.3\", \"cipher\": \"AES\", \"subject\": \"mx1.test\", \"issuer\": \"\", \"names\": \"\", \"key\": \"\""
		", \"sha256\": \"\", \"bits\": 128, \"chain_length\": 2, \"not_before\": 1699999999, \"not_after\": 1702592000, \"name_matches\": true}}, "
		"{\"address\": \"2001:db8::1\", \"ptr\": \"\", \"reached\": true, \"finished\": true, \"connect_ms\": 0.100, \"banner_ms\": 0.000, \"ehlo_ms\": 0.000"
		", \"tls_ms\": 0.000, \"banner\": \"\", \"ehlo\": \"\", \"size_limit\": 0, \"starttls\": false}]}, "
		"{\"name\": \"mx2.test\", \"preference\": 20, \"alias\": true, \"addresses\": ["
		"{\"address\": \"192.0.2.2\", \"ptr\": \"\", \"reached\": false, \"finished\": false, \"error\": \"connection refused\", \"connect_ms\": 0.000, \"banner_ms\": 0.000"
		", \"ehlo_ms\": 0.000, \"tls_ms\": 0.000, \"banner\": \"\", \"ehlo\": \"\", \"size_limit\": 0, \"starttls\": false}]}]"
		", \"findings\": [{\"verdict\": \"ok\", \"check\": \"mx\", \"text\": \"2 hosts\"}, "
		"{\"verdict\": \"note\", \"check\": \"spf\", \"text\": \"a note & <more>\", \"advice\": \"say more\"}, "
		"{\"verdict\": \"warning\", \"host\": \"mx2.test\", \"check\": \"alias\", \"text\": \"mx2.test is an alias\", \"advice\": \"name the host itself\"}, "
		"{\"verdict\": \"warning\", \"check\": \"dmarc\", \"text\": \"no \\\"record\\\" | none\"}, "
		"{\"verdict\": \"problem\", \"host\": \"mx2.test\", \"address\": \"192.0.2.2\", \"check\": \"connect\", \"text\": \"connection refused\", \"advice\": \"start it\"}, "
		"{\"verdict\": \"problem\", \"host\": \"mx1.test\", \"address\": \"2001:db8::1\", \"check\": \"tls\", \"text\": \"no TLS\"}, "
		"{\"verdict\": \"problem\", \"host\": \"mx1.test\", \"address\": \"2001:db8::1\", \"check\": \"tls\", \"text\": \"none at all\"}, "
		"{\"verdict\": \"ok\", \"host\": \"mx1.test\", \"address\": \"192.0.2.1\", \"check\": \"greeting\", \"text\": \"in 20 ms\"}]}\n");
	done();
}

T(page_shows_the_worst_first_and_no_tags_of_strangers)
{
	FILE *to = open_text();

	found(true);
	probe_html_begin(to, NOW);
	probe_print_html(&p, to);
	probe_html_end(to);
	fclose(to);
	CHECK(!strncmp(text, "<!doctype html>\n", 16));
	CHECK(strstr(text, "<p>2023-11-14T22:13:20+00:00, relaybox " RELAYBOX_VERSION "</p>\n") != NULL);
	CHECK_STR(strstr(text, "<section>") ? strstr(text, "<section>") : "", "<section><h2><b class=\"problem\">problem</b> dom.test</h2>\n<p class=\"what\">connection refused<small>start it</small></p>\n"
		"<p>3 problems, 2 warnings, 1 note</p>\n"
		"<table><tr><td><b class=\"warning\">warning</b></td><td>dmarc</td><td>no &quot;record&quot; | none</td></tr>\n"
		"<tr><td><b class=\"note\">note</b></td><td>spf</td><td>a note &amp; &lt;more&gt;<small>say more</small></td></tr>\n"
		"<tr><td><b class=\"ok\">ok</b></td><td>mx</td><td>2 hosts</td></tr>\n</table>\n"
		"<h3>mx1.test [192.0.2.1]</h3>\n<table><tr><td><b class=\"ok\">ok</b></td><td>greeting</td><td>in 20 ms</td></tr>\n</table>\n"
		"<h3>mx1.test [2001:db8::1]</h3>\n<table><tr><td><b class=\"problem\">problem</b></td><td>tls</td><td>no TLS</td></tr>\n"
		"<tr><td><b class=\"problem\">problem</b></td><td>tls</td><td>none at all</td></tr>\n</table>\n"
		"<h3>mx2.test</h3>\n<table><tr><td><b class=\"warning\">warning</b></td><td>alias</td><td>mx2.test is an alias<small>name the host itself</small></td></tr>\n</table>\n"
		"<h3>mx2.test [192.0.2.2]</h3>\n<table><tr><td><b class=\"problem\">problem</b></td><td>connect</td><td>connection refused<small>start it</small></td></tr>\n</table>\n"
		"</section>\n</body></html>\n");
	to = open_text();
	found(false);
	snprintf(p.given, sizeof(p.given), "<g>");
	p.count[PROBE_NOTE] = 2;
	probe_print_html(&p, to);
	fclose(to);
	CHECK(!strncmp(text, "<section><h2><b class=\"ok\">ok</b> dom.test (&lt;g&gt;)</h2>\n<p class=\"what\">nothing wrong</p>\n<p>0 problems, 0 warnings, 2 notes</p>\n", 100));
	CHECK(strstr(text, "0 problems, 0 warnings, 2 notes</p>") != NULL);
	done();
}

T(nagios_has_one_line)
{
	static const struct { bool wrong, lost, keys; int problems; int want; const char *line; } rows[] = {
		{ true, false, false, -1, 2, "MXCHECK CRITICAL - dom.test: mx2.test connect: connection refused; mx1.test tls: no TLS; mx1.test tls: none at all | time=0.027s;;;0 days=20;21:;7:\n" },
		{ true, false, false, 0, 1, "MXCHECK WARNING - dom.test: mx2.test alias: mx2.test is an alias; dmarc: no \"record\" / none | time=0.027s;;;0 days=20;21:;7:\n" },
		{ false, false, false, -1, 0, "MXCHECK OK - dom.test: 2 hosts | time=0.027s;;;0 days=20;21:;7:\n" },
		{ false, false, true, -1, 0, "MXCHECK OK - dom.test: 2 fine | time=0.027s;;;0 days=20;21:;7:\n" },
		{ false, true, false, -1, 3, "MXCHECK UNKNOWN - dom.test:  | time=0.027s;;;0 days=20;21:;7:\n" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		FILE *to = open_text();
		int r;

		ROW("%zu", i);
		found(rows[i].wrong);
		p.lost = rows[i].lost;
		if (rows[i].keys)
			opt.keys = (struct dkim_keys *const *)(const void *)&opt;
		if (rows[i].problems == 0)
			p.count[PROBE_PROBLEM] = 0;
		r = probe_print_nagios(&p, to);
		fclose(to);
		CHECK_INT(r, rows[i].want);
		CHECK_STR(text, rows[i].line);
	}
	{
		FILE *to = open_text();

		ROW("thresholds");
		found(false);
		p.n_hosts = 1;
		p.hosts[0].n = 0;
		opt.slow_warning = 1500000;
		opt.slow_problem = 3000000;
		CHECK_INT(probe_print_nagios(&p, to), 0);
		fclose(to);
		CHECK_STR(text, "MXCHECK OK - dom.test: 1 host | time=0.000s;1.500;3.000;0\n");
	}
	done();
}

T(metrics_stand_together)
{
	struct probe_metrics m;
	FILE *to = open_text();

	found(true);
	probe_metrics_init(&m);
	probe_metrics_add(&m, &p);
	probe_metrics_print(&m, NOW, to);
	probe_metrics_fini(&m);
	fclose(to);
	CHECK_STR(text, "# HELP mxcheck_findings Findings of each verdict.\n# TYPE mxcheck_findings gauge\n"
		"mxcheck_findings{target=\"dom.test\",verdict=\"ok\"} 2\nmxcheck_findings{target=\"dom.test\",verdict=\"note\"} 1\n"
		"mxcheck_findings{target=\"dom.test\",verdict=\"warning\"} 2\nmxcheck_findings{target=\"dom.test\",verdict=\"problem\"} 3\n"
		"# HELP mxcheck_finding 1 for each check that is not fine.\n# TYPE mxcheck_finding gauge\n"
		"mxcheck_finding{target=\"dom.test\",check=\"spf\",verdict=\"note\"} 1\n"
		"mxcheck_finding{target=\"dom.test\",host=\"mx2.test\",check=\"alias\",verdict=\"warning\"} 1\n"
		"mxcheck_finding{target=\"dom.test\",check=\"dmarc\",verdict=\"warning\"} 1\n"
		"mxcheck_finding{target=\"dom.test\",host=\"mx2.test\",address=\"192.0.2.2\",check=\"connect\",verdict=\"problem\"} 1\n"
		"mxcheck_finding{target=\"dom.test\",host=\"mx1.test\",address=\"2001:db8::1\",check=\"tls\",verdict=\"problem\"} 1\n"
		"# HELP mxcheck_reached 1 if the dialogue with the address came to its end.\n# TYPE mxcheck_reached gauge\n"
		"mxcheck_reached{target=\"dom.test\",host=\"mx1.test\",address=\"192.0.2.1\"} 1\n"
		"mxcheck_reached{target=\"dom.test\",host=\"mx1.test\",address=\"2001:db8::1\"} 1\n"
		"mxcheck_reached{target=\"dom.test\",host=\"mx2.test\",address=\"192.0.2.2\"} 0\n"
		"# HELP mxcheck_step_seconds How long a step took.\n# TYPE mxcheck_step_seconds gauge\n"
		"mxcheck_step_seconds{target=\"dom.test\",host=\"mx1.test\",address=\"192.0.2.1\",step=\"connect\"} 0.001500\n"
		"mxcheck_step_seconds{target=\"dom.test\",host=\"mx1.test\",address=\"192.0.2.1\",step=\"banner\"} 0.020000\n"
		"mxcheck_step_seconds{target=\"dom.test\",host=\"mx1.test\",address=\"192.0.2.1\",step=\"ehlo\"} 0.000300\n"
		"mxcheck_step_seconds{target=\"dom.test\",host=\"mx1.test\",address=\"192.0.2.1\",step=\"tls\"} 0.005000\n"
		"mxcheck_step_seconds{target=\"dom.test\",host=\"mx1.test\",address=\"2001:db8::1\",step=\"connect\"} 0.000100\n"
		"# HELP mxcheck_certificate_expires_timestamp_seconds When the certificate expires (Unix time).\n"
		"# TYPE mxcheck_certificate_expires_timestamp_seconds gauge\n"
		"mxcheck_certificate_expires_timestamp_seconds{target=\"dom.test\",host=\"mx1.test\",address=\"192.0.2.1\"} 1702592000\n"
		"mxcheck_certificate_expires_timestamp_seconds{target=\"dom.test\",host=\"mx1.test\",address=\"2001:db8::1\"} 1701728000\n"
		"# HELP mxcheck_last_run_timestamp_seconds When these were gathered (Unix time).\n# TYPE mxcheck_last_run_timestamp_seconds gauge\n"
		"mxcheck_last_run_timestamp_seconds 1700000000\n");
	/* what stands in a label ends none */
	to = open_text();
	found(false);
	p.n_hosts = 0;
	snprintf(p.target, sizeof(p.target), "a\"b\\c");
	probe_metrics_init(&m);
	probe_metrics_add(&m, &p);
	probe_metrics_print(&m, NOW, to);
	probe_metrics_fini(&m);
	fclose(to);
	CHECK(strstr(text, "{target=\"a\\\"b\\\\c\",verdict=\"ok\"} 2\n") != NULL);
	CHECK(strstr(text, "mxcheck_reached") == NULL);
	done();
}

/* --- what changed ------------------------------------------------------------------------------------------------------------------- */

T(runs_are_compared_by_what_they_found)
{
	static const struct { const char *before, *after; size_t want; const char *says; } rows[] = {
		{ "a\nb\n", "a\nb\n", 0, "" }, { "a\nb\n", "b\na\n", 0, "" }, { "a\n", "a\nb\n", 1, "dom.test\n  + b\n" }, { "a\nb\n", "b\n", 1, "dom.test\n  - a\n" },
		{ "a\n", "b\n", 2, "dom.test\n  - a\n  + b\n" }, { "", "", 0, "" }, { "", "a\n", 1, "dom.test\n  + a\n" },
		/* days pass */
		{ "ends in 12 days\n", "ends in 9 days\n", 0, "" }, { "ends in 12 days\n", "ends in 1 day\n", 2, "dom.test\n  - ends in 12 days\n  + ends in 1 day\n" },
		{ "12 hosts\n", "13 hosts\n", 2, "dom.test\n  - 12 hosts\n  + 13 hosts\n" }, { "ends in 12 days\n", "ends in x days\n", 2, "dom.test\n  - ends in 12 days\n  + ends in x days\n" },
		{ "ends in 12 days\n", "ends in 12 days, or so\n", 2, "dom.test\n  - ends in 12 days\n  + ends in 12 days, or so\n" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		FILE *to = open_text();
		size_t n;

		ROW("%s, %s", rows[i].before, rows[i].after);
		n = probe_print_changes("dom.test", str_of(rows[i].before), str_of(rows[i].after), to, false);
		fclose(to);
		CHECK_INT(n, rows[i].want);
		CHECK_STR(text, rows[i].says);
	}
	{
		FILE *to = open_text();

		CHECK_INT(probe_print_changes("d", STR("a\n"), STR("b\n"), to, true), 2);
		fclose(to);
		CHECK_STR(text, "d\n  \033[36m- a\033[0m\n  \033[33m+ b\033[0m\n");
	}
	done();
}

T(rounds_are_compared_without_their_times)
{
	char *before = NULL;
	FILE *to = open_text();
	struct buf b;

	found(true);
	CHECK_INT(probe_changes(&p, &before, to, false), 0);
	CHECK_INT(probe_changes(&p, &before, to, false), 0);
	found(false);
	CHECK_INT(probe_changes(&p, &before, to, false), 5);
	fclose(to);
	CHECK_STR(text, "dom.test\n  - warning  mx2.test alias: mx2.test is an alias\n  - warning  dmarc: no \"record\" | none\n"
		"  - problem  mx2.test 192.0.2.2 connect: connection refused\n  - problem  mx1.test 2001:db8::1 tls: no TLS\n  - problem  mx1.test 2001:db8::1 tls: none at all\n");
	mem_free(before);
	buf_init(&b, 1000);
	probe_change_line(&b, STR("ok"), STR("h"), STR_EMPTY, STR("time"), STR("fast, 12 ms"));
	probe_change_line(&b, STR("ok"), STR_EMPTY, STR_EMPTY, STR("time"), STR("12 ms"));
	probe_change_line(&b, STR("ok"), STR("h"), STR("a"), STR("time"), STR("12 s"));
	CHECK_STR(buf_cstr(&b), "ok       h time: fast\nok       time: \nok       h a time: 12 s\n");
	buf_fini(&b);
	done();
}

static char *json_of(bool wrong)
{
	char *out = NULL;
	size_t n = 0;
	FILE *to = open_memstream(&out, &n);

	found(wrong);
	probe_print_json(&p, to);
	fclose(to);
	return out;
}

T(two_runs_in_json_are_compared)
{
	char *before = json_of(true), *after = json_of(false);
	FILE *to = open_text();

	CHECK_INT(probe_compare(str_of(before), str_of(before), to, false), 0);
	CHECK_INT(probe_compare(str_of(before), str_of(after), to, false), 5);
	CHECK_INT(probe_compare(str_of(after), str_of(before), to, false), 5);
	CHECK_INT(probe_compare(STR("rubbish\n"), str_of(before), to, false), -1);
	CHECK_INT(probe_compare(str_of(before), STR("{}\n"), to, false), -1);
	fclose(to);
	CHECK(!strncmp(text, "dom.test\n  - warning  mx2.test alias: mx2.test is an alias\n", 50));
	CHECK(strstr(text, "dom.test\n  + warning  mx2.test alias: mx2.test is an alias\n") != NULL);
	CHECK(strstr(text, "  - problem  mx2.test 192.0.2.2 connect: connection refused\n") != NULL);
	free(before);
	free(after);
	done();
}

T(what_the_caller_expects_is_a_finding)
{
	static const struct { usec warning, problem; bool must; size_t warnings, problems; } rows[] = {
		{ 0, 0, false, 0, 0 }, { 26800, 0, false, 0, 0 }, { 26799, 0, false, 1, 0 }, { 26799, 26800, false, 1, 0 }, { 26799, 26799, false, 0, 1 }, { 0, 26799, false, 0, 1 },
		/* of those that came to an end, one has no TLS */
		{ 0, 0, true, 0, 1 },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		ROW("%zu", i);
		found(false);
		opt.slow_warning = rows[i].warning;
		opt.slow_problem = rows[i].problem;
		opt.must_tls = rows[i].must;
		probe_expect(&p);
		CHECK_INT(p.count[PROBE_WARNING], rows[i].warnings);
		CHECK_INT(p.count[PROBE_PROBLEM], rows[i].problems);
	}
	CHECK_INT(probe_took(&at[0]), 26800);
	done();
}

/* --- what is looked at next ------------------------------------------------------------------------------------------------------------ */

T(looks_follow_each_other)
{
	static const struct { bool deep, wrapper; unsigned sampled; enum look done; enum look_end end; enum look want; } rows[] = {
		{ false, false, 0, LOOK_TLS_1_1, LOOK_TAKEN, LOOK_TLS_1_0 }, { false, false, 0, LOOK_TLS_1_1, LOOK_REFUSED, LOOK_NONE }, { true, false, 0, LOOK_TLS_1_1, LOOK_LOST, LOOK_NONE },
		{ false, false, 0, LOOK_TLS_1_0, LOOK_TAKEN, LOOK_NONE }, { false, false, 0, LOOK_UNNAMED, LOOK_REFUSED, LOOK_OTHER_KEY }, { false, false, 0, LOOK_UNNAMED, LOOK_LOST, LOOK_NONE },
		{ false, false, 0, LOOK_OTHER_KEY, LOOK_TAKEN, LOOK_NONE }, { true, false, 0, LOOK_OTHER_KEY, LOOK_TAKEN, LOOK_CIPHERS },
		{ true, false, 0, LOOK_CIPHERS, LOOK_TAKEN, LOOK_CIPHERS }, { true, false, 0, LOOK_CIPHERS, LOOK_REFUSED, LOOK_CIPHERS_1_3 },
		{ true, false, 0, LOOK_CIPHERS_1_3, LOOK_TAKEN, LOOK_CIPHERS_1_3 }, { true, false, 0, LOOK_CIPHERS_1_3, LOOK_REFUSED, LOOK_INJECTION },
		{ true, true, 0, LOOK_CIPHERS_1_3, LOOK_REFUSED, LOOK_AGAIN }, { true, false, 3, LOOK_INJECTION, LOOK_TAKEN, LOOK_AGAIN }, { true, false, 4, LOOK_INJECTION, LOOK_TAKEN, LOOK_NONE },
		{ true, false, 3, LOOK_AGAIN, LOOK_TAKEN, LOOK_AGAIN }, { true, false, 4, LOOK_AGAIN, LOOK_TAKEN, LOOK_NONE }, { true, false, 0, LOOK_REAL, LOOK_TAKEN, LOOK_NONE },
	};
	static const struct { bool deep, tls_done, tls, timed_out, chain; int code; enum probe_stage stage; usec banner; int row; enum look want; } first[] = {
		{ false, true, true, false, true, 0, PROBE_FINISHED, 1, 0, LOOK_TLS_1_1 }, { false, true, true, false, true, 0, PROBE_FINISHED, 1, 1, LOOK_UNNAMED },
		{ false, true, true, false, false, 0, PROBE_FINISHED, 1, 1, LOOK_NONE }, { false, true, true, false, true, 0, PROBE_FINISHED, 5000000, 0, LOOK_NONE },
		{ false, true, true, false, true, 0, PROBE_FINISHED, 4999999, 0, LOOK_TLS_1_1 }, { false, true, true, false, true, 0, PROBE_FINISHED, 5000000, 1, LOOK_NONE },
		{ false, false, true, false, false, 0, PROBE_TLS, 1, 0, LOOK_TLS_1_1 }, { false, false, true, true, false, 0, PROBE_TLS, 1, 0, LOOK_NONE },
		{ false, false, true, false, false, 454, PROBE_TLS, 1, 0, LOOK_NONE }, { false, false, true, false, false, 0, PROBE_FINISHED, 1, 0, LOOK_NONE },
		{ true, false, true, false, false, 0, PROBE_FINISHED, 1, 1, LOOK_AGAIN }, { false, false, true, false, false, 0, PROBE_FINISHED, 1, 1, LOOK_NONE },
		{ true, false, false, false, false, 0, PROBE_FINISHED, 1, 1, LOOK_NONE }, { true, false, true, false, false, 0, PROBE_TLS, 1, 1, LOOK_NONE },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct probe_options o = { .deep = rows[i].deep };
		struct probe q = { .opt = &o, .wrapper = rows[i].wrapper };
		struct probe_address a = { .sampled = rows[i].sampled };

		ROW("next %zu", i);
		CHECK_INT(look_next(&q, &a, rows[i].done, rows[i].end), rows[i].want);
	}
	for (size_t i = 0; i < sizeof(first) / sizeof(first[0]); i++) {
		struct probe_options o = { .deep = first[i].deep, .tls = first[i].tls ? (struct tls_context *)(void *)&opt : NULL };
		struct probe q = { .opt = &o };
		struct probe_address a = { .tls_done = first[i].tls_done, .timed_out = first[i].timed_out, .n_chain = first[i].chain, .stage = first[i].stage,
			.banner_time = first[i].banner, .last.code = first[i].code };

		ROW("first %zu", i);
		CHECK_INT(look_first(&q, &a, first[i].row), first[i].want);
	}
}

T(name_that_is_asked_for_in_tls)
{
	struct probe_options o = { .port = 25 };
	struct probe q = { .opt = &o };
	struct probe_host h = { .name = "mx.test" };

	CHECK_STR(probe_tls_name(&q, &h), "mx.test");
	snprintf(h.name, sizeof(h.name), "192.0.2.1");
	CHECK(!probe_tls_name(&q, &h));
	o.sni = "other.test";
	CHECK_STR(probe_tls_name(&q, &h), "other.test");
}

/* behind STARTTLS, in the same packet, stood NOOP: is it answered under TLS, where only QUIT was said? */
T(answer_under_tls_to_what_was_said_in_clear_is_seen)
{
	static const struct { const char *in; bool done, injected; } rows[] = {
		{ "22", false, false }, { "221", true, false }, { "250 2.0.0 Ok\r\n221 bye\r\n", true, true }, { "454 x", true, false }, { "502 5.5.1 x", true, true },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct probe_options o = { .port = 25 };
		struct probe q = { .opt = &o };
		struct probe_host h = { .name = "mx.test" };
		struct probe_address a = { .injected = false };
		enum look_end how = LOOK_LOST;

		ROW("%s", rows[i].in);
		CHECK_INT(look_answer(&q, &h, &a, LOOK_INJECTION, str_of(rows[i].in), &how), rows[i].done);
		CHECK_INT(a.injected, rows[i].injected);
		CHECK_INT(how, rows[i].done ? LOOK_TAKEN : LOOK_LOST);
	}
}
