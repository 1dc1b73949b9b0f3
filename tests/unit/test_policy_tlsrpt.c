/* TLS reports: what is counted, what a report says, and the file between */
#include <stdio.h>
#include <string.h>

#include "core/base/limits.h"
#include "core/policy/tlsrpt.h"
#include "tests/unit/t.h"

#define DAY_OF_TEST 20000              /* 2024-10-04 */

static struct tlsrpt_session session(const char *domain, enum tlsrpt_type type, const char *policy, enum tlsrpt_result result, const char *host)
{
	return (struct tlsrpt_session){ .domain = str_of(domain), .type = type, .policy = str_of(policy), .result = result, .host = str_of(host),
		.address = STR("192.0.2.1"), .own_address = STR("192.0.2.9"), .reason = STR("so it \"is\"\r\nthere") };
}

static void fill(struct tlsrpt *r)
{
	struct tlsrpt_session rows[] = {
		session("x.example", TLSRPT_NO_POLICY, "", TLSRPT_GOOD, ""),
		session("x.example", TLSRPT_STS, "version: STSv1\nmode: enforce\nmx: *.x.example\nmx: b.example\nmax_age: 60\n", TLSRPT_GOOD, ""),
		session("x.example", TLSRPT_STS, "version: STSv1\nmode: enforce\nmx: *.x.example\nmx: b.example\nmax_age: 60\n",
			TLSRPT_CERTIFICATE_EXPIRED, "mx.x.example"),
		session("x.example", TLSRPT_STS, "version: STSv1\nmode: enforce\nmx: *.x.example\nmx: b.example\nmax_age: 60\n",
			TLSRPT_CERTIFICATE_EXPIRED, "mx.x.example"),
		session("y.example", TLSRPT_TLSA, "3 1 1 00ff\n", TLSRPT_VALIDATION_FAILURE, ""),
	};

	tlsrpt_init(r);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		CHECK(tlsrpt_count(r, DAY_OF_TEST, &rows[i]));
}

#define HEAD "relaybox tlsrpt 1\n"
static const char file[] = HEAD
	"tally 20000 no-policy-found x.example 1 0\n"
	"tally 20000 sts x.example 1 2\npolicy version: STSv1\npolicy mode: enforce\npolicy mx: *.x.example\npolicy mx: b.example\npolicy max_age: 60\n"
	"failure certificate-expired 2 mx.x.example 192.0.2.1 192.0.2.9 so it \"is\"  there\n"
	"tally 20000 tlsa y.example 0 1\npolicy 3 1 1 00ff\nfailure validation-failure 1 - 192.0.2.1 192.0.2.9 so it \"is\"  there\nend\n";

T(tlsrpt_report_says_what_was_counted)
{
	static const char want[] = "{\"organization-name\":\"Org\",\"date-range\":{\"start-datetime\":\"2024-10-04T00:00:00Z\","
		"\"end-datetime\":\"2024-10-04T23:59:59Z\"},\"contact-info\":\"a@b\",\"report-id\":\"id\",\"policies\":["
		"{\"policy\":{\"policy-type\":\"no-policy-found\",\"policy-domain\":\"x.example\"},"
		"\"summary\":{\"total-successful-session-count\":1,\"total-failure-session-count\":0}},"
		"{\"policy\":{\"policy-type\":\"sts\",\"policy-string\":[\"version: STSv1\",\"mode: enforce\",\"mx: *.x.example\",\"mx: b.example\","
		"\"max_age: 60\"],\"policy-domain\":\"x.example\",\"mx-host\":[\"*.x.example\",\"b.example\"]},"
		"\"summary\":{\"total-successful-session-count\":1,\"total-failure-session-count\":2},\"failure-details\":["
		"{\"result-type\":\"certificate-expired\",\"sending-mta-ip\":\"192.0.2.9\",\"receiving-mx-hostname\":\"mx.x.example\","
		"\"receiving-ip\":\"192.0.2.1\",\"failed-session-count\":2,\"failure-reason-code\":\"so it \\\"is\\\"  there\"}]}]}\n";
	struct tlsrpt_about about = { STR("Org"), STR("a@b"), STR("id") };
	struct tlsrpt r;
	struct buf out;

	fill(&r);
	buf_init(&out, 10000);
	tlsrpt_report(&r, DAY_OF_TEST, STR("x.example"), &about, &out);
	CHECK_STR(buf_cstr(&out), want);
	buf_clear(&out);
	tlsrpt_drop(&r, DAY_OF_TEST, STR("x.example"));
	CHECK_INT(r.n, 1);
	tlsrpt_drop(&r, DAY_OF_TEST + 1, STR("y.example"));
	CHECK_INT(r.n, 1);
	tlsrpt_report(&r, DAY_OF_TEST, STR("x.example"), &about, &out);
	CHECK(strstr(buf_cstr(&out), "\"policies\":[]"));
	buf_fini(&out);
	tlsrpt_fini(&r);
}

T(tlsrpt_file_gives_back_what_was_counted)
{
	struct tlsrpt r, again;
	struct buf out;

	fill(&r);
	buf_init(&out, 10000);
	tlsrpt_write(&r, &out);
	CHECK_STR(buf_cstr(&out), file);
	REQUIRE(tlsrpt_read(&again, buf_view(&out)));
	buf_clear(&out);
	tlsrpt_write(&again, &out);
	CHECK_STR(buf_cstr(&out), file);
	tlsrpt_fini(&again);
	tlsrpt_fini(&r);
	buf_fini(&out);
}

T(tlsrpt_file_is_read_to_the_letter)
{
	static const char *const bad[] = {
		"", HEAD, "relaybox tlsrpt 2\nend\n", HEAD "end", HEAD "\nend\n", HEAD "policy x\nend\n", HEAD "failure validation-failure 1 - - - -\nend\n",
		HEAD "tally 1 no-policy x.example 1 0\nend\n", HEAD "tally -1 sts x.example 1 0\nend\n", HEAD "tally 1 sts  1 0\nend\n",
		HEAD "tally 1 sts x.example 1\nend\n", HEAD "tally 1 sts x.example 1 0 0\nend\n", HEAD "tally 01 sts x.example 1 0\nend\n",
		HEAD "tally 9999999 sts x.example 1 0\nend\n", HEAD "tally 1 sts x.example 1 0\nfailure good 1 - - - -\nend\n",
		HEAD "tally 1 sts x.example 1 0\nfailure validation-failure 1 - - -\nend\n",
	};
	struct tlsrpt r;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		ROW("%s", bad[i]);
		CHECK(!tlsrpt_read(&r, str_of(bad[i])));
		CHECK_INT(r.n, 0);
	}
	for (size_t n = 0; n < sizeof(file) - 1; n++) {
		ROW("%zu", n);
		CHECK(!tlsrpt_read(&r, str_make(file, n)));
	}
	CHECK(tlsrpt_read(&r, STR(HEAD "end\n")));
	tlsrpt_fini(&r);
}

T(tlsrpt_counts_within_its_bounds)
{
	struct tlsrpt_session s = session("x.example", TLSRPT_NO_POLICY, "", TLSRPT_STARTTLS_NOT_SUPPORTED, "");
	struct tlsrpt_tally *t;
	char name[40];
	struct tlsrpt r;

	tlsrpt_init(&r);
	for (unsigned i = 0; i <= LIMIT_TLSRPT_FAILURES; i++) {
		snprintf(name, sizeof(name), "mx%u.example", i);
		s.host = str_of(name);
		CHECK(tlsrpt_count(&r, 1, &s));
	}
	t = LIST_ITEM(r.tallies.next, struct tlsrpt_tally, link);
	CHECK_INT(t->n_failures, LIMIT_TLSRPT_FAILURES);
	CHECK_INT(t->bad, LIMIT_TLSRPT_FAILURES + 1);
	for (unsigned i = 1; i < LIMIT_TLSRPT_TALLIES; i++)
		CHECK(tlsrpt_count(&r, 1 + i, &s));
	CHECK(!tlsrpt_count(&r, 1 + LIMIT_TLSRPT_TALLIES, &s));
	CHECK_INT(r.n, LIMIT_TLSRPT_TALLIES);
	/* the oldest went */
	CHECK_INT(LIST_ITEM(r.tallies.next, struct tlsrpt_tally, link)->day, 2);
	tlsrpt_fini(&r);
	CHECK_INT(r.held, 0);
}

T(tlsrpt_holds_no_more_than_its_share_of_memory)
{
	struct tlsrpt_session s = session("x.example", TLSRPT_STS, "", TLSRPT_GOOD, "");
	struct buf policy, out;
	struct tlsrpt r, again;
	unsigned n = 0;

	buf_init(&policy, 20000);
	while (policy.n < 16000)
		buf_z(&policy, "mx: a-host-of-some-length.example\n");
	s.policy = buf_view(&policy);
	tlsrpt_init(&r);
	while (tlsrpt_count(&r, 1 + n, &s) && n < LIMIT_TLSRPT_TALLIES)
		n++;
	CHECK(n > 50 && n <= LIMIT_TLSRPT_HELD / 16000);
	CHECK(r.held <= LIMIT_TLSRPT_HELD && r.held > LIMIT_TLSRPT_HELD - 20000);
	CHECK_INT(LIST_ITEM(r.tallies.next, struct tlsrpt_tally, link)->day, 2);
	/* what was read weighs as much as what was counted */
	buf_init(&out, LIMIT_TLSRPT_FILE);
	tlsrpt_write(&r, &out);
	CHECK(tlsrpt_read(&again, buf_view(&out)));
	CHECK_INT(again.held, r.held);
	tlsrpt_fini(&again);
	CHECK_INT(again.held, 0);
	buf_fini(&out);
	buf_fini(&policy);
	tlsrpt_fini(&r);
}

/* a file that is cut would be none, and all would be forgotten for the sake of one */
T(tlsrpt_file_has_whole_tallies_only)
{
	struct tlsrpt r, again;
	struct buf out;

	fill(&r);
	for (size_t most = sizeof(HEAD) + sizeof("end\n"); most < sizeof(file) + 2; most++) {
		ROW("%zu", most);
		buf_init(&out, most);
		tlsrpt_write(&r, &out);
		CHECK(tlsrpt_read(&again, buf_view(&out)));
		CHECK(most < sizeof(file) - 1 || again.n == r.n);
		tlsrpt_fini(&again);
		buf_fini(&out);
	}
	tlsrpt_fini(&r);
}
