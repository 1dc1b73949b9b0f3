/* hello - see hello.h. */
#include "core/probe/hello.h"

#include "core/base/limits.h"

enum { HANDSHAKE = 22, CLIENT_HELLO = 1, SERVER_HELLO = 2, CERTIFICATE = 11, NAME_MOST = 253, RECORD_MOST = 18432,
	SUPPORTED_VERSIONS = 43 };

/* the curves P-256, P-384, P-521 and X25519, points as they are (RFC 8422) */
static const uint8_t curves[] = { 0, 10, 0, 10, 0, 8, 0, 23, 0, 24, 0, 25, 0, 29, 0, 11, 0, 2, 1, 0 };
/* signatures: ECDSA, RSA-PSS and RSA, with SHA-2; RSA and ECDSA with SHA-1, which may be all that an old server has */
static const uint8_t signatures[] = { 0, 13, 0, 24, 0, 22, 4, 3, 5, 3, 6, 3, 8, 4, 8, 5, 8, 6, 4, 1, 5, 1, 6, 1, 2, 1, 2, 3 };
/* only TLS 1.3, and no key yet: the server asks for one, and has chosen its cipher by then (RFC 8446 4.1.4) */
static const uint8_t only_1_3[] = { 0, SUPPORTED_VERSIONS, 0, 3, 2, 3, 4, 0, 51, 0, 2, 0, 0 };

static void put(struct buf *out, unsigned v)
{
	buf_byte(out, (char)(v >> 8));
	buf_byte(out, (char)v);
}

static void put_extensions(struct buf *out, const struct hello *h)
{
	if (h->name.n && h->name.n <= NAME_MOST) {
		unsigned n = (unsigned)h->name.n;

		/* server_name (RFC 6066): a list of one host name */
		put(out, 0);
		put(out, n + 5);
		put(out, n + 3);
		buf_byte(out, 0);
		put(out, n);
		buf_str(out, h->name);
	}
	buf_add(out, curves, sizeof(curves));
	if (h->version >= HELLO_TLS_1_2)
		buf_add(out, signatures, sizeof(signatures));
	if (h->version == HELLO_TLS_1_3)
		buf_add(out, only_1_3, sizeof(only_1_3));
}

void hello_put(struct buf *out, const struct hello *h, const uint8_t random[32])
{
	struct buf extensions;
	unsigned body;

	buf_init(&extensions, 1024);
	put_extensions(&extensions, h);
	body = 2 + 32 + 1 + 2 + 2 * (unsigned)h->n + 2 + 2 + (unsigned)extensions.n;
	buf_byte(out, HANDSHAKE);
	put(out, HELLO_TLS_1_0);
	put(out, body + 4);
	put(out, CLIENT_HELLO << 8);
	put(out, body);
	put(out, h->version < HELLO_TLS_1_2 ? h->version : HELLO_TLS_1_2);
	buf_add(out, random, 32);
	buf_byte(out, 0);
	put(out, 2 * (unsigned)h->n);
	for (size_t i = 0; i < h->n; i++)
		put(out, h->suites[i]);
	/* no compression */
	put(out, 1 << 8);
	put(out, (unsigned)extensions.n);
	buf_str(out, buf_view(&extensions));
	buf_fini(&extensions);
}

/* --- the answer ------------------------------------------------------------------------------------------------------ */

static unsigned get(struct str s, size_t at)
{
	return (unsigned)(uint8_t)s.p[at] << 8 | (uint8_t)s.p[at + 1];
}

/* gather - the handshake's bytes out of the records, up to what is none; false: an alert, or not TLS */
static bool gather(struct str in, struct buf *out)
{
	while (in.n) {
		size_t n;

		if (in.p[0] != HANDSHAKE || (in.n > 1 && in.p[1] != 3))
			return out->n > 0;
		if (in.n < 5)
			return true;
		n = get(in, 3);
		if (!n || n > RECORD_MOST)
			return out->n > 0;
		in = str_from(in, 5);
		buf_str(out, str_head(in, n));
		in = str_from(in, n);
	}
	return true;
}

static bool take_server_hello(struct str s, struct hello_answer *out)
{
	size_t at = 2 + 32;

	if (s.n < at + 1 || s.p[0] != 3)
		return false;
	out->version = get(s, 0);
	at += 1 + (size_t)(uint8_t)s.p[at];
	if (s.n < at + 3)
		return false;
	out->suite = get(s, at);
	at += 3 + 2;
	while (at + 4 <= s.n) {
		size_t n = get(s, at + 2);

		if (get(s, at) == SUPPORTED_VERSIONS && n == 2 && at + 6 <= s.n)
			out->version = get(s, at + 4);
		at += 4 + n;
	}
	return true;
}

static int take_messages(struct str in, struct hello_answer *out, struct buf *certificates)
{
	bool hello = false;

	while (in.n >= 4) {
		size_t n = (size_t)(uint8_t)in.p[1] << 16 | get(in, 2);
		struct str body = str_from(in, 4);
		unsigned kind = (uint8_t)in.p[0];

		if (!hello && kind != SERVER_HELLO)
			return -1;
		if (body.n < n)
			return n > LIMIT_CONN_READ / 2 ? -1 : 0;
		body = str_head(body, n);
		if (!hello && !take_server_hello(body, out))
			return -1;
		if (kind == CERTIFICATE && n >= 3)
			buf_str(certificates, str_from(body, 3));
		/* all that may stand before it are the certificates */
		if (!certificates || out->version >= HELLO_TLS_1_3 || hello)
			return 1;
		hello = true;
		in = str_from(in, 4 + n);
	}
	return 0;
}

int hello_answer(struct str in, struct hello_answer *out, struct buf *certificates)
{
	struct buf messages;
	int r;

	*out = (struct hello_answer){ 0, 0 };
	buf_init(&messages, LIMIT_CONN_READ);
	r = gather(in, &messages) ? take_messages(buf_view(&messages), out, certificates) : -1;
	buf_fini(&messages);
	return r;
}
