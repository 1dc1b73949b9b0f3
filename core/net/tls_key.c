/* tls_key - a private RSA key that signs by itself, without a connection. */
#include <mbedtls/base64.h>
#include <mbedtls/pk.h>
#include <mbedtls/rsa.h>

#include "core/base/mem.h"
#include "core/net/tls_files.h"
#include "core/net/tls_private.h"

enum { COPIES = 2 };

struct tls_key {
	mbedtls_pk_context copies[COPIES]; /* the same: an RSA key is locked while it signs */
	atomic_uint turn;
};

struct tls_key *tls_key_new(struct str pem)
{
	struct tls_key *k = MEM_NEW(struct tls_key);
	bool good = pem.n > 0;

	for (size_t i = 0; i < COPIES; i++)
		mbedtls_pk_init(&k->copies[i]);
	for (size_t i = 0; i < COPIES && good; i++)
		good = mbedtls_pk_parse_key(&k->copies[i], (const unsigned char *)pem.p, tls_text_length(pem), NULL, 0, tls_random, NULL) == 0;
	good = good && mbedtls_pk_get_type(&k->copies[0]) == MBEDTLS_PK_RSA && mbedtls_rsa_check_privkey(mbedtls_pk_rsa(k->copies[0])) == 0 &&
		mbedtls_pk_get_len(&k->copies[0]) <= TLS_SIGNATURE_MAX;
	if (good)
		return k;
	tls_key_free(k);
	return NULL;
}

void tls_key_free(struct tls_key *k)
{
	for (size_t i = 0; k && i < COPIES; i++)
		mbedtls_pk_free(&k->copies[i]);
	mem_free(k);
}

size_t tls_key_bits(const struct tls_key *k)
{
	return mbedtls_pk_get_bitlen(&k->copies[0]);
}

enum { DER_BYTES = 16 * TLS_SIGNATURE_MAX };         /* the library writes from the end of it */

void tls_key_public(const struct tls_key *k, struct buf *der)
{
	unsigned char room[DER_BYTES];
	int n = mbedtls_pk_write_pubkey_der(&k->copies[0], room, sizeof(room));

	if (n > 0)
		buf_add(der, room + sizeof(room) - n, (size_t)n);
}

static void put_pem(struct buf *pem, const unsigned char *der, size_t n)
{
	unsigned char line[68];
	size_t took, written;

	buf_z(pem, "-----BEGIN RSA PRIVATE KEY-----\n");
	for (; n; n -= took, der += took) {
		took = n < 48 ? n : 48;
		if (mbedtls_base64_encode(line, sizeof(line), &written, der, took))
			BUG("base64");
		buf_add(pem, line, written);
		buf_byte(pem, '\n');
	}
	buf_z(pem, "-----END RSA PRIVATE KEY-----\n");
	mem_wipe(line, sizeof(line));
}

void tls_key_make(unsigned bits, struct buf *pem)
{
	unsigned char room[DER_BYTES];
	mbedtls_pk_context pk;
	int n;

	mbedtls_pk_init(&pk);
	if (mbedtls_pk_setup(&pk, mbedtls_pk_info_from_type(MBEDTLS_PK_RSA)) ||
		mbedtls_rsa_gen_key(mbedtls_pk_rsa(pk), tls_random, NULL, bits, 65537) ||
		(n = mbedtls_pk_write_key_der(&pk, room, sizeof(room))) <= 0)
		BUG("RSA key");
	put_pem(pem, room + sizeof(room) - n, (size_t)n);
	mem_wipe(room, sizeof(room));
	mbedtls_pk_free(&pk);
}

size_t tls_key_sign(struct tls_key *k, const uint8_t digest[32], uint8_t out[TLS_SIGNATURE_MAX])
{
	mbedtls_pk_context *pk = &k->copies[atomic_fetch_add(&k->turn, 1) % COPIES];
	size_t n = 0;

	if (mbedtls_pk_sign(pk, MBEDTLS_MD_SHA256, digest, 32, out, TLS_SIGNATURE_MAX, &n, tls_random, NULL))
		return 0;
	return n;
}
