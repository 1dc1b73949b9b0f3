/* DANE: whose TLSA records count, and what is said when they cannot be believed or used */
#include <stdio.h>

#include "core/base/mem.h"
#include "core/probe/probe.h"
#include "tests/unit/t.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

/* the world, a line each: "NAME TYPE [!]VALUE"; '!': not signed. A TLSA value is "good" (3 1 1 of zeros), "odd" (usage 1) or "again" */
static const char *world;
static bool validates;
static struct fact *waiting[100];
static size_t n_waiting;

static void ask(void *ctx, struct fact *f)
{
	(void)ctx;
	waiting[n_waiting++] = f;
}

static void answer(struct facts *facts, struct fact *f)
{
	static uint8_t good[35] = { 3, 1, 1 }, odd[35] = { 1, 1, 1 };
	struct dns_record records[4];
	struct dns_answer a = { .status = DNS_NODATA, .authentic = validates, .records = records };
	struct str rest = str_of(world), line, name, type;

	memset(records, 0, sizeof(records));
	while (str_cut(&rest, '\n', &line)) {
		str_word(&line, " ", &name);
		str_word(&line, " ", &type);
		if (!str_eq(name, str_of(f->name)) || !str_eq(type, f->type == DNS_CNAME ? STR("CNAME") : f->type == DNS_TLSA ? STR("TLSA") : STR("")))
			continue;
		line = str_trim(line);
		a.authentic = validates && !str_starts(line, STR("!"));
		line = str_from(line, str_starts(line, STR("!")));
		a.status = str_eq(line, STR("again")) ? DNS_AGAIN : DNS_OK;
		if (a.status == DNS_AGAIN)
			break;
		snprintf(records[a.n].target, sizeof(records[0].target), "%.*s", STR_ARG(line));
		records[a.n].data = str_eq(line, STR("odd")) ? odd : good;
		records[a.n++].data_n = 35;
	}
	facts_learn(facts, f, &a);
}

static void judge(bool tls, struct buf *got)
{
	struct tls_link link = { .anchors = false };
	struct probe_address address = { .stage = PROBE_FINISHED, .tls_done = tls, .chain = &link, .n_chain = 1 };
	struct tls_context *context = (struct tls_context *)(uintptr_t)1;      /* only whether there is one counts */
	struct probe_options o = { .families = 3, .port = 25, .tls = context };
	struct probe p = { .opt = &o, .port = 25, .dry = true, .authentic = true, .n_hosts = 1 };

	facts_init(&p.facts, ask, NULL);
	snprintf(p.hosts[0].name, sizeof(p.hosts[0].name), "mx.test");
	p.hosts[0].status = DNS_OK;
	p.hosts[0].v[0] = &address;
	p.hosts[0].n = 1;
	for (check_dane(&p); n_waiting; check_dane(&p))
		while (n_waiting)
			answer(&p.facts, waiting[--n_waiting]);
	p.dry = false;
	check_dane(&p);
	for (size_t i = 0; i < p.n_findings; i++)
		buf_printf(got, "%s %s\n", probe_verdict_word(p.findings[i].verdict), p.findings[i].text);
	mem_free(p.findings);
	facts_fini(&p.facts);
}

static const char none[] = "note no TLSA record\n", good[] = "ok TLSA 3 1 1 matches\n", no_tls[] = "problem TLSA records, but no STARTTLS\n";
static const char odd[] = "warning a TLSA record is not usable: usages 0 and 1 mean nothing in mail (RFC 7672 3.1.3)\n";

T(tlsa_records_that_count)
{
	static const struct { const char *world; bool deaf, clear; const char *want, *then; } rows[] = {
		{ "", false, false, none, "" }, { "_25._tcp.mx.test TLSA good", false, false, good, "" },
		{ "_25._tcp.mx.test TLSA !good", false, false, "warning TLSA records without DNSSEC\n", "" },
		{ "_25._tcp.mx.test TLSA again", false, false, "problem bogus", NULL },
		/* of the host behind an alias first */
		{ "mx.test CNAME host.test\n_25._tcp.host.test TLSA good", false, false, good, "" },
		{ "mx.test CNAME host.test\n_25._tcp.mx.test TLSA good", false, false, good, "" },
		{ "mx.test CNAME host.test\n_25._tcp.host.test TLSA good\n_25._tcp.mx.test TLSA odd", false, false, good, "" },
		{ "mx.test CNAME a.test\na.test CNAME host.test\n_25._tcp.host.test TLSA good", false, false, good, "" },
		{ "mx.test CNAME !host.test\n_25._tcp.host.test TLSA good", false, false, none, "" },
		{ "mx.test CNAME host.test\n_25._tcp.host.test TLSA !good\n_25._tcp.mx.test TLSA good", false, false, good, "" },
		{ "mx.test CNAME mx.test\n_25._tcp.mx.test TLSA good", false, false, good, "" },
		/* what is of no use asks for TLS all the same */
		{ "_25._tcp.mx.test TLSA odd", false, true, odd, no_tls }, { "_25._tcp.mx.test TLSA odd", false, false, odd, "" },
		{ "_25._tcp.mx.test TLSA good", false, true, no_tls, "" },
		/* without validation nothing can be said */
		{ "_25._tcp.mx.test TLSA good", true, false, "note TLSA records, which cannot be judged: the resolver does not validate\n", "" },
		{ "", true, false, "", "" },
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		char want[400];
		struct buf got;

		world = rows[i].world;
		validates = !rows[i].deaf;
		buf_init(&got, 4000);
		judge(!rows[i].clear, &got);
		snprintf(want, sizeof(want), "%s%s", rows[i].want, rows[i].then ? rows[i].then : "");
		ROW("%zu %s", i, rows[i].world);
		if (rows[i].then)
			CHECK_STR(buf_cstr(&got), want);
		else
			CHECK(str_starts(buf_view(&got), str_of(want)));
		buf_fini(&got);
	}
}
