/* nexthop - the text that names a next hop in relayhost, transport(5) and smtp_fallback_relay.
 *
 * Brackets say: no MX lookup; so does an address without them. A service is a number or a name of a short table; the system's services file is not read,
 * so that the same text means the same everywhere. */
#include "core/base/limits.h"
#include "core/route/route.h"

static const struct { const char *name; uint16_t port; } services[] = {
	{ "smtp", 25 }, { "submission", 587 }, { "smtps", 465 }, { "submissions", 465 }, { "ssmtp", 465 }, { "lmtp", 24 },
	{ "mail", 25 },
};

static bool parse_number(struct str s, uint16_t *port)
{
	uint64_t n;

	if (!str_to_u64(s, &n) || n < 1 || n > 65535)
		return false;
	*port = (uint16_t)n;
	return true;
}

static bool parse_service(struct str s, uint16_t *port, struct buf *why)
{
	uint64_t n;

	if (parse_number(s, port))
		return true;
	if (str_to_u64(s, &n)) {
		buf_printf(why, "port %.*s is not in 1 to 65535", STR_ARG(str_head(s, 100)));
		return false;
	}
	for (size_t i = 0; i < sizeof(services) / sizeof(services[0]); i++) {
		if (!str_ieq(s, str_of(services[i].name)))
			continue;
		*port = services[i].port;
		return true;
	}
	buf_printf(why, "unknown service \"%.*s\": use a port number", STR_ARG(str_head(s, 100)));
	return false;
}

uint16_t nexthop_port(struct str service, struct buf *why)
{
	uint16_t port;

	return parse_service(service, &port, why) ? port : 0;
}

static bool is_clean(struct str host)
{
	for (size_t i = 0; i < host.n; i++)
		if (!ascii_is_alnum(host.p[i]) && !strchr(".-_:%", host.p[i]) && (unsigned char)host.p[i] < 0x80)
			return false;
	return host.n > 0 && host.n <= LIMIT_DOMAIN;
}

/* is_address - what has a colon in it can be nothing else */
static bool is_address(struct str host)
{
	struct ipaddr address;
	ptrdiff_t percent = str_chr(host, '%');

	return ipaddr_parse(percent < 0 ? host : str_head(host, (size_t)percent), &address);
}

static bool parse_bracketed(struct str s, struct nexthop *out, struct str *service, struct buf *why)
{
	ptrdiff_t end = str_chr(s, ']');

	if (end < 0) {
		buf_printf(why, "\"%.*s\": missing ]", STR_ARG(str_head(s, 100)));
		return false;
	}
	out->literal = true;
	out->host = str_make(s.p + 1, (size_t)end - 1);
	if (str_istarts(out->host, STR("ipv6:")))
		out->host = str_from(out->host, 5);
	s = str_from(s, (size_t)end + 1);
	if (s.n && s.p[0] != ':') {
		buf_printf(why, "\"%.*s\" after ]: expected :port", STR_ARG(str_head(s, 100)));
		return false;
	}
	*service = s.n ? str_from(s, 1) : STR_EMPTY;
	if (s.n != 1)
		return true;
	buf_z(why, "nothing after the colon: expected a port");
	return false;
}

/* parse_address - an address that lost its brackets, which has one meaning: nobody asks for its MX. What follows the last
 * colon is a port where an address stands before it, as in Postfix; else the whole is the address */
static bool parse_address(struct str s, struct nexthop *out, struct str *service)
{
	ptrdiff_t colon = str_rchr(s, ':');
	struct str host = colon < 0 ? s : str_head(s, (size_t)colon), after = colon < 0 ? STR_EMPTY : str_from(s, (size_t)colon + 1);
	struct ipaddr address;
	uint16_t port;
	bool has_port = after.n && ipaddr_parse(host, &address);

	if (!ipaddr_parse(s, &address) && !has_port)
		return false;
	if (has_port && (parse_number(after, &port) || !ipaddr_parse(s, &address)))
		*service = after;
	out->host = service->n ? host : s;
	out->literal = true;
	return true;
}

static bool parse_plain(struct str s, struct nexthop *out, struct str *service, struct buf *why)
{
	ptrdiff_t colon = str_chr(s, ':');

	*service = STR_EMPTY;
	if (parse_address(s, out, service))
		return true;
	out->host = s;
	if (colon < 0)
		return true;
	out->host = str_head(s, (size_t)colon);
	*service = str_from(s, (size_t)colon + 1);
	if (service->n && str_chr(*service, ':') < 0)
		return true;
	buf_printf(why, "\"%.*s\": expected host:port (an IPv6 address needs brackets)", STR_ARG(str_head(s, 100)));
	return false;
}

bool nexthop_parse(struct str s, uint16_t default_port, struct nexthop *out, struct buf *why)
{
	struct str whole = s, service = STR_EMPTY;
	bool ok;

	*out = (struct nexthop){ .port = default_port };
	if (str_istarts(s, STR("unix:"))) {
		out->host = str_from(s, 5);
		out->unix_path = out->literal = true;
		if (out->host.n)
			return true;
		buf_z(why, "unix: without a path");
		return false;
	}
	if (str_istarts(s, STR("inet:"))) {
		s = str_from(s, 5);
		out->literal = true;
	}
	ok = s.n && s.p[0] == '[' ? parse_bracketed(s, out, &service, why) : parse_plain(s, out, &service, why);
	if (!ok)
		return false;
	if (!is_clean(out->host) || (str_chr(out->host, ':') >= 0 && !is_address(out->host))) {
		buf_printf(why, "\"%.*s\" is not a host name or address", STR_ARG(str_head(whole, 100)));
		return false;
	}
	return !service.n || parse_service(service, &out->port, why);
}

bool nexthop_check(struct str list, struct buf *why)
{
	struct str word;
	struct nexthop hop;

	while (str_word(&list, ", \t\r\n", &word))
		if (!nexthop_parse(word, 25, &hop, why))
			return false;
	return true;
}
