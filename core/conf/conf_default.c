/* conf_default - the defaults that come from the system: its name, and the networks it is attached to. */
#include <arpa/inet.h>
#include <errno.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/base/ipaddr.h"
#include "core/base/limits.h"
#include "core/conf/conf_private.h"

/* the computed defaults may ask for each other through what main.cf says; more than this is a circle */
enum { DEFAULT_DEPTH = 4 };

/* a style of mynetworks that has no word in main.cf: subnets, but of public ones only the own address */
#define PRIVATE_STYLE "private subnet"

static void system_name(char *out, size_t size)
{
	if (gethostname(out, size) < 0)
		out[0] = 0;
	out[size - 1] = 0;
	for (char *p = out; *p; p++)
		if (!ascii_is_alnum(*p) && *p != '.' && *p != '-' && *p != '_')
			out[0] = 0;
	if (!out[0])
		snprintf(out, size, "localhost");
}

static int default_hostname(const struct conf *c, struct buf *out, struct buf *why)
{
	char name[256];

	system_name(name, sizeof(name));
	buf_z(out, name);
	if (strchr(name, '.'))
		return 0;
	buf_byte(out, '.');
	if (source_ask(c->source, STR("mydomain")))
		return expand_value(c, STR("mydomain"), out, why);
	buf_z(out, "localdomain");
	return 0;
}

static int default_domain(const struct conf *c, struct buf *out, struct buf *why)
{
	struct buf name;
	ptrdiff_t dot;
	int r;

	buf_init(&name, LIMIT_CONF_VALUE);
	r = expand_value(c, STR("myhostname"), &name, why);
	dot = str_chr(buf_view(&name), '.');
	if (!r && dot >= 0 && (size_t)dot + 1 < name.n)
		buf_str(out, str_from(buf_view(&name), (size_t)dot + 1));
	else
		buf_z(out, "localdomain");
	buf_fini(&name);
	return r;
}

/* --- mynetworks -------------------------------------------------------------------------------------------------- */

static bool list_has(const char *list, const char *word)
{
	return str_has_word(str_of(list), ", \t\r\n[]", str_of(word));
}

static bool is_loopback_if(const struct ifaddrs *a)
{
	return a->ifa_flags & IFF_LOOPBACK;
}

static bool is_wanted(const struct ifaddrs *a, const char *address, const char *interfaces)
{
	if (list_has(interfaces, "all") || list_has(interfaces, address))
		return true;
	return is_loopback_if(a) && (list_has(interfaces, "loopback-only") || list_has(interfaces, "localhost"));
}

static unsigned prefix_length(const unsigned char *mask, size_t n)
{
	unsigned bits = 0;

	for (size_t i = 0; i < n; i++)
		bits += (unsigned)__builtin_popcount(mask[i]);
	return bits;
}

static unsigned class_prefix(unsigned char first)
{
	return first < 128 ? 8 : first < 192 ? 16 : 24;
}

/* add_network - "net/prefix" with zero host bits, once */
static void add_network(struct buf *out, const unsigned char *address, size_t n, unsigned prefix)
{
	unsigned char net[16];
	char text[INET6_ADDRSTRLEN], entry[INET6_ADDRSTRLEN + 8];

	for (size_t i = 0; i < n; i++) {
		unsigned left = prefix > i * 8 ? prefix - (unsigned)i * 8 : 0;

		net[i] = left >= 8 ? address[i] : (unsigned char)(address[i] & ~(0xff >> left));
	}
	inet_ntop(n == 4 ? AF_INET : AF_INET6, net, text, sizeof(text));
	snprintf(entry, sizeof(entry), n == 4 ? "%s/%u" : "[%s]/%u", text, prefix);
	for (struct str rest = buf_view(out), item; str_word(&rest, " ", &item);)
		if (str_eq(item, str_of(entry)))
			return;
	if (out->n)
		buf_byte(out, ' ');
	buf_z(out, entry);
}

/* is_private - RFC 1918, RFC 4193, loopback, link-local: nobody outside has such an address */
static bool is_private(const unsigned char *a, size_t n)
{
	if (n == 16)
		return (a[0] & 0xfe) == 0xfc || (a[0] == 0xfe && (a[1] & 0xc0) == 0x80);
	return a[0] == 10 || a[0] == 127 || (a[0] == 172 && (a[1] & 0xf0) == 16) || (a[0] == 192 && a[1] == 168) ||
		(a[0] == 169 && a[1] == 254);
}

static void add_interface(struct buf *out, const struct ifaddrs *a, const char *interfaces, const char *style)
{
	bool v4 = a->ifa_addr->sa_family == AF_INET;
	size_t n = v4 ? 4 : 16;
	const unsigned char *address, *mask;
	char text[INET6_ADDRSTRLEN];
	unsigned prefix;

	if (v4) {
		address = (const unsigned char *)&((const struct sockaddr_in *)(const void *)a->ifa_addr)->sin_addr;
		mask = (const unsigned char *)&((const struct sockaddr_in *)(const void *)a->ifa_netmask)->sin_addr;
	} else {
		address = (const unsigned char *)&((const struct sockaddr_in6 *)(const void *)a->ifa_addr)->sin6_addr;
		mask = (const unsigned char *)&((const struct sockaddr_in6 *)(const void *)a->ifa_netmask)->sin6_addr;
	}
	inet_ntop(v4 ? AF_INET : AF_INET6, address, text, sizeof(text));
	if (!is_wanted(a, text, interfaces))
		return;
	prefix = (unsigned)n * 8;
	if (!strcmp(style, "subnet") || !strcmp(style, "class") || (!strcmp(style, PRIVATE_STYLE) && is_private(address, n)))
		prefix = prefix_length(mask, n);
	if (!strcmp(style, "class") && v4)
		prefix = class_prefix(address[0]);
	add_network(out, address, n, prefix);
}

/* interfaces_now - the host's interfaces, asked anew at most once a second: one load of a configuration wants them for the
 * main parameters and again for each line of master.cf, and each question is a conversation with the kernel */
static const struct ifaddrs *interfaces_now(void)
{
	static struct ifaddrs *list;
	static usec asked;
	usec now = clock_mono();

	if (list && now - asked < USEC_PER_SEC)
		return list;
	if (list)
		freeifaddrs(list);
	list = NULL;
	asked = now;
	return getifaddrs(&list) == 0 ? list : NULL;
}

bool conf_host_has(struct str address)
{
	struct sockaddr_storage sa;
	struct ipaddr wanted;
	socklen_t n;
	int fd;
	bool has;

	if (!ipaddr_parse(address, &wanted))
		return true;
	n = ipaddr_to_sockaddr(&wanted, 0, &sa);
	fd = socket(sa.ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	/* the kernel knows what else may be bound: all of a network as 127.0.0.2, anything at all (ip_nonlocal_bind). Other errors say nothing */
	has = fd < 0 || bind(fd, (struct sockaddr *)&sa, n) == 0 || errno != EADDRNOTAVAIL;
	if (fd >= 0)
		close(fd);
	return has;
}

void conf_own_networks(const char *interfaces, const char *style, const char *protocols, struct buf *out)
{
	bool any = list_has(protocols, "all");

	for (const struct ifaddrs *a = interfaces_now(); a; a = a->ifa_next) {
		if (!a->ifa_addr || !a->ifa_netmask)
			continue;
		if ((a->ifa_addr->sa_family == AF_INET && (any || list_has(protocols, "ipv4"))) ||
		    (a->ifa_addr->sa_family == AF_INET6 && (any || list_has(protocols, "ipv6"))))
			add_interface(out, a, interfaces, style);
	}
	if (!out->n)
		buf_z(out, "127.0.0.1/32");
}

static int default_networks(const struct conf *c, struct buf *out, struct buf *why)
{
	struct buf interfaces, style, protocols;
	int r;

	buf_init(&interfaces, LIMIT_CONF_VALUE);
	buf_init(&style, LIMIT_CONF_VALUE);
	buf_init(&protocols, LIMIT_CONF_VALUE);
	r = expand_value(c, STR("inet_interfaces"), &interfaces, why);
	r = r ? r : expand_value(c, STR("mynetworks_style"), &style, why);
	r = r ? r : expand_value(c, STR("inet_protocols"), &protocols, why);
	if (c->source->own_is_private && !source_ask(c->source, STR("mynetworks_style"))) {
		buf_clear(&style);
		buf_z(&style, PRIVATE_STYLE);
	}
	if (!r)
		conf_own_networks(buf_cstr(&interfaces), buf_cstr(&style), buf_cstr(&protocols), out);
	buf_fini(&interfaces);
	buf_fini(&style);
	buf_fini(&protocols);
	return r;
}

int conf_default_of(const struct conf *c, const char *name, struct buf *out, struct buf *why)
{
	static const struct {
		const char *name;
		int (*make)(const struct conf *c, struct buf *out, struct buf *why);
	} rows[] = {
		{ "myhostname", default_hostname }, { "mydomain", default_domain }, { "mynetworks", default_networks },
		{ "own_networks", default_networks },
	};
	int r = 0;

	if (c->source->default_depth >= DEFAULT_DEPTH) {
		buf_printf(why, "the default of %s depends on itself", name);
		return -1;
	}
	c->source->default_depth++;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (!strcmp(rows[i].name, name))
			r = rows[i].make(c, out, why);
	c->source->default_depth--;
	return r;
}
