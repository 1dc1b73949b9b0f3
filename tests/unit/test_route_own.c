/* what is our own: addresses and networks of interfaces that are a table here */
#include <arpa/inet.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/conf/conf_private.h"
#include "core/route/route.h"
#include "tests/unit/t.h"

static const struct { const char *name, *address, *mask; unsigned flags; } table[] = {
	{ "lo", "127.0.0.1", "255.0.0.0", IFF_LOOPBACK }, { "lo", "::1", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", IFF_LOOPBACK },
	{ "eth0", "192.0.2.77", "255.255.255.128", 0 }, { "eth0", "2001:db8:1::5", "ffff:ffff:ffff:ffff::", 0 },
	{ "eth1", "10.9.8.7", "255.255.0.0", 0 }, { "eth1", "fd12::7", "ffff:ffff:ffff:ffff::", 0 }, { "eth1", "fe80::1", "ffff:ffff:ffff:ffff::", 0 },
	{ "eth2", "172.20.1.1", "255.255.255.0", 0 }, { "eth3", "172.32.1.1", "255.255.255.0", 0 }, { "eth4", "fec0::1", "ffff:ffff:ffff:ffff::", 0 },
	{ "tun0", NULL, NULL, 0 },
};
enum { N = sizeof(table) / sizeof(table[0]) };
static bool fails;

static void fill(struct sockaddr_storage *s, const char *text)
{
	memset(s, 0, sizeof(*s));
	if (inet_pton(AF_INET, text, &((struct sockaddr_in *)s)->sin_addr) == 1)
		s->ss_family = AF_INET;
	else if (inet_pton(AF_INET6, text, &((struct sockaddr_in6 *)s)->sin6_addr) == 1)
		s->ss_family = AF_INET6;
}

int getifaddrs(struct ifaddrs **out)
{
	static struct ifaddrs list[N];
	static struct sockaddr_storage address[N], mask[N];

	for (size_t i = 0; i < N; i++) {
		list[i] = (struct ifaddrs){ .ifa_next = i + 1 < N ? &list[i + 1] : NULL, .ifa_name = (char *)(uintptr_t)table[i].name, .ifa_flags = table[i].flags };
		if (!table[i].address)
			continue;
		fill(&address[i], table[i].address);
		fill(&mask[i], table[i].mask);
		list[i].ifa_addr = (struct sockaddr *)&address[i];
		list[i].ifa_netmask = (struct sockaddr *)&mask[i];
	}
	*out = list;
	return fails ? -1 : 0;
}

void freeifaddrs(struct ifaddrs *list) { (void)list; }

/* --- networks ---------------------------------------------------------------------------------------------------------------- */

T(own_networks_are_those_of_the_interfaces)
{
	static const struct { const char *interfaces, *style, *protocols, *want; } rows[] = {
		{ "all", "host", "ipv4", "127.0.0.1/32 192.0.2.77/32 10.9.8.7/32 172.20.1.1/32 172.32.1.1/32" },
		{ "all", "subnet", "ipv4", "127.0.0.0/8 192.0.2.0/25 10.9.0.0/16 172.20.1.0/24 172.32.1.0/24" },
		{ "all", "class", "ipv4", "127.0.0.0/8 192.0.2.0/24 10.0.0.0/8 172.20.0.0/16 172.32.0.0/16" },
		{ "all", "subnet", "ipv6", "[::1]/128 [2001:db8:1::]/64 [fd12::]/64 [fe80::]/64 [fec0::]/64" },
		/* networks that are nobody else's, the others as single hosts */
		{ "all", "private subnet", "ipv4", "127.0.0.0/8 192.0.2.77/32 10.9.0.0/16 172.20.1.0/24 172.32.1.1/32" },
		{ "all", "private subnet", "ipv6", "[::1]/128 [2001:db8:1::5]/128 [fd12::]/64 [fe80::]/64 [fec0::1]/128" },
		{ "loopback-only", "subnet", "all", "127.0.0.0/8 [::1]/128" }, { "localhost", "host", "ipv4", "127.0.0.1/32" },
		{ "10.9.8.7", "subnet", "all", "10.9.0.0/16" }, { "10.9.8.7, fd12::7", "host", "all", "10.9.8.7/32 [fd12::7]/128" },
		/* what is nowhere is the host alone */
		{ "198.51.100.1", "subnet", "all", "127.0.0.1/32" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct buf out;

		ROW("%s %s %s", rows[i].interfaces, rows[i].style, rows[i].protocols);
		buf_init(&out, 2000);
		conf_own_networks(rows[i].interfaces, rows[i].style, rows[i].protocols, &out);
		CHECK_STR(buf_cstr(&out), rows[i].want);
		buf_fini(&out);
	}
}

/* --- addresses ---------------------------------------------------------------------------------------------------------------- */

T(own_addresses_are_those_that_are_listened_on)
{
	static const struct { const char *set, *proxy, *address; bool own; } rows[] = {
		{ "inet_interfaces=all", "", "192.0.2.77", true }, { "inet_interfaces=all", "", "fe80::1", true }, { "inet_interfaces=all", "", "192.0.2.78", false },
		{ "inet_interfaces=all", "", "10.9.8.7", true }, { "inet_interfaces=10.9.8.7", "", "192.0.2.77", false },
		{ "inet_interfaces=10.9.8.7", "", "10.9.8.7", true }, { "inet_interfaces=loopback-only", "", "10.9.8.7", false },
		{ "inet_interfaces=loopback-only", "", "127.9.9.9", true }, { "inet_interfaces=loopback-only", "", "::1", true },
		{ "inet_interfaces=loopback-only", "", "0.0.0.0", true }, { "inet_interfaces=loopback-only", "", "::", true },
		{ "inet_interfaces=loopback-only", "198.51.100.1, 2001:db8::9", "198.51.100.1", true },
		{ "inet_interfaces=loopback-only", "198.51.100.1, 2001:db8::9", "2001:db8::9", true },
	};

	for (size_t i = 0; i < 2 * sizeof(rows) / sizeof(rows[0]); i++) {
		size_t k = i / 2;
		char proxy[100];
		const char *extra[] = { "myhostname=here.test", "alias_maps=", "compatibility_level=3.6", rows[k].set, proxy, NULL };
		struct conf_diag diag;
		struct router *r;
		struct master m;
		struct ipaddr a;
		struct conf *c;

		/* a host that cannot be asked has its loopback, and what is written down */
		fails = i % 2;
		ROW("%s %s%s", rows[k].set, rows[k].address, fails ? ", no interfaces" : "");
		snprintf(proxy, sizeof(proxy), "proxy_interfaces=%s", rows[k].proxy);
		conf_diag_init(&diag);
		c = conf_load(t_tmpdir(), extra, &diag);
		REQUIRE(c && master_load(c, &m, &diag) == 0);
		r = router_new(c, &m, &diag);
		REQUIRE(r && ipaddr_parse(str_of(rows[k].address), &a));
		CHECK_INT(route_is_own_address(r, &a), rows[k].own && !(fails && strcmp(rows[k].set, "inet_interfaces=all") == 0));
		CHECK(!route_is_own_address(r, &(struct ipaddr){ .family = AF_UNSPEC }));
		router_free(r);
		master_fini(&m);
		conf_free(c);
		conf_diag_fini(&diag);
	}
	fails = false;
}
