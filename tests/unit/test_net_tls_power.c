/* The arithmetic of our own below TLS. Powers modulo an odd number: what core/net/tls_exp_mod.c gives is what the library gives.
 * Lengths of eight limbs and more take another way through the processor than the rest, and 16, 24 and 32 a third. SHA-256: that of the standard, and
 * the same with the processor's instructions and without. Records of AES-GCM: what core/net/tls_gcm.c makes is what the library makes. */
#include <stdio.h>
#include <string.h>

#include "core/base/mem.h"
#include "core/base/random.h"
#include "core/net/tls_private.h"
#include "tests/unit/t.h"

size_t mbedtls_mpi_core_exp_mod_working_limbs(size_t n, size_t limbs);
void mbedtls_mpi_core_exp_mod(mbedtls_mpi_uint *x, const mbedtls_mpi_uint *a, const mbedtls_mpi_uint *m, size_t n,
	const mbedtls_mpi_uint *e, size_t limbs, const mbedtls_mpi_uint *rr, mbedtls_mpi_uint *t);

enum { MOST = 64 };
typedef mbedtls_mpi_uint limb;

/* numbers of the kinds that carries go wrong with, too: all ones, all zeroes, runs of both */
static void fill(limb *p, size_t n)
{
	uint8_t kind[MOST];

	random_bytes(p, n * sizeof(*p));
	random_bytes(kind, n);
	for (size_t i = 0; i < n; i++)
		p[i] = kind[i] % 4 == 0 ? 0 : kind[i] % 4 == 1 ? (limb)-1 : p[i];
}

/* rr = 2^(2 * bits of n limbs) modulo m, and a below m */
static void prepare(limb *rr, limb *a, const limb *m, size_t n)
{
	mbedtls_mpi mod, x;

	mbedtls_mpi_init(&mod);
	mbedtls_mpi_init(&x);
	CHECK(mbedtls_mpi_read_binary_le(&mod, (const unsigned char *)m, n * sizeof(*m)) == 0);
	CHECK(mbedtls_mpi_lset(&x, 1) == 0 && mbedtls_mpi_shift_l(&x, 2 * n * sizeof(*m) * 8) == 0);
	CHECK(mbedtls_mpi_mod_mpi(&x, &x, &mod) == 0);
	CHECK(mbedtls_mpi_write_binary_le(&x, (unsigned char *)rr, n * sizeof(*rr)) == 0);
	CHECK(mbedtls_mpi_read_binary_le(&x, (const unsigned char *)a, n * sizeof(*a)) == 0);
	CHECK(mbedtls_mpi_mod_mpi(&x, &x, &mod) == 0);
	CHECK(mbedtls_mpi_write_binary_le(&x, (unsigned char *)a, n * sizeof(*a)) == 0);
	mbedtls_mpi_free(&mod);
	mbedtls_mpi_free(&x);
}

static void compare(size_t n, size_t limbs, bool in_place)
{
	limb m[MOST], a[MOST], e[MOST], rr[MOST], want[MOST], got[MOST], open[MOST];
	limb *t = mem_array(NULL, mbedtls_mpi_core_exp_mod_working_limbs(n, limbs), sizeof(*t));

	fill(m, n);
	m[0] |= 1;
	m[n - 1] |= (limb)1 << 63;
	fill(a, n);
	fill(e, limbs);
	prepare(rr, a, m, n);
	mbedtls_mpi_core_exp_mod(want, a, m, n, e, limbs, rr, t);
	tls_exp_mod_unsafe(open, a, m, n, e, limbs, rr, t);
	memcpy(got, a, n * sizeof(*a));
	tls_exp_mod(got, in_place ? got : a, m, n, e, limbs, rr, t);
	if (memcmp(want, got, n * sizeof(*got)) || memcmp(want, open, n * sizeof(*open)))
		t_fail(__FILE__, __LINE__, "%zu limbs, exponent of %zu", n, limbs);
	mem_free(t);
}

T(powers_are_those_of_the_library)
{
	for (size_t n = 1; n <= 33; n++)
		for (size_t limbs = 1; limbs <= 6; limbs++)
			compare(n, limbs, limbs & 1);
	for (int i = 0; i < 20; i++)
		compare(16, 20, i & 1);
	compare(24, 28, true);
	compare(32, 36, false);
	compare(40, 44, true);
	compare(64, 2, false);
	for (int i = 0; i < 8; i++)
		compare(16 + i % 3 * 8, 1 + (size_t)i, false);
}

T(the_power_zero_is_one)
{
	limb m[16], a[16], rr[16], one[20] = { 1 }, zero[20] = { 0 }, got[16], want[16], open[16];
	limb *t = mem_array(NULL, mbedtls_mpi_core_exp_mod_working_limbs(16, 20), sizeof(*t));

	memset(m, 0xff, sizeof(m));
	fill(a, 16);
	prepare(rr, a, m, 16);
	mbedtls_mpi_core_exp_mod(want, a, m, 16, zero, 1, rr, t);
	for (size_t limbs = 1; limbs <= 20; limbs++) {
		tls_exp_mod(got, a, m, 16, zero, limbs, rr, t);
		tls_exp_mod_unsafe(open, a, m, 16, zero, limbs, rr, t);
		CHECK(memcmp(want, got, sizeof(got)) == 0 && memcmp(want, open, sizeof(open)) == 0);
		tls_exp_mod(got, a, m, 16, one, limbs, rr, t);
		CHECK(memcmp(a, got, sizeof(got)) == 0);
	}
	mem_free(t);
}

/* --- points of P-256 ------------------------------------------------------------------------------------------------------- */

int tls_ecp_muladd_restartable(mbedtls_ecp_group *grp, mbedtls_ecp_point *r, const mbedtls_mpi *m, const mbedtls_ecp_point *p,
	const mbedtls_mpi *n, const mbedtls_ecp_point *q, mbedtls_ecp_restart_ctx *rs);

static int by_random(void *ctx, unsigned char *to, size_t n)
{
	(void)ctx;
	random_bytes(to, n);
	return 0;
}

/* a number below the group's order of the kind: 0 to 3 and just below the order, else any */
static void scalar(mbedtls_mpi *x, const mbedtls_ecp_group *g, int kind)
{
	limb raw[4];

	fill(raw, 4);
	CHECK(mbedtls_mpi_read_binary_le(x, (const unsigned char *)raw, sizeof(raw)) == 0 && mbedtls_mpi_mod_mpi(x, x, &g->N) == 0);
	if (kind < 4)
		CHECK(mbedtls_mpi_lset(x, kind) == 0);
	else if (kind < 6)
		CHECK(mbedtls_mpi_sub_int(x, &g->N, kind - 3) == 0);
}

T(sums_of_points_are_those_of_the_library)
{
	mbedtls_ecp_group g;
	mbedtls_ecp_point q, want, got;
	mbedtls_mpi m, n, x;

	mbedtls_ecp_group_init(&g);
	mbedtls_ecp_point_init(&q);
	mbedtls_ecp_point_init(&want);
	mbedtls_ecp_point_init(&got);
	mbedtls_mpi_init(&m);
	mbedtls_mpi_init(&n);
	mbedtls_mpi_init(&x);
	CHECK(mbedtls_ecp_group_load(&g, MBEDTLS_ECP_DP_SECP256R1) == 0);
	/* the other point is a small multiple of the first, so that sums meet themselves, their negatives and infinity on the way */
	for (int i = 0; i < 8 * 8 * 6; i++) {
		/* no multiple of nothing: the library makes none */
		do
			scalar(&x, &g, i / 64 ? i / 64 : 6);
		while (mbedtls_mpi_cmp_int(&x, 0) == 0);
		scalar(&m, &g, i / 8 % 8);
		scalar(&n, &g, i % 8);
		CHECK(mbedtls_ecp_mul(&g, &q, &x, &g.G, by_random, NULL) == 0);
		if (mbedtls_ecp_muladd_restartable(&g, &want, &m, &g.G, &n, &q, NULL) ||
		    tls_ecp_muladd_restartable(&g, &got, &m, &g.G, &n, &q, NULL) || mbedtls_ecp_is_zero(&want) != mbedtls_ecp_is_zero(&got) ||
		    (!mbedtls_ecp_is_zero(&want) && mbedtls_ecp_point_cmp(&want, &got)))
			t_fail(__FILE__, __LINE__, "%d: multiples of kind %d and %d of a point of kind %d", i, i / 8 % 8, i % 8, i / 64);
	}
	/* off the curve is no key */
	CHECK(mbedtls_mpi_add_int(&q.MBEDTLS_PRIVATE(Y), &q.MBEDTLS_PRIVATE(Y), 1) == 0);
	CHECK(tls_ecp_muladd_restartable(&g, &got, &m, &g.G, &n, &q, NULL) == MBEDTLS_ERR_ECP_INVALID_KEY);
	mbedtls_mpi_free(&x);
	mbedtls_mpi_free(&n);
	mbedtls_mpi_free(&m);
	mbedtls_ecp_point_free(&got);
	mbedtls_ecp_point_free(&want);
	mbedtls_ecp_point_free(&q);
	mbedtls_ecp_group_free(&g);
}

/* --- SHA-256 ------------------------------------------------------------------------------------------------------------- */

T(sha256_is_that_of_the_standard)
{
	static const struct { const char *text; const char *want; } rows[] = {
		{ "abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad" },
		{ "", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855" },
		{ "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq", "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		uint8_t sum[32];
		char text[65];

		tls_sha256(sum, rows[i].text, strlen(rows[i].text));
		for (int n = 0; n < 32; n++)
			snprintf(text + 2 * n, 3, "%02x", sum[n]);
		CHECK_STR(text, rows[i].want);
	}
}

T(sha256_is_the_same_both_ways)
{
	uint32_t a[8], b[8];
	unsigned char p[64];

	random_bytes(a, sizeof(a));
	memcpy(b, a, sizeof(b));
	for (int i = 0; i < 1000; i++) {
		random_bytes(p, sizeof(p));
		tls_sha256_block(a, p, false);
		tls_sha256_block(b, p, true);
		if (memcmp(a, b, sizeof(a))) {
			t_fail(__FILE__, __LINE__, "block %d", i);
			return;
		}
	}
}

/* --- records ------------------------------------------------------------------------------------------------------------- */

enum { RECORD = 16640 };

/* one_record - both ways, in place and not; false: not what the library says */
static bool one_record(mbedtls_gcm_context *c, size_t n, size_t ad_n, bool in_place)
{
	static unsigned char in[RECORD], want[RECORD], got[RECORD], back[RECORD];
	unsigned char iv[16], ad[32], tag[16], want_tag[16];
	size_t iv_n = n % 3 ? 12 : 16;

	random_bytes(in, n);
	random_bytes(iv, sizeof(iv));
	random_bytes(ad, sizeof(ad));
	mbedtls_gcm_crypt_and_tag(c, MBEDTLS_GCM_ENCRYPT, n, iv, iv_n, ad, ad_n, in, want, 16, want_tag);
	memcpy(got, in, n);
	if (tls_gcm_crypt_and_tag(c, MBEDTLS_GCM_ENCRYPT, n, iv, iv_n, ad, ad_n, in_place ? got : in, got, 16, tag) != 0)
		return false;
	if (memcmp(got, want, n) || memcmp(tag, want_tag, 16))
		return false;
	memcpy(back, want, n);
	if (tls_gcm_auth_decrypt(c, n, iv, iv_n, ad, ad_n, tag, 16, in_place ? back : want, back) != 0 || memcmp(back, in, n))
		return false;
	/* one bit of the tag, and one of the last byte, which must not come out */
	tag[n % 16] ^= 1;
	if (tls_gcm_auth_decrypt(c, n, iv, iv_n, ad, ad_n, tag, 16, want, back) != MBEDTLS_ERR_GCM_AUTH_FAILED)
		return false;
	tag[n % 16] ^= 1;
	if (n)
		want[n - 1] ^= 0x80;
	memset(got, 0, n);
	return !n || (tls_gcm_auth_decrypt(c, n, iv, iv_n, ad, ad_n, tag, 16, want, back) == MBEDTLS_ERR_GCM_AUTH_FAILED && !memcmp(back, got, n));
}

T(gcm_is_what_the_library_gives)
{
	static const size_t lengths[] = { 0, 1, 15, 16, 17, 255, 256, 257, 271, 272, 399, 400, 401, 528, 1000, 4096, 4113, 16384, 16401 };
	static const size_t ads[] = { 0, 5, 13, 16, 29 };
	unsigned char key[32];

	for (unsigned bits = 128; bits <= 256; bits += 64) {
		mbedtls_gcm_context c;

		mbedtls_gcm_init(&c);
		random_bytes(key, sizeof(key));
		CHECK_INT(mbedtls_gcm_setkey(&c, MBEDTLS_CIPHER_ID_AES, key, bits), 0);
		for (size_t i = 0; i < 4 * sizeof(lengths) / sizeof(lengths[0]); i++)
			for (size_t k = 0; k < sizeof(ads) / sizeof(ads[0]); k++) {
				ROW("%u bits, %zu bytes, %zu beside", bits, lengths[i / 4], ads[k]);
				CHECK(one_record(&c, lengths[i / 4], ads[k], i % 2));
			}
		mbedtls_gcm_free(&c);
	}
}
