/* outbound SMTP: answers, failover, reuse, logins, as seen by scripted servers */
#include "tests/unit/deliver_world.h"

static void site(char out[64], const char *ip, const struct fake *f)
{
	snprintf(out, 64, "[%s]:%u", ip, f->port);
}

T(smtp_delivers_and_keeps_the_session)
{
	static const char *const extra[] = { BASE, NULL };
	struct fake f = { .ip = "127.0.0.1" };
	struct world w;
	struct parcel p[3];
	struct dest dest;
	char hop[64], line[400];

	REQUIRE(fake_start(&f));
	REQUIRE(world_open(&w, extra, NULL, -1));
	site(hop, "127.0.0.1", &f);
	dest = dest_of(&w, "smtp", hop);
	for (int i = 0; i < 3; i++) {
		parcel_put(&w, &p[i], "s@b.test", "one@x.test two@x.test", CONTENT);
		parcel_send(&w, &p[i], &dest);
		CHECK_INT(p[i].results[0].reply.code, 250);
		CHECK_INT(p[i].results[1].reply.code, 250);
		CHECK_STR(p[i].results[0].remote_mta, "127.0.0.1");
	}
	CHECK_INT(f.connections, 1);
	CHECK_INT(f.messages, 3);
	CHECK_INT(f.rcpts, 6);
	CHECK(strstr(f.last, "hello\r\n..dot\r\n") != NULL);
	snprintf(line, sizeof(line), "to=<one@x.test>, relay=127.0.0.1[127.0.0.1]:%u, delay=", f.port);
	CHECK(strstr(world_log(&w), line) != NULL);
	snprintf(line, sizeof(line), "to=<two@x.test>, relay=127.0.0.1[127.0.0.1]:%u, conn_use=3, delay=", f.port);
	CHECK(strstr(world_log(&w), line) != NULL);
	CHECK(strstr(world_log(&w), "dsn=2.0.0, status=sent (250 2.0.0 Ok: queued as FAKE)\n") != NULL);
	CHECK_INT(deliver_sessions(w.deliver), 1);
	deliver_dest_idle(w.deliver, &dest);
	CHECK_INT(deliver_sessions(w.deliver), 1);
	world_close(&w);
	fake_stop(&f);
}

T(smtp_delivers_big_content_and_chunks)
{
	static const char *const extra[] = { BASE, NULL };
	struct fake f[2] = { { .ip = "127.0.0.1" }, { .ip = "127.0.0.1",
		.ehlo = "250-fake\r\n250-PIPELINING\r\n250-CHUNKING\r\n250 SIZE 90000000" } };
	struct world w;
	struct parcel p;
	struct buf content;

	REQUIRE(fake_start(&f[0]) && fake_start(&f[1]));
	REQUIRE(world_open(&w, extra, NULL, -1));
	buf_init(&content, 8 << 20);
	buf_z(&content, "Subject: big\r\n\r\n");
	for (int i = 0; i < 60000; i++)
		buf_printf(&content, ".line %d of some length to make it big\r\n", i);
	for (int i = 0; i < 2; i++) {
		char hop[64];
		struct dest dest;

		site(hop, "127.0.0.1", &f[i]);
		dest = dest_of(&w, "smtp", hop);
		parcel_put(&w, &p, "s@b.test", "one@x.test", buf_cstr(&content));
		parcel_send(&w, &p, &dest);
		CHECK_INT(p.results[0].reply.code, 250);
		parcel_put(&w, &p, "s@b.test", "one@x.test", CONTENT);
		parcel_send(&w, &p, &dest);
		CHECK_INT(p.results[0].reply.code, 250);
		CHECK_INT(f[i].messages, 2);
		CHECK_INT(f[i].connections, 1);
		CHECK(strstr(f[i].last, i ? "hello\r\n.dot\r\n" : "hello\r\n..dot\r\n") != NULL);
	}
	buf_fini(&content);
	world_close(&w);
	fake_stop(&f[0]);
	fake_stop(&f[1]);
}

T(smtp_answers_in_postfix_words)
{
	static const struct { struct fake f; const char *rcpts; int code[2]; const char *dsn[2]; const char *text; } rows[] = {
		{ { .rcpt_bad = "550 5.1.1 no such user" }, "one@x.test bad@x.test", { 250, 550 }, { "2.0.0", "5.1.1" },
			"host 127.0.0.1[127.0.0.1] said: 550 5.1.1 no such user (in reply to RCPT TO command)" },
		{ { .rcpt = "450 4.7.1 later" }, "one@x.test", { 450 }, { "4.7.1" },
			"host 127.0.0.1[127.0.0.1] said: 450 4.7.1 later (in reply to RCPT TO command)" },
		{ { .mail = "501 bad sender" }, "one@x.test two@x.test", { 501, 501 }, { "5.0.0", "5.0.0" },
			"host 127.0.0.1[127.0.0.1] said: 501 bad sender (in reply to MAIL FROM command)" },
		{ { .data = "554 5.7.1 spam" }, "one@x.test", { 554 }, { "5.7.1" },
			"host 127.0.0.1[127.0.0.1] said: 554 5.7.1 spam (in reply to DATA command)" },
		/* a login that this configuration lacks is no fault of the mail, wherever the server says so */
		{ { .mail = "530 5.7.0 Authentication required" }, "one@x.test two@x.test", { 454, 454 }, { "4.7.0", "4.7.0" },
			"host 127.0.0.1[127.0.0.1] said: 530 5.7.0 Authentication required (in reply to MAIL FROM command)" },
		{ { .rcpt = "530 5.7.1 log in" }, "one@x.test", { 454 }, { "4.7.1" },
			"host 127.0.0.1[127.0.0.1] said: 530 5.7.1 log in (in reply to RCPT TO command)" },
		{ { .data = "530 must issue STARTTLS first" }, "one@x.test", { 454 }, { "4.0.0" },
			"host 127.0.0.1[127.0.0.1] said: 530 must issue STARTTLS first (in reply to DATA command)" },
		{ { .end = "535 5.7.8 expired" }, "one@x.test", { 454 }, { "4.7.8" },
			"host 127.0.0.1[127.0.0.1] said: 535 5.7.8 expired (in reply to end of DATA command)" },
		{ { .mail = "550 5.7.8 no credentials" }, "one@x.test", { 454 }, { "4.7.8" },
			"host 127.0.0.1[127.0.0.1] said: 550 5.7.8 no credentials (in reply to MAIL FROM command)" },
		{ { .end = "452 4.3.1 full" }, "one@x.test", { 452 }, { "4.3.1" },
			"host 127.0.0.1[127.0.0.1] said: 452 4.3.1 full (in reply to end of DATA command)" },
		{ { .greeting = "554 5.3.2 go away" }, "one@x.test", { 450 }, { "4.3.2" },
			"host 127.0.0.1[127.0.0.1] refused to talk to me: 554 5.3.2 go away" },
		{ { .greeting = "421 4.3.2 busy" }, "one@x.test", { 421 }, { "4.3.2" },
			"host 127.0.0.1[127.0.0.1] refused to talk to me: 421 4.3.2 busy" },
		{ { .greeting = "!" }, "one@x.test", { 451 }, { "4.4.2" },
			"lost connection with 127.0.0.1[127.0.0.1] while receiving the initial server greeting" },
		{ { .end = "!" }, "one@x.test", { 451 }, { "4.4.2" },
			"lost connection with 127.0.0.1[127.0.0.1] while sending end of data -- message may be sent more than once" },
		{ { .data = "!" }, "one@x.test", { 451 }, { "4.4.2" },
			"lost connection with 127.0.0.1[127.0.0.1] while sending DATA command" },
		{ { .ehlo = "250-fake\r\n250 SIZE 10" }, "one@x.test", { 552 }, { "5.3.4" }, "message size 43 exceeds size limit 10 of server fake" },
	};
	static const char *const extra[] = { BASE, NULL };
	struct world w;

	REQUIRE(world_open(&w, extra, NULL, -1));
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct fake f = rows[i].f;
		struct parcel p;
		struct dest dest;
		char hop[64], line[400];

		ROW("%s", rows[i].text);
		REQUIRE(fake_start(&f));
		site(hop, "127.0.0.1", &f);
		dest = dest_of(&w, "smtp", hop);
		parcel_put(&w, &p, "s@b.test", rows[i].rcpts, CONTENT);
		parcel_send(&w, &p, &dest);
		for (size_t k = 0; k < p.e.n_rcpts; k++) {
			CHECK_INT(p.results[k].reply.code, rows[i].code[k]);
			CHECK_STR(p.results[k].reply.enhanced, rows[i].dsn[k]);
		}
		CHECK_STR(p.results[p.e.n_rcpts - 1].reply.text, rows[i].text);
		snprintf(line, sizeof(line), "(%s)\n", rows[i].text);
		CHECK(strstr(world_log(&w), line) != NULL);
		deliver_dest_idle(w.deliver, &dest);
		fake_stop(&f);
	}
	world_close(&w);
}

T(smtp_fails_over_at_once)
{
	struct fake a = { .ip = "127.0.0.2", .rcpt_bad = "450 4.1.1 not here" }, b = { .ip = "127.0.0.3" };
	char hop[200], fallback[64];
	const char *options[] = { BASE, fallback, NULL };
	struct world w;
	struct parcel p;
	struct dest dest;

	REQUIRE(fake_start(&a) && fake_start(&b));
	snprintf(fallback, sizeof(fallback), "smtp_fallback_relay=[127.0.0.3]:%u", b.port);
	REQUIRE(world_open(&w, options, NULL, -1));
	/* nobody listens on .5: the next one in the list, and a soft error moves only that recipient */
	snprintf(hop, sizeof(hop), "[127.0.0.5]:%u, [127.0.0.2]:%u", a.port, a.port);
	dest = dest_of(&w, "smtp", hop);
	parcel_put(&w, &p, "s@b.test", "one@x.test bad@x.test", CONTENT);
	parcel_send(&w, &p, &dest);
	CHECK_INT(p.results[0].reply.code, 250);
	CHECK_STR(p.results[0].remote_mta, "127.0.0.2");
	CHECK_INT(p.results[1].reply.code, 250);
	CHECK_STR(p.results[1].remote_mta, "127.0.0.3");
	CHECK(strstr(world_log(&w), "connect to 127.0.0.5[127.0.0.5]:") != NULL);
	CHECK(strstr(world_log(&w), ": Connection refused\n") != NULL);
	CHECK(strstr(world_log(&w), "said: 450 4.1.1 not here (in reply to RCPT TO command)\n") != NULL);
	CHECK(!p.d.dest_failed);
	deliver_dest_idle(w.deliver, &dest);
	world_close(&w);
	fake_stop(&a);
	fake_stop(&b);
}

T(smtp_refused_everywhere_defers_and_fails_the_destination)
{
	static const char *const extra[] = { BASE, NULL };
	struct world w;
	struct parcel p;
	struct dest dest;

	REQUIRE(world_open(&w, extra, NULL, -1));
	dest = dest_of(&w, "smtp", "[127.0.0.5]:9");
	parcel_put(&w, &p, "s@b.test", "one@x.test two@x.test", CONTENT);
	parcel_send(&w, &p, &dest);
	CHECK_INT(p.results[0].reply.code, 451);
	CHECK_STR(p.results[0].reply.enhanced, "4.4.1");
	CHECK_STR(p.results[0].reply.text, "connect to 127.0.0.5[127.0.0.5]:9: Connection refused");
	CHECK(p.d.dest_failed);
	CHECK_STR(p.d.dest_why, "connect to 127.0.0.5[127.0.0.5]:9: Connection refused");
	CHECK(strstr(world_log(&w), "to=<one@x.test>, relay=none, delay=") != NULL);
	CHECK(strstr(world_log(&w), "dsn=4.4.1, status=deferred (connect to 127.0.0.5[127.0.0.5]:9: Connection refused)") != NULL);
	world_close(&w);
}

/* of several addresses the one that tells most is remembered, wherever it stands */
T(smtp_remembers_the_telling_reason)
{
	static const char *const hops[] = { "[127.0.0.5]:9, [2001:db8::1]:9", "[2001:db8::1]:9, [127.0.0.5]:9" };
	static const char *const extra[] = { BASE, "inet_protocols=all", NULL };
	struct world w;
	struct parcel p;
	struct dest dest;

	REQUIRE(world_open(&w, extra, NULL, -1));
	for (size_t i = 0; i < sizeof(hops) / sizeof(hops[0]); i++) {
		ROW("%s", hops[i]);
		dest = dest_of(&w, "smtp", hops[i]);
		parcel_put(&w, &p, "s@b.test", "one@x.test", CONTENT);
		parcel_send(&w, &p, &dest);
		CHECK_INT(p.results[0].reply.code, 451);
		CHECK_STR(p.results[0].reply.text, "connect to 127.0.0.5[127.0.0.5]:9: Connection refused");
		CHECK(p.d.dest_failed);
		deliver_dest_idle(w.deliver, &dest);
	}
	world_close(&w);
}

/* a smarthost that was made anew has another address, and its old one may be another's */
T(smtp_asks_for_addresses_again_after_they_failed)
{
	struct name table[] = { { "moves.test", 'A', "127.0.0.5" } };
	static const char *const extra[] = { BASE, NULL };
	struct names names = { .v = table, .n = 1 };
	struct fake a = { .ip = "127.0.0.2" };
	struct world w;
	struct parcel p;
	struct dest dest;
	char hop[64];

	REQUIRE(fake_start(&a) && names_start(&names) && world_open(&w, extra, &names, -1));
	snprintf(hop, sizeof(hop), "[moves.test]:%u", a.port);
	dest = dest_of(&w, "smtp", hop);
	for (int i = 0; i < 2; i++) {
		parcel_put(&w, &p, "s@b.test", "one@x.test", CONTENT);
		parcel_send(&w, &p, &dest);
		CHECK_INT(p.results[0].reply.code, i ? 250 : 451);
		table[0].value = "127.0.0.2";
	}
	deliver_close_idle(w.deliver);
	table[0].value = "127.0.0.5";
	for (int i = 0; i < 2; i++) {
		parcel_put(&w, &p, "s@b.test", "one@x.test", CONTENT);
		parcel_send(&w, &p, &dest);
		/* known for its TTL while it answers; a flush asks */
		CHECK_INT(p.results[0].reply.code, i ? 451 : 250);
		deliver_close_idle(w.deliver);
		deliver_ask_again(w.deliver);
	}
	deliver_dest_idle(w.deliver, &dest);
	world_close(&w);
	names_stop(&names);
	fake_stop(&a);
}

T(smtp_reused_session_that_closes_is_replaced)
{
	static const char *const extra[] = { BASE, NULL };
	struct fake f = { .ip = "127.0.0.1", .close_after = 1 };
	struct world w;
	struct parcel p;
	struct dest dest;
	char hop[64];

	REQUIRE(fake_start(&f));
	REQUIRE(world_open(&w, extra, NULL, -1));
	site(hop, "127.0.0.1", &f);
	dest = dest_of(&w, "smtp", hop);
	for (int i = 0; i < 3; i++) {
		parcel_put(&w, &p, "s@b.test", "one@x.test", CONTENT);
		parcel_send(&w, &p, &dest);
		CHECK_INT(p.results[0].reply.code, 250);
	}
	CHECK_INT(f.messages, 3);
	CHECK_INT(f.connections, 3);
	CHECK(strstr(world_log(&w), "lost connection") == NULL);
	deliver_dest_idle(w.deliver, &dest);
	world_close(&w);
	fake_stop(&f);
}

T(smtp_try_after_a_reused_session_is_logged_for_itself)
{
	static const char *const extra[] = { BASE, NULL };
	struct fake f = { .ip = "127.0.0.1", .close_after = 1 };
	struct world w;
	struct parcel p;
	struct dest dest;
	char hop[64];

	REQUIRE(fake_start(&f));
	REQUIRE(world_open(&w, extra, NULL, -1));
	site(hop, "127.0.0.1", &f);
	dest = dest_of(&w, "smtp", hop);
	parcel_put(&w, &p, "s@b.test", "one@x.test", CONTENT);
	parcel_send(&w, &p, &dest);
	CHECK_INT(p.results[0].reply.code, 250);
	/* nobody listens any more; the session that waits is closed at its next MAIL */
	shutdown(f.fd, SHUT_RDWR);
	parcel_put(&w, &p, "s@b.test", "two@x.test", CONTENT);
	parcel_send(&w, &p, &dest);
	CHECK_INT(p.results[0].reply.code, 451);
	CHECK(strstr(world_log(&w), "to=<two@x.test>, relay=none, delay=") != NULL);
	world_close(&w);
	fake_stop(&f);
}

T(smtp_resolves_and_sorts_mx)
{
	static const struct name table[] = {
		{ "mx.test", 'M', "20 second.test" }, { "mx.test", 'M', "10 first.test" },
		{ "first.test", 'A', "127.0.0.2" }, { "second.test", 'A', "127.0.0.3" },
		{ "null.test", 'M', "0 " }, { "gone.test", 'N', "" }, { "again.test", 'S', "" },
		{ "own.test", 'M', "10 own-host.test" }, { "own-host.test", 'A', "192.0.2.1" },
		{ "a-only.test", 'A', "127.0.0.2" },
	};
	static const struct { const char *hop, *rcpt; int code; const char *dsn, *text; } rows[] = {
		{ "null.test", "u@null.test", 556, "5.1.10", "Domain null.test does not accept mail (nullMX)" },
		{ "gone.test", "u@gone.test", 550, "5.4.4",
			"Host or domain name not found. Name service error for name=gone.test type=A: Host not found" },
		{ "gone.test", "u@other.test", 451, "4.3.5",
			"Host or domain name not found. Name service error for name=gone.test type=A: Host not found" },
		{ "again.test", "u@again.test", 451, "4.4.3",
			"Host or domain name not found. Name service error for name=again.test type=MX: Host not found, try again" },
		{ "own.test", "u@own.test", 554, "5.4.6", "mail for own.test loops back to myself" },
		{ "192.0.2.9:x", "u@192.0.2.9:x", 550, "5.4.4",
			"Host or domain name not found. Next hop 192.0.2.9:x: unknown service \"x\": use a port number" },
	};
	static const char *const extra[] = { BASE, NULL };
	struct names names = { .v = table, .n = sizeof(table) / sizeof(table[0]) };
	struct fake a = { .ip = "127.0.0.2" }, b = { .ip = "127.0.0.3" };
	struct world w;
	struct parcel p;
	struct dest dest;
	char hop[64];

	REQUIRE(fake_start(&a));
	b.port = a.port;
	REQUIRE(fake_start(&b) && names_start(&names));
	REQUIRE(world_open(&w, extra, &names, -1));
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		ROW("%s %s", rows[i].hop, rows[i].rcpt);
		dest = dest_of(&w, "smtp", rows[i].hop);
		parcel_put(&w, &p, "s@b.test", rows[i].rcpt, CONTENT);
		parcel_send(&w, &p, &dest);
		CHECK_INT(p.results[0].reply.code, rows[i].code);
		CHECK_STR(p.results[0].reply.enhanced, rows[i].dsn);
		CHECK_STR(p.results[0].reply.text, rows[i].text);
		deliver_dest_idle(w.deliver, &dest);
	}
	t_row("%s", "preference");
	snprintf(hop, sizeof(hop), "mx.test:%u", a.port);
	dest = dest_of(&w, "smtp", hop);
	parcel_put(&w, &p, "s@b.test", "u@mx.test", CONTENT);
	parcel_send(&w, &p, &dest);
	CHECK_INT(p.results[0].reply.code, 250);
	CHECK_STR(p.results[0].remote_mta, "first.test");
	deliver_dest_idle(w.deliver, &dest);
	t_row("%s", "address only");
	snprintf(hop, sizeof(hop), "a-only.test:%u", a.port);
	dest = dest_of(&w, "smtp", hop);
	parcel_put(&w, &p, "s@b.test", "u@mx.test", CONTENT);
	parcel_send(&w, &p, &dest);
	CHECK_INT(p.results[0].reply.code, 250);
	deliver_dest_idle(w.deliver, &dest);
	world_close(&w);
	names_stop(&names);
	fake_stop(&a);
	fake_stop(&b);
}

T(smtp_knows_itself_in_every_spelling)
{
	/* our own address is 192.0.2.1 */
	static const struct name table[] = {
		{ "mapped.test", '6', "::ffff:127.0.0.1" }, { "own-mapped.test", '6', "::ffff:192.0.2.1" }, { "loop.test", '6', "::1" },
		{ "none.test", '6', "::" }, { "zero.test", 'A', "0.0.0.0" }, { "net-zero.test", 'A', "0.1.2.3" }, { "lo.test", 'A', "127.1.2.3" },
		{ "nat64.test", '6', "64:ff9b::192.0.2.1" }, { "nat64-lo.test", '6', "64:ff9b::127.0.0.1" }, { "nat64-zero.test", '6', "64:ff9b::" },
		{ "local-nat64.test", '6', "64:ff9b:1::192.0.2.1" }, { "6to4.test", '6', "2002:c000:201::1" }, { "compatible.test", '6', "::192.0.2.1" },
		{ "mx.test", 'M', "10 nat64.test" },
	};
	static const char *const extra[] = { BASE, "inet_protocols=all", NULL };
	struct names names = { .v = table, .n = sizeof(table) / sizeof(table[0]) };
	struct world w;
	struct parcel p;
	struct dest dest;
	char rcpt[64], text[100];

	REQUIRE(names_start(&names));
	REQUIRE(world_open(&w, extra, &names, -1));
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		ROW("%s %s", table[i].name, table[i].value);
		dest = dest_of(&w, "smtp", table[i].name);
		snprintf(rcpt, sizeof(rcpt), "u@%s", table[i].name);
		snprintf(text, sizeof(text), "mail for %s loops back to myself", table[i].name);
		parcel_put(&w, &p, "s@b.test", rcpt, CONTENT);
		parcel_send(&w, &p, &dest);
		CHECK_INT(p.results[0].reply.code, 554);
		CHECK_STR(p.results[0].reply.enhanced, "5.4.6");
		CHECK_STR(p.results[0].reply.text, text);
		deliver_dest_idle(w.deliver, &dest);
	}
	world_close(&w);
	names_stop(&names);
}

T(smtp_logs_in_with_the_right_key)
{
	struct fake f = { .ip = "127.0.0.1", .ehlo = "250-fake\r\n250-PIPELINING\r\n250 AUTH PLAIN LOGIN" };
	char sasl[200], hop[64];
	const char *extra[] = { BASE, "smtp_sasl_auth_enable=yes", "smtp_sasl_security_options=noanonymous", sasl, NULL };
	struct world w;
	struct parcel p;
	struct dest dest;

	REQUIRE(fake_start(&f));
	snprintf(sasl, sizeof(sasl), "smtp_sasl_password_maps=inline:{[127.0.0.1]:%u=user:pa:ss}", f.port);
	site(hop, "127.0.0.1", &f);
	REQUIRE(world_open(&w, extra, NULL, -1));
	dest = dest_of(&w, "smtp", hop);
	parcel_put(&w, &p, "s@b.test", "one@x.test", CONTENT);
	parcel_send(&w, &p, &dest);
	CHECK_INT(p.results[0].reply.code, 250);
	CHECK_STR(f.auth_line, "AUTH PLAIN AHVzZXIAcGE6c3M=");
	parcel_send(&w, &p, &dest);
	CHECK_INT(f.auths, 1);
	deliver_dest_idle(w.deliver, &dest);
	world_close(&w);
	f.auth = "535 5.7.8 wrong";
	REQUIRE(world_open(&w, extra, NULL, -1));
	dest = dest_of(&w, "smtp", hop);
	parcel_put(&w, &p, "s@b.test", "one@x.test", CONTENT);
	parcel_send(&w, &p, &dest);
	CHECK_INT(p.results[0].reply.code, 454);
	CHECK_STR(p.results[0].reply.enhanced, "4.7.8");
	CHECK_STR(p.results[0].reply.text, "SASL authentication failed; server 127.0.0.1[127.0.0.1] said: 535 5.7.8 wrong");
	CHECK(p.d.dest_failed);
	deliver_dest_idle(w.deliver, &dest);
	world_close(&w);
	fake_stop(&f);
}

T(smtp_login_of_a_sender_that_fails_stops_its_own_mail_only)
{
	static const struct { const char *key; bool by_login, site_is_bad, hopeless; } rows[] = { { "s@b.test", false, false, false },
		{ "@b.test", false, false, false }, { "@b.test", true, true, true }, { "127.0.0.1", false, true, false } };
	struct fake f = { .ip = "127.0.0.1", .ehlo = "250-fake\r\n250 AUTH PLAIN", .auth = "535 5.7.8 wrong" };

	REQUIRE(fake_start(&f));
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char sasl[200], hop[64];
		const char *extra[] = { BASE, "smtp_sasl_auth_enable=yes", "smtp_sasl_security_options=noanonymous", "smtp_sender_dependent_authentication=yes", sasl, NULL };
		struct world w;
		struct parcel p;
		struct dest dest;
		struct arena a;
		struct str login;

		ROW("%s %d", rows[i].key, rows[i].by_login);
		arena_init(&a, 4096);
		snprintf(sasl, sizeof(sasl), "smtp_sasl_password_maps=inline:{%s=user:pass}", rows[i].key);
		site(hop, "127.0.0.1", &f);
		REQUIRE(world_open(&w, extra, NULL, -1));
		dest = dest_of(&w, "smtp", hop);
		dest.by_login = rows[i].by_login;
		parcel_put(&w, &p, "s@b.test", "one@x.test", CONTENT);
		parcel_send(&w, &p, &dest);
		CHECK_INT(p.results[0].reply.code, 454);
		CHECK(p.d.dest_failed == rows[i].site_is_bad);
		CHECK(p.d.dest_hopeless == rows[i].hopeless);
		login = deliver_login(w.deliver, &a, dest.transport, str_of(hop), STR("s@b.test"));
		CHECK(str_eq(login, rows[i].key[0] == '1' ? STR_EMPTY : STR("user")));
		arena_fini(&a);
		deliver_dest_idle(w.deliver, &dest);
		world_close(&w);
	}
	fake_stop(&f);
}

T(smtp_backup_is_used_while_the_first_is_down_and_left_when_it_is_back)
{
	static const char *const extra[] = { BASE, NULL };
	struct fake a = { .ip = "127.0.0.2" }, b = { .ip = "127.0.0.3" };
	struct world w;
	struct parcel p;
	struct dest dest;
	char hop[100];
	bool no = false;

	REQUIRE(fake_start(&b));
	a.port = b.port;
	REQUIRE(world_open(&w, extra, NULL, -1));
	snprintf(hop, sizeof(hop), "[127.0.0.2]:%u, [127.0.0.3]:%u", b.port, b.port);
	dest = dest_of(&w, "smtp", hop);
	for (int i = 0; i < 3; i++) {
		parcel_put(&w, &p, "s@b.test", "one@x.test", CONTENT);
		parcel_send(&w, &p, &dest);
		CHECK_STR(p.results[0].remote_mta, "127.0.0.3");
	}
	CHECK_INT(b.connections, 1);
	REQUIRE(fake_start(&a));
	world_run(&w, &no, 5500);
	parcel_put(&w, &p, "s@b.test", "one@x.test", CONTENT);
	parcel_send(&w, &p, &dest);
	CHECK_STR(p.results[0].remote_mta, "127.0.0.2");
	deliver_dest_idle(w.deliver, &dest);
	world_close(&w);
	fake_stop(&a);
	fake_stop(&b);
}
