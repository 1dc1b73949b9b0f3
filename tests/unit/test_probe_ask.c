/* What mxcheck asks as a delivery would: next hops of a configuration, an address at its servers, whether a server relays for anybody. */
#include <sysexits.h>

#include "core/probe/probe_ask.h"
#include "tests/unit/deliver_world.h"

/* --- which next hops a configuration names ------------------------------------------------------------------------------------- */

T(next_hops_of_a_configuration_are_found_once)
{
	static const struct { const char *name, *set[4], *want; } rows[] = {
		{ "nothing", { NULL }, "" }, { "relayhost", { "relayhost=[r.test]:587" }, "smtp:[r.test]:587 (relayhost)\n" },
		{ "two, and what stands in", { "relayhost=[r.test], [s.test]", "smtp_fallback_relay=[f.test]" }, "smtp:[r.test] (relayhost)\nsmtp:[s.test] (relayhost)\nsmtp:[f.test] (smtp_fallback_relay)\n" },
		{ "only what stands in", { "smtp_fallback_relay=[f.test]" }, "smtp:[f.test] (smtp_fallback_relay)\n" },
		{ "a transport with a next hop", { "default_transport=smtp:[d.test]" }, "smtp:[d.test] (default_transport)\n" },
		{ "relay_transport, where it counts", { "relay_transport=smtp:[d.test]" }, "smtp:[d.test] (relay_transport)\n" },
		{ "the same twice", { "relayhost=[r.test]", "drain_relay=[r.test]" }, "smtp:[r.test] (relayhost)\n" }, { "drain", { "drain_relay=[e.test]" }, "smtp:[e.test] (drain_relay)\n" },
		{ "a table", { "transport_maps=inline:{{a.test=smtp:[t.test]},{b.test=smtp:[t.test]},{c.test=error:no},{d.test=:}}" }, "smtp:[t.test] (transport_maps for a.test)\n" },
		{ "of a domain itself", { "transport_maps=inline:{{a.test=smtp:},{.b.test=smtp:},{u@c.test=smtp:}}" },
		  "smtp:b.test (transport_maps for .b.test)\nsmtp:a.test (transport_maps for a.test)\nsmtp:c.test (transport_maps for u@c.test)\n" },
		{ "by sender", { "sender_dependent_relayhost_maps=inline:{{a@x.test=[t.test]},{b@x.test=DUNNO}}" }, "smtp:[t.test] (sender_dependent_relayhost_maps)\n" },
		{ "transport by sender", { "sender_dependent_default_transport_maps=inline:{{a@x.test=smtp:[t.test]}}" }, "smtp:[t.test] (sender_dependent_default_transport_maps for a@x.test)\n" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const char *set[12] = { BASE };
		struct probe_setup s = { .conf = NULL };
		struct buf got, why;
		size_t n = 0;

		while (set[n])
			n++;
		for (size_t k = 0; k < 4 && rows[i].set[k]; k++)
			set[n++] = rows[i].set[k];
		ROW("%s", rows[i].name);
		buf_init(&got, 2000);
		buf_init(&why, 2000);
		CHECK_INT(probe_setup_open(&s, NULL, set, &why), 0);
		CHECK_STR(buf_cstr(&why), "");
		if (s.profiles) {
			probe_routes_find(&s, &why);
			for (size_t k = 0; k < s.n_routes; k++)
				buf_printf(&got, "%s\n", s.routes[k].target);
			CHECK(!s.cut);
		}
		CHECK_STR(buf_cstr(&got), rows[i].want);
		CHECK_STR(buf_cstr(&why), "");
		probe_setup_close(&s);
		buf_fini(&got);
		buf_fini(&why);
	}
}

T(tables_that_cannot_be_walked_are_told)
{
	static const char *const set[] = { BASE, "transport_maps=static:smtp:x", NULL };
	static const char *const wrong[] = { BASE, "transport_maps=nosuch:x", NULL };
	struct probe_setup s = { .conf = NULL }, t = { .conf = NULL };
	struct buf why;

	buf_init(&why, 2000);
	CHECK_INT(probe_setup_open(&s, NULL, set, &why), 0);
	probe_routes_find(&s, &why);
	CHECK_STR(buf_cstr(&why), "transport_maps: static:smtp:x cannot be walked");
	probe_setup_close(&s);
	buf_clear(&why);
	CHECK_INT(probe_setup_open(&t, NULL, wrong, &why), -1);
	CHECK(strstr(buf_cstr(&why), "nosuch") != NULL);
	probe_setup_close(&t);
	buf_fini(&why);
}

/* --- questions ------------------------------------------------------------------------------------------------------------------- */

static bool is_done;

static void on_done(void *unused)
{
	(void)unused;
	is_done = true;
}

static void done(struct probe *p, void *ctx)
{
	(void)p;
	on_done(ctx);
}

/* asked - every finding of one question, and *code */
static const char *asked(void (*start)(struct probe *, const struct probe_options *, const char *, void (*)(struct probe *, void *), void *), struct probe_setup *s, const char *target,
	uint16_t port, int *code)
{
	static struct buf got;
	struct loop *l = loop_new();
	struct dns *dns = dns_new(l, &(struct dns_options){ .server = "127.0.0.1:9", .hosts = "/dev/null" });
	struct probe_options o = { .loop = l, .dns = dns, .setup = s, .families = 1, .port = port, .now = clock_wall(), .time = 10 * USEC_PER_SEC };
	struct probe *p = MEM_NEW(struct probe);
	usec end = clock_mono() + 30 * USEC_PER_SEC;

	is_done = false;
	buf_fini(&got);
	buf_init(&got, 20000);
	start(p, &o, target, done, NULL);
	while (!is_done && clock_mono() < end)
		loop_tick(l, 20 * USEC_PER_MSEC);
	CHECK(is_done);
	for (size_t i = 0; i < p->n_findings; i++) {
		const struct probe_finding *f = &p->findings[i];

		buf_printf(&got, "%s%s%s %s: %s\n", probe_verdict_word(f->verdict), f->host >= 0 ? " " : "", f->host >= 0 ? p->hosts[f->host].name : "", f->check, f->text);
	}
	*code = p->exit_code;
	probe_fini(p);
	mem_free(p);
	loop_tick(l, 20 * USEC_PER_MSEC);
	dns_free(dns);
	loop_free(l);
	return buf_cstr(&got);
}

static bool open_setup(struct probe_setup *s, uint16_t port)
{
	char relayhost[80];
	const char *set[] = { BASE, relayhost, "smtp_tls_security_level=none", NULL };
	struct buf why;
	bool good;

	snprintf(relayhost, sizeof(relayhost), "relayhost=[127.0.0.1]:%u", port);
	memset(s, 0, sizeof(*s));
	buf_init(&why, 1000);
	log_open(&(struct log_config){ .sink = LOG_TO_NOTHING, .syslog_name = "", .host = "" });
	good = probe_setup_open(s, NULL, set, &why) == 0;
	if (good)
		probe_routes_find(s, &why);
	buf_fini(&why);
	return good;
}

T(recipient_is_accepted_later_or_refused)
{
	static const struct { const char *rcpt; int code; const char *has, *greeting; } rows[] = {
		{ "250 2.1.5 fine", PROBE_EXIT_GOOD, "ok rcpt: accepted: 250 2.1.5 fine\n", NULL }, { "450 4.2.0 busy", EX_TEMPFAIL, "warning rcpt: later: 450 4.2.0 host 127.0.0.1[127.0.0.1] said: 450 4.2.0 busy (in reply to RCPT TO command)\n", NULL },
		{ "550 5.1.1 who", 1, "problem rcpt: refused: 550 5.1.1 host 127.0.0.1[127.0.0.1] said: 550 5.1.1 who (in reply to RCPT TO command)\n", NULL },
	};
	struct fake f = { .ip = "127.0.0.1" };
	struct probe_setup s;

	REQUIRE(fake_start(&f));
	REQUIRE(open_setup(&s, f.port));
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		int code;
		const char *got;

		ROW("%s", rows[i].rcpt);
		f.rcpt = rows[i].rcpt;
		got = asked(probe_rcpt_start, &s, "a@[127.0.0.1]", f.port, &code);
		if (!CHECK(strstr(got, rows[i].has) != NULL))
			printf("# %s\n", got);
		CHECK_INT(code, rows[i].code);
		CHECK_STR(f.mail_line, "MAIL FROM:<postmaster@mx.example.jp>");
		/* nothing is ever sent */
		CHECK_INT(f.messages, 0);
	}
	s.sender = "<>";
	asked(probe_rcpt_start, &s, "a@[127.0.0.1]", f.port, &(int){ 0 });
	CHECK_STR(f.mail_line, "MAIL FROM:<>");
	s.sender = "s@b.test";
	asked(probe_rcpt_start, &s, "a@[127.0.0.1]", f.port, &(int){ 0 });
	CHECK_STR(f.mail_line, "MAIL FROM:<s@b.test>");
	probe_setup_close(&s);
	fake_stop(&f);
}

T(next_hop_is_asked)
{
	static const struct { const char *rcpt, *greeting, *has; } rows[] = {
		{ "250 2.1.5 fine", NULL, "ok 127.0.0.1 rcpt: accepted: 250 2.1.5 fine\n" }, { "450 4.2.0 busy", NULL, "warning 127.0.0.1 rcpt: later: 450 4.2.0 busy\n" },
		{ "554 5.7.1 no", NULL, "problem 127.0.0.1 rcpt: refused: 554 5.7.1 no\n" }, { "250 2.1.5 fine", "554 5.3.2 go away", "554 5.3.2 go away" },
	};
	struct fake f = { .ip = "127.0.0.1" };
	struct probe_setup s;

	REQUIRE(fake_start(&f));
	REQUIRE(open_setup(&s, f.port));
	REQUIRE(s.n_routes == 1);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		int code;
		const char *got;

		ROW("%s", rows[i].rcpt);
		f.rcpt = rows[i].rcpt;
		f.greeting = rows[i].greeting;
		got = asked(probe_relay_start, &s, s.routes[0].target, 25, &code);
		if (!CHECK(strstr(got, rows[i].has) != NULL))
			printf("# %s\n", got);
		CHECK_INT(f.messages, 0);
	}
	probe_setup_close(&s);
	fake_stop(&f);
}

static size_t count(const char *text, const char *what)
{
	size_t n = 0;

	for (; (text = strstr(text, what)); text++)
		n++;
	return n;
}

T(open_relay_is_found_out)
{
	static const struct { const char *rcpt, *bad; size_t ok, note, problem; int code; } rows[] = {
		{ "554 5.7.1 Relay access denied", NULL, 25, 0, 0, PROBE_EXIT_GOOD }, { "454 4.7.1 Relay access denied", NULL, 25, 0, 0, PROBE_EXIT_GOOD },
		{ "450 4.2.0 busy", NULL, 1, 24, 0, PROBE_EXIT_GOOD },
		/* the first of those that are fine is the connection; takes all: 15 of the forms may stay inside, one is the question whether it does */
		{ "250 2.1.5 fine", NULL, 2, 13, 10, 2 },
	};
	struct fake f = { .ip = "127.0.0.1" };
	struct probe_setup s;

	REQUIRE(fake_start(&f));
	REQUIRE(open_setup(&s, f.port));
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		int code;
		const char *got;

		ROW("%s", rows[i].rcpt);
		f.rcpt = rows[i].rcpt;
		got = asked(probe_open_start, &s, "127.0.0.1", f.port, &code);
		CHECK_INT(count(got, "\nok ") + !strncmp(got, "ok ", 3), rows[i].ok);
		CHECK_INT(count(got, "\nnote ") + !strncmp(got, "note ", 5), rows[i].note);
		if (!CHECK_INT(count(got, "problem "), rows[i].problem))
			printf("# %s\n", got);
		CHECK_INT(code == 2, rows[i].code == 2);
		CHECK(strstr(got, ": catch-all: <postmaster@example.net> to <no-such-relay-test@[127.0.0.1]>: ") != NULL);
		CHECK(strstr(got, ": percent hack: <postmaster@[127.0.0.1]> to <relay-test%example.com@[127.0.0.1]>: ") != NULL);
		CHECK(strstr(got, ": bang path: <postmaster@[127.0.0.1]> to <example.com!relay-test>: ") != NULL);
		CHECK_INT(f.messages, 0);
	}
	/* nobody is there: there is nothing to judge */
	f.greeting = "!";
	CHECK_INT(count(asked(probe_open_start, &s, "127.0.0.1", f.port, &(int){ 0 }), "catch-all"), 0);
	probe_setup_close(&s);
	fake_stop(&f);
}
