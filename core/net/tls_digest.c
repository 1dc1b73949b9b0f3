/* tls_digest - digests and public keys by themselves, as SASL, fingerprints, TLSA and DKIM records need them. */
#include <stdio.h>

#include <mbedtls/base64.h>
#include <mbedtls/md.h>
#include <mbedtls/pk.h>

#include "core/base/mem.h"
#include "core/net/tls_private.h"

static const struct { size_t length; mbedtls_md_type_t type; } digests[] = {
	{ 16, MBEDTLS_MD_MD5 }, { 20, MBEDTLS_MD_SHA1 }, { 32, MBEDTLS_MD_SHA256 }, { 48, MBEDTLS_MD_SHA384 }, { 64, MBEDTLS_MD_SHA512 },
};

bool tls_digest(size_t length, const void *p, size_t n, uint8_t out[64])
{
	for (size_t i = 0; i < sizeof(digests) / sizeof(digests[0]); i++)
		if (digests[i].length == length)
			return mbedtls_md(mbedtls_md_info_from_type(digests[i].type), p, n, out) == 0;
	return false;
}

void tls_hmac_md5(uint8_t out[16], const void *key, size_t key_n, const void *p, size_t n)
{
	if (mbedtls_md_hmac(mbedtls_md_info_from_type(MBEDTLS_MD_MD5), key, key_n, p, n, out))
		BUG("hmac");
}

void tls_hmac_sha256(uint8_t out[32], const void *key, size_t key_n, const void *p, size_t n)
{
	if (mbedtls_md_hmac(mbedtls_md_info_from_type(MBEDTLS_MD_SHA256), key, key_n, p, n, out))
		BUG("hmac");
}

size_t tls_base64(const void *p, size_t n, char *out, size_t size)
{
	size_t length = 0;

	return mbedtls_base64_encode((unsigned char *)out, size, &length, p, n) == 0 ? length : 0;
}

void tls_sha256(uint8_t out[32], const void *p, size_t n)
{
	if (mbedtls_md(mbedtls_md_info_from_type(MBEDTLS_MD_SHA256), p, n, out))
		BUG("sha256");
}

struct tls_hash { mbedtls_md_context_t md; };

struct tls_hash *tls_hash_new(void)
{
	struct tls_hash *h = MEM_NEW(struct tls_hash);

	mbedtls_md_init(&h->md);
	if (mbedtls_md_setup(&h->md, mbedtls_md_info_from_type(MBEDTLS_MD_SHA256), 0) || mbedtls_md_starts(&h->md))
		BUG("sha256");
	return h;
}

void tls_hash_add(struct tls_hash *h, const void *p, size_t n)
{
	if (n && mbedtls_md_update(&h->md, p, n))
		BUG("sha256");
}

void tls_hash_end(struct tls_hash *h, uint8_t out[32])
{
	if (mbedtls_md_finish(&h->md, out))
		BUG("sha256");
}

void tls_hash_free(struct tls_hash *h)
{
	if (h)
		mbedtls_md_free(&h->md);
	mem_free(h);
}

void tls_sha512(uint8_t out[64], const void *p, size_t n)
{
	if (mbedtls_md(mbedtls_md_info_from_type(MBEDTLS_MD_SHA512), p, n, out))
		BUG("sha512");
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
