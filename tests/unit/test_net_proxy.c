/* test_net_proxy.c - PROXY headers: rows of good and bad ones, and every cut of the good ones. */
#include "core/net/proxy.h"
#include "core/base/mem.h"
#include "tests/unit/t.h"

#define SIG "\r\n\r\n\0\r\nQUIT\n"
#define BYTES(literal) literal, sizeof(literal) - 1

static const struct row {
	const char *what, *in;
	size_t n;
	enum proxy_result want;
	bool local;
	const char *source;
	int port;
	size_t length;
} rows[] = {
	{ "v1 tcp4", BYTES("PROXY TCP4 192.0.2.1 198.51.100.2 1025 25\r\nEHLO x\r\n"), PROXY_OK, false, "192.0.2.1", 1025, 43 },
	{ "v1 tcp6", BYTES("PROXY TCP6 2001:db8::1 ::1 65535 25\r\n"), PROXY_OK, false, "2001:db8::1", 65535, 37 },
	{ "v1 mapped", BYTES("PROXY TCP6 ::ffff:192.0.2.1 ::1 1 25\r\n"), PROXY_OK, false, "192.0.2.1", 1, 38 },
	{ "v1 unknown", BYTES("PROXY UNKNOWN\r\n"), PROXY_OK, true, NULL, 0, 15 },
	{ "v1 unknown with words", BYTES("PROXY UNKNOWN ffff::1 ffff::2 1 2\r\n"), PROXY_OK, true, NULL, 0, 35 },
	{ "v1 leading zero", BYTES("PROXY TCP4 192.0.2.01 198.51.100.2 1025 25\r\n"), PROXY_BAD, false, NULL, 0, 0 },
	{ "v1 octal", BYTES("PROXY TCP4 0300.0.2.1 198.51.100.2 1025 25\r\n"), PROXY_BAD, false, NULL, 0, 0 },
	{ "v1 short address", BYTES("PROXY TCP4 192.2 198.51.100.2 1025 25\r\n"), PROXY_BAD, false, NULL, 0, 0 },
	{ "v1 port zero first", BYTES("PROXY TCP4 192.0.2.1 198.51.100.2 01025 25\r\n"), PROXY_BAD, false, NULL, 0, 0 },
	{ "v1 port minus", BYTES("PROXY TCP4 192.0.2.1 198.51.100.2 -1 25\r\n"), PROXY_BAD, false, NULL, 0, 0 },
	{ "v1 port plus", BYTES("PROXY TCP4 192.0.2.1 198.51.100.2 +1 25\r\n"), PROXY_BAD, false, NULL, 0, 0 },
	{ "v1 port big", BYTES("PROXY TCP4 192.0.2.1 198.51.100.2 65536 25\r\n"), PROXY_BAD, false, NULL, 0, 0 },
	{ "v1 no port", BYTES("PROXY TCP4 192.0.2.1 198.51.100.2 25\r\n"), PROXY_BAD, false, NULL, 0, 0 },
	{ "v1 one too many", BYTES("PROXY TCP4 192.0.2.1 198.51.100.2 1 25 3\r\n"), PROXY_BAD, false, NULL, 0, 0 },
	{ "v1 two blanks", BYTES("PROXY TCP4  192.0.2.1 198.51.100.2 1 25\r\n"), PROXY_BAD, false, NULL, 0, 0 },
	{ "v1 blank at the end", BYTES("PROXY TCP4 192.0.2.1 198.51.100.2 1 25 \r\n"), PROXY_BAD, false, NULL, 0, 0 },
	{ "v1 bare LF", BYTES("PROXY TCP4 192.0.2.1 198.51.100.2 1 25\n"), PROXY_BAD, false, NULL, 0, 0 },
	{ "v1 family mixed", BYTES("PROXY TCP4 ::1 ::1 1 25\r\n"), PROXY_BAD, false, NULL, 0, 0 },
	{ "v1 brackets", BYTES("PROXY TCP6 [::1] ::1 1 25\r\n"), PROXY_BAD, false, NULL, 0, 0 },
	{ "v1 udp", BYTES("PROXY UDP4 192.0.2.1 198.51.100.2 1 25\r\n"), PROXY_BAD, false, NULL, 0, 0 },
	{ "v1 lower case", BYTES("proxy TCP4 192.0.2.1 198.51.100.2 1 25\r\n"), PROXY_BAD, false, NULL, 0, 0 },
	{ "v1 NUL", BYTES("PROXY TCP4 192.0.2.1\0 198.51.100.2 1 25\r\n"), PROXY_BAD, false, NULL, 0, 0 },
	{ "v1 empty", BYTES("PROXY \r\n"), PROXY_BAD, false, NULL, 0, 0 },
	{"v1 endless", BYTES("PROXY UNKNOWN xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
		"xxxxxxxxxxxxxxxxxxx\r\n"), PROXY_BAD, false, NULL, 0, 0},
	{ "no header", BYTES("EHLO client.example\r\n"), PROXY_BAD, false, NULL, 0, 0 },
	{ "almost", BYTES("PROXX"), PROXY_BAD, false, NULL, 0, 0 },
	{ "v2 tcp4", BYTES(SIG "\x21\x11\0\x0c\xc0\0\2\1\xc6\x33\x64\2\4\1\0\x19" "EHLO"), PROXY_OK, false, "192.0.2.1", 1025, 28 },
	{ "v2 tcp4 with tlv", BYTES(SIG "\x21\x11\0\x10\xc0\0\2\1\xc6\x33\x64\2\4\1\0\x19\x04\0\1x"), PROXY_OK, false, "192.0.2.1", 1025, 32 },
	{ "v2 tlv overrun", BYTES(SIG "\x21\x11\0\x10\xc0\0\2\1\xc6\x33\x64\2\4\1\0\x19\x04\0\2x"), PROXY_BAD, false, NULL, 0, 0 },
	{ "v2 tlv cut", BYTES(SIG "\x21\x11\0\x0e\xc0\0\2\1\xc6\x33\x64\2\4\1\0\x19\x04\0"), PROXY_BAD, false, NULL, 0, 0 },
	{"v2 tcp6", BYTES(SIG "\x21\x21\0\x24\x20\1\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\1\x20\1\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\2\4\1\0\x19"),
		PROXY_OK, false, "2001:db8::1", 1025, 52},
	{ "v2 local", BYTES(SIG "\x20\0\0\0"), PROXY_OK, true, NULL, 0, 16 },
	{ "v2 local with data", BYTES(SIG "\x20\x11\0\3abc"), PROXY_OK, true, NULL, 0, 19 },
	{ "v2 unspec", BYTES(SIG "\x21\0\0\0"), PROXY_OK, true, NULL, 0, 16 },
	{ "v2 short", BYTES(SIG "\x21\x11\0\x0b\xc0\0\2\1\xc6\x33\x64\2\4\1\0"), PROXY_BAD, false, NULL, 0, 0 },
	{ "v2 udp", BYTES(SIG "\x21\x12\0\x0c\xc0\0\2\1\xc6\x33\x64\2\4\1\0\x19"), PROXY_BAD, false, NULL, 0, 0 },
	{ "v2 unix", BYTES(SIG "\x21\x31\0\0"), PROXY_BAD, false, NULL, 0, 0 },
	{ "v2 version 1", BYTES(SIG "\x11\x11\0\0"), PROXY_BAD, false, NULL, 0, 0 },
	{ "v2 command 2", BYTES(SIG "\x22\x11\0\0"), PROXY_BAD, false, NULL, 0, 0 },
	{ "v2 huge", BYTES(SIG "\x21\x11\xff\xff"), PROXY_BAD, false, NULL, 0, 0 },
	{ "v2 bad signature", BYTES("\r\n\r\n\0\r\nQUIT\r"), PROXY_BAD, false, NULL, 0, 0 },
	{ "nothing", "", 0, PROXY_NEED_MORE, false, NULL, 0, 0 },
};

static enum proxy_result parse(const char *in, size_t n, struct proxy_header *h)
{
	char *exact = mem_alloc(n ? n : 1);
	const char *why;
	enum proxy_result r;

	memcpy(exact, in, n);
	r = proxy_parse(str_make(exact, n), h, &why);
	CHECK_INT(r == PROXY_BAD, *why != 0);
	mem_free(exact);
	return r;
}

T(proxy_headers)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct row *r = &rows[i];
		struct proxy_header h;
		char text[46];

		ROW("%s", r->what);
		CHECK_INT(parse(r->in, r->n, &h), r->want);
		if (r->want != PROXY_OK)
			continue;
		CHECK_INT(h.local, r->local);
		CHECK_INT(h.length, r->length);
		CHECK_INT(h.source_port, r->port);
		if (r->source) {
			ipaddr_format(&h.source, text);
			CHECK_STR(text, r->source);
			CHECK_INT(h.destination_port, 25);
		}
		for (size_t n = 0; n < r->length; n++) {
			ROW("%s cut at %zu", r->what, n);
			CHECK_INT(parse(r->in, n, &h), PROXY_NEED_MORE);
		}
	}
}
