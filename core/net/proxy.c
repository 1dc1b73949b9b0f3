/* proxy.c - the PROXY protocol, versions 1 and 2 (haproxy.org, proxy-protocol.txt).
 *
 * What a trusted proxy says becomes the client's address, so anything that is not exactly by the book is refused
 * (threats K6): wrong line end, two blanks, leading zeros, a sign, a family that does not carry SMTP, a TLV that
 * reaches past the header. What cannot become a header any more is refused at once, without waiting for more. */
#include "core/net/proxy.h"

#include <arpa/inet.h>

#include "core/base/limits.h"

enum { V1_MOST = 107, V2_FIXED = 16 };

static const char v2_signature[12] = { '\r', '\n', '\r', '\n', 0, '\r', '\n', 'Q', 'U', 'I', 'T', '\n' };

static enum proxy_result bad(const char **why, const char *text)
{
	*why = text;
	return PROXY_BAD;
}

static bool v1_port(struct str s, uint16_t *out)
{
	uint64_t n;

	if (s.n > 5 || !str_to_u64(s, &n) || n > 65535 || (s.n > 1 && s.p[0] == '0'))
		return false;
	*out = (uint16_t)n;
	return true;
}

static bool v1_address(struct str s, int family, struct ipaddr *out)
{
	char text[46];
	uint8_t raw[16];

	if (s.n == 0 || s.n >= sizeof(text))
		return false;
	memcpy(text, s.p, s.n);
	text[s.n] = 0;
	return memchr(text, 0, s.n) == NULL && inet_pton(family, text, raw) == 1 && ipaddr_parse(s, out);
}

/* one field and the single blank behind it */
static struct str v1_field(struct str *rest)
{
	ptrdiff_t blank = str_chr(*rest, ' ');
	struct str field = str_head(*rest, blank < 0 ? rest->n : (size_t)blank);

	*rest = blank < 0 ? STR_EMPTY : str_from(*rest, (size_t)blank + 1);
	return field;
}

static bool v1_line(struct str line, struct proxy_header *out)
{
	struct str protocol = v1_field(&line), port;
	int family = str_eq(protocol, STR("TCP4")) ? AF_INET : AF_INET6;

	out->local = str_eq(protocol, STR("UNKNOWN"));
	if (out->local)
		return true;
	if (family == AF_INET6 && !str_eq(protocol, STR("TCP6")))
		return false;
	if (!v1_address(v1_field(&line), family, &out->source) || !v1_address(v1_field(&line), family, &out->destination))
		return false;
	port = v1_field(&line);
	/* the rest is the last field: a blank in it is no digit */
	return v1_port(port, &out->source_port) && v1_port(line, &out->destination_port);
}

static enum proxy_result parse_v1(struct str in, struct proxy_header *out, const char **why)
{
	ptrdiff_t end = str_chr(str_head(in, V1_MOST), '\n');

	if (end < 0)
		return in.n >= V1_MOST ? bad(why, "PROXY line too long") : PROXY_NEED_MORE;
	if (in.p[end - 1] != '\r' || !v1_line(str_make(in.p + 6, (size_t)end - 7), out))
		return bad(why, "malformed PROXY line");
	out->length = (size_t)end + 1;
	return PROXY_OK;
}

static unsigned get16(const char *p)
{
	return (unsigned)(uint8_t)p[0] << 8 | (uint8_t)p[1];
}

static bool v2_tlvs_fit(struct str s)
{
	while (s.n) {
		if (s.n < 3 || get16(s.p + 1) > s.n - 3)
			return false;
		s = str_from(s, 3 + get16(s.p + 1));
	}
	return true;
}

static enum proxy_result parse_v2(struct str in, struct proxy_header *out, const char **why)
{
	unsigned command, kind, length, size;
	struct str body;

	if (in.n < V2_FIXED)
		return PROXY_NEED_MORE;
	command = (uint8_t)in.p[12];
	kind = (uint8_t)in.p[13];
	length = get16(in.p + 14);
	if (command != 0x20 && command != 0x21)
		return bad(why, "unknown PROXY version or command");
	if (V2_FIXED + length > LIMIT_PROXY_HEADER)
		return bad(why, "PROXY header too long");
	if (in.n < V2_FIXED + length)
		return PROXY_NEED_MORE;
	out->length = V2_FIXED + length;
	out->local = command == 0x20 || kind == 0x00;
	if (out->local)
		return PROXY_OK;
	if (kind != 0x11 && kind != 0x21)
		return bad(why, "PROXY header for something that is not TCP over IP");
	size = kind == 0x11 ? 4 : 16;
	body = str_make(in.p + V2_FIXED, length);
	if (length < 2 * size + 4 || !v2_tlvs_fit(str_from(body, 2 * size + 4)))
		return bad(why, "malformed PROXY header");
	ipaddr_from_bytes(body.p, size, &out->source);
	ipaddr_from_bytes(body.p + size, size, &out->destination);
	out->source_port = (uint16_t)get16(body.p + 2 * size);
	out->destination_port = (uint16_t)get16(body.p + 2 * size + 2);
	return PROXY_OK;
}

enum proxy_result proxy_parse(struct str in, struct proxy_header *out, const char **why)
{
	static const struct str v1 = { "PROXY ", 6 }, v2 = { v2_signature, sizeof(v2_signature) };
	struct str signature = in.n && in.p[0] == '\r' ? v2 : v1;
	size_t n = in.n < signature.n ? in.n : signature.n;

	memset(out, 0, sizeof(*out));
	*why = "";
	if (n && memcmp(in.p, signature.p, n) != 0)
		return bad(why, "no PROXY header");
	if (in.n < signature.n)
		return PROXY_NEED_MORE;
	return signature.p == v2.p ? parse_v2(in, out, why) : parse_v1(in, out, why);
}
