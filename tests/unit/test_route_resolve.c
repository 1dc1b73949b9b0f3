/* routes: class, relayhost, transport_maps, in Postfix's order */
#include <stdio.h>

#include "core/base/fs.h"
#include "core/route/route.h"
#include "tests/unit/t.h"

struct world { struct conf *conf; struct master master; struct router *router; struct conf_diag diag; struct arena a; };

static bool open_world(struct world *w, const char *const *extra)
{
	memset(w, 0, sizeof(*w));
	conf_diag_init(&w->diag);
	arena_init(&w->a, 1 << 20);
	w->conf = conf_load(t_tmpdir(), extra, &w->diag);
	if (!w->conf || master_load(w->conf, &w->master, &w->diag) < 0)
		return false;
	w->router = router_new(w->conf, &w->master, &w->diag);
	for (size_t i = 0; i < w->diag.n && !w->router; i++)
		printf("# %s\n", w->diag.v[i].text);
	return w->router != NULL;
}

static void close_world(struct world *w)
{
	router_free(w->router);
	master_fini(&w->master);
	conf_free(w->conf);
	conf_diag_fini(&w->diag);
	arena_fini(&w->a);
}

struct row { const char *sender, *rcpt, *transport, *nexthop; int failed; };

static void check_rows(const char *const *extra, const struct row *rows, size_t n)
{
	struct world w;

	if (!CHECK(open_world(&w, extra)))
		return;
	for (size_t i = 0; i < n; i++) {
		struct route r;

		ROW("%s -> %s", rows[i].sender, rows[i].rcpt);
		route_resolve(w.router, &w.a, str_of(rows[i].sender), str_of(rows[i].rcpt), &r, NULL);
		CHECK_INT(r.failed.code, rows[i].failed);
		if (rows[i].failed || r.failed.code)
			continue;
		CHECK_STR(r.transport->name, rows[i].transport);
		CHECK_VIEW(r.nexthop, rows[i].nexthop);
	}
	close_world(&w);
}
#define CHECK_ROWS(extra, rows) check_rows(extra, rows, sizeof(rows) / sizeof(rows[0]))

#define BASE "myhostname=mx.example.jp", "mydomain=example.jp", "mydestination=$myhostname, localhost", "alias_maps=", \
	"mynetworks=127.0.0.0/8", "inet_interfaces=192.0.2.1", "compatibility_level=3.6"

T(route_classes_without_tables)
{
	static const char *const extra[] = { BASE, "relay_domains=relayed.test", NULL };
	static const struct row rows[] = {
		{ "a@b", "user@mx.example.jp", "local", "", 0 },
		{ "a@b", "user@LOCALHOST", "local", "", 0 },
		{ "a@b", "user", "local", "", 0 },
		{ "a@b", "", "local", "", 0 },
		{ "a@b", "user@[192.0.2.1]", "local", "", 0 },
		{ "a@b", "user@[127.0.0.1]", "local", "", 0 },
		{ "a@b", "user@[192.0.2.9]", "smtp", "[192.0.2.9]", 0 },
		{ "a@b", "u@relayed.test", "relay", "relayed.test", 0 },
		{ "a@b", "u@sub.Relayed.Test", "relay", "sub.relayed.test", 0 },
		{ "a@b", "u@Else.Where", "smtp", "else.where", 0 },
		{ "a@b", "-u@else.where", NULL, NULL, 553 },
		{ "a@b", "u@192.0.2.9", NULL, NULL, 501 },
	};

	CHECK_ROWS(extra, rows);
}

T(route_relayhost_and_sender_dependence)
{
	static const char *const extra[] = { BASE, "relayhost=[192.0.2.7]:587, [192.0.2.8]", "relay_domains=relayed.test",
		"recipient_delimiter=+",
		"sender_dependent_relayhost_maps=inline:{boss@x.test=[boss]:25, @y.test=[y], none@y.test=DUNNO, {<>=[null]}}",
		"sender_dependent_default_transport_maps=inline:{slow@x.test=relay, fixed@x.test=relay:[fixed]}", NULL };
	static const struct row rows[] = {
		{ "a@b.test", "u@else.where", "smtp", "[192.0.2.7]:587, [192.0.2.8]", 0 },
		{ "a@b.test", "u@relayed.test", "relay", "[192.0.2.7]:587, [192.0.2.8]", 0 },
		{ "a@b.test", "u@localhost", "local", "", 0 },
		{ "boss@x.test", "u@else.where", "smtp", "[boss]:25", 0 },
		{ "boss+ext@x.test", "u@else.where", "smtp", "[boss]:25", 0 },
		{ "a@y.test", "u@else.where", "smtp", "[y]", 0 },
		{ "none@y.test", "u@else.where", "smtp", "[192.0.2.7]:587, [192.0.2.8]", 0 },
		{ "", "u@else.where", "smtp", "[null]", 0 },
		{ "slow@x.test", "u@else.where", "relay", "[192.0.2.7]:587, [192.0.2.8]", 0 },
		{ "fixed@x.test", "u@else.where", "relay", "[fixed]", 0 },
	};

	CHECK_ROWS(extra, rows);
}

T(route_transport_maps_win_over_all)
{
	static const char *const extra[] = { BASE, "relayhost=[hub]", "relay_domains=relayed.test", "recipient_delimiter=+",
		"transport_maps=inline:{localhost=:, u@full.test=smtp:[full], v@full.test=smtp:, sub.example.com=relay:[s], "
		".example.com=:[parent], {bounce.test=error:5.1.1 no}, quiet.test=discard:, gone.test=error:, bad.test=nosuch:x, "
		"plain.test=relay, {*=smtp:[star]:10025}}", NULL };
	static const struct row rows[] = {
		{ "a@b", "u@localhost", "local", "", 0 },
		{ "a@b", "u@full.test", "smtp", "[full]", 0 },
		{ "a@b", "U+x@Full.Test", "smtp", "[full]", 0 },
		{ "a@b", "v@full.test", "smtp", "full.test", 0 },
		{ "a@b", "x@sub.example.com", "relay", "[s]", 0 },
		{ "a@b", "x@deep.sub.example.com", "smtp", "[parent]", 0 },
		{ "a@b", "x@example.com", "smtp", "[star]:10025", 0 },
		{ "a@b", "x@bounce.test", "error", "5.1.1 no", 0 },
		{ "a@b", "x@quiet.test", "discard", "quiet.test", 0 },
		{ "a@b", "x@gone.test", "error", "", 0 },
		{ "a@b", "x@bad.test", NULL, NULL, 451 },
		{ "a@b", "x@plain.test", "relay", "plain.test", 0 },
		{ "a@b", "u@mx.example.jp", "smtp", "[star]:10025", 0 },
	};

	CHECK_ROWS(extra, rows);
}

T(route_parents_without_dot_when_asked)
{
	static const char *const extra[] = { BASE, "transport_maps=inline:{example.com=smtp:[p]}",
		"parent_domain_matches_subdomains=transport_maps, relay_domains", NULL };
	static const struct row rows[] = { { "a@b", "u@a.b.example.com", "smtp", "[p]", 0 }, { "a@b", "u@com", "smtp", "com", 0 } };

	CHECK_ROWS(extra, rows);
}

T(route_table_failure_defers)
{
	static const char *const extra[] = { BASE, "transport_maps=fail:down", NULL };
	static const struct row rows[] = { { "a@b", "u@else.where", NULL, NULL, 451 } };

	CHECK_ROWS(extra, rows);
}

T(route_trace_names_every_key)
{
	static const char *const extra[] = { BASE, "transport_maps=inline:{*=smtp:[h]}", NULL };
	struct world w;
	struct route r;
	struct buf trace;

	REQUIRE(open_world(&w, extra));
	buf_init(&trace, 4096);
	route_resolve(w.router, &w.a, STR("a@b"), STR("u@x.test"), &r, &trace);
	CHECK(str_find(buf_view(&trace), STR("\tinline:{*=smtp:[h]}\tu@x.test\t\tnot found\t\n")) > 0);
	CHECK(str_find(buf_view(&trace), STR("\t.test\t\tnot found\t\n")) > 0);
	CHECK(str_find(buf_view(&trace), STR("\t*\tsmtp:[h]\t\t\n")) > 0);
	CHECK(str_find(buf_view(&trace), STR("class\tx.test\tdefault\n")) >= 0);
	buf_fini(&trace);
	close_world(&w);
}

T(route_reads_the_keys_of_the_empty_sender_and_other_addresses)
{
	static const char *const extra[] = { BASE, "allow_min_user=yes", "proxy_interfaces=198.51.100.9",
		"sender_dependent_relayhost_maps=inline:{empty@key=[null]}", "empty_address_relayhost_maps_lookup_key=empty@key",
		"sender_dependent_default_transport_maps=inline:{none=relay:}",
		"empty_address_default_transport_maps_lookup_key=none", NULL };
	static const struct row rows[] = {
		{ "", "u@else.where", "relay", "[null]", 0 }, { "a@b.test", "u@else.where", "smtp", "else.where", 0 },
		{ "a@b.test", "-u@else.where", "smtp", "else.where", 0 }, { "a@b.test", "u@[198.51.100.9]", "local", "", 0 },
		{ "a@b.test", "u@[198.51.100.10]", "smtp", "[198.51.100.10]", 0 },
	};

	CHECK_ROWS(extra, rows);
}

T(route_takes_addresses_without_brackets_everywhere)
{
	static const char *const extra[] = { BASE, "relayhost=192.0.2.25:587", "relay_domains=relayed.test",
		"relay_transport=relay:192.0.2.7", "default_transport=smtp", "local_transport=smtp:192.0.2.6",
		"sender_dependent_relayhost_maps=inline:{@y.test=192.0.2.8}",
		"transport_maps=inline:{a.test=smtp:192.0.2.1, b.test=:192.0.2.2:26, c.test=smtp:2001:db8::3}", NULL };
	static const struct row rows[] = {
		{ "a@b", "u@else.where", "smtp", "192.0.2.25:587", 0 }, { "a@y.test", "u@else.where", "smtp", "192.0.2.8", 0 },
		{ "a@b", "u@relayed.test", "relay", "192.0.2.7", 0 }, { "a@b", "u@localhost", "smtp", "192.0.2.6", 0 },
		{ "a@b", "u@a.test", "smtp", "192.0.2.1", 0 }, { "a@b", "u@b.test", "smtp", "192.0.2.2:26", 0 },
		{ "a@b", "u@c.test", "smtp", "2001:db8::3", 0 },
	};

	CHECK_ROWS(extra, rows);
}

T(route_rewrites_addresses)
{
	static const char *const extra[] = { BASE, "myorigin=example.jp", "append_dot_mydomain=yes", NULL };
	static const struct { const char *in; bool local; const char *out; } rows[] = {
		{ "root", true, "root@example.jp" }, { "root", false, "root" }, { "", true, "" },
		{ "u@host", true, "u@host.example.jp" }, { "u@host", false, "u@host" }, { "u@host.test.", true, "u@host.test" },
		{ "u@[127.0.0.1]", true, "u@[127.0.0.1]" }, { "\"a@b\"", true, "\"a@b\"@example.jp" },
	};
	struct world w;

	REQUIRE(open_world(&w, extra));
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		ROW("%s", rows[i].in);
		CHECK_VIEW(rewrite_address(w.router, &w.a, str_of(rows[i].in), rows[i].local), rows[i].out);
	}
	close_world(&w);
}

T(route_parses_next_hops)
{
	static const struct { const char *in, *host; unsigned port; bool literal, unix_path, ok; } rows[] = {
		{ "[h]:587", "h", 587, true, false, true }, { "h", "h", 25, false, false, true },
		{ "h:submission", "h", 587, false, false, true }, { "[h]", "h", 25, true, false, true },
		{ "[ipv6:::1]:smtps", "::1", 465, true, false, true }, { "[2001:db8::1]", "2001:db8::1", 25, true, false, true },
		{ "unix:/x/y", "/x/y", 25, true, true, true }, { "inet:h:24", "h", 24, true, false, true },
		{ "inet:[::1]:24", "::1", 24, true, false, true }, { "", "", 0, false, false, false },
		{ "[h", "", 0, false, false, false }, { "[h]x", "", 0, false, false, false }, { "h:", "", 0, false, false, false },
		{ "h:0", "", 0, false, false, false }, { "h:65536", "", 0, false, false, false }, { "h:nosuch", "", 0, false, false, false },
		/* an address without brackets: where the last colon may begin a port, it does, as Postfix's posttls-finger has it */
		{ "192.0.2.25", "192.0.2.25", 25, true, false, true }, { "192.0.2.25:587", "192.0.2.25", 587, true, false, true },
		{ "::1:2525", "::1", 2525, true, false, true }, { "2001:db8::25", "2001:db8::25", 25, true, false, true },
		{ "0:0:0:0:0:0:0:1:2525", "0:0:0:0:0:0:0:1", 2525, true, false, true }, { "::1", "::1", 25, true, false, true },
		{ "0:0:0:0:0:0:0:1", "0:0:0:0:0:0:0:1", 25, true, false, true }, { "inet:192.0.2.1:24", "192.0.2.1", 24, true, false, true },
		{ "192.0.2.25:submission", "192.0.2.25", 587, true, false, true }, { "192.0.2.25:", "", 0, false, false, false },
		{ "192.0.2.25:0", "", 0, false, false, false }, { "1.2.3", "1.2.3", 25, false, false, true },
		{ "a:b:c", "", 0, false, false, false }, { "h o", "", 0, false, false, false }, { "[h]:", "", 0, false, false, false },
		/* the port belongs behind the bracket */
		{ "[h:587]", "", 0, false, false, false }, { "[h:587]:25", "", 0, false, false, false }, { "[fe80::1%lo]:25", "fe80::1%lo", 25, true, false, true },
		{ "\"[h]:587\"", "", 0, false, false, false },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct nexthop n;
		struct buf why;
		bool ok;

		ROW("%s", rows[i].in);
		buf_init(&why, 300);
		ok = nexthop_parse(str_of(rows[i].in), 25, &n, &why);
		CHECK_INT(ok, rows[i].ok);
		CHECK_INT(why.n > 0, !rows[i].ok);
		if (ok) {
			CHECK_VIEW(n.host, rows[i].host);
			CHECK_INT(n.port, rows[i].port);
			CHECK_INT(n.literal, rows[i].literal);
			CHECK_INT(n.unix_path, rows[i].unix_path);
		}
		buf_fini(&why);
	}
}

/* the empty recipient is MAILER-DAEMON of this host, wherever it is looked for */
T(route_of_nobody_is_the_mailer_daemons)
{
	static const char *const extra[] = { BASE, "transport_maps=inline:{ { MAILER-DAEMON@mx.example.jp=smtp:[far.test] } }", NULL };
	static const struct row rows[] = {
		{ "a@b", "", "smtp", "[far.test]", 0 }, { "a@b", "MAILER-DAEMON@mx.example.jp", "smtp", "[far.test]", 0 }, { "a@b", "other", "local", "", 0 },
	};

	CHECK_ROWS(extra, rows);
}

T(route_asks_by_the_keys_of_an_address)
{
	static const struct { const char *address, *keys; } rows[] = {
		{ "User+ext@own.test", "User+ext@own.test User@own.test/ User+ext/ User/ @own.test/" },
		{ "user+ext@origin.test", "user+ext@origin.test user@origin.test/ user+ext/ user/ @origin.test/" },
		{ "user@x.test", "user@x.test @x.test/" },
		{ "owner-list+x@x.test", "owner-list+x@x.test owner-list@x.test/ @x.test/" },
		{ "\"a b\"@own.test", "\"a b\"@own.test a b@own.test \"a b\"/ a b/ @own.test/" },
		{ "user+ext", "user+ext user/" },
		{ "user@failing.test", "user@failing.test !" },
		{ "", "" },
	};
	const char *extra[] = { "recipient_delimiter=+", "myorigin=origin.test", "mydestination=fail:x",
		"relay_domains=", "alias_maps=", NULL };
	const char *no_failure[] = { "recipient_delimiter=+", "myorigin=origin.test", "mydestination=own.test", "relay_domains=", "alias_maps=", NULL };

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct address_keys keys;
		struct address_key key;
		struct world w;
		struct buf said;
		int more;

		if (!CHECK(open_world(&w, strchr(rows[i].keys, '!') ? extra : no_failure)))
			return;
		buf_init(&said, 1000);
		address_keys_begin(&keys, w.router, &w.a, str_of(rows[i].address));
		while ((more = address_keys_next(&keys, &key)) > 0)
			buf_printf(&said, "%s%.*s%s", said.n ? " " : "", STR_ARG(key.text), key.partial ? "/" : "");
		if (more < 0)
			buf_printf(&said, " !");
		ROW("%s", rows[i].address);
		CHECK_VIEW(buf_view(&said), rows[i].keys);
		buf_fini(&said);
		close_world(&w);
	}
}
