/* test_net_fetch.c - whom a fetch calls for a stranger, and whom for the administrator. Nobody answers: at port 1 of ourselves nobody
 * listens. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/net/fetch.h"
#include "tests/unit/t.h"

struct told { bool done; char why[200]; };

static void on_answer(void *ctx, const struct fetch_answer *a)
{
	struct told *t = ctx;

	t->done = true;
	snprintf(t->why, sizeof(t->why), "%s", a->why);
	CHECK_INT(a->status, 0);
}

static const char *fetched(const char *hosts, const char *host, bool strange)
{
	static struct told t;
	struct loop *l = loop_new();
	struct dns *dns = dns_new(l, &(struct dns_options){ .hosts = hosts, .server = "127.0.0.1:1" });

	t.done = false;
	fetch_start(&(struct fetch_options){ .loop = l, .dns = dns, .host = str_of(host), .path = STR("/"), .port = 1, .accept = "*/*",
		.most = 1000, .time = 2 * USEC_PER_SEC, .families = 3, .names = DNS_HOSTS, .strange = strange }, on_answer, &t);
	for (int i = 0; i < 100 && !t.done; i++)
		loop_tick(l, USEC_PER_SEC);
	CHECK(t.done);
	dns_free(dns);
	loop_free(l);
	return t.why;
}

#define NOT_PUBLIC "its address is not public"
#define REFUSED "Connection refused"

T(fetch_calls_no_inner_address_for_a_stranger)
{
	static const char *const inner[] = { "127.0.0.1", "127.9.9.9", "0.0.0.0", "0.1.2.3", "10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1",
		"169.254.169.254", "100.64.0.1", "192.0.0.192", "198.18.0.1", "224.0.0.1", "255.255.255.255", "::", "::1", "fe80::1", "fec0::1", "fd00::1",
		"fd00:ec2::254", "ff02::1", "::ffff:127.0.0.1", "::ffff:a9fe:a9fe", "::127.0.0.1", "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe",
		"64:ff9b:1::10.0.0.1", "2002:7f00:1::1", "2002:c0a8:101::" };
	char hosts[] = "/tmp/test-fetch-XXXXXX", line[100];
	int fd = mkstemp(hosts);

	REQUIRE(fd >= 0);
	for (size_t i = 0; i < sizeof(inner) / sizeof(*inner); i++) {
		ROW("%s", inner[i]);
		CHECK_STR(fetched(hosts, inner[i], true), NOT_PUBLIC);
		snprintf(line, sizeof(line), "%s inner.test\n", inner[i]);
		REQUIRE(ftruncate(fd, 0) == 0 && pwrite(fd, line, strlen(line), 0) == (ssize_t)strlen(line));
		CHECK_STR(fetched(hosts, "inner.test", true), NOT_PUBLIC);
	}
	CHECK_STR(fetched(hosts, "127.0.0.1", false), REFUSED);
	/* a proxy looks up names by itself */
	setenv("https_proxy", "http://127.0.0.1:1", 1);
	CHECK_STR(fetched(hosts, "public.test", true), REFUSED);
	CHECK_STR(fetched(hosts, "169.254.169.254", true), NOT_PUBLIC);
	CHECK_STR(fetched(hosts, "169.254.169.254", false), REFUSED);
	unsetenv("https_proxy");
	close(fd);
	unlink(hosts);
}

T(fetch_goes_by_the_proxy_that_the_environment_names)
{
	static const struct { const char *proxy, *spared, *host; enum fetch_way way; const char *by; unsigned port; const char *login; } rows[] = {
		{ "", "", "a.test", FETCH_STRAIGHT, "", 0, "" }, { "http://p.test:8080/", "", "a.test", FETCH_BY_PROXY, "p.test", 8080, "" },
		{ "p.test", "", "a.test", FETCH_BY_PROXY, "p.test", 3128, "" }, { "HTTP://[::1]:81", "", "a.test", FETCH_BY_PROXY, "::1", 81, "" },
		{ "http://me:pass@p.test", "", "a.test", FETCH_BY_PROXY, "p.test", 3128, "Proxy-Authorization: Basic bWU6cGFzcw==\r\n" },
		{ "http://m%40e:p%3a%@ss@p.test:1", "", "a.test", FETCH_BY_PROXY, "p.test", 1, "Proxy-Authorization: Basic bUBlOnA6JUBzcw==\r\n" },
		/* never straight where one is named that cannot be asked */
		{ "socks5://p.test:1", "", "a.test", FETCH_NO_WAY, "", 0, "" }, { "https://p.test", "", "a.test", FETCH_NO_WAY, "", 0, "" },
		{ "HTTP://p.test:3128/", "", "a.test", FETCH_BY_PROXY, "p.test", 3128, "" }, { "p.test:1", "", "a.test", FETCH_BY_PROXY, "p.test", 1, "" },
		{ "http://u:p@p.test:65535/x", "", "a.test", FETCH_BY_PROXY, "p.test", 65535, "Proxy-Authorization: Basic dTpw\r\n" },
		{ "http://p.test:x", "", "a.test", FETCH_NO_WAY, "", 0, "" }, { "http://:3128", "", "a.test", FETCH_NO_WAY, "", 0, "" },
		{ "p.test:0", "", "a.test", FETCH_NO_WAY, "", 0, "" }, { "p.test:65536", "", "a.test", FETCH_NO_WAY, "", 0, "" },
		{ "::1", "", "a.test", FETCH_NO_WAY, "", 0, "" }, { "http://", "", "a.test", FETCH_NO_WAY, "", 0, "" },
		{ "p.test", "*", "a.test", FETCH_STRAIGHT, "", 0, "" }, { "p.test", "b.test, a.test", "A.test", FETCH_STRAIGHT, "", 0, "" },
		{ "p.test", ".test", "a.test", FETCH_STRAIGHT, "", 0, "" }, { "p.test", "test", "a.test", FETCH_STRAIGHT, "", 0, "" },
		{ "p.test", "b.test,.a.test", "a.test", FETCH_STRAIGHT, "", 0, "" }, { "p.test", "b.a.test x.a.test", "a.test", FETCH_BY_PROXY, "p.test", 3128, "" },
		{ "p.test", "est,.,.est", "a.test", FETCH_BY_PROXY, "p.test", 3128, "" }, { "p.test", "1,0.1,127.0.0.1", "127.0.0.1", FETCH_STRAIGHT, "", 0, "" },
		{ "p.test", "1,0.1,.1", "127.0.0.1", FETCH_BY_PROXY, "p.test", 3128, "" }, { "socks5://x", "a.test", "a.test", FETCH_STRAIGHT, "", 0, "" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct fetch_proxy p;
		struct buf login;
		enum fetch_way way;

		ROW("%s %s", rows[i].proxy, rows[i].spared);
		setenv("https_proxy", rows[i].proxy, 1);
		setenv("no_proxy", rows[i].spared, 1);
		way = fetch_proxy(str_of(rows[i].host), &p);
		CHECK_INT(way, rows[i].way);
		CHECK_INT(fetch_port(str_of(rows[i].host), 443), rows[i].port ? rows[i].port : 443);
		if (way == FETCH_BY_PROXY && rows[i].way == way) {
			buf_init(&login, 1000);
			fetch_put_login(&login, p.login);
			CHECK_VIEW(p.host, rows[i].by);
			CHECK_STR(buf_cstr(&login), rows[i].login);
			buf_fini(&login);
		}
	}
	setenv("https_proxy", "socks5://127.0.0.1:1", 1);
	setenv("no_proxy", "", 1);
	CHECK_STR(fetched("/etc/hosts", "127.0.0.1", false), "https_proxy of the environment is not http://host:port");
	unsetenv("https_proxy");
	unsetenv("no_proxy");
}

T(addresses_that_everybody_may_reach)
{
	static const char *const rows[] = { "1.1.1.1", "9.255.255.255", "11.0.0.0", "100.63.255.255", "100.128.0.0", "126.255.255.255", "128.0.0.0",
		"169.253.255.255", "169.255.0.0", "172.15.255.255", "172.32.0.0", "192.0.1.0", "192.167.255.255", "192.169.0.0", "198.17.255.255",
		"198.20.0.0", "223.255.255.255", "2001:db8::1", "2a00::1", "fbff::1" };
	struct ipaddr a;

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		ROW("%s", rows[i]);
		REQUIRE(ipaddr_parse(str_of(rows[i]), &a));
		CHECK(ipaddr_is_public(&a));
	}
}

T(addresses_of_the_web_are_taken_apart)
{
	static const struct { const char *url; bool good; const char *host; unsigned port; const char *path; } urls[] = {
		{ "https://a.test", true, "a.test", 443, "/" }, { "HTTPS://a.test/x?y", true, "a.test", 443, "/x?y" }, { "https://a.test:8443/", true, "a.test", 8443, "/" },
		{ "https://[2001:db8::1]/x", true, "2001:db8::1", 443, "/x" }, { "https://[2001:db8::1]:8443/x", true, "2001:db8::1", 8443, "/x" }, { "https://a.test:65535", true, "a.test", 65535, "/" },
		{ "http://a.test/", false, "", 0, "" }, { "https://", false, "", 0, "" }, { "https:///x", false, "", 0, "" }, { "https://a.test:0/", false, "", 0, "" },
		{ "https://a.test:65536/", false, "", 0, "" }, { "https://a.test:x/", false, "", 0, "" }, { "https://a.test:/", false, "", 0, "" }, { "https://u@a.test/", false, "", 0, "" },
		{ "https://[2001:db8::1]x/", false, "", 0, "" }, { "https://[2001:db8::1]:x/", false, "", 0, "" }, { "https://a test/", false, "", 0, "" },
		{ "https://a.test/\x7f", false, "", 0, "" }, { "https://a.test/~!", true, "a.test", 443, "/~!" }, { "https://a.test/\xc3\xa4", false, "", 0, "" }, { "", false, "", 0, "" },
	};
	struct str host, path;
	uint16_t port;

	for (size_t i = 0; i < sizeof(urls) / sizeof(urls[0]); i++) {
		bool good = fetch_split(str_of(urls[i].url), &host, &port, &path);

		ROW("%s", urls[i].url);
		CHECK_INT(good, urls[i].good);
		if (!good || !urls[i].good)
			continue;
		CHECK_VIEW(host, urls[i].host);
		CHECK_INT(port, urls[i].port);
		CHECK_VIEW(path, urls[i].path);
	}
	CHECK_INT(fetch_port(STR("a.test"), 443), 443);
	setenv("https_proxy", "http://p.test:3128", 1);
	CHECK_INT(fetch_port(STR("a.test"), 443), 3128);
	unsetenv("https_proxy");
	setenv("HTTPS_PROXY", "p.test:3129", 1);
	CHECK_INT(fetch_port(STR("a.test"), 443), 3129);
	setenv("https_proxy", "", 1);
	CHECK_INT(fetch_port(STR("a.test"), 443), 443);
	unsetenv("https_proxy");
	unsetenv("HTTPS_PROXY");
}
