/* pattern lists: addresses, networks, domains, files, tables, negation */
#include <stdio.h>
#include <stdlib.h>

#include "core/base/fs.h"
#include "core/map/match.h"
#include "core/base/ipaddr.h"
#include "tests/unit/t.h"

T(ipaddr_parses_one_way_of_writing)
{
	static const struct { const char *in, *want; } rows[] = {
		{ "1.2.3.4", "1.2.3.4" }, { "::1", "::1" }, { "[::1]", "::1" }, { "IPv6:::1", "::1" }, { "[IPv6:2001:DB8::1]", "2001:db8::1" },
		{ "::ffff:10.0.0.1", "10.0.0.1" }, { "[1.2.3.4]", "1.2.3.4" }, { "", NULL }, { "1.2.3", NULL }, { "01.2.3.4", NULL },
		{ "1.2.3.4 ", NULL }, { "::1%lo", NULL }, { "localhost", NULL }, { "1.2.3.4.5", NULL }, { "[::1", NULL }, { "256.1.1.1", NULL },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct ipaddr a;
		char text[46] = "";
		bool good = ipaddr_parse(str_of(rows[i].in), &a);

		ROW("%s", rows[i].in);
		CHECK_INT(good, rows[i].want != NULL);
		if (good) {
			struct sockaddr_storage to;
			struct ipaddr again;

			CHECK_INT(ipaddr_to_sockaddr(&a, 25, &to), a.family == AF_INET ? sizeof(struct sockaddr_in) : sizeof(struct sockaddr_in6));
			ipaddr_from_sockaddr((struct sockaddr *)&to, &again);
			CHECK(ipaddr_eq(&a, &again));
			ipaddr_format(&a, text);
		}
		CHECK_STR(text, good ? rows[i].want : "");
	}
}

T(network_wants_zero_host_bits)
{
	static const struct { const char *in, *error; } rows[] = {
		{ "10.0.0.0/8", "" }, { "10.0.0.1", "" }, { "0.0.0.0/0", "" }, { "[::1]/128", "" }, { "[2001:db8::]/32", "" },
		{ "172.16.0.0/12", "" }, { "10.0.0.0/33", "bad mask value in \"10.0.0.0/33\"" }, { "::/129", "bad mask value in \"::/129\"" },
		{ "10.0.0.1/8", "non-null host address bits in \"10.0.0.1/8\", perhaps you should use \"10.0.0.0/8\" instead" },
		{ "[2001:db8::1]/32", "non-null host address bits in \"[2001:db8::1]/32\", perhaps you should use \"[2001:db8::]/32\" instead" },
		{ "172.16.0.0/11", "non-null host address bits in \"172.16.0.0/11\", perhaps you should use \"172.0.0.0/11\" instead" },
		{ "10.0.0.0/", "bad mask value in \"10.0.0.0/\"" }, { "10.0.0.0/-1", "bad mask value in \"10.0.0.0/-1\"" },
		{ "010.0.0.0/8", "bad address pattern: \"010.0.0.0/8\"" }, { "10.0/8", "bad address pattern: \"10.0/8\"" },
	};
	struct buf why;

	buf_init(&why, 1000);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct network n;

		ROW("%s", rows[i].in);
		buf_clear(&why);
		CHECK_INT(network_parse(str_of(rows[i].in), &n, &why), !rows[i].error[0]);
		CHECK_STR(buf_cstr(&why), rows[i].error);
	}
	buf_fini(&why);
}

static void check_address(const char *list, const char *address, enum map_answer want)
{
	struct buf why;
	struct match *m;
	struct ipaddr a;

	ROW("%s | %s", list, address);
	buf_init(&why, 1000);
	m = match_open(MATCH_HOSTS, list, &why);
	CHECK_STR(buf_cstr(&why), "");
	if (m && ipaddr_parse(str_of(address), &a))
		CHECK_INT(match_address(m, &a), want);
	match_close(m);
	buf_fini(&why);
}

T(match_addresses)
{
	char list[400], path[300];

	check_address("127.0.0.1, 172.16.10.5, 172.16.10.6", "172.16.10.6", MAP_FOUND);
	check_address("127.0.0.1, 172.16.10.5, 172.16.10.6", "172.16.10.7", MAP_NONE);
	check_address("10.0.0.0/8 [::1]/128", "10.255.0.1", MAP_FOUND);
	check_address("10.0.0.0/8 [::1]/128", "::1", MAP_FOUND);
	check_address("10.0.0.0/8 [::1]/128", "::ffff:10.1.1.1", MAP_FOUND);
	check_address("10.0.0.0/8 [::1]/128", "11.0.0.1", MAP_NONE);
	check_address("!10.1.0.0/16, 10.0.0.0/8", "10.1.2.3", MAP_NONE);
	check_address("!10.1.0.0/16, 10.0.0.0/8", "10.2.2.3", MAP_FOUND);
	check_address("10.0.0.0/8, !10.1.0.0/16", "10.1.2.3", MAP_FOUND);
	check_address("!!10.0.0.0/8", "10.1.2.3", MAP_FOUND);
	check_address("::1/128, fe80::/10", "fe80::5", MAP_FOUND);
	check_address("!::1, ::/0", "::1", MAP_NONE);
	check_address("0.0.0.0/0", "::1", MAP_NONE);
	check_address("", "1.2.3.4", MAP_NONE);
	check_address("cidr:{{10.0.0.0/8 OK}}", "10.1.1.1", MAP_FOUND);
	check_address("inline:{1.2.3.4=x}, fail:x", "1.2.3.4", MAP_FOUND);
	check_address("inline:{1.2.3.4=x}, fail:x", "1.2.3.5", MAP_ERROR);
	check_address("client.example.com 1.2.3.4", "1.2.3.4", MAP_FOUND);
	snprintf(path, sizeof(path), "%s/nets", t_tmpdir());
	REQUIRE(fs_replace(path, 0600, STR("# office\n10.0.0.0/8\n!192.168.1.0/24 192.168.0.0/16\n")) == 0);
	snprintf(list, sizeof(list), "%s, 1.1.1.1", path);
	check_address(list, "192.168.1.1", MAP_NONE);
	check_address(list, "192.168.2.1", MAP_FOUND);
	check_address(list, "1.1.1.1", MAP_FOUND);
	snprintf(list, sizeof(list), "!%s, 0.0.0.0/0", path);
	check_address(list, "10.1.1.1", MAP_NONE);
	check_address(list, "8.8.8.8", MAP_FOUND);
}

T(match_refuses_bad_lists)
{
	static const struct { const char *list, *want; } rows[] = {
		{ "10.0.0.1/8", "non-null host address bits in \"10.0.0.1/8\", perhaps you should use \"10.0.0.0/8\" instead" },
		{ "10.0.0", "bad address pattern: \"10.0.0\"" },
		{ "!", "no pattern after \"!\"" },
		{ "/nonexistent/file", "/nonexistent/file: No such file or directory" },
		{ "foo:bar", "foo:bar: unsupported map type \"foo\"" },
		{ "a {b", "unbalanced braces" },
	};
	struct buf why;

	buf_init(&why, 1000);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		ROW("%s", rows[i].list);
		buf_clear(&why);
		CHECK(match_open(MATCH_HOSTS, rows[i].list, &why) == NULL);
		CHECK_STR(buf_cstr(&why), rows[i].want);
	}
	buf_fini(&why);
}

T(match_domains)
{
	static const struct { enum match_kind kind; const char *list, *name; enum map_answer want; } rows[] = {
		{ MATCH_DOMAINS, "example.com, localhost", "Example.COM", MAP_FOUND },
		{ MATCH_DOMAINS, "example.com, localhost", "a.example.com", MAP_NONE },
		{ MATCH_DOMAINS, ".example.com", "a.example.com", MAP_FOUND },
		{ MATCH_DOMAINS, ".example.com", "example.com", MAP_NONE },
		{ MATCH_DOMAINS_PARENTS, "example.com", "a.b.example.com", MAP_FOUND },
		{ MATCH_DOMAINS_PARENTS, "example.com", "notexample.com", MAP_NONE },
		{ MATCH_DOMAINS_PARENTS, "!bad.example.com, example.com", "x.bad.example.com", MAP_NONE },
		{ MATCH_DOMAINS_PARENTS, "inline:{example.com=x}", "a.example.com", MAP_FOUND },
		{ MATCH_DOMAINS, "inline:{example.com=x}", "a.example.com", MAP_NONE },
		{ MATCH_DOMAINS, "inline:{.example.com=x}", "a.example.com", MAP_FOUND },
		{ MATCH_DOMAINS, "inline:{a=x}, fail:x", "b", MAP_ERROR },
		{ MATCH_DOMAINS, "[1.2.3.4]", "[1.2.3.4]", MAP_FOUND },
		{ MATCH_DOMAINS, "", "x", MAP_NONE },
		{ MATCH_DOMAINS, "x", "", MAP_NONE },
		{ MATCH_DOMAINS_PARENTS, "inline:{com=x}", "..com", MAP_FOUND },
	};
	struct buf why;

	buf_init(&why, 1000);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct match *m = match_open(rows[i].kind, rows[i].list, &why);

		ROW("%s | %s", rows[i].list, rows[i].name);
		REQUIRE(m != NULL);
		CHECK_INT(match_domain(m, str_of(rows[i].name)), rows[i].want);
		match_close(m);
	}
	buf_fini(&why);
}

T(match_reloads_files)
{
	struct buf why;
	struct match *m;
	char path[300];

	buf_init(&why, 1000);
	snprintf(path, sizeof(path), "%s/domains", t_tmpdir());
	REQUIRE(fs_replace(path, 0600, STR("a.example\n")) == 0);
	m = match_open(MATCH_DOMAINS, path, &why);
	REQUIRE(m != NULL);
	CHECK_INT(match_domain(m, STR("b.example")), MAP_NONE);
	REQUIRE(fs_replace(path, 0600, STR("a.example\nb.example\n")) == 0);
	match_refresh(m, 5 * USEC_PER_SEC);
	CHECK_INT(match_domain(m, STR("b.example")), MAP_FOUND);
	REQUIRE(fs_replace(path, 0600, STR("nope:x\n")) == 0);
	match_refresh(m, 7 * USEC_PER_SEC);
	CHECK_INT(match_domain(m, STR("b.example")), MAP_FOUND);
	match_close(m);
	buf_fini(&why);
}
