/* dns_files - resolv.conf and hosts, parsed. Pure: text in. */
#ifndef CORE_NET_DNS_FILES_H
#define CORE_NET_DNS_FILES_H

#include "core/base/arena.h"
#include "core/base/clock.h"
#include "core/base/hash.h"
#include "core/base/limits.h"
#include "core/base/ipaddr.h"

struct dns_server {
	struct sockaddr_storage a;
	socklen_t n;
	bool loopback;         /* its AD bit can be believed */
};
struct dns_conf {
	struct dns_server v[LIMIT_DNS_SERVERS];
	size_t n;              /* at least 1 after dns_conf_parse */
	usec timeout;
	unsigned attempts;
	bool rotate, trust_ad;
	/* for hosts that are looked up as the system does; mail domains are absolute */
	char search[LIMIT_DNS_SEARCH][256];
	size_t n_search;
	unsigned ndots;        /* a name with so many dots is tried as it is first */
};
/* dns_conf_parse - resolv.conf(5): nameserver lines (also with a port: "127.0.0.1:5353", "[::1]:5353"), the last of the search
 * and domain lines, and the options ndots, timeout, attempts, rotate, trust-ad. Anything else is ignored */
void dns_conf_parse(struct dns_conf *c, struct str text);
/* dns_conf_servers - the same from a list of servers instead of a file; false: there is none in it, or something else */
bool dns_conf_servers(struct dns_conf *c, struct str list);
/* dns_conf_proves - may the AD bit of all servers be believed: on loopback, or with trust-ad? */
bool dns_conf_proves(const struct dns_conf *c);
unsigned dns_scope_id(struct str scope); /* of what follows the % of an address: a number or an interface's name; 0: neither */

struct hosts {
	struct arena arena;
	struct table names;    /* -> struct host_address, a chain in the order of the file */
	struct table addresses;/* formatted address -> its first name */
};
void hosts_init(struct hosts *h);
void hosts_fini(struct hosts *h);
/* hosts_parse - add hosts(5) text. "localhost" means 127.0.0.1 and ::1 even when no line says so (RFC 6761) */
void hosts_parse(struct hosts *h, struct str text);
/* hosts_find - addresses of a clean name, of the families wanted (1 IPv4, 2 IPv6); how many. *known: the name is there */
size_t hosts_find(const struct hosts *h, const char *name, int families, struct ipaddr *out, size_t max, bool *known);
const char *hosts_name(const struct hosts *h, const struct ipaddr *a); /* NULL: not there */

#endif
