/* tls_sha256 - the step of SHA-256 over one block (FIPS 180-4) by the processor's own instructions for it, in place of the
 * library's, which takes five times as long: a handshake hashes its transcript and derives its keys with some hundred of them.
 * Where there are none it is done in C. libs.mk gives the library this one. */
#include <string.h>

#include <mbedtls/platform_util.h>
#include <mbedtls/sha256.h>

#include "core/net/tls_private.h"

static const uint32_t k[64] __attribute__((aligned(16))) = {
	0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
	0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
	0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
	0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
	0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
	0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
	0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
	0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
};

static inline uint32_t turn(uint32_t x, int n)
{
	return x >> n | x << (32 - n);
}

/* one round; the eight values move on by one place, which is the caller's order of them */
static inline __attribute__((always_inline)) void round_of(uint32_t a, uint32_t b, uint32_t c, uint32_t *d, uint32_t e, uint32_t f, uint32_t g,
	uint32_t *h, uint32_t kw)
{
	uint32_t t = *h + (turn(e, 6) ^ turn(e, 11) ^ turn(e, 25)) + (g ^ (e & (f ^ g))) + kw;

	*d += t;
	*h = t + (turn(a, 2) ^ turn(a, 13) ^ turn(a, 22)) + ((a & b) | (c & (a | b)));
}

static void block_c(uint32_t state[8], const unsigned char p[64])
{
	uint32_t w[64], s[8];

	for (int i = 0; i < 16; i++)
		w[i] = (uint32_t)p[4 * i] << 24 | (uint32_t)p[4 * i + 1] << 16 | (uint32_t)p[4 * i + 2] << 8 | p[4 * i + 3];
	for (int i = 16; i < 64; i++)
		w[i] = w[i - 16] + w[i - 7] + (turn(w[i - 15], 7) ^ turn(w[i - 15], 18) ^ w[i - 15] >> 3) +
			(turn(w[i - 2], 17) ^ turn(w[i - 2], 19) ^ w[i - 2] >> 10);
	memcpy(s, state, sizeof(s));
	for (int i = 0; i < 64; i += 8) {
		round_of(s[0], s[1], s[2], &s[3], s[4], s[5], s[6], &s[7], k[i] + w[i]);
		round_of(s[7], s[0], s[1], &s[2], s[3], s[4], s[5], &s[6], k[i + 1] + w[i + 1]);
		round_of(s[6], s[7], s[0], &s[1], s[2], s[3], s[4], &s[5], k[i + 2] + w[i + 2]);
		round_of(s[5], s[6], s[7], &s[0], s[1], s[2], s[3], &s[4], k[i + 3] + w[i + 3]);
		round_of(s[4], s[5], s[6], &s[7], s[0], s[1], s[2], &s[3], k[i + 4] + w[i + 4]);
		round_of(s[3], s[4], s[5], &s[6], s[7], s[0], s[1], &s[2], k[i + 5] + w[i + 5]);
		round_of(s[2], s[3], s[4], &s[5], s[6], s[7], s[0], &s[1], k[i + 6] + w[i + 6]);
		round_of(s[1], s[2], s[3], &s[4], s[5], s[6], s[7], &s[0], k[i + 7] + w[i + 7]);
	}
	for (int i = 0; i < 8; i++)
		state[i] += s[i];
	mbedtls_platform_zeroize(w, sizeof(w));
	mbedtls_platform_zeroize(s, sizeof(s));
}

#ifdef __x86_64__
#include <immintrin.h>

typedef __m128i four;

/* the state is kept as the instructions want it: a b e f, and c d g h */
__attribute__((target("sha,sse4.1,ssse3"))) static void block_sha(uint32_t state[8], const unsigned char p[64])
{
	const four swap = _mm_set_epi64x(0x0c0d0e0f08090a0b, 0x0405060700010203);
	four low = _mm_shuffle_epi32(_mm_loadu_si128((const four *)(const void *)state), 0xb1);
	four high = _mm_shuffle_epi32(_mm_loadu_si128((const four *)(const void *)(state + 4)), 0x1b);
	four abef = _mm_alignr_epi8(low, high, 8), cdgh = _mm_blend_epi16(high, low, 0xf0), abef_0 = abef, cdgh_0 = cdgh, w[4], x;

	for (int i = 0; i < 4; i++)
		w[i] = _mm_shuffle_epi8(_mm_loadu_si128((const four *)(const void *)(p + 16 * i)), swap);
	for (int i = 0; i < 16; i++) {
		x = _mm_add_epi32(w[i % 4], _mm_load_si128((const four *)(const void *)(k + 4 * i)));
		cdgh = _mm_sha256rnds2_epu32(cdgh, abef, x);
		abef = _mm_sha256rnds2_epu32(abef, cdgh, _mm_shuffle_epi32(x, 0x0e));
		if (i >= 12)
			continue;
		/* the words of four rounds from those of the sixteen before */
		x = _mm_add_epi32(_mm_sha256msg1_epu32(w[i % 4], w[(i + 1) % 4]), _mm_alignr_epi8(w[(i + 3) % 4], w[(i + 2) % 4], 4));
		w[i % 4] = _mm_sha256msg2_epu32(x, w[(i + 3) % 4]);
	}
	abef = _mm_add_epi32(abef, abef_0);
	cdgh = _mm_add_epi32(cdgh, cdgh_0);
	low = _mm_shuffle_epi32(abef, 0x1b);
	high = _mm_shuffle_epi32(cdgh, 0xb1);
	_mm_storeu_si128((four *)(void *)state, _mm_blend_epi16(low, high, 0xf0));
	_mm_storeu_si128((four *)(void *)(state + 4), _mm_alignr_epi8(high, low, 8));
}
#else
static void block_sha(uint32_t state[8], const unsigned char p[64])
{
	block_c(state, p);
}
#endif

void tls_sha256_block(uint32_t state[8], const unsigned char p[64], bool plainly)
{
	if (!plainly && tls_cpu_has_sha())
		block_sha(state, p);
	else
		block_c(state, p);
}

/* --- in the library's place ------------------------------------------------------------------------------------------------ */

int tls_sha256_process(mbedtls_sha256_context *c, const unsigned char p[64]);

int tls_sha256_process(mbedtls_sha256_context *c, const unsigned char p[64])
{
	tls_sha256_block(c->MBEDTLS_PRIVATE(state), p, false);
	return 0;
}
