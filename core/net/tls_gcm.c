/* tls_gcm - AES-GCM (NIST SP 800-38D) of a record, eight blocks at a time by the processor's own instructions, in place of the
 * library's one: it is most of what content under TLS costs. Only the whole blocks in the middle are done here; what is before and
 * behind them, other processors and the tag are the library's. libs.mk gives the library's ciphers these two. */
#include <string.h>

#include <mbedtls/aes.h>
#include <mbedtls/cipher.h>
#include <mbedtls/constant_time.h>
#include <mbedtls/gcm.h>
#include <mbedtls/platform_util.h>

#include "core/net/tls_private.h"

#if defined(__x86_64__) && !defined(MBEDTLS_BLOCK_CIPHER_C)
#include <immintrin.h>

#define ON_AES __attribute__((target("aes,pclmul,ssse3,sse4.1")))
#define INLINE_AES static inline __attribute__((always_inline, target("aes,pclmul,ssse3,sse4.1")))

enum { BLOCK = 16, WIDE = 8, LEAST = 256 /* bytes: less is not worth the powers of H */ };

typedef __m128i vec;

/* a product before it is reduced: 256 bits, and the two in the middle that lie across */
struct product { vec low, middle, high; };
struct keys {
	vec round[15], power[WIDE];     /* H to the first, second, … eighth */
	int rounds;
};

INLINE_AES vec load(const unsigned char *p)
{
	return _mm_loadu_si128((const vec *)(const void *)p);
}

INLINE_AES void keep(unsigned char *p, vec v)
{
	_mm_storeu_si128((vec *)(void *)p, v);
}

/* turn - GCM has the first bit of a block highest, the instructions have it lowest */
INLINE_AES vec turn(vec v)
{
	return _mm_shuffle_epi8(v, _mm_set_epi64x(0x0001020304050607, 0x08090a0b0c0d0e0f));
}

INLINE_AES void add_product(struct product *p, vec a, vec b)
{
	p->low = _mm_xor_si128(p->low, _mm_clmulepi64_si128(a, b, 0x00));
	p->high = _mm_xor_si128(p->high, _mm_clmulepi64_si128(a, b, 0x11));
	p->middle = _mm_xor_si128(p->middle, _mm_xor_si128(_mm_clmulepi64_si128(a, b, 0x01), _mm_clmulepi64_si128(a, b, 0x10)));
}

/* reduce - modulo x^128 + x^7 + x^2 + x + 1, all bits in reverse, which leaves a product one place too low */
INLINE_AES vec reduce(const struct product *p)
{
	vec low = _mm_xor_si128(p->low, _mm_slli_si128(p->middle, 8)), high = _mm_xor_si128(p->high, _mm_srli_si128(p->middle, 8));
	vec carry_low = _mm_srli_epi32(low, 31), carry_high = _mm_srli_epi32(high, 31), a, b;

	low = _mm_or_si128(_mm_slli_epi32(low, 1), _mm_slli_si128(carry_low, 4));
	high = _mm_or_si128(_mm_slli_epi32(high, 1), _mm_or_si128(_mm_slli_si128(carry_high, 4), _mm_srli_si128(carry_low, 12)));
	a = _mm_xor_si128(_mm_slli_epi32(low, 31), _mm_xor_si128(_mm_slli_epi32(low, 30), _mm_slli_epi32(low, 25)));
	low = _mm_xor_si128(low, _mm_slli_si128(a, 12));
	b = _mm_xor_si128(_mm_srli_epi32(low, 1), _mm_xor_si128(_mm_srli_epi32(low, 2), _mm_srli_epi32(low, 7)));
	b = _mm_xor_si128(b, _mm_srli_si128(a, 4));
	return _mm_xor_si128(high, _mm_xor_si128(low, b));
}

INLINE_AES vec times(vec a, vec b)
{
	struct product p = { _mm_setzero_si128(), _mm_setzero_si128(), _mm_setzero_si128() };

	add_product(&p, a, b);
	return reduce(&p);
}

/* encrypt - WIDE blocks at once: each round of one waits several cycles for the round before */
INLINE_AES void encrypt(const struct keys *k, vec b[WIDE])
{
	for (int i = 0; i < WIDE; i++)
		b[i] = _mm_xor_si128(b[i], k->round[0]);
	for (int r = 1; r < k->rounds; r++)
		for (int i = 0; i < WIDE; i++)
			b[i] = _mm_aesenc_si128(b[i], k->round[r]);
	for (int i = 0; i < WIDE; i++)
		b[i] = _mm_aesenclast_si128(b[i], k->round[k->rounds]);
}

ON_AES static void make_keys(struct keys *k, const mbedtls_aes_context *aes)
{
	const unsigned char *round = (const unsigned char *)(aes->MBEDTLS_PRIVATE(buf) + aes->MBEDTLS_PRIVATE(rk_offset));
	vec zero[WIDE];

	k->rounds = aes->MBEDTLS_PRIVATE(nr);
	for (int i = 0; i <= k->rounds; i++)
		k->round[i] = load(round + BLOCK * i);
	for (int i = 0; i < WIDE; i++)
		zero[i] = _mm_setzero_si128();
	encrypt(k, zero);
	k->power[0] = turn(zero[0]);
	for (int i = 1; i < WIDE; i++)
		k->power[i] = times(k->power[i - 1], k->power[0]);
}

/* blocks - n groups of WIDE blocks; y: the last counter used, hash: the tag so far, both as the library keeps them */
ON_AES static void blocks(const struct keys *k, unsigned char y[BLOCK], unsigned char hash[BLOCK], const unsigned char *in,
	unsigned char *out, size_t n, bool decrypt)
{
	uint32_t count = (uint32_t)y[12] << 24 | (uint32_t)y[13] << 16 | (uint32_t)y[14] << 8 | y[15];
	vec start = load(y), sum = turn(load(hash));

	for (; n; n--, in += WIDE * BLOCK, out += WIDE * BLOCK) {
		struct product p = { _mm_setzero_si128(), _mm_setzero_si128(), _mm_setzero_si128() };
		vec b[WIDE];

		for (int i = 0; i < WIDE; i++)
			b[i] = _mm_insert_epi32(start, (int)__builtin_bswap32(++count), 3);
		encrypt(k, b);
		for (int i = 0; i < WIDE; i++) {
			vec text = load(in + BLOCK * i), other = _mm_xor_si128(text, b[i]), cipher = turn(decrypt ? text : other);

			keep(out + BLOCK * i, other);
			add_product(&p, i ? cipher : _mm_xor_si128(cipher, sum), k->power[WIDE - 1 - i]);
		}
		sum = reduce(&p);
	}
	keep(hash, turn(sum));
	count = __builtin_bswap32(count);
	memcpy(y + 12, &count, sizeof(count));
}

/* do_most - whole groups of blocks; how many bytes are done. The library has done the first block, and with it what was left of the
 * additional data */
static size_t do_most(mbedtls_gcm_context *c, const unsigned char *in, unsigned char *out, size_t n)
{
	size_t groups = n / (WIDE * BLOCK);
	struct keys k;

	make_keys(&k, c->MBEDTLS_PRIVATE(cipher_ctx).MBEDTLS_PRIVATE(cipher_ctx));
	blocks(&k, c->MBEDTLS_PRIVATE(y), c->MBEDTLS_PRIVATE(buf), in, out, groups, c->MBEDTLS_PRIVATE(mode) == MBEDTLS_GCM_DECRYPT);
	c->MBEDTLS_PRIVATE(len) += groups * WIDE * BLOCK;
	mbedtls_platform_zeroize(&k, sizeof(k));
	return groups * WIDE * BLOCK;
}
#else
enum { BLOCK = 16, LEAST = 256 };

static size_t do_most(mbedtls_gcm_context *c, const unsigned char *in, unsigned char *out, size_t n)
{
	(void)c, (void)in, (void)out, (void)n;
	return 0;
}
#endif

/* content - all of it, between the additional data and the tag */
static int content(mbedtls_gcm_context *c, const unsigned char *in, unsigned char *out, size_t n)
{
	size_t done = 0, got;
	int e;

	if (n >= LEAST && tls_cpu_has_aes()) {
		e = mbedtls_gcm_update(c, in, BLOCK, out, BLOCK, &got);
		if (e)
			return e;
		done = BLOCK + do_most(c, in + BLOCK, out + BLOCK, n - BLOCK);
	}
	return mbedtls_gcm_update(c, in + done, n - done, out + done, n - done, &got);
}

int tls_gcm_crypt_and_tag(mbedtls_gcm_context *c, int mode, size_t n, const unsigned char *iv, size_t iv_n, const unsigned char *ad,
	size_t ad_n, const unsigned char *in, unsigned char *out, size_t tag_n, unsigned char *tag)
{
	size_t got;
	int e = mbedtls_gcm_starts(c, mode, iv, iv_n);

	e = e ? e : mbedtls_gcm_update_ad(c, ad, ad_n);
	e = e ? e : content(c, in, out, n);
	return e ? e : mbedtls_gcm_finish(c, NULL, 0, &got, tag, tag_n);
}

int tls_gcm_auth_decrypt(mbedtls_gcm_context *c, size_t n, const unsigned char *iv, size_t iv_n, const unsigned char *ad, size_t ad_n,
	const unsigned char *tag, size_t tag_n, const unsigned char *in, unsigned char *out)
{
	unsigned char right[BLOCK];
	int e = tls_gcm_crypt_and_tag(c, MBEDTLS_GCM_DECRYPT, n, iv, iv_n, ad, ad_n, in, out, tag_n, right);

	if (!e && mbedtls_ct_memcmp(tag, right, tag_n)) {
		mbedtls_platform_zeroize(out, n);
		e = MBEDTLS_ERR_GCM_AUTH_FAILED;
	}
	return e;
}
