/* tls_peer - who the other side is by its certificate, and whether that is whom the caller wants. */
#include <arpa/inet.h>
#include <stdio.h>

#include <mbedtls/oid.h>

#include "core/base/log.h"
#include "core/base/mem.h"
#include "core/net/tls_names.h"
#include "core/net/tls_private.h"

/* --- what it is --------------------------------------------------------------------------------------------- */

static const struct { uint32_t flag; const char *text; } complaints[] = {
	{ MBEDTLS_X509_BADCERT_EXPIRED, "certificate has expired" },
	{ MBEDTLS_X509_BADCERT_FUTURE, "certificate is not yet valid" },
	{ MBEDTLS_X509_BADCERT_REVOKED, "certificate revoked" },
	{ MBEDTLS_X509_BADCERT_NOT_TRUSTED, "unable to get local issuer certificate" },
	{ MBEDTLS_X509_BADCERT_MISSING, "no certificate was sent" },
	{ MBEDTLS_X509_BADCERT_KEY_USAGE, "unsupported certificate purpose (key usage)" },
	{ MBEDTLS_X509_BADCERT_EXT_KEY_USAGE, "unsupported certificate purpose" },
	{ MBEDTLS_X509_BADCERT_NS_CERT_TYPE, "unsupported certificate purpose (type)" },
	{ MBEDTLS_X509_BADCERT_BAD_MD, "signed with a weak digest" },
	{ MBEDTLS_X509_BADCERT_BAD_PK, "key type not accepted" },
	{ MBEDTLS_X509_BADCERT_BAD_KEY, "key too weak" },
	{ MBEDTLS_X509_BADCERT_OTHER, "certificate chain too long" },
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

static bool fingerprint_is_of(const char *wanted, const mbedtls_x509_crt *crt)
{
	size_t n = tls_fingerprint_length(str_of(wanted));
	uint8_t d[64];

	return (tls_digest(n, crt->raw.p, crt->raw.len, d) && tls_fingerprint_matches(str_of(wanted), d, n)) ||
		(tls_digest(n, crt->pk_raw.p, crt->pk_raw.len, d) && tls_fingerprint_matches(str_of(wanted), d, n));
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
	if (tls_digest(32, crt->raw.p, crt->raw.len, d))
		tls_fingerprint(d, 32, i->sha256);
	for (; crt; crt = crt->next)
		i->chain_length++;
}

void tls_describe(struct tls_session *s)
{
	const mbedtls_x509_crt *crt = mbedtls_ssl_get_peer_cert(&s->ssl);
	int id = mbedtls_ssl_get_ciphersuite_id_from_ssl(&s->ssl);
	struct tls_info *i = s->info = MEM_NEW(struct tls_info);

	i->version = mbedtls_ssl_get_version(&s->ssl);
	i->bits = (int)mbedtls_ssl_ciphersuite_get_cipher_key_bitlen(mbedtls_ssl_ciphersuite_from_id(id));
	snprintf(i->cipher, sizeof(i->cipher), "%s", tls_cipher_name(mbedtls_ssl_get_ciphersuite(&s->ssl)));
	i->resumed = s->ctx->server ? s->ticket_taken : !s->chain_checked;
	if (!crt)
		return;
	describe_certificate(i, crt);
	/* of a resumed session of TLS 1.3 the library says that nothing is wrong: it has not looked */
	if (s->ctx->server || s->chain_checked)
		s->doubts = mbedtls_ssl_get_verify_result(&s->ssl) & ~(uint32_t)MBEDTLS_X509_BADCERT_CN_MISMATCH;
	i->trust = s->doubts ? TLS_UNTRUSTED : TLS_TRUSTED;
	if (s->doubts)
		explain_flags(s->doubts, strcmp(i->subject, i->issuer) == 0, i->why_untrusted, sizeof(i->why_untrusted));
}

int tls_judge(struct tls_session *s, char why[160])
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
	static const char *const words[] = { "Anonymous", "Untrusted", "Trusted", "Verified" };

	return words[t];
}

void tls_log(struct log_line *l, const struct tls_info *t, const char *way, const char *peer)
{
	log_event(l, LOG_SEV_INFO, "tls", "%s TLS connection established %s %s: %s with cipher %s (%d/%d bits)", tls_trust_word(t->trust), way,
		peer, t->version, t->cipher, t->bits, t->bits);
	log_key(l, "trust", str_of(tls_trust_word(t->trust)));
	log_key(l, "version", str_of(t->version));
	log_key(l, "cipher", str_of(t->cipher));
	log_key_number(l, "bits", t->bits);
}

/* --- its chain ---------------------------------------------------------------------------------------------------- */

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

bool tls_peer_fingerprint(struct tls_session *s, size_t length, bool key, char out[200])
{
	const mbedtls_x509_crt *crt = mbedtls_ssl_get_peer_cert(&s->ssl);
	const mbedtls_x509_buf *of = !crt ? NULL : key ? &crt->pk_raw : &crt->raw;
	uint8_t digest[64];

	if (!of || !tls_digest(length, of->p, of->len, digest))
		return false;
	tls_fingerprint(digest, length, out);
	return true;
}

static size_t links_of(mbedtls_x509_crt *chain, struct tls_link out[TLS_LINKS])
{
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

size_t tls_peer_chain(struct tls_session *s, struct tls_link out[TLS_LINKS])
{
	return links_of((mbedtls_x509_crt *)(uintptr_t)mbedtls_ssl_get_peer_cert(&s->ssl), out);
}

bool tls_look(struct tls_context *c, struct str list, const char *name, struct tls_look *out)
{
	const unsigned char *p = (const unsigned char *)list.p;
	size_t at = 0, most = 0, n;
	mbedtls_x509_crt chain;
	uint32_t flags = 0;
	bool good = true;

	mbedtls_x509_crt_init(&chain);
	for (; good && at + 3 <= list.n && most++ < TLS_LINKS; at += 3 + n) {
		n = (size_t)p[at] << 16 | (size_t)p[at + 1] << 8 | p[at + 2];
		good = n <= list.n - at - 3 && mbedtls_x509_crt_parse_der(&chain, p + at + 3, n) == 0;
	}
	good = good && most;
	memset(out, 0, sizeof(*out));
	if (good) {
		mbedtls_x509_crt_verify(&chain, &c->ca, NULL, NULL, &flags, NULL, NULL);
		describe_certificate(&out->info, &chain);
		out->info.trust = flags ? TLS_UNTRUSTED : TLS_TRUSTED;
		if (flags)
			explain_flags(flags, strcmp(out->info.subject, out->info.issuer) == 0, out->info.why_untrusted, sizeof(out->info.why_untrusted));
		out->n = links_of(&chain, out->chain);
		out->name_matches = name_is_in(name, &chain);
	}
	mbedtls_x509_crt_free(&chain);
	return good;
}

const struct tls_link *tls_session_links(const struct tls_session *s, size_t *n)
{
	*n = s->n_links;
	return s->links;
}

void tls_vouch(struct tls_session *s, enum tls_trust t)
{
	s->info->trust = t;
	s->info->why_untrusted[0] = 0;
}
