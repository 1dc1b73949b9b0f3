/* parameters of the SMTP client: what each does, shown by a server where its default would do something else */
#include "tests/unit/deliver_world.h"

/* a server, one setting ("" for the default), and the outcome */
struct row {
	const char *setting;
	struct fake f;
	int code;
	const char *text;              /* in the reply, or NULL */
	const char *content;           /* in what the server got, or NULL */
};

static const char long_line[] = "Subject: x\r\n\r\n12345678901234567890123456789012345\r\n";

static void check_row(const struct row *r)
{
	const char *extra[] = { BASE, "smtp_connection_cache_on_demand=no", *r->setting ? r->setting : NULL, NULL };
	struct fake f = r->f;
	struct world w;
	struct parcel p;
	struct dest dest;
	char hop[64];

	ROW("%s", r->setting);
	f.ip = "127.0.0.1";
	if (!CHECK(fake_start(&f)))
		return;
	snprintf(hop, sizeof(hop), "[127.0.0.1]:%u", f.port);
	if (CHECK(world_open(&w, extra, NULL, -1))) {
		dest = dest_of(&w, "smtp", hop);
		parcel_put(&w, &p, "s@b.test", "one@x.test", long_line);
		parcel_send(&w, &p, &dest);
		CHECK_INT(p.results[0].reply.code, r->code);
		if (r->text && !CHECK(strstr(p.results[0].reply.text, r->text) != NULL))
			t_row("%s: %s", r->setting, p.results[0].reply.text);
		CHECK(!r->content || strstr(f.last, r->content) != NULL);
		deliver_dest_idle(w.deliver, &dest);
		world_close(&w);
	}
	fake_stop(&f);
}

T(smtp_settings_change_what_the_client_does)
{
	static const struct row rows[] = {
		{ "", { .ehlo = "!" }, 451, NULL, NULL },
		{ "smtp_never_send_ehlo=yes", { .ehlo = "!" }, 250, NULL, NULL },
		{ "", { .greeting = "554 5.3.2 no" }, 450, "refused to talk to me", NULL },
		/* hard, but said by a host that the administrator named: deferred as a mistake of configuration */
		{ "smtp_skip_5xx_greeting=no", { .greeting = "554 5.3.2 no" }, 451, "refused to talk to me", NULL },
		{ "", { .ehlo = "250-fake\r\n250 SIZE 10" }, 552, "exceeds size limit 10", NULL },
		{ "smtp_discard_ehlo_keywords=size", { .ehlo = "250-fake\r\n250 SIZE 10" }, 250, NULL, NULL },
		{ "", { .port = 0 }, 250, NULL, "\n12345678901234567890123456789012345\r\n" },
		{ "smtp_line_length_limit=20", { .port = 0 }, 250, NULL, "\r\n 1234567890" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		check_row(&rows[i]);
}

T(smtp_settings_bound_each_wait)
{
	/* with the defaults of minutes these would not end */
	static const struct row rows[] = {
		{ "smtp_mail_timeout=1s", { .mail = "?" }, 451, "timed out while sending MAIL FROM", NULL },
		{ "smtp_rcpt_timeout=1s", { .rcpt = "?" }, 451, "timed out while sending RCPT TO", NULL },
		{ "smtp_data_init_timeout=1s", { .data = "?" }, 451, "timed out while sending DATA command", NULL },
		{ "smtp_data_done_timeout=1s", { .end = "?" }, 451, "timed out while sending end of data", NULL },
		{ "smtp_helo_timeout=1s", { .ehlo = "?" }, 451, "timed out while performing the EHLO handshake", NULL },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		check_row(&rows[i]);
}

T(smtp_settings_bound_the_hosts_that_are_tried)
{
	static const struct name table[] = {
		{ "mx.test", 'M', "10 first.test" }, { "mx.test", 'M', "20 second.test" }, { "first.test", 'A', "127.0.0.2" },
		{ "second.test", 'A', "127.0.0.3" }, { "bare.test", 'M', "10 nowhere.test" },
	};
	static const struct { const char *setting, *host; int code; } rows[] = {
		{ "smtp_mx_session_limit=2", "mx.test", 250 }, { "smtp_mx_session_limit=1", "mx.test", 421 },
		{ "smtp_mx_address_limit=5", "mx.test", 250 }, { "smtp_mx_address_limit=1", "mx.test", 421 },
		{ "smtp_defer_if_no_mx_address_found=no", "bare.test", 550 }, { "smtp_defer_if_no_mx_address_found=yes", "bare.test", 450 },
	};
	struct names names = { .v = table, .n = sizeof(table) / sizeof(table[0]) };
	struct fake a = { .ip = "127.0.0.2", .greeting = "421 4.3.2 busy" }, b = { .ip = "127.0.0.3" };

	REQUIRE(fake_start(&a));
	b.port = a.port;
	REQUIRE(fake_start(&b) && names_start(&names));
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const char *extra[] = { BASE, rows[i].setting, NULL };
		struct world w;
		struct parcel p;
		struct dest dest;
		char hop[64], rcpt[64];

		ROW("%s %s", rows[i].setting, rows[i].host);
		REQUIRE(world_open(&w, extra, &names, -1));
		snprintf(hop, sizeof(hop), "%s:%u", rows[i].host, a.port);
		snprintf(rcpt, sizeof(rcpt), "u@%s", rows[i].host);
		/* without a port the domain is the recipient's own, and a mistake is not ours */
		dest = dest_of(&w, "smtp", rows[i].host[0] == 'b' ? rows[i].host : hop);
		parcel_put(&w, &p, "s@b.test", rcpt, CONTENT);
		parcel_send(&w, &p, &dest);
		CHECK_INT(p.results[0].reply.code / 50, rows[i].code / 50);
		deliver_dest_idle(w.deliver, &dest);
		world_close(&w);
	}
	names_stop(&names);
	fake_stop(&a);
	fake_stop(&b);
}

T(smtp_settings_bound_the_life_of_a_connection)
{
	static const struct { const char *setting; unsigned connections; } rows[] = {
		{ "smtp_connection_reuse_time_limit=300s", 1 }, { "smtp_connection_reuse_time_limit=1s", 2 },
		{ "smtp_connection_cache_time_limit=0s", 3 },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const char *extra[] = { BASE, rows[i].setting, NULL };
		struct fake f = { .ip = "127.0.0.1" };
		struct world w;
		struct parcel p;
		struct dest dest;
		char hop[64];

		ROW("%s", rows[i].setting);
		REQUIRE(fake_start(&f));
		REQUIRE(world_open(&w, extra, NULL, -1));
		snprintf(hop, sizeof(hop), "[127.0.0.1]:%u", f.port);
		dest = dest_of(&w, "smtp", hop);
		for (int k = 0; k < 3; k++) {
			parcel_put(&w, &p, "s@b.test", "one@x.test", CONTENT);
			parcel_send(&w, &p, &dest);
			CHECK_INT(p.results[0].reply.code, 250);
			/* time passes for the loop only while it turns */
			for (usec until = clock_mono() + 12 * USEC_PER_SEC / 10; !k && clock_mono() < until;)
				loop_tick(w.loop, USEC_PER_SEC / 10);
		}
		CHECK_INT(f.connections, rows[i].connections);
		deliver_dest_idle(w.deliver, &dest);
		world_close(&w);
		fake_stop(&f);
	}
}

T(smtp_settings_say_what_separates_user_and_password)
{
	struct fake f = { .ip = "127.0.0.1", .ehlo = "250-fake\r\n250 AUTH PLAIN" };
	char sasl[200], hop[64];
	const char *extra[] = { BASE, "smtp_sasl_auth_enable=yes", "smtp_sasl_security_options=noanonymous",
		"smtp_sasl_password_result_delimiter=|", sasl, NULL };
	struct world w;
	struct parcel p;
	struct dest dest;

	REQUIRE(fake_start(&f));
	snprintf(hop, sizeof(hop), "[127.0.0.1]:%u", f.port);
	snprintf(sasl, sizeof(sasl), "smtp_sasl_password_maps=inline:{%s=us:er|pass}", hop);
	REQUIRE(world_open(&w, extra, NULL, -1));
	dest = dest_of(&w, "smtp", hop);
	parcel_put(&w, &p, "s@b.test", "one@x.test", CONTENT);
	parcel_send(&w, &p, &dest);
	CHECK_INT(p.results[0].reply.code, 250);
	CHECK_STR(f.auth_line, "AUTH PLAIN AHVzOmVyAHBhc3M=");
	deliver_dest_idle(w.deliver, &dest);
	world_close(&w);
	fake_stop(&f);
}
