/* tls_x25519 - the key agreement that most peers offer first (RFC 7748), in place of the library's, which does it with numbers of
 * any length and takes ten times as long. libs.mk gives the library's callers this name instead of its own.
 *
 * Five limbs of 51 bits. No branch and no index depends on a secret. */
#include <string.h>

#include <mbedtls/ecp.h>
#include <mbedtls/platform_util.h>

#include "core/net/tls_private.h"

#define LIMB ((1ull << 51) - 1)

typedef uint64_t field[5];

#ifdef __SIZEOF_INT128__
__extension__ typedef unsigned __int128 wide;

static void load(field h, const uint8_t p[32])
{
	uint64_t w[4];

	for (int i = 0; i < 4; i++) {
		w[i] = 0;
		for (int k = 7; k >= 0; k--)
			w[i] = w[i] << 8 | p[8 * i + k];
	}
	h[0] = w[0] & LIMB;
	h[1] = (w[0] >> 51 | w[1] << 13) & LIMB;
	h[2] = (w[1] >> 38 | w[2] << 26) & LIMB;
	h[3] = (w[2] >> 25 | w[3] << 39) & LIMB;
	h[4] = w[3] >> 12 & LIMB;
}

static void carry(field h)
{
	for (int round = 0; round < 2; round++) {
		for (int i = 0; i < 4; i++) {
			h[i + 1] += h[i] >> 51;
			h[i] &= LIMB;
		}
		h[0] += 19 * (h[4] >> 51);
		h[4] &= LIMB;
	}
}

/* fully reduced */
static void store(uint8_t p[32], field h)
{
	uint64_t w[4], q;

	carry(h);
	q = (h[0] + 19) >> 51;
	for (int i = 1; i < 5; i++)
		q = (h[i] + q) >> 51;
	h[0] += 19 * q;
	for (int i = 0; i < 4; i++) {
		h[i + 1] += h[i] >> 51;
		h[i] &= LIMB;
	}
	h[4] &= LIMB;
	w[0] = h[0] | h[1] << 51;
	w[1] = h[1] >> 13 | h[2] << 38;
	w[2] = h[2] >> 26 | h[3] << 25;
	w[3] = h[3] >> 39 | h[4] << 12;
	for (int i = 0; i < 32; i++)
		p[i] = (uint8_t)(w[i / 8] >> 8 * (i % 8));
}

static void add(field r, const field a, const field b)
{
	for (int i = 0; i < 5; i++)
		r[i] = a[i] + b[i];
}

/* twice the prime is added, so that no limb falls below nothing */
static void sub(field r, const field a, const field b)
{
	r[0] = a[0] + 4 * (LIMB - 18) - b[0];
	for (int i = 1; i < 5; i++)
		r[i] = a[i] + 4 * LIMB - b[i];
}

/* what a step of the ladder does a dozen times is written into it: a call for each would cost as much as a tenth of the product */
#define INLINE static inline __attribute__((always_inline))

INLINE void fold(field r, wide t[5])
{
	uint64_t r0, r1, r2, r3, r4, c;

	t[1] += (uint64_t)(t[0] >> 51);
	r0 = (uint64_t)t[0] & LIMB;
	t[2] += (uint64_t)(t[1] >> 51);
	r1 = (uint64_t)t[1] & LIMB;
	t[3] += (uint64_t)(t[2] >> 51);
	r2 = (uint64_t)t[2] & LIMB;
	t[4] += (uint64_t)(t[3] >> 51);
	r3 = (uint64_t)t[3] & LIMB;
	c = (uint64_t)(t[4] >> 51);
	r4 = (uint64_t)t[4] & LIMB;
	r0 += 19 * c;
	r[0] = r0 & LIMB;
	r[1] = r1 + (r0 >> 51);
	r[2] = r2;
	r[3] = r3;
	r[4] = r4;
}

INLINE void mul(field r, const field a, const field b)
{
	uint64_t a0 = a[0], a1 = a[1], a2 = a[2], a3 = a[3], a4 = a[4], b0 = b[0], b1 = b[1], b2 = b[2], b3 = b[3], b4 = b[4];
	uint64_t c1 = 19 * b1, c2 = 19 * b2, c3 = 19 * b3, c4 = 19 * b4;
	wide t[5];

	t[0] = (wide)a0 * b0 + (wide)a1 * c4 + (wide)a2 * c3 + (wide)a3 * c2 + (wide)a4 * c1;
	t[1] = (wide)a0 * b1 + (wide)a1 * b0 + (wide)a2 * c4 + (wide)a3 * c3 + (wide)a4 * c2;
	t[2] = (wide)a0 * b2 + (wide)a1 * b1 + (wide)a2 * b0 + (wide)a3 * c4 + (wide)a4 * c3;
	t[3] = (wide)a0 * b3 + (wide)a1 * b2 + (wide)a2 * b1 + (wide)a3 * b0 + (wide)a4 * c4;
	t[4] = (wide)a0 * b4 + (wide)a1 * b3 + (wide)a2 * b2 + (wide)a3 * b1 + (wide)a4 * b0;
	fold(r, t);
}

INLINE void square(field r, const field a)
{
	uint64_t a0 = a[0], a1 = a[1], a2 = a[2], a3 = a[3], a4 = a[4], d0 = 2 * a0, d1 = 2 * a1, d2 = 2 * a2, c3 = 19 * a3, c4 = 19 * a4;
	wide t[5];

	t[0] = (wide)a0 * a0 + (wide)d1 * c4 + (wide)d2 * c3;
	t[1] = (wide)d0 * a1 + (wide)d2 * c4 + (wide)a3 * c3;
	t[2] = (wide)d0 * a2 + (wide)a1 * a1 + (wide)(2 * a3) * c4;
	t[3] = (wide)d0 * a3 + (wide)d1 * a2 + (wide)a4 * c4;
	t[4] = (wide)d0 * a4 + (wide)d1 * a3 + (wide)a2 * a2;
	fold(r, t);
}

INLINE void mul_small(field r, const field a, uint64_t n)
{
	wide t[5];

	for (int i = 0; i < 5; i++)
		t[i] = (wide)a[i] * n;
	fold(r, t);
}

/* the way that is not hot: a product of its own code */
static __attribute__((noinline)) void product(field r, const field a, const field b)
{
	mul(r, a, b);
}

static void square_times(field r, const field a, int n)
{
	square(r, a);
	while (--n > 0)
		square(r, r);
}

/* a^(p - 2): 2^255 - 21 */
static void invert(field r, const field a)
{
	field z2, z9, z11, x5, x10, x20, x50, x100, t;

	square_times(z2, a, 1);
	square_times(t, z2, 2);
	product(z9, t, a);
	product(z11, z9, z2);
	square_times(t, z11, 1);
	product(x5, t, z9);
	square_times(t, x5, 5);
	product(x10, t, x5);
	square_times(t, x10, 10);
	product(x20, t, x10);
	square_times(t, x20, 20);
	product(t, t, x20);
	square_times(t, t, 10);
	product(x50, t, x10);
	square_times(t, x50, 50);
	product(x100, t, x50);
	square_times(t, x100, 100);
	product(t, t, x100);
	square_times(t, t, 50);
	product(t, t, x50);
	square_times(t, t, 5);
	product(r, t, z11);
}

static void swap_if(uint64_t bit, field a, field b)
{
	for (int i = 0; i < 5; i++) {
		uint64_t x = (0 - bit) & (a[i] ^ b[i]);

		a[i] ^= x;
		b[i] ^= x;
	}
}

/* one step of the ladder, RFC 7748 section 5 */
static void step(const field x1, field x2, field z2, field x3, field z3)
{
	field a, b, c, d, aa, bb, e;

	add(a, x2, z2);
	sub(b, x2, z2);
	add(c, x3, z3);
	sub(d, x3, z3);
	mul(d, d, a);
	mul(c, c, b);
	square(aa, a);
	square(bb, b);
	sub(e, aa, bb);
	add(a, d, c);
	square(x3, a);
	sub(a, d, c);
	square(a, a);
	mul(z3, x1, a);
	mul(x2, aa, bb);
	mul_small(a, e, 121665);
	add(a, a, aa);
	mul(z2, e, a);
}

bool tls_x25519(uint8_t out[32], const uint8_t scalar[32], const uint8_t point[32])
{
	field x1, x2 = { 1 }, z2 = { 0 }, x3, z3 = { 1 };
	uint64_t swapped = 0;

	load(x1, point);
	memcpy(x3, x1, sizeof(x3));
	for (int i = 254; i >= 0; i--) {
		uint64_t bit = scalar[i / 8] >> (i & 7) & 1;

		swap_if(swapped ^ bit, x2, x3);
		swap_if(swapped ^ bit, z2, z3);
		swapped = bit;
		step(x1, x2, z2, x3, z3);
	}
	swap_if(swapped, x2, x3);
	swap_if(swapped, z2, z3);
	invert(z2, z2);
	product(x2, x2, z2);
	store(out, x2);
	return true;
}
#else
bool tls_x25519(uint8_t out[32], const uint8_t scalar[32], const uint8_t point[32])
{
	(void)out, (void)scalar, (void)point;
	return false;
}
#endif

/* --- in the library's place ------------------------------------------------------------------------------------------- */

int tls_ecp_mul_restartable(mbedtls_ecp_group *grp, mbedtls_ecp_point *r, const mbedtls_mpi *m, const mbedtls_ecp_point *p,
	int (*rng)(void *, unsigned char *, size_t), void *ctx, mbedtls_ecp_restart_ctx *rs);
int tls_ecp_mul(mbedtls_ecp_group *grp, mbedtls_ecp_point *r, const mbedtls_mpi *m, const mbedtls_ecp_point *p,
	int (*rng)(void *, unsigned char *, size_t), void *ctx);

/* 0: done; 1: for the library; else its error. A point of low order gives zero, which is no secret */
static int by_ladder(mbedtls_ecp_group *grp, mbedtls_ecp_point *r, const mbedtls_mpi *m, const mbedtls_ecp_point *p)
{
	uint8_t scalar[32], point[32], out[32], any = 0;
	int e;

	if (grp->id != MBEDTLS_ECP_DP_CURVE25519)
		return 1;
	e = mbedtls_ecp_check_privkey(grp, m);
	e = e ? e : mbedtls_ecp_check_pubkey(grp, p);
	e = e ? e : mbedtls_mpi_write_binary_le(m, scalar, sizeof(scalar));
	e = e ? e : mbedtls_mpi_write_binary_le(&p->MBEDTLS_PRIVATE(X), point, sizeof(point));
	if (e)
		return e;
	if (!tls_x25519(out, scalar, point))
		return 1;
	for (size_t i = 0; i < sizeof(out); i++)
		any |= out[i];
	e = any ? mbedtls_mpi_read_binary_le(&r->MBEDTLS_PRIVATE(X), out, sizeof(out)) : MBEDTLS_ERR_ECP_INVALID_KEY;
	e = e ? e : mbedtls_mpi_lset(&r->MBEDTLS_PRIVATE(Z), 1);
	mbedtls_mpi_free(&r->MBEDTLS_PRIVATE(Y));
	mbedtls_platform_zeroize(scalar, sizeof(scalar));
	mbedtls_platform_zeroize(out, sizeof(out));
	return e;
}

int tls_ecp_mul_restartable(mbedtls_ecp_group *grp, mbedtls_ecp_point *r, const mbedtls_mpi *m, const mbedtls_ecp_point *p,
	int (*rng)(void *, unsigned char *, size_t), void *ctx, mbedtls_ecp_restart_ctx *rs)
{
	int e = by_ladder(grp, r, m, p);

	return e == 1 ? mbedtls_ecp_mul_restartable(grp, r, m, p, rng, ctx, rs) : e;
}

int tls_ecp_mul(mbedtls_ecp_group *grp, mbedtls_ecp_point *r, const mbedtls_mpi *m, const mbedtls_ecp_point *p,
	int (*rng)(void *, unsigned char *, size_t), void *ctx)
{
	return tls_ecp_mul_restartable(grp, r, m, p, rng, ctx, NULL);
}
