/* old_tls - see old_tls.h. */
#include "core/probe/old_tls.h"

enum { HANDSHAKE = 22, CLIENT_HELLO = 1, SERVER_HELLO = 2, NAME_MOST = 253 };

/* what clients of that time offered, anonymous suites as Postfix takes them, and the signal of RFC 5746; then no compression */
static const uint8_t suites[] = { 0, 36,
	0xc0, 0x14, 0xc0, 0x0a, 0x00, 0x39, 0x00, 0x35, 0xc0, 0x13, 0xc0, 0x09, 0x00, 0x33, 0x00, 0x2f, /* AES-CBC with SHA-1 */
	0xc0, 0x12, 0xc0, 0x08, 0x00, 0x16, 0x00, 0x0a, 0xc0, 0x11, 0x00, 0x05, /* 3DES, RC4 */
	0xc0, 0x19, 0x00, 0x3a, 0xc0, 0x18, 0x00, 0xff, 1, 0 };
/* the curves P-256, P-384, P-521 and X25519, points as they are (RFC 8422) */
static const uint8_t curves[] = { 0, 10, 0, 10, 0, 8, 0, 23, 0, 24, 0, 25, 0, 29, 0, 11, 0, 2, 1, 0 };

static void put(struct buf *out, unsigned v)
{
	buf_byte(out, (char)(v >> 8));
	buf_byte(out, (char)v);
}

void old_tls_hello(struct buf *out, unsigned version, const uint8_t random[32], struct str name)
{
	unsigned named = name.n && name.n <= NAME_MOST ? (unsigned)name.n + 9 : 0;
	unsigned extensions = named + sizeof(curves), body = 2 + 32 + 1 + sizeof(suites) + 2 + extensions;

	buf_byte(out, HANDSHAKE);
	put(out, OLD_TLS_1_0);
	put(out, body + 4);
	put(out, CLIENT_HELLO << 8);
	put(out, body);
	put(out, version);
	buf_add(out, random, 32);
	buf_byte(out, 0);
	buf_add(out, suites, sizeof(suites));
	put(out, extensions);
	if (named) {
		/* server_name (RFC 6066): a list of one host name */
		put(out, 0);
		put(out, named - 4);
		put(out, named - 6);
		buf_byte(out, 0);
		put(out, named - 9);
		buf_str(out, name);
	}
	buf_add(out, curves, sizeof(curves));
}

int old_tls_answer(struct str in)
{
	const uint8_t *p = (const uint8_t *)in.p;

	if (in.n && p[0] != HANDSHAKE)
		return -1;
	if (in.n < 11)
		return 0;
	/* record: kind, version, length; message: kind, length, version */
	return p[1] == 3 && p[5] == SERVER_HELLO && p[9] == 3 && (p[10] == 1 || p[10] == 2) ? p[9] << 8 | p[10] : -1;
}
