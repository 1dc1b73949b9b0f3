/* what a server's answers say about the mail, and what about the server */
#include "tests/unit/deliver_world.h"

/* a no to one recipient is no fault of the destination, though every host of it says so; one that does not talk is */
T(smtp_blames_the_destination_only_for_what_is_its_own)
{
	static const struct { const char *greeting, *rcpt; bool failed; int code; const char *enhanced; } rows[] = {
		{ NULL, "450 4.2.0 later", false, 450, "4.2.0" }, { NULL, "400 4.2.0 later", false, 400, "4.2.0" },
		{ "421 4.3.2 busy", NULL, true, 421, "4.3.2" }, { "400 4.3.0 odd", NULL, true, 400, "4.3.0" }, { "!", NULL, true, 451, "4.4.2" },
		{ NULL, NULL, false, 250, "2.0.0" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		static const char *const extra[] = { BASE, "smtp_connection_cache_on_demand=no", NULL };
		struct fake a = { .ip = "127.0.0.2", .greeting = rows[i].greeting, .rcpt = rows[i].rcpt }, b = a;
		struct world w;
		struct parcel p;
		struct dest dest;
		char hop[100];

		ROW("%zu", i);
		b.ip = "127.0.0.3";
		REQUIRE(fake_start(&a));
		b.port = a.port;
		REQUIRE(fake_start(&b) && world_open(&w, extra, NULL, -1));
		snprintf(hop, sizeof(hop), "[127.0.0.2]:%u, [127.0.0.3]:%u", a.port, b.port);
		dest = dest_of(&w, "smtp", hop);
		parcel_put(&w, &p, "s@b.test", "one@x.test", CONTENT);
		parcel_send(&w, &p, &dest);
		CHECK_INT(p.results[0].reply.code, rows[i].code);
		CHECK_STR(p.results[0].reply.enhanced, rows[i].enhanced);
		CHECK_INT(p.d.dest_failed, rows[i].failed);
		/* both were asked, unless the first was content */
		CHECK_INT(b.connections, rows[i].code != 250);
		deliver_dest_idle(w.deliver, &dest);
		world_close(&w);
		fake_stop(&a);
		fake_stop(&b);
	}
}

/* 421 to one recipient is an answer about that one: the others are delivered */
T(smtp_421_to_one_recipient_does_not_end_the_others)
{
	static const char *const extra[] = { BASE, NULL };
	struct fake f = { .ip = "127.0.0.1", .rcpt_bad = "421 4.3.2 not this one now" };
	struct world w;
	struct parcel p;
	struct dest dest;
	char hop[64];

	REQUIRE(fake_start(&f));
	snprintf(hop, sizeof(hop), "[127.0.0.1]:%u", f.port);
	REQUIRE(world_open(&w, extra, NULL, -1));
	dest = dest_of(&w, "smtp", hop);
	parcel_put(&w, &p, "s@b.test", "one@x.test bad@x.test two@x.test", CONTENT);
	parcel_send(&w, &p, &dest);
	CHECK_INT(p.results[0].reply.code, 250);
	CHECK_INT(p.results[1].reply.code, 421);
	CHECK_INT(p.results[2].reply.code, 250);
	CHECK_INT(f.messages, 1);
	deliver_dest_idle(w.deliver, &dest);
	world_close(&w);
	fake_stop(&f);
}

/* of an MX host, too, the address is asked for again after it failed, in the order of the records or not */
T(smtp_asks_for_the_addresses_of_all_hosts_again)
{
	struct name table[] = { { "d.test", 'M', "10 one.test" }, { "d.test", 'M', "20 two.test" }, { "one.test", 'A', "127.0.0.5" }, { "two.test", 'A', "127.0.0.6" } };
	static const char *const extra[] = { BASE, NULL };

	for (int moved = 2; moved < 4; moved++) {
		struct names names = { .v = table, .n = 4 };
		struct fake a = { .ip = "127.0.0.2" };
		struct world w;
		struct parcel p;
		struct dest dest;
		char hop[64];

		ROW("%s", table[moved].name);
		table[2].value = "127.0.0.5";
		table[3].value = "127.0.0.6";
		REQUIRE(fake_start(&a) && names_start(&names) && world_open(&w, extra, &names, -1));
		snprintf(hop, sizeof(hop), "d.test:%u", a.port);
		dest = dest_of(&w, "smtp", hop);
		parcel_put(&w, &p, "s@b.test", "one@x.test", CONTENT);
		parcel_send(&w, &p, &dest);
		CHECK_INT(p.results[0].reply.code, 451);
		table[moved].value = "127.0.0.2";
		parcel_put(&w, &p, "s@b.test", "one@x.test", CONTENT);
		parcel_send(&w, &p, &dest);
		CHECK_INT(p.results[0].reply.code, 250);
		CHECK_STR(p.results[0].remote_mta, table[moved].name);
		deliver_dest_idle(w.deliver, &dest);
		world_close(&w);
		names_stop(&names);
		fake_stop(&a);
	}
}

/* and the hosts of the domain themselves: it may have moved as a whole */
T(smtp_asks_for_the_hosts_of_a_domain_again)
{
	struct name table[] = { { "d.test", 'M', "10 one.test" }, { "one.test", 'A', "127.0.0.5" }, { "two.test", 'A', "127.0.0.2" } };
	static const char *const extra[] = { BASE, NULL };
	struct names names = { .v = table, .n = 3 };
	struct fake a = { .ip = "127.0.0.2" };
	struct world w;
	struct parcel p;
	struct dest dest;
	char hop[64];

	REQUIRE(fake_start(&a) && names_start(&names) && world_open(&w, extra, &names, -1));
	snprintf(hop, sizeof(hop), "d.test:%u", a.port);
	dest = dest_of(&w, "smtp", hop);
	for (int i = 0; i < 2; i++) {
		ROW("%d", i);
		parcel_put(&w, &p, "s@b.test", "one@x.test", CONTENT);
		parcel_send(&w, &p, &dest);
		CHECK_INT(p.results[0].reply.code, i ? 250 : 451);
		table[0].value = "10 two.test";
	}
	CHECK_STR(p.results[0].remote_mta, "two.test");
	deliver_dest_idle(w.deliver, &dest);
	world_close(&w);
	names_stop(&names);
	fake_stop(&a);
}
