/* tls.c - mbedTLS behind tls.h; words and grammars that need no library are in tls_names.c.
 *
 * Verification is in two halves. The library builds the chain and reports what is wrong with it (VERIFY_OPTIONAL: it
 * never decides); at the end of the handshake, before a byte of the application passes, judge_peer decides by what the
 * caller asked: nothing, a name, or a fingerprint. So there is one place that can say no, and it runs in full handshakes
 * and resumed ones alike. A saved session is only offered from the context it was made with, so trust earned under one
 * set of anchors never counts under another.
 *
 * Random bytes come from the kernel for each call: no state that threads would share. Cipher text moves through the two
 * buffers of the running call. */
#include <arpa/inet.h>
#include <stdatomic.h>
#include <stdio.h>

#include <mbedtls/base64.h>
#include <mbedtls/md.h>
#include <mbedtls/oid.h>
#include <mbedtls/ssl.h>
#include <mbedtls/ssl_ticket.h>
#include <psa/crypto.h>

#include "core/base/limits.h"
#include "core/base/mem.h"
#include "core/base/random.h"
#include "core/net/tls.h"
#include "core/net/tls_files.h"
#include "core/net/tls_names.h"

enum { TICKET_SECONDS = 3600 };

struct identity {
	mbedtls_x509_crt chain;
	mbedtls_pk_context key;
};

struct tls_context {
	atomic_int refs;
	bool server, has_tickets;
	mbedtls_ssl_config conf;
	mbedtls_x509_crt ca;
	mbedtls_ssl_ticket_context ticket;
	struct identity own[LIMIT_TLS_IDENTITIES];
	size_t n_own;
};

struct tls_session {
	struct tls_context *ctx;
	mbedtls_ssl_context ssl;
	struct buf *net_in, *net_out;  /* during a call */
	size_t taken;                  /* bytes of net_in used up in this call */
	enum tls_match match;
	char **names, **fingerprints;
	struct tls_info *info;         /* when the handshake is done */
	bool chain_checked;            /* client: a certificate came, so this is no resumption */
	bool ticket_taken;             /* server: resumed from a ticket */
	bool ticket_came;              /* client, TLS 1.3 */
	bool broken;
};

struct tls_saved {
	struct tls_context *ctx;
	mbedtls_ssl_session session;
};

static int fill_random(void *ctx, unsigned char *p, size_t n)
{
	(void)ctx;
	random_bytes(p, n);
	return 0;
}

psa_status_t mbedtls_psa_external_get_random(mbedtls_psa_external_random_context_t *ctx, uint8_t *p, size_t n, size_t *got)
{
	(void)ctx;
	random_bytes(p, n);
	*got = n;
	return PSA_SUCCESS;
}

static void error_text(int code, char *out, size_t size)
{
	if (code == MBEDTLS_ERR_SSL_CONN_EOF)
		snprintf(out, size, "connection lost");
	else
		snprintf(out, size, "%s (-0x%04X)", tls_error_text((unsigned)-code), (unsigned)-code);
}

/* --- certificates and keys ---------------------------------------------------------------------------------------- */

/* certificates of a file that do not parse are passed over, as long as one does */
static bool add_ca(void *ctx, struct str text)
{
	return mbedtls_x509_crt_parse(ctx, (const unsigned char *)text.p, tls_text_length(text)) >= 0;
}

static bool load_ca(struct tls_context *c, const struct tls_options *o, struct buf *why)
{
	if (!tls_each_ca(o->ca_file, o->ca_path, add_ca, &c->ca, why))
		return false;
	if (c->ca.version)
		mbedtls_ssl_conf_ca_chain(&c->conf, &c->ca, NULL);
	return true;
}

static const char *add_identity(void *ctx, struct str key, struct str chain)
{
	struct tls_context *c = ctx;
	struct identity *id = &c->own[c->n_own];
	const unsigned char *key_p = (const unsigned char *)key.p, *chain_p = (const unsigned char *)chain.p;

	if (c->n_own == LIMIT_TLS_IDENTITIES)
		return "too many keys";
	c->n_own++;
	mbedtls_x509_crt_init(&id->chain);
	mbedtls_pk_init(&id->key);
	if (!chain.n || mbedtls_x509_crt_parse(&id->chain, chain_p, tls_text_length(chain)))
		return "no usable certificate chain in it";
	if (!key.n || mbedtls_pk_parse_key(&id->key, key_p, tls_text_length(key), NULL, 0, fill_random, NULL))
		return "no usable private key for it (an encrypted one is not)";
	if (mbedtls_pk_check_pair(&id->chain.pk, &id->key, fill_random, NULL))
		return "the private key is not that of the first certificate";
	if (mbedtls_ssl_conf_own_cert(&c->conf, &id->chain, &id->key))
		return "cannot be used";
	return NULL;
}

static bool same_name(const mbedtls_x509_buf *a, const mbedtls_x509_buf *b)
{
	return a->len == b->len && memcmp(a->p, b->p, a->len) == 0;
}

/* complete_chain - a server whose file has its certificate alone sends what ca_file has between that and the root */
static void complete_chain(struct tls_context *c, mbedtls_x509_crt *chain)
{
	const mbedtls_x509_crt *ca;
	mbedtls_x509_crt *last = chain;

	for (int step = 0; step < LIMIT_TLS_CHAIN; step++) {
		while (last->next)
			last = last->next;
		for (ca = &c->ca; ca && ca->version; ca = ca->next)
			if (same_name(&ca->subject_raw, &last->issuer_raw))
				break;
		/* the root is the client's own */
		if (!ca || !ca->version || same_name(&ca->subject_raw, &ca->issuer_raw) ||
		    mbedtls_x509_crt_parse_der(chain, ca->raw.p, ca->raw.len))
			return;
	}
}

static bool load_own(struct tls_context *c, const struct tls_options *o, struct buf *why)
{
	if (!tls_each_identity(o->cert_file, o->key_file, o->chain_files, add_identity, c, why))
		return false;
	for (size_t i = 0; c->server && i < c->n_own; i++)
		complete_chain(c, &c->own[i].chain);
	/* clients are not asked for certificates, so that is all a server needs them for */
	if (c->server) {
		mbedtls_x509_crt_free(&c->ca);
		mbedtls_x509_crt_init(&c->ca);
	}
	if (!c->server || c->n_own)
		return true;
	buf_z(why, "a TLS server needs a certificate and its key");
	return false;
}

/* --- contexts ----------------------------------------------------------------------------------------------------- */

static bool set_protocols(struct tls_context *c, const char *list, struct buf *why)
{
	int set = tls_protocols_parse(list, why);

	if (!set)
		return false;
	mbedtls_ssl_conf_min_tls_version(&c->conf, set & TLS_V12 ? MBEDTLS_SSL_VERSION_TLS1_2 : MBEDTLS_SSL_VERSION_TLS1_3);
	mbedtls_ssl_conf_max_tls_version(&c->conf, set & TLS_V13 ? MBEDTLS_SSL_VERSION_TLS1_3 : MBEDTLS_SSL_VERSION_TLS1_2);
	return true;
}

/* the session whose handshake this thread is running: the library's ticket callback does not say */
static _Thread_local struct tls_session *running;

static int take_ticket(void *ctx, mbedtls_ssl_session *session, unsigned char *p, size_t n)
{
	int r = mbedtls_ssl_ticket_parse(ctx, session, p, n);

	if (r == 0 && running)
		running->ticket_taken = true;
	return r;
}

static bool set_server(struct tls_context *c, bool tickets)
{
	/* a client that wants another protocol here was lured (threats B7) */
	static const char *alpn[] = {"smtp", NULL};

	mbedtls_ssl_conf_authmode(&c->conf, MBEDTLS_SSL_VERIFY_NONE);
	mbedtls_ssl_conf_new_session_tickets(&c->conf, tickets);
	if (mbedtls_ssl_conf_alpn_protocols(&c->conf, alpn))
		return false;
	if (!tickets)
		return true;
	c->has_tickets = true;
	mbedtls_ssl_ticket_init(&c->ticket);
	if (mbedtls_ssl_ticket_setup(&c->ticket, fill_random, NULL, MBEDTLS_CIPHER_AES_256_GCM, TICKET_SECONDS))
		return false;
	mbedtls_ssl_conf_session_tickets_cb(&c->conf, mbedtls_ssl_ticket_write, take_ticket, &c->ticket);
	return true;
}

static bool set_client(struct tls_context *c)
{
	mbedtls_ssl_conf_authmode(&c->conf, MBEDTLS_SSL_VERIFY_OPTIONAL);
	mbedtls_ssl_conf_tls13_enable_signal_new_session_tickets(&c->conf, MBEDTLS_SSL_TLS1_3_SIGNAL_NEW_SESSION_TICKETS_ENABLED);
	return true;
}

struct tls_context *tls_context_new(const struct tls_options *o, struct buf *why)
{
	int side = o->server ? MBEDTLS_SSL_IS_SERVER : MBEDTLS_SSL_IS_CLIENT;
	struct tls_context *c = MEM_NEW(struct tls_context);

	atomic_init(&c->refs, 1);
	c->server = o->server;
	mbedtls_ssl_config_init(&c->conf);
	mbedtls_x509_crt_init(&c->ca);
	if (psa_crypto_init() != PSA_SUCCESS || mbedtls_ssl_config_defaults(&c->conf, side, MBEDTLS_SSL_TRANSPORT_STREAM,
			MBEDTLS_SSL_PRESET_DEFAULT)) {
		buf_z(why, "the TLS library does not start");
		tls_context_unref(c);
		return NULL;
	}
	mbedtls_ssl_conf_rng(&c->conf, fill_random, NULL);
	if (!set_protocols(c, o->protocols ? o->protocols : "", why) || !load_ca(c, o, why) || !load_own(c, o, why)) {
		tls_context_unref(c);
		return NULL;
	}
	if (!(o->server ? set_server(c, o->tickets) : set_client(c))) {
		buf_z(why, "the TLS library refuses its configuration");
		tls_context_unref(c);
		return NULL;
	}
	return c;
}

struct tls_context *tls_context_ref(struct tls_context *c)
{
	atomic_fetch_add(&c->refs, 1);
	return c;
}

void tls_context_unref(struct tls_context *c)
{
	if (!c || atomic_fetch_sub(&c->refs, 1) != 1)
		return;
	for (size_t i = 0; i < c->n_own; i++) {
		mbedtls_x509_crt_free(&c->own[i].chain);
		mbedtls_pk_free(&c->own[i].key);
	}
	if (c->has_tickets)
		mbedtls_ssl_ticket_free(&c->ticket);
	mbedtls_x509_crt_free(&c->ca);
	mbedtls_ssl_config_free(&c->conf);
	mem_free(c);
}

/* --- sessions ----------------------------------------------------------------------------------------------------- */

static int give(void *ctx, const unsigned char *p, size_t n)
{
	struct tls_session *s = ctx;

	return buf_add(s->net_out, p, n) ? (int)n : MBEDTLS_ERR_SSL_INTERNAL_ERROR;
}

static int take(void *ctx, unsigned char *p, size_t n)
{
	struct tls_session *s = ctx;
	size_t left = s->net_in->n - s->taken;

	if (!left)
		return MBEDTLS_ERR_SSL_WANT_READ;
	n = n < left ? n : left;
	memcpy(p, s->net_in->p + s->taken, n);
	s->taken += n;
	return (int)n;
}

static void call_begin(struct tls_session *s, struct buf *net_in, struct buf *net_out)
{
	s->net_in = net_in;
	s->net_out = net_out;
	s->taken = 0;
}

static void call_end(struct tls_session *s)
{
	if (s->net_in)
		buf_consume(s->net_in, s->taken);
	s->net_in = s->net_out = NULL;
}

static int on_certificate(void *ctx, mbedtls_x509_crt *crt, int depth, uint32_t *flags)
{
	struct tls_session *s = ctx;

	(void)crt, (void)depth, (void)flags;
	s->chain_checked = true;
	return 0;
}

static char **copy_list(const char *const *list)
{
	size_t n = 0;
	char **copy;

	while (list && list[n])
		n++;
	copy = mem_array(NULL, n + 1, sizeof(*copy));
	for (size_t i = 0; i < n; i++)
		copy[i] = mem_dupz(list[i]);
	copy[n] = NULL;
	return copy;
}

static void free_list(char **list)
{
	for (size_t i = 0; list && list[i]; i++)
		mem_free(list[i]);
	mem_free(list);
}

static bool is_address(const char *name)
{
	uint8_t b[16];

	return inet_pton(AF_INET, name, b) == 1 || inet_pton(AF_INET6, name, b) == 1;
}

static bool set_peer(struct tls_session *s, const struct tls_peer *peer)
{
	struct str name = str_of(peer->server_name);
	char *host = NULL;
	int r;

	if (name.n > 1 && name.p[name.n - 1] == '.')
		name.n--;
	if (name.n && name.n <= LIMIT_DOMAIN && !is_address(peer->server_name))
		host = str_dup(name);
	r = mbedtls_ssl_set_hostname(&s->ssl, host); /* NULL is the explicit "no name" */
	mem_free(host);
	s->match = peer->match;
	s->names = copy_list(peer->names);
	s->fingerprints = copy_list(peer->fingerprints);
	mbedtls_ssl_set_verify(&s->ssl, on_certificate, s);
	if (peer->resume && peer->resume->ctx == s->ctx)
		mbedtls_ssl_set_session(&s->ssl, &peer->resume->session);
	return r == 0;
}

struct tls_session *tls_session_new(struct tls_context *c, const struct tls_peer *peer)
{
	struct tls_session *s = MEM_NEW(struct tls_session);

	if (c->server != !peer)
		BUG("a TLS client expects a peer, a server does not");
	s->ctx = tls_context_ref(c);
	mbedtls_ssl_init(&s->ssl);
	if (mbedtls_ssl_setup(&s->ssl, &c->conf) || (peer && !set_peer(s, peer))) {
		tls_session_free(s);
		return NULL;
	}
	mbedtls_ssl_set_bio(&s->ssl, s, give, take, NULL);
	return s;
}

void tls_session_free(struct tls_session *s)
{
	if (!s)
		return;
	mbedtls_ssl_free(&s->ssl);
	free_list(s->names);
	free_list(s->fingerprints);
	mem_free(s->info);
	tls_context_unref(s->ctx);
	mem_free(s);
}

/* --- what the peer is --------------------------------------------------------------------------------------------- */

static const struct { uint32_t flag; const char *text; } complaints[] = {
	{MBEDTLS_X509_BADCERT_EXPIRED, "certificate has expired"},
	{MBEDTLS_X509_BADCERT_FUTURE, "certificate is not yet valid"},
	{MBEDTLS_X509_BADCERT_REVOKED, "certificate revoked"},
	{MBEDTLS_X509_BADCERT_NOT_TRUSTED, "unable to get local issuer certificate"},
	{MBEDTLS_X509_BADCERT_MISSING, "no certificate was sent"},
	{MBEDTLS_X509_BADCERT_KEY_USAGE, "unsupported certificate purpose (key usage)"},
	{MBEDTLS_X509_BADCERT_EXT_KEY_USAGE, "unsupported certificate purpose"},
	{MBEDTLS_X509_BADCERT_NS_CERT_TYPE, "unsupported certificate purpose (type)"},
	{MBEDTLS_X509_BADCERT_BAD_MD, "signed with a weak digest"},
	{MBEDTLS_X509_BADCERT_BAD_PK, "key type not accepted"},
	{MBEDTLS_X509_BADCERT_BAD_KEY, "key too weak"},
};

static void explain_flags(uint32_t flags, bool self_signed, char *out, size_t size)
{
	struct buf b;

	buf_init(&b, size - 1);
	for (size_t i = 0; i < sizeof(complaints) / sizeof(complaints[0]); i++) {
		bool self = self_signed && complaints[i].flag == MBEDTLS_X509_BADCERT_NOT_TRUSTED;

		if (flags & complaints[i].flag)
			buf_printf(&b, "%s%s", b.n ? "; " : "", self ? "self-signed certificate" : complaints[i].text);
	}
	snprintf(out, size, "%s", b.n ? buf_cstr(&b) : "certificate not accepted");
	buf_fini(&b);
}

static void common_name(const mbedtls_x509_name *name, char *out, size_t size)
{
	for (; name; name = name->next)
		if (MBEDTLS_OID_CMP(MBEDTLS_OID_AT_CN, &name->oid) == 0) {
			tls_clean_text(str_make((const char *)name->val.p, name->val.len), out, size);
			return;
		}
}

enum { SAN_DNS = MBEDTLS_ASN1_CONTEXT_SPECIFIC | 2, SAN_IP = MBEDTLS_ASN1_CONTEXT_SPECIFIC | 7 };

static bool san_is_present(const mbedtls_x509_crt *crt)
{
	return crt->subject_alt_names.buf.p != NULL;
}

static void list_names(const mbedtls_x509_crt *crt, struct buf *out)
{
	for (const mbedtls_x509_sequence *s = &crt->subject_alt_names; s && s->buf.p; s = s->next) {
		char text[256] = "";

		if (s->buf.tag == SAN_DNS)
			tls_clean_text(str_make((const char *)s->buf.p, s->buf.len), text, sizeof(text));
		else if (s->buf.tag == SAN_IP && (s->buf.len == 4 || s->buf.len == 16))
			inet_ntop(s->buf.len == 4 ? AF_INET : AF_INET6, s->buf.p, text, sizeof(text));
		if (*text)
			buf_printf(out, "%s%s", out->n ? " " : "", text);
	}
}

static bool name_is_in(const char *wanted, const mbedtls_x509_crt *crt)
{
	uint8_t address[16];
	size_t n = inet_pton(AF_INET, wanted, address) == 1 ? 4 : inet_pton(AF_INET6, wanted, address) == 1 ? 16 : 0;

	for (const mbedtls_x509_sequence *s = &crt->subject_alt_names; s && s->buf.p; s = s->next) {
		if (n && s->buf.tag == SAN_IP && s->buf.len == n && memcmp(s->buf.p, address, n) == 0)
			return true;
		if (!n && s->buf.tag == SAN_DNS &&
		    tls_name_matches(str_of(wanted), str_make((const char *)s->buf.p, s->buf.len)))
			return true;
	}
	if (n || san_is_present(crt))
		return false;
	for (const mbedtls_x509_name *name = &crt->subject; name; name = name->next)
		if (MBEDTLS_OID_CMP(MBEDTLS_OID_AT_CN, &name->oid) == 0)
			return tls_name_matches(str_of(wanted), str_make((const char *)name->val.p, name->val.len));
	return false;
}

static const struct { size_t length; mbedtls_md_type_t type; } digests[] = {
	{16, MBEDTLS_MD_MD5}, {20, MBEDTLS_MD_SHA1}, {32, MBEDTLS_MD_SHA256}, {48, MBEDTLS_MD_SHA384}, {64, MBEDTLS_MD_SHA512},
};

static bool digest(size_t length, const mbedtls_x509_buf *of, uint8_t out[64])
{
	for (size_t i = 0; i < sizeof(digests) / sizeof(digests[0]); i++)
		if (digests[i].length == length)
			return mbedtls_md(mbedtls_md_info_from_type(digests[i].type), of->p, of->len, out) == 0;
	return false;
}

static bool fingerprint_is_of(const char *wanted, const mbedtls_x509_crt *crt)
{
	size_t n = tls_fingerprint_length(str_of(wanted));
	uint8_t d[64];

	return (digest(n, &crt->raw, d) && tls_fingerprint_matches(str_of(wanted), d, n)) ||
		(digest(n, &crt->pk_raw, d) && tls_fingerprint_matches(str_of(wanted), d, n));
}

static usec date_of(const mbedtls_x509_time *t)
{
	return tls_date(t->year, t->mon, t->day, t->hour, t->min, t->sec);
}

static void describe_certificate(struct tls_info *i, const mbedtls_x509_crt *crt)
{
	struct buf names;
	uint8_t d[64];

	if (mbedtls_x509_dn_gets(i->subject, sizeof(i->subject), &crt->subject) < 0)
		i->subject[0] = 0;
	if (mbedtls_x509_dn_gets(i->issuer, sizeof(i->issuer), &crt->issuer) < 0)
		i->issuer[0] = 0;
	common_name(&crt->subject, i->subject_cn, sizeof(i->subject_cn));
	common_name(&crt->issuer, i->issuer_cn, sizeof(i->issuer_cn));
	buf_init(&names, sizeof(i->names) - 1);
	list_names(crt, &names);
	snprintf(i->names, sizeof(i->names), "%s", buf_cstr(&names));
	buf_fini(&names);
	i->not_before = date_of(&crt->valid_from);
	i->not_after = date_of(&crt->valid_to);
	snprintf(i->key, sizeof(i->key), "%s %zu", mbedtls_pk_get_name(&crt->pk), mbedtls_pk_get_bitlen(&crt->pk));
	if (digest(32, &crt->raw, d))
		for (size_t k = 0; k < 32; k++)
			snprintf(i->sha256 + 3 * k, 4, k < 31 ? "%02X:" : "%02X", d[k]);
	for (; crt; crt = crt->next)
		i->chain_length++;
}

static const struct tls_info *describe(struct tls_session *s)
{
	const mbedtls_x509_crt *crt = mbedtls_ssl_get_peer_cert(&s->ssl);
	int id = mbedtls_ssl_get_ciphersuite_id_from_ssl(&s->ssl);
	struct tls_info *i = s->info = MEM_NEW(struct tls_info);
	uint32_t flags = mbedtls_ssl_get_verify_result(&s->ssl) & ~(uint32_t)MBEDTLS_X509_BADCERT_CN_MISMATCH;

	i->version = mbedtls_ssl_get_version(&s->ssl);
	i->bits = (int)mbedtls_ssl_ciphersuite_get_cipher_key_bitlen(mbedtls_ssl_ciphersuite_from_id(id));
	snprintf(i->cipher, sizeof(i->cipher), "%s", tls_cipher_name(mbedtls_ssl_get_ciphersuite(&s->ssl)));
	i->resumed = s->ctx->server ? s->ticket_taken : !s->chain_checked;
	if (!crt)
		return i;
	describe_certificate(i, crt);
	i->trust = flags ? TLS_UNTRUSTED : TLS_TRUSTED;
	if (flags)
		explain_flags(flags, strcmp(i->subject, i->issuer) == 0, i->why_untrusted, sizeof(i->why_untrusted));
	return i;
}

/* the one place that decides: 0, or the alert to send, with why */
static int judge_peer(struct tls_session *s, char why[160])
{
	const mbedtls_x509_crt *crt = mbedtls_ssl_get_peer_cert(&s->ssl);
	struct tls_info *i = s->info;

	if (s->match == TLS_MATCH_NONE)
		return 0;
	if (!crt) {
		snprintf(why, 160, "the server sent no certificate");
		return MBEDTLS_SSL_ALERT_MSG_NO_CERT;
	}
	if (s->match == TLS_MATCH_NAME && i->trust != TLS_TRUSTED) {
		snprintf(why, 160, "certificate not trusted: %.120s", i->why_untrusted);
		return MBEDTLS_SSL_ALERT_MSG_UNKNOWN_CA;
	}
	for (char **w = s->match == TLS_MATCH_NAME ? s->names : s->fingerprints; *w; w++)
		if (s->match == TLS_MATCH_NAME ? name_is_in(*w, crt) : fingerprint_is_of(*w, crt)) {
			i->trust = TLS_VERIFIED;
			return 0;
		}
	if (s->match == TLS_MATCH_NAME)
		snprintf(why, 160, "certificate is for another name: %.120s", *i->names ? i->names : i->subject_cn);
	else
		snprintf(why, 160, "certificate fingerprint mismatch: sha256 %.100s", i->sha256);
	return MBEDTLS_SSL_ALERT_MSG_BAD_CERT;
}

const char *tls_trust_word(enum tls_trust t)
{
	static const char *const words[] = {"Anonymous", "Untrusted", "Trusted", "Verified"};

	return words[t];
}

const struct tls_info *tls_session_info(struct tls_session *s)
{
	return s->info;
}

/* --- bytes -------------------------------------------------------------------------------------------------------- */

static enum tls_step fail(struct tls_session *s, int code, char why[160])
{
	s->broken = true;
	if (code)
		error_text(code, why, 160);
	return TLS_FAILED;
}

enum tls_step tls_handshake(struct tls_session *s, struct buf *net_in, struct buf *net_out, char why[160])
{
	enum tls_step step = TLS_OK;
	int r, alert;

	if (s->broken)
		return TLS_FAILED;
	call_begin(s, net_in, net_out);
	running = s;
	r = mbedtls_ssl_handshake(&s->ssl);
	running = NULL;
	if (r == MBEDTLS_ERR_SSL_WANT_READ) {
		step = TLS_WANT_READ;
	} else if (r) {
		step = fail(s, r, why);
	} else {
		describe(s);
		alert = judge_peer(s, why);
		if (alert) {
			mbedtls_ssl_send_alert_message(&s->ssl, MBEDTLS_SSL_ALERT_LEVEL_FATAL, (unsigned char)alert);
			step = fail(s, 0, why);
		}
	}
	call_end(s);
	return step;
}

/* one decrypted piece: bytes, or a code. The library may stop after a message that is not data (a ticket) and wants to
 * be called `again` for it, even without more input */
static int read_piece(struct tls_session *s, struct buf *plain, bool again)
{
	size_t room = plain->max - plain->n, most = s->net_in->n - s->taken + mbedtls_ssl_get_bytes_avail(&s->ssl) + again;
	int r;

	room = room < most ? room : most; /* plain text is never longer than what it came in */
	if (!room || !buf_reserve(plain, room))
		return MBEDTLS_ERR_SSL_WANT_READ;
	r = mbedtls_ssl_read(&s->ssl, (unsigned char *)plain->p + plain->n, room);
	if (r > 0) {
		plain->n += (size_t)r;
		plain->p[plain->n] = 0;
	}
	return r ? r : MBEDTLS_ERR_SSL_PEER_CLOSE_NOTIFY;
}

enum tls_step tls_read(struct tls_session *s, struct buf *net_in, struct buf *plain, struct buf *net_out, char why[160])
{
	enum tls_step step = TLS_OK;
	bool again = false;
	int r;

	if (s->broken)
		return TLS_FAILED;
	call_begin(s, net_in, net_out);
	do {
		size_t before = s->taken;

		r = read_piece(s, plain, again);
		s->ticket_came |= r == MBEDTLS_ERR_SSL_RECEIVED_NEW_SESSION_TICKET;
		again = r == MBEDTLS_ERR_SSL_RECEIVED_NEW_SESSION_TICKET ||
			(r == MBEDTLS_ERR_SSL_WANT_READ && s->taken != before);
	} while (r > 0 || again);
	if (r == MBEDTLS_ERR_SSL_PEER_CLOSE_NOTIFY)
		step = TLS_CLOSED;
	else if (r != MBEDTLS_ERR_SSL_WANT_READ)
		step = fail(s, r, why);
	call_end(s);
	return step;
}

enum tls_step tls_write(struct tls_session *s, struct buf *plain, struct buf *net_out, char why[160])
{
	enum tls_step step = TLS_OK;
	size_t done = 0;

	if (s->broken)
		return TLS_FAILED;
	call_begin(s, NULL, net_out);
	while (done < plain->n && net_out->n < LIMIT_CONN_READ) {
		int r = mbedtls_ssl_write(&s->ssl, (const unsigned char *)plain->p + done, plain->n - done);

		if (r == MBEDTLS_ERR_SSL_RECEIVED_NEW_SESSION_TICKET) {
			s->ticket_came = true; /* it was read when there was no room to go on */
			continue;
		}
		if (r <= 0) {
			step = fail(s, r ? r : MBEDTLS_ERR_SSL_INTERNAL_ERROR, why);
			break;
		}
		done += (size_t)r;
	}
	buf_consume(plain, done);
	call_end(s);
	return step;
}

void tls_close_notify(struct tls_session *s, struct buf *net_out)
{
	if (s->broken)
		return;
	call_begin(s, NULL, net_out);
	mbedtls_ssl_close_notify(&s->ssl);
	call_end(s);
}

/* --- resumption, export ------------------------------------------------------------------------------------------- */

struct tls_saved *tls_session_save(struct tls_session *s)
{
	bool possible = !s->ctx->server && s->info && !s->broken && (strcmp(s->info->version, "TLSv1.3") != 0 || s->ticket_came);
	struct tls_saved *saved;

	if (!possible)
		return NULL;
	saved = MEM_NEW(struct tls_saved);
	saved->ctx = tls_context_ref(s->ctx);
	mbedtls_ssl_session_init(&saved->session);
	if (mbedtls_ssl_get_session(&s->ssl, &saved->session)) {
		tls_saved_free(saved);
		return NULL;
	}
	return saved;
}

void tls_saved_free(struct tls_saved *s)
{
	if (!s)
		return;
	mbedtls_ssl_session_free(&s->session);
	tls_context_unref(s->ctx);
	mem_free(s);
}

size_t tls_peer_pem(struct tls_session *s, struct buf *out)
{
	size_t count = 0;

	for (const mbedtls_x509_crt *crt = mbedtls_ssl_get_peer_cert(&s->ssl); crt; crt = crt->next, count++) {
		buf_z(out, "-----BEGIN CERTIFICATE-----\n");
		for (size_t at = 0; at < crt->raw.len; at += 48) {
			size_t n = crt->raw.len - at < 48 ? crt->raw.len - at : 48, used;
			unsigned char line[65];

			mbedtls_base64_encode(line, sizeof(line), &used, crt->raw.p + at, n);
			buf_printf(out, "%.*s\n", (int)used, (char *)line);
		}
		buf_z(out, "-----END CERTIFICATE-----\n");
	}
	return count;
}

static bool is_anchor(mbedtls_x509_crt *chain, const mbedtls_x509_crt *believed)
{
	mbedtls_x509_crt ca;
	uint32_t flags = 0;
	bool good;

	mbedtls_x509_crt_init(&ca);
	good = mbedtls_x509_crt_parse_der(&ca, believed->raw.p, believed->raw.len) == 0 &&
		mbedtls_x509_crt_verify(chain, &ca, NULL, NULL, &flags, NULL, NULL) == 0;
	mbedtls_x509_crt_free(&ca);
	return good;
}

bool tls_peer_is(struct tls_session *s, const char *name)
{
	const mbedtls_x509_crt *crt = mbedtls_ssl_get_peer_cert(&s->ssl);

	return crt && name_is_in(name, crt);
}

size_t tls_peer_chain(struct tls_session *s, struct tls_link out[TLS_LINKS])
{
	mbedtls_x509_crt *chain = (mbedtls_x509_crt *)(uintptr_t)mbedtls_ssl_get_peer_cert(&s->ssl);
	size_t n = 0;

	for (const mbedtls_x509_crt *crt = chain; crt && n < TLS_LINKS; crt = crt->next, n++) {
		const mbedtls_x509_buf *whole[2] = { &crt->raw, &crt->pk_raw };

		for (int k = 0; k < 2; k++) {
			tls_sha256(out[n].sha256[k], whole[k]->p, whole[k]->len);
			tls_sha512(out[n].sha512[k], whole[k]->p, whole[k]->len);
		}
		out[n].anchors = n && is_anchor(chain, crt);
	}
	return n;
}

bool tls_public_key(const void *der, size_t n, char out[32])
{
	mbedtls_pk_context pk;
	bool good;

	mbedtls_pk_init(&pk);
	good = mbedtls_pk_parse_public_key(&pk, der, n) == 0;
	if (good)
		snprintf(out, 32, "%s %zu", mbedtls_pk_get_name(&pk), mbedtls_pk_get_bitlen(&pk));
	mbedtls_pk_free(&pk);
	return good;
}

/* --- digests ------------------------------------------------------------------------------------------------------ */

void tls_hmac_md5(uint8_t out[16], const void *key, size_t key_n, const void *p, size_t n)
{
	if (mbedtls_md_hmac(mbedtls_md_info_from_type(MBEDTLS_MD_MD5), key, key_n, p, n, out))
		BUG("hmac");
}

void tls_sha256(uint8_t out[32], const void *p, size_t n)
{
	if (mbedtls_md(mbedtls_md_info_from_type(MBEDTLS_MD_SHA256), p, n, out))
		BUG("sha256");
}

void tls_sha512(uint8_t out[64], const void *p, size_t n)
{
	if (mbedtls_md(mbedtls_md_info_from_type(MBEDTLS_MD_SHA512), p, n, out))
		BUG("sha512");
}
