/* test_probe_ns.c - name servers: what is said of each, and when nothing can be said. */
#include <errno.h>
#include <stdio.h>

#include "core/base/mem.h"
#include "core/net/dns_codec.h"
#include "core/probe/probe.h"
#include "tests/unit/t.h"

/* the world, a line each: "NAME TYPE VALUE", "@NAME TYPE VALUE" for what the servers above say of it when they are asked
 * (192.0.2.53 is one, 192.0.2.54 one that does not answer), or "ADDRESS HOW [SERIAL]" for what the server there says of the zone */
static const char *world;
static struct fact *waiting[200];
static size_t n_waiting;
static int asked_directly;

static void ask(void *ctx, struct fact *f)
{
	(void)ctx;
	waiting[n_waiting++] = f;
}

static void answer_server(struct dns_answer *a, struct str how, struct str arg)
{
	uint64_t serial = 0;

	str_to_u64(arg, &serial);
	a->authoritative = str_eq(how, STR("good")) || str_eq(how, STR("gone"));
	a->status = str_eq(how, STR("gone")) ? DNS_NXDOMAIN : DNS_AGAIN;
	a->rcode = str_eq(how, STR("refused")) ? DNS_RCODE_REFUSED : str_eq(how, STR("odd")) ? 9 : str_eq(how, STR("gone")) ? DNS_RCODE_NXDOMAIN : 0;
	a->error = str_eq(how, STR("closed")) ? ECONNREFUSED : str_eq(how, STR("noroute")) ? ENETUNREACH : str_eq(how, STR("unsent")) ? ECANCELED : 0;
	if (!str_eq(how, STR("good")) && !str_eq(how, STR("resolver")))
		return;
	a->status = DNS_OK;
	a->n = 1;
	a->records[0].data_n = 20;
	for (int i = 0; i < 4; i++)
		a->records[0].data[i] = (uint8_t)(serial >> (24 - 8 * i));
}

static void answer(struct facts *facts, struct fact *f)
{
	static uint8_t soa[20];
	struct dns_record records[20];
	struct dns_answer a = { .status = DNS_NODATA, .records = records };
	struct str rest = str_of(world), line, name, type, value;
	char at[46] = "";
	bool above;

	memset(records, 0, sizeof(records));
	records[0].data = soa;
	if (f->at.family != AF_UNSPEC)
		ipaddr_format(&f->at, at);
	asked_directly += *at != 0;
	above = *at && f->type != DNS_SOA;
	if (above && !strcmp(at, "192.0.2.54"))
		a.status = DNS_AGAIN;
	while (str_cut(&rest, '\n', &line)) {
		str_word(&line, " ", &name);
		str_word(&line, " ", &type);
		if (!str_word(&line, " ", &value))
			value = STR_EMPTY;
		if (*at && !above && str_eq(name, str_of(at)))
			answer_server(&a, type, value);
		if (above && (strcmp(at, "192.0.2.53") || !str_starts(name, STR("@"))))
			continue;
		name = str_eq(name, STR(".")) ? STR_EMPTY : str_from(name, above);
		if ((*at && !above) || a.n == 20 || !str_eq(name, str_of(f->name)) || !str_eq(type, str_of(dns_type_name(f->type))))
			continue;
		a.status = str_eq(value, STR("again")) ? DNS_AGAIN : DNS_OK;
		if (a.status == DNS_AGAIN)
			break;
		snprintf(records[a.n].name, sizeof(records[0].name), "%s", f->name);
		snprintf(records[a.n].target, sizeof(records[0].target), "%.*s", STR_ARG(value));
		ipaddr_parse(value, &records[a.n++].address);
	}
	facts_learn(facts, f, &a);
}

#define TWO "x.test NS a.ns\nx.test NS b.ns\na.ns A 192.0.2.1\nb.ns A 192.0.2.2\n"
#define SIX TWO "a.ns AAAA 2001:db8::1\nb.ns AAAA 2001:db8::2\n192.0.2.1 good 1\n192.0.2.2 good 1\n"
#define NOT "note the name servers were not checked: none answers this machine as an authority\n"
#define LOST "deep.er.x.test NS again\ner.x.test NS again\nx.test NS again\ntest NS m.ns\ntest NS n.ns\nm.ns A 192.0.2.54\nn.ns A 192.0.2.53\n" \
	"@x.test NS b.ns\n@x.test NS a.x.test\n@a.x.test A 192.0.2.1\na.x.test A again\na.x.test AAAA again\nb.ns A 192.0.2.2\n"
static const struct { const char *target; int families; const char *world, *want; } rows[] = {
	{ "x.test", 3, TWO "192.0.2.1 good 1\n192.0.2.2 good 1", "ok 2 servers of x.test, serial 1\n" },
	{ "deep.er.x.test", 3, TWO "192.0.2.1 good 1\n192.0.2.2 good 1", "ok 2 servers of x.test, serial 1\n" },
	{ "x.test", 3, TWO "192.0.2.1 good 2026112901\n192.0.2.2 good 2026112901", "ok 2 servers of x.test, serial 2026112901\n" },
	{ "x.test", 3, TWO "192.0.2.1 good 4294967295\n192.0.2.2 good 4278255615", "warning serial 4294967295 at a.ns, but 4278255615 at b.ns\n" },
	{ "x.test", 3, TWO "192.0.2.1 good 1\n192.0.2.2 good 2", "warning serial 1 at a.ns, but 2 at b.ns\n" },
	{ "x.test", 3, TWO "192.0.2.1 refused\n192.0.2.2 good 7",
		"warning a.ns [192.0.2.1] is lame: REFUSED\nok 2 servers of x.test, serial 7\n" },
	{ "x.test", 3, TWO "192.0.2.1 odd\n192.0.2.2 good 7", "warning a.ns [192.0.2.1] is lame: an odd answer\nok 2 servers of x.test, serial 7\n" },
	{ "x.test", 3, TWO "192.0.2.1 resolver 6\n192.0.2.2 good 7",
		"warning a.ns [192.0.2.1] is lame: it is no authority for the zone\nok 2 servers of x.test, serial 7\n" },
	{ "x.test", 3, TWO "192.0.2.1 gone\n192.0.2.2 good 7",
		"warning a.ns [192.0.2.1] is lame: it is no authority for the zone\nok 2 servers of x.test, serial 7\n" },
	{ "x.test", 3, TWO "192.0.2.1 silent\n192.0.2.2 good 7",
		"warning a.ns [192.0.2.1] does not answer: timed out\nok 2 servers of x.test, serial 7\n" },
	{ "x.test", 3, TWO "192.0.2.1 closed\n192.0.2.2 good 7",
		"warning a.ns [192.0.2.1] does not answer: Connection refused\nok 2 servers of x.test, serial 7\n" },
	{ "x.test", 3, "x.test NS a.ns\na.ns A 192.0.2.1\n192.0.2.1 good 1", "note only one name server\nok 1 server of x.test, serial 1\n" },
	{ "x.test", 3, "x.test NS a.ns\nx.test NS b.ns\na.ns A 192.0.2.1\n192.0.2.1 good 1",
		"warning b.ns has no address\nok 2 servers of x.test, serial 1\n" },
	{ "x.test", 3, "x.test NS a.ns\nx.test NS b.ns\na.ns A 192.0.2.1\nb.ns A again\n192.0.2.1 good 1",
		"warning b.ns: its address cannot be looked up\nok 2 servers of x.test, serial 1\n" },
	/* a family that nobody answers in is this machine's, not theirs */
	{ "x.test", 3, SIX "2001:db8::1 noroute\n2001:db8::2 noroute", "ok 2 servers of x.test, serial 1\n" },
	{ "x.test", 3, SIX "2001:db8::1 silent\n2001:db8::2 silent", "ok 2 servers of x.test, serial 1\n" },
	{ "x.test", 3, SIX "2001:db8::1 good 1\n2001:db8::2 silent",
		"warning b.ns [2001:db8::2] does not answer: timed out\nok 2 servers of x.test, serial 1\n" },
	{ "x.test", 1, SIX "2001:db8::1 good 1\n2001:db8::2 silent", "ok 2 servers of x.test, serial 1\n" },
	{ "x.test", 3, TWO "192.0.2.1 silent\n192.0.2.2 silent", NOT }, { "x.test", 3, TWO "192.0.2.1 refused\n192.0.2.2 resolver 1", NOT },
	{ "x.test", 3, TWO "192.0.2.1 unsent\n192.0.2.2 unsent", NOT },
	{ "x.test", 3, TWO "192.0.2.1 good 1\n192.0.2.2 unsent", "ok 2 servers of x.test, serial 1\n" },
	/* not ours to judge, or not known */
	{ "x.test", 3, "test NS a.ns\na.ns A 192.0.2.1\n192.0.2.1 refused", "" }, { "x.test", 3, "x.test NS again", "" },
	{ "a.x.test", 3, "a.x.test NS again\n" TWO, "" }, { "x.test", 3, "x.test NS again\ntest NS again\n. NS again", "" },
	/* the resolver gets nothing: those above know who they are, and where */
	{ "deep.er.x.test", 3, LOST "192.0.2.1 refused\n192.0.2.2 silent", "problem none of the 2 name servers of x.test serves it\n"
		"warning a.x.test [192.0.2.1] is lame: REFUSED\nwarning b.ns [192.0.2.2] does not answer: timed out\n" },
	{ "x.test", 3, LOST "192.0.2.1 good 1\n192.0.2.2 silent", "warning b.ns [192.0.2.2] does not answer: timed out\n"
		"ok 2 servers of x.test, serial 1\n" },
	{ "x.test", 2, LOST "192.0.2.1 refused\n192.0.2.2 silent", NOT },
	{ "x.test", 3, "x.test NS again\ntest NS again\n. NS ns.root\nns.root A 192.0.2.53\n@test NS a.x.test\na.x.test A again\n",
		"warning a.x.test has no address\nproblem none of the 1 name servers of test serves it\nnote only one name server\n" },
};

T(name_servers_are_judged_one_by_one)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct probe_options o = { .families = rows[i].families };
		struct probe p = { .opt = &o, .port = 25, .dry = true };
		struct buf got;

		ROW("%s %d", rows[i].target, (int)i);
		world = rows[i].world;
		buf_init(&got, 4000);
		facts_init(&p.facts, ask, NULL);
		snprintf(p.target, sizeof(p.target), "%s", rows[i].target);
		for (check_ns(&p); n_waiting; check_ns(&p))
			while (n_waiting)
				answer(&p.facts, waiting[--n_waiting]);
		p.dry = false;
		check_ns(&p);
		for (size_t k = 0; k < p.n_findings; k++) {
			buf_printf(&got, "%s %s\n", probe_verdict_word(p.findings[k].verdict), p.findings[k].text);
			CHECK_INT(!p.findings[k].advice, p.findings[k].verdict == PROBE_OK);
		}
		CHECK_STR(buf_cstr(&got), rows[i].want);
		buf_fini(&got);
		mem_free(p.findings);
		facts_fini(&p.facts);
	}
}

T(questions_to_name_servers_are_bounded)
{
	struct probe_options o = { .families = 3 };
	struct probe p = { .opt = &o, .port = 25, .dry = true, .target = "x.test" };
	struct buf many;

	buf_init(&many, 20000);
	for (int i = 0; i < 40; i++)
		buf_printf(&many, "x.test NS n%02d.ns\n", i % 20);
	for (int i = 0; i < 200; i++)
		buf_printf(&many, "n%02d.ns A 192.0.2.%d\n192.0.2.%d refused\n", i / 10, i, i);
	world = buf_cstr(&many);
	asked_directly = 0;
	facts_init(&p.facts, ask, NULL);
	for (check_ns(&p); n_waiting; check_ns(&p))
		while (n_waiting)
			answer(&p.facts, waiting[--n_waiting]);
	CHECK_INT(asked_directly, 13 * 4);
	buf_fini(&many);
	facts_fini(&p.facts);
}
