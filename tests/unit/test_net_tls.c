/* test_net_tls.c - TLS contexts and sessions, client and server in one process over buffers. */
#include "core/base/buf.h"
#include "core/base/mem.h"
#include "core/net/tls.h"
#include "core/net/tls_private.h"
#include "core/net/tls_names.h"
#include "tests/unit/net_certs.h"

/* --- words and grammars ------------------------------------------------------------------------------------------- */

T(tls_protocol_lists)
{
	static const struct { const char *list; int want; } rows[] = {
		{ "", TLS_V12 | TLS_V13 },
		{ ">=TLSv1", TLS_V12 | TLS_V13 },
		{ ">=TLSv1.2", TLS_V12 | TLS_V13 },
		{ ">=TLSv1.3", TLS_V13 },
		{ "<=TLSv1.2", TLS_V12 },
		{ ">=TLSv1.2, <=TLSv1.2", TLS_V12 },
		{ "!SSLv2, !SSLv3, !TLSv1, !TLSv1.1", TLS_V12 | TLS_V13 },
		{ "!SSLv2:!TLSv1.3", TLS_V12 },
		{ "TLSv1.3", TLS_V13 },
		{ "TLSv1, TLSv1.2", TLS_V12 },
		{ "TLSv1", 0 },
		{ "!TLSv1.2 !TLSv1.3", 0 },
		{ ">=0303", TLS_V12 | TLS_V13 },
		{ "tlsv1.2", TLS_V12 },
		{ "TLSv2", 0 },
		{ ">=", 0 },
		{ "!", 0 },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct buf why;

		ROW("%s", rows[i].list);
		buf_init(&why, 200);
		CHECK_INT(tls_protocols_parse(rows[i].list, &why), rows[i].want);
		CHECK_INT(why.n > 0, !rows[i].want);
		buf_fini(&why);
	}
}

T(tls_names_match_as_rfc_6125_says)
{
	static const struct { const char *wanted, *cert; size_t n; bool want; } rows[] = {
		{ "mx.example.com", "mx.example.com", 0, true },
		{ "MX.Example.com.", "mx.example.COM", 0, true },
		{ "mx.example.com", "mx.example.com.", 0, true },
		{ "mx.example.com", "example.com", 0, false },
		{ "mx.example.com", "*.example.com", 0, true },
		{ "a.mx.example.com", "*.example.com", 0, false },
		{ "example.com", "*.example.com", 0, false },
		{ "mx.example.com", "mx*.example.com", 0, false },
		{ "mx.example.com", "*x.example.com", 0, false },
		{ "mx.example.com", "mx.*.com", 0, false },
		{ "example.com", "*.com", 0, false },
		{ "com", "*", 0, false },
		{ "mx.example.com", "*.*.com", 0, false },
		{ "mx.example.com", "mx.example.com\0.evil.org", 24, false },
		{ "mx.example.com", "mx.example.com\0", 15, false },
		{ "mx.example.com", " mx.example.com", 0, false },
		{ "mx.example.com", "", 0, false },
		{ "", "", 0, false },
		{ ".example.com", "mx.example.com", 0, true },
		{ ".example.com", "a.b.example.com", 0, true },
		{ ".example.com", "*.example.com", 0, true },
		{ ".example.com", "example.com", 0, false },
		{ ".example.com", ".example.com", 0, false },
		{ ".example.com", "badexample.com", 0, false },
		{ ".", "mx.example.com.", 0, false },
		{ ".mx.example.com", "*.example.com", 0, false },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		size_t n = rows[i].n ? rows[i].n : strlen(rows[i].cert);

		ROW("%s / %s", rows[i].wanted, rows[i].cert);
		CHECK_INT(tls_name_matches(str_of(rows[i].wanted), str_make(rows[i].cert, n)), rows[i].want);
	}
}

T(tls_fingerprints)
{
	static const uint8_t d[3] = { 0xab, 0x01, 0xff };

	CHECK(tls_fingerprint_matches(str_of("AB:01:FF"), d, 3));
	CHECK(tls_fingerprint_matches(str_of("ab01ff"), d, 3));
	CHECK(!tls_fingerprint_matches(str_of("ab:01:fe"), d, 3));
	CHECK(!tls_fingerprint_matches(str_of("ab:01"), d, 3));
	CHECK(!tls_fingerprint_matches(str_of(""), d, 0));
	CHECK_INT(tls_fingerprint_length(str_of("ab:0")), 0);
	CHECK_INT(tls_fingerprint_length(str_of(":ab")), 0);
	CHECK_INT(tls_fingerprint_length(str_of("zz")), 0);
}

T(tls_dates_and_cipher_names)
{
	CHECK_INT(tls_date(1970, 1, 1, 0, 0, 0), 0);
	CHECK_INT(tls_date(2000, 2, 29, 12, 30, 1), 951827401 * USEC_PER_SEC);
	CHECK_INT(tls_date(2026, 12, 31, 23, 59, 59), 1798761599 * USEC_PER_SEC);
	CHECK_STR(tls_cipher_name("TLS1-3-AES-256-GCM-SHA384"), "TLS_AES_256_GCM_SHA384");
	CHECK_STR(tls_cipher_name("TLS-RSA-WITH-AES-256-CBC-SHA"), "AES256-SHA");
	CHECK_STR(tls_cipher_name("TLS-NEW"), "TLS-NEW");
}

T(tls_errors_have_texts)
{
	CHECK_STR(tls_error_text(0x7780), "the peer refused the handshake");
	CHECK_STR(tls_error_text(0x2180 + 0x66), "the certificate has an invalid format");
	CHECK_STR(tls_error_text(0x000e), "cryptographic error");
	CHECK_STR(tls_alert_text(45), "it does not accept our certificate");
	CHECK(!tls_alert_text(0) && !tls_alert_text(80) && strstr(tls_alert_text(40), "Ed25519"));
}

T(tls_digests)
{
	uint8_t md5[16], d[64];

	tls_hmac_md5(md5, "tanstaaftanstaaf", 16, "<1896.697170952@postoffice.reston.mci.net>", 42);
	CHECK_MEM(md5, 16, "\xb9\x13\xa6\x02\xc7\xed\xa7\xa4\x95\xb4\xe6\xe7\x33\x4d\x38\x90", 16);
	tls_sha256(d, "abc", 3);
	CHECK_MEM(d, 4, "\xba\x78\x16\xbf", 4);
	tls_sha512(d, "abc", 3);
	CHECK_MEM(d, 4, "\xdd\xaf\x35\xa1", 4);
}

/* --- contexts ----------------------------------------------------------------------------------------------------- */

static struct tls_context *context(bool server, const char *ca, const char *cert, const char *key, const char *protocols)
{
	struct tls_options o = {.server = server, .ca_file = ca, .cert_file = cert, .key_file = key, .protocols = protocols,
		.tickets = server};
	struct tls_context *c;
	struct buf why;

	buf_init(&why, 1000);
	c = tls_context_new(&o, &why);
	if (!c)
		fprintf(stderr, "%s\n", buf_cstr(&why));
	buf_fini(&why);
	return c;
}

static struct tls_context *server_of(const char *name, const char *protocols)
{
	char cert[32], key[32];

	snprintf(cert, sizeof(cert), "%s.pem", name);
	snprintf(key, sizeof(key), "%s.key", name);
	return context(true, NULL, net_cert(cert), net_cert(key), protocols);
}

T(tls_contexts_refuse_what_cannot_work)
{
	static const struct { const char *ca, *path, *cert, *key, *chain, *protocols, *why; bool server; } rows[] = {
		{ .ca = "ca.pem", .server = false },
		{ .ca = "bundle.pem", .server = false },
		{ .path = "folder", .server = false },
		{ .cert = "good.pem", .key = "good.key", .server = true },
		{ .cert = "both.pem", .server = true },
		{ .chain = "both.pem", .server = true },
		{ .chain = "good.key good.pem", .server = true },
		{ .chain = "good.pem, good.key", .server = true },
		{ .chain = "two.pem", .server = true },
		{ .cert = "good.pem", .key = "good.key", .server = false },
		{ .ca = "gone.pem", .why = "No such file" },
		{ .ca = "void", .why = "void: " },
		{ .ca = "ready", .why = "no usable certificate" },
		{ .ca = "good.key", .why = "no usable certificate" },
		{ .path = "void", .why = "no usable certificate" },
		{ .path = "gone", .why = "No such file" },
		{ .server = true, .why = "needs a certificate" },
		{ .cert = "good.pem", .key = "rsa.key", .server = true, .why = "not that of the first" },
		{ .cert = "good.pem", .server = true, .why = "no usable private key" },
		{ .cert = "good.key", .server = true, .why = "no usable certificate chain" },
		{ .chain = "good.key", .server = true, .why = "no usable certificate chain" },
		{ .cert = "ready", .key = "good.key", .server = true, .why = "no usable certificate" },
		{ .protocols = "TLSv1", .why = "no usable TLS protocol" },
		{ .protocols = "TLSv9", .why = "unknown TLS protocol \"TLSv9\"" },
	};

	if (!net_cert("ca.pem"))
		SKIP("openssl cannot make certificates");
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char chain[600] = "";
		struct str list = str_of(rows[i].chain), word;
		struct tls_options o = {.server = rows[i].server, .protocols = rows[i].protocols,
			.ca_file = rows[i].ca ? net_cert(rows[i].ca) : "", .ca_path = rows[i].path ? net_cert(rows[i].path) : NULL,
			.cert_file = rows[i].cert ? net_cert(rows[i].cert) : "", .key_file = rows[i].key ? net_cert(rows[i].key) : ""};
		struct tls_context *c;
		struct buf why;

		while (str_word(&list, " ,", &word)) {
			char name[64];

			snprintf(name, sizeof(name), "%.*s", STR_ARG(word));
			snprintf(chain + strlen(chain), sizeof(chain) - strlen(chain), "%s ", net_cert(name));
		}
		o.chain_files = chain;
		buf_init(&why, 1000);
		ROW("%zu", i);
		c = tls_context_new(&o, &why);
		CHECK_INT(c != NULL, rows[i].why == NULL);
		if (rows[i].why && !strstr(buf_cstr(&why), rows[i].why))
			CHECK_STR(buf_cstr(&why), rows[i].why);
		tls_context_unref(c);
		buf_fini(&why);
	}
}

/* --- handshakes --------------------------------------------------------------------------------------------------- */

struct pair {
	struct tls_session *client, *server;
	struct buf to_server, to_client, client_plain, server_plain;
	enum tls_step client_step, server_step;
	char client_why[160], server_why[160];
};

static void pair_init(struct pair *p, struct tls_context *client, struct tls_context *server, const struct tls_peer *peer)
{
	*p = (struct pair){ .client = tls_session_new(client, peer), .server = tls_session_new(server, NULL) };
	buf_init(&p->to_server, 1 << 20);
	buf_init(&p->to_client, 1 << 20);
	buf_init(&p->client_plain, 1 << 20);
	buf_init(&p->server_plain, 1 << 20);
	p->client_step = p->server_step = TLS_WANT_READ;
	for (int i = 0; i < 10 && (p->client_step == TLS_WANT_READ || p->server_step == TLS_WANT_READ); i++) {
		if (p->client_step == TLS_WANT_READ)
			p->client_step = tls_handshake(p->client, &p->to_client, &p->to_server, p->client_why);
		if (p->server_step == TLS_WANT_READ)
			p->server_step = tls_handshake(p->server, &p->to_server, &p->to_client, p->server_why);
	}
}

static void pair_fini(struct pair *p)
{
	tls_session_free(p->client);
	tls_session_free(p->server);
	buf_fini(&p->to_server);
	buf_fini(&p->to_client);
	buf_fini(&p->client_plain);
	buf_fini(&p->server_plain);
}

T(tls_levels_and_names)
{
	static const char *const mx[] = { "mx.example.com", NULL }, *const two[] = { "nothing.example", "mx.example.com", NULL };
	static const char *const wild[] = { "a.wild.example.com", NULL }, *const deep[] = { "a.b.wild.example.com", NULL };
	static const char *const dot[] = { ".example.com", NULL }, *const v4[] = { "127.0.0.1", NULL }, *const v4b[] = { "127.0.0.2", NULL };
	static const char *const v6[] = { "::1", NULL }, *const none[] = { NULL };
	static const struct {
		const char *cert, *ca;
		enum tls_match match;
		const char *const *names;
		int trust; /* -1: the handshake fails */
		const char *why;
	} rows[] = {
		{ "good", "ca.pem", TLS_MATCH_NONE, NULL, TLS_TRUSTED, "" },
		{ "rsa", "ca.pem", TLS_MATCH_NONE, NULL, TLS_TRUSTED, "" },
		{ "good", "other.pem", TLS_MATCH_NONE, NULL, TLS_UNTRUSTED, "unable to get local issuer certificate" },
		{ "good", NULL, TLS_MATCH_NONE, NULL, TLS_UNTRUSTED, "unable to get local issuer certificate" },
		{ "self", "ca.pem", TLS_MATCH_NONE, NULL, TLS_UNTRUSTED, "self-signed certificate" },
		{ "expired", "ca.pem", TLS_MATCH_NONE, NULL, TLS_UNTRUSTED, "certificate has expired" },
		{ "wrong", "ca.pem", TLS_MATCH_NONE, NULL, TLS_TRUSTED, "" },
		{ "good", "ca.pem", TLS_MATCH_NAME, mx, TLS_VERIFIED, "" },
		{ "good", "bundle.pem", TLS_MATCH_NAME, two, TLS_VERIFIED, "" },
		{ "good", "ca.pem", TLS_MATCH_NAME, wild, TLS_VERIFIED, "" },
		{ "good", "ca.pem", TLS_MATCH_NAME, deep, -1, "another name" },
		{ "good", "ca.pem", TLS_MATCH_NAME, dot, TLS_VERIFIED, "" },
		{ "good", "ca.pem", TLS_MATCH_NAME, v4, TLS_VERIFIED, "" },
		{ "good", "ca.pem", TLS_MATCH_NAME, v6, TLS_VERIFIED, "" },
		{ "good", "ca.pem", TLS_MATCH_NAME, v4b, -1, "another name" },
		{ "good", "ca.pem", TLS_MATCH_NAME, none, -1, "another name" },
		{ "good", "ca.pem", TLS_MATCH_NAME, NULL, -1, "another name" },
		{ "cn", "ca.pem", TLS_MATCH_NAME, mx, TLS_VERIFIED, "" },
		{ "cn", "ca.pem", TLS_MATCH_NAME, v4, -1, "another name" },
		{ "wrong", "ca.pem", TLS_MATCH_NAME, mx, -1, "another name: other.example.net" },
		{ "good", "other.pem", TLS_MATCH_NAME, mx, -1, "not trusted" },
		{ "good", NULL, TLS_MATCH_NAME, mx, -1, "not trusted" },
		{ "expired", "ca.pem", TLS_MATCH_NAME, mx, -1, "certificate has expired" },
		{ "self", "ca.pem", TLS_MATCH_NAME, mx, -1, "self-signed" },
		{ "self", "self.pem", TLS_MATCH_NAME, mx, TLS_VERIFIED, "" },
	};
	static const char *const versions[] = { "TLSv1.2", "TLSv1.3" };

	if (!net_cert("ca.pem"))
		SKIP("openssl cannot make certificates");
	for (size_t i = 0; i < 2 * sizeof(rows) / sizeof(rows[0]); i++) {
		size_t k = i / 2;
		struct tls_context *client = context(false, rows[k].ca ? net_cert(rows[k].ca) : NULL, NULL, NULL, "");
		struct tls_context *server = server_of(rows[k].cert, versions[i % 2]);
		struct tls_peer peer = { .server_name = "mx.example.com.", .match = rows[k].match, .names = rows[k].names };
		struct pair p;

		ROW("%zu %s %s", k, rows[k].cert, versions[i % 2]);
		REQUIRE(client && server);
		pair_init(&p, client, server, &peer);
		CHECK_INT(p.client_step, rows[k].trust < 0 ? TLS_FAILED : TLS_OK);
		if (p.client_step == TLS_OK) {
			const struct tls_info *info = tls_session_info(p.client);

			CHECK_INT(info->trust, rows[k].trust);
			CHECK_STR(info->why_untrusted, rows[k].why);
			CHECK_STR(info->version, versions[i % 2]);
			CHECK(!info->resumed);
			CHECK_STR(info->subject_cn, "mx.example.com");
			CHECK_INT(tls_session_info(p.server)->trust, TLS_ANONYMOUS);
		} else if (!strstr(p.client_why, rows[k].why)) {
			CHECK_STR(p.client_why, rows[k].why);
		}
		pair_fini(&p);
		tls_context_unref(client);
		tls_context_unref(server);
	}
}

T(tls_info_tells_the_facts)
{
	struct tls_context *client, *server;
	struct tls_peer peer = { .match = TLS_MATCH_NONE };
	const struct tls_info *i;
	struct pair p;

	if (!net_cert("ca.pem"))
		SKIP("openssl cannot make certificates");
	client = context(false, NULL, NULL, NULL, "");
	server = context(true, NULL, net_cert("both.pem"), NULL, "");
	REQUIRE(client && server);
	pair_init(&p, client, server, &peer);
	REQUIRE(p.client_step == TLS_OK);
	i = tls_session_info(p.client);
	CHECK_STR(i->subject, "O=Test, CN=mx.example.com");
	CHECK_STR(i->issuer_cn, "ca");
	CHECK_STR(i->names, "mx.example.com *.wild.example.com 127.0.0.1 ::1");
	CHECK_STR(i->key, "EC 256");
	CHECK_INT(i->chain_length, 2);
	CHECK_INT(i->not_after - i->not_before, 30 * 86400 * USEC_PER_SEC);
	CHECK_INT(strlen(i->sha256), 95);
	CHECK_STR(i->version, "TLSv1.3");
	CHECK(strncmp(i->cipher, "TLS_", 4) == 0);
	CHECK(i->bits == 256 || i->bits == 128);
	pair_fini(&p);
	tls_context_unref(client);
	tls_context_unref(server);
}

T(tls_fingerprint_level)
{
	struct tls_context *client, *server;
	struct tls_peer peer = { .match = TLS_MATCH_NONE };
	const char *prints[3] = { "00:11", NULL, NULL };
	char good[96];
	struct pair p;

	if (!net_cert("ca.pem"))
		SKIP("openssl cannot make certificates");
	client = context(false, NULL, NULL, NULL, "");
	server = server_of("self", "");
	REQUIRE(client && server);
	pair_init(&p, client, server, &peer);
	REQUIRE(p.client_step == TLS_OK);
	snprintf(good, sizeof(good), "%s", tls_session_info(p.client)->sha256);
	pair_fini(&p);
	peer.match = TLS_MATCH_FINGERPRINT;
	peer.fingerprints = prints;
	pair_init(&p, client, server, &peer);
	CHECK_INT(p.client_step, TLS_FAILED);
	CHECK(strstr(p.client_why, "fingerprint mismatch") != NULL);
	pair_fini(&p);
	prints[1] = good;
	pair_init(&p, client, server, &peer);
	CHECK_INT(p.client_step, TLS_OK);
	CHECK_INT(tls_session_info(p.client)->trust, TLS_VERIFIED);
	pair_fini(&p);
	tls_context_unref(client);
	tls_context_unref(server);
}

/* client to server and back; true when both arrived whole */
static bool talk(struct pair *p, size_t n)
{
	struct buf text, again;
	char *bytes = mem_alloc(n);
	bool ok;

	memset(bytes, 'a', n);
	buf_init(&text, n);
	buf_init(&again, n);
	buf_add(&text, bytes, n);
	while (text.n && tls_write(p->client, &text, &p->to_server, p->client_why) == TLS_OK)
		tls_read(p->server, &p->to_server, &p->server_plain, &p->to_client, p->server_why);
	ok = text.n == 0 && p->server_plain.n == n && !memcmp(p->server_plain.p, bytes, n);
	while (p->server_plain.n && tls_write(p->server, &p->server_plain, &p->to_client, p->server_why) == TLS_OK)
		tls_read(p->client, &p->to_client, &p->client_plain, &p->to_server, p->client_why);
	ok = ok && p->client_plain.n == n && !memcmp(p->client_plain.p, bytes, n);
	if (!ok)
		fprintf(stderr, "server got %zu (%s), client got %zu (%s)\n", p->server_plain.n, p->server_why, p->client_plain.n, p->client_why);
	buf_clear(&p->client_plain);
	buf_fini(&text);
	buf_fini(&again);
	mem_free(bytes);
	return ok;
}

T(tls_carries_bytes_and_closes)
{
	struct tls_context *client, *server;
	struct tls_peer peer = { .server_name = "mx.example.com" };
	struct pair p;

	if (!net_cert("ca.pem"))
		SKIP("openssl cannot make certificates");
	client = context(false, NULL, NULL, NULL, "");
	server = context(true, NULL, net_cert("both.pem"), NULL, "");
	REQUIRE(client && server);
	pair_init(&p, client, server, &peer);
	CHECK(talk(&p, 1));
	CHECK(talk(&p, 300000));
	tls_close_notify(p.client, &p.to_server);
	CHECK_INT(tls_read(p.server, &p.to_server, &p.server_plain, &p.to_client, p.server_why), TLS_CLOSED);
	buf_clear(&p.to_server);
	buf_z(&p.to_server, "QUIT\r\n");
	CHECK(tls_read(p.server, &p.to_server, &p.server_plain, &p.to_client, p.server_why) != TLS_OK || !p.server_plain.n);
	CHECK_INT(p.server_plain.n, 0);
	pair_fini(&p);
	tls_context_unref(client);
	tls_context_unref(server);
}

T(tls_small_room_and_small_pieces)
{
	struct tls_context *client, *server;
	struct tls_peer peer = { .server_name = "mx.example.com" };
	struct buf text, small, piece;
	struct pair p;
	size_t total = 0;

	if (!net_cert("ca.pem"))
		SKIP("openssl cannot make certificates");
	client = context(false, NULL, NULL, NULL, "");
	server = server_of("good", "");
	REQUIRE(client && server);
	pair_init(&p, client, server, &peer);
	buf_init(&text, 40000);
	buf_init(&small, 1000);
	buf_init(&piece, 1 << 20);
	buf_reserve(&text, 40000);
	memset(text.p, 'x', 40000);
	text.n = 40000;
	CHECK_INT(tls_write(p.client, &text, &p.to_server, p.client_why), TLS_OK);
	CHECK_INT(text.n, 0);
	while (p.to_server.n || small.n) {
		size_t n = p.to_server.n < 777 ? p.to_server.n : 777;

		buf_add(&piece, p.to_server.p, n);
		buf_consume(&p.to_server, n);
		do {
			buf_clear(&small);
			REQUIRE(tls_read(p.server, &piece, &small, &p.to_client, p.server_why) == TLS_OK);
			total += small.n;
		} while (small.n);
	}
	CHECK_INT(total, 40000);
	buf_fini(&text);
	buf_fini(&small);
	buf_fini(&piece);
	pair_fini(&p);
	tls_context_unref(client);
	tls_context_unref(server);
}

/* what was not trusted in the full handshake is not trusted later, however often it is resumed */
T(tls_resumed_sessions_are_no_more_trusted_than_their_root)
{
	static const char *const versions[] = { "TLSv1.2", "TLSv1.3" };

	if (!net_cert("ca.pem"))
		SKIP("openssl cannot make certificates");
	for (int v = 0; v < 2; v++) {
		struct tls_context *client = context(false, NULL, NULL, NULL, ""), *server = server_of("good", versions[v]);
		struct tls_peer peer = { .server_name = "mx.example.com", .match = TLS_MATCH_NONE };
		struct tls_saved *saved = NULL;

		REQUIRE(client && server);
		for (int turn = 0; turn < 3; turn++) {
			struct pair p;

			ROW("%s %d", versions[v], turn);
			peer.resume = saved;
			pair_init(&p, client, server, &peer);
			REQUIRE(p.client_step == TLS_OK && talk(&p, 10));
			CHECK_INT(tls_session_info(p.client)->resumed, turn > 0);
			CHECK_INT(tls_session_info(p.client)->trust, TLS_UNTRUSTED);
			CHECK(tls_session_info(p.client)->why_untrusted[0] != 0);
			tls_saved_free(saved);
			saved = tls_session_save(p.client);
			REQUIRE(saved != NULL);
			pair_fini(&p);
		}
		tls_saved_free(saved);
		tls_context_unref(client);
		tls_context_unref(server);
	}
}

T(tls_resumes_with_the_same_trust_and_only_there)
{
	static const char *const versions[] = { "TLSv1.2", "TLSv1.3" };
	static const char *const mx[] = { "mx.example.com", NULL }, *const others[] = { "mx.example.org", NULL };

	if (!net_cert("ca.pem"))
		SKIP("openssl cannot make certificates");
	for (int v = 0; v < 2; v++) {
		struct tls_context *client = context(false, net_cert("ca.pem"), NULL, NULL, "");
		struct tls_context *elsewhere = context(false, net_cert("ca.pem"), NULL, NULL, "");
		struct tls_context *server = server_of("good", versions[v]), *server2 = server_of("good", versions[v]);
		struct tls_peer peer = { .server_name = "mx.example.com", .match = TLS_MATCH_NAME, .names = mx };
		struct tls_saved *saved;
		struct pair p;

		ROW("%s", versions[v]);
		REQUIRE(client && server && server2 && elsewhere);
		pair_init(&p, client, server, &peer);
		CHECK(talk(&p, 10));
		saved = tls_session_save(p.client);
		CHECK(saved != NULL);
		pair_fini(&p);
		peer.resume = saved;
		pair_init(&p, client, server, &peer);
		CHECK_INT(p.client_step, TLS_OK);
		REQUIRE(p.client_step == TLS_OK && p.server_step == TLS_OK);
		CHECK(tls_session_info(p.client)->resumed);
		CHECK(tls_session_info(p.server)->resumed);
		CHECK_INT(tls_session_info(p.client)->trust, TLS_VERIFIED);
		CHECK(talk(&p, 10));
		pair_fini(&p);
		peer.names = others; /* a resumed session is judged like any other */
		pair_init(&p, client, server, &peer);
		CHECK_INT(p.client_step, TLS_FAILED);
		pair_fini(&p);
		peer.names = mx;
		pair_init(&p, elsewhere, server, &peer);
		CHECK(p.client_step == TLS_OK && !tls_session_info(p.client)->resumed);
		pair_fini(&p);
		pair_init(&p, client, server2, &peer);
		CHECK(p.client_step == TLS_OK && !tls_session_info(p.client)->resumed);
		CHECK(p.server_step == TLS_OK && !tls_session_info(p.server)->resumed);
		pair_fini(&p);
		tls_saved_free(saved);
		tls_context_unref(client);
		tls_context_unref(elsewhere);
		tls_context_unref(server);
		tls_context_unref(server2);
	}
}

T(tls_refuses_clear_text_and_no_common_version)
{
	struct tls_context *client, *server;
	struct tls_peer peer = { .server_name = "mx.example.com" };
	struct pair p;

	if (!net_cert("ca.pem"))
		SKIP("openssl cannot make certificates");
	client = context(false, NULL, NULL, NULL, "TLSv1.2");
	server = server_of("good", "TLSv1.3");
	REQUIRE(client && server);
	pair_init(&p, client, server, &peer);
	CHECK_INT(p.server_step, TLS_FAILED);
	CHECK_STR(p.server_why, "no protocol version in common: TLS 1.2 and 1.3 are spoken here (-0x6E80)");
	CHECK_INT(p.client_step, TLS_FAILED);
	CHECK_STR(p.client_why, "the peer refused the handshake: it does not speak TLS 1.2 or 1.3 as we do");
	pair_fini(&p);
	p.server = tls_session_new(server, NULL);
	p.client = NULL;
	buf_z(&p.to_server, "EHLO client.example\r\nMAIL FROM:<a@b>\r\n");
	CHECK_INT(tls_handshake(p.server, &p.to_server, &p.to_client, p.server_why), TLS_FAILED);
	CHECK_STR(p.server_why, "an invalid record: the peer may not speak TLS (-0x7200)");
	pair_fini(&p);
	tls_context_unref(client);
	tls_context_unref(server);
}

/* RFC 7748 section 5.2 */
T(tls_x25519_is_that_of_the_rfc)
{
	uint8_t k[32] = { 9 }, u[32] = { 9 }, r[32], scalar[32];
	char text[65];

	for (int i = 1; i <= 1000; i++) {
		memcpy(scalar, k, sizeof(scalar));
		scalar[0] &= 248;
		scalar[31] = (uint8_t)((scalar[31] & 127) | 64);
		if (!tls_x25519(r, scalar, u))
			return;
		memcpy(u, k, sizeof(u));
		memcpy(k, r, sizeof(k));
		for (int n = 0; n < 32; n++)
			snprintf(text + 2 * n, 3, "%02x", k[n]);
		if (i == 1)
			CHECK_STR(text, "422c8e7a6227d7bca1350b3e2bb7279f7897b87bb6854b783c60e80311ae3079");
		if (i == 1000)
			CHECK_STR(text, "684cf59ba83309552800ef566f2f4d3c1c3887c49360e3875f2eb94d99532c51");
	}
}
