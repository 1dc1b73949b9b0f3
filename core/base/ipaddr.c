/* ipaddr - see ipaddr.h. inet_pton is the judge of syntax; it refuses what is written in
 * more than one way (leading zeros, missing octets). */
#include <arpa/inet.h>

#include "core/base/format.h"
#include "core/base/ipaddr.h"

static const uint8_t mapped[12] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff };

static void from_v6(const uint8_t b[16], struct ipaddr *out)
{
	memset(out, 0, sizeof(*out));
	if (!memcmp(b, mapped, sizeof(mapped))) {
		out->family = AF_INET;
		memcpy(out->b, b + 12, 4);
	} else {
		out->family = AF_INET6;
		memcpy(out->b, b, 16);
	}
}

bool ipaddr_parse(struct str s, struct ipaddr *out)
{
	char text[INET6_ADDRSTRLEN];
	uint8_t b[16];

	if (s.n >= 2 && s.p[0] == '[' && s.p[s.n - 1] == ']')
		s = str_make(s.p + 1, s.n - 2);
	if (str_istarts(s, STR("IPv6:")))
		s = str_from(s, 5);
	if (!s.n || s.n >= sizeof(text) || memchr(s.p, '\0', s.n))
		return false;
	memcpy(text, s.p, s.n);
	text[s.n] = '\0';
	memset(out, 0, sizeof(*out));
	if (inet_pton(AF_INET, text, out->b) == 1) {
		out->family = AF_INET;
		return true;
	}
	if (inet_pton(AF_INET6, text, b) != 1)
		return false;
	from_v6(b, out);
	return true;
}

void ipaddr_from_bytes(const void *p, size_t n, struct ipaddr *out)
{
	if (n == 16) {
		from_v6(p, out);
		return;
	}
	*out = (struct ipaddr){ .family = AF_INET };
	memcpy(out->b, p, 4);
}

void ipaddr_from_sockaddr(const struct sockaddr *sa, struct ipaddr *out)
{
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;

	memset(out, 0, sizeof(*out));
	if (sa->sa_family == AF_INET) {
		memcpy(&v4, sa, sizeof(v4));
		ipaddr_from_bytes(&v4.sin_addr, 4, out);
	} else if (sa->sa_family == AF_INET6) {
		memcpy(&v6, sa, sizeof(v6));
		from_v6(v6.sin6_addr.s6_addr, out);
	}
}

socklen_t ipaddr_to_sockaddr(const struct ipaddr *a, uint16_t port, struct sockaddr_storage *out)
{
	struct sockaddr_in v4 = { .sin_family = AF_INET, .sin_port = htons(port) };
	struct sockaddr_in6 v6 = { .sin6_family = AF_INET6, .sin6_port = htons(port) };

	memset(out, 0, sizeof(*out));
	if (a->family == AF_INET) {
		memcpy(&v4.sin_addr, a->b, 4);
		memcpy(out, &v4, sizeof(v4));
		return sizeof(v4);
	}
	memcpy(&v6.sin6_addr, a->b, 16);
	memcpy(out, &v6, sizeof(v6));
	return sizeof(v6);
}

void ipaddr_format(const struct ipaddr *a, char out[46])
{
	if (a->family == AF_INET)
		format_text(out, 46, "%u.%u.%u.%u", a->b[0], a->b[1], a->b[2], a->b[3]);
	else if (a->family == AF_UNSPEC || !inet_ntop(a->family, a->b, out, 46))
		format_text(out, 46, "unknown");
}

bool ipaddr_eq(const struct ipaddr *a, const struct ipaddr *b)
{
	return a->family == b->family && !memcmp(a->b, b->b, a->family == AF_INET ? 4 : 16);
}

bool ipaddr_is_loopback(const struct ipaddr *a)
{
	static const uint8_t one[16] = { [15] = 1 };

	return (a->family == AF_INET && a->b[0] == 127) || (a->family == AF_INET6 && !memcmp(a->b, one, 16));
}

bool ipaddr_is_nowhere(const struct ipaddr *a)
{
	static const uint8_t none[16];

	return (a->family == AF_INET && a->b[0] == 0) || (a->family == AF_INET6 && !memcmp(a->b, none, 16));
}

bool ipaddr_inner(const struct ipaddr *a, struct ipaddr *out)
{
	static const struct { uint8_t prefix[12]; unsigned bytes, at; } forms[] = {
		{ { 0x00, 0x64, 0xff, 0x9b }, 12, 12 }, /* 64:ff9b::/96 */
		{ { 0x00, 0x64, 0xff, 0x9b, 0x00, 0x01 }, 12, 12 }, /* 64:ff9b:1::/96 of RFC 8215 */
		{ { 0x20, 0x02 }, 2, 2 },
		{ { 0 }, 12, 12 },
	};

	for (size_t i = 0; a->family == AF_INET6 && i < sizeof(forms) / sizeof(forms[0]); i++) {
		if (memcmp(a->b, forms[i].prefix, forms[i].bytes) != 0)
			continue;
		ipaddr_from_bytes(a->b + forms[i].at, 4, out);
		return true;
	}
	return false;
}

/* clear the bits after the prefix; true if one was set */
static bool clear_host_bits(struct ipaddr *a, unsigned prefix)
{
	bool any = false;

	for (unsigned i = 0; i < (a->family == AF_INET ? 4u : 16u); i++) {
		unsigned keep = prefix >= (i + 1) * 8 ? 8 : prefix > i * 8 ? prefix - i * 8 : 0;
		uint8_t mask = (uint8_t)(0xff00u >> keep);

		any = any || (a->b[i] & ~mask);
		a->b[i] &= mask;
	}
	return any;
}

bool network_parse(struct str s, struct network *out, struct buf *why)
{
	ptrdiff_t slash = str_chr(s, '/');
	struct str text = slash < 0 ? s : str_head(s, (size_t)slash);
	bool was_v6 = str_chr(text, ':') >= 0;
	uint64_t prefix;
	char good[46];

	if (!ipaddr_parse(text, &out->net)) {
		buf_printf(why, "bad address pattern: \"%.*s\"", STR_ARG(str_head(s, 100)));
		return false;
	}
	prefix = out->net.family == AF_INET ? 32 : 128;
	if (slash >= 0) {
		/* ::ffff:10.0.0.0/104 is kept as 10.0.0.0/8 */
		unsigned skip = was_v6 && out->net.family == AF_INET ? 96 : 0;
		uint64_t most = prefix + skip;

		if (!str_to_u64(str_from(s, (size_t)slash + 1), &prefix) || prefix > most || prefix < skip) {
			buf_printf(why, "bad mask value in \"%.*s\"", STR_ARG(str_head(s, 100)));
			return false;
		}
		prefix -= skip;
	}
	out->prefix = (unsigned)prefix;
	if (clear_host_bits(&out->net, out->prefix)) {
		ipaddr_format(&out->net, good);
		buf_printf(why, "non-null host address bits in \"%.*s\", perhaps you should use \"%s%s%s/%u\" instead",
			STR_ARG(str_head(s, 100)), text.p[0] == '[' ? "[" : "", good, text.p[0] == '[' ? "]" : "", out->prefix);
		return false;
	}
	return true;
}

bool network_has(const struct network *n, const struct ipaddr *a)
{
	unsigned whole = n->prefix / 8, bits = n->prefix % 8;

	if (n->net.family != a->family || memcmp(n->net.b, a->b, whole) != 0)
		return false;
	return !bits || !((n->net.b[whole] ^ a->b[whole]) >> (8 - bits));
}
