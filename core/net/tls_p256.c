/* tls_p256 - the sum of two multiples of points of P-256, which is what takes the time of checking an ECDSA signature (FIPS 186-5),
 * in place of the library's, which does it with numbers of any length and takes four times as long. libs.mk gives
 * the library's caller this name instead of its own.
 *
 * All numbers here are public, so branches may depend on them: nothing that signs or agrees on keys comes this way. Four limbs of
 * 64 bits in Montgomery's form (times 2^256), always below the prime; points in Jacobian coordinates, z = 0 is infinity. */
#include <string.h>

#include <mbedtls/ecp.h>

#include "core/net/tls_private.h"

int tls_ecp_muladd_restartable(mbedtls_ecp_group *grp, mbedtls_ecp_point *r, const mbedtls_mpi *m, const mbedtls_ecp_point *p,
	const mbedtls_mpi *n, const mbedtls_ecp_point *q, mbedtls_ecp_restart_ctx *rs);

#ifdef __SIZEOF_INT128__
__extension__ typedef unsigned __int128 wide;

typedef uint64_t num[4];
struct point { num x, y, z; };

/* 2^256 - 2^224 + 2^192 + 2^96 - 1; its negative inverse modulo 2^64 is 1 */
static const num prime = { ~0ull, 0xffffffff, 0, 0xffffffff00000001 };
/* 2^512 modulo the prime */
static const num square_of_form = { 3, 0xfffffffbffffffff, 0xfffffffffffffffe, 0x4fffffffd };

/* --- numbers modulo the prime ---------------------------------------------------------------------------------------------- */

/* less_prime - of a number that may be as large as twice the prime; top: its fifth limb */
static __attribute__((noinline)) void less_prime(num r, uint64_t top)
{
	uint64_t borrow = 0;
	num less;

	for (int i = 0; i < 4; i++) {
		wide d = (wide)r[i] - prime[i] - borrow;

		less[i] = (uint64_t)d;
		borrow = (uint64_t)(d >> 64) & 1;
	}
	if (top >= borrow)
		memcpy(r, less, sizeof(num));
}

/* the highest limb tells nearly always that there is nothing to do */
static inline void reduce(num r, uint64_t top)
{
	if (top || r[3] >= prime[3])
		less_prime(r, top);
}

static __attribute__((noinline)) void add(num r, const num a, const num b)
{
	wide c = 0;

	for (int i = 0; i < 4; i++) {
		c += (wide)a[i] + b[i];
		r[i] = (uint64_t)c;
		c >>= 64;
	}
	reduce(r, (uint64_t)c);
}

static __attribute__((noinline)) void sub(num r, const num a, const num b)
{
	uint64_t borrow = 0;
	wide c = 0;

	for (int i = 0; i < 4; i++) {
		wide d = (wide)a[i] - b[i] - borrow;

		r[i] = (uint64_t)d;
		borrow = (uint64_t)(d >> 64) & 1;
	}
	for (int i = 0; borrow && i < 4; i++) {
		c += (wide)r[i] + prime[i];
		r[i] = (uint64_t)c;
		c >>= 64;
	}
}

/* a b + t + *carry; its upper half is the new carry. In words of 64 bits: a compiler that sees sums of 128 keeps their noughts in memory */
static inline uint64_t step(uint64_t *carry, uint64_t a, uint64_t b, uint64_t t)
{
	wide product = (wide)a * b;
	uint64_t low = (uint64_t)product, high = (uint64_t)(product >> 64);

	high += __builtin_add_overflow(low, t, &low);
	high += __builtin_add_overflow(low, *carry, &low);
	*carry = high;
	return low;
}

static __attribute__((noinline)) void mul(num r, const num a, const num b)
{
	uint64_t t0 = 0, t1 = 0, t2 = 0, t3 = 0, t4 = 0;

	for (int i = 0; i < 4; i++) {
		uint64_t by = b[i], over = 0, carry = 0, m;

		m = step(&carry, a[0], by, t0);
		t1 = step(&carry, a[1], by, t1);
		t2 = step(&carry, a[2], by, t2);
		t3 = step(&carry, a[3], by, t3);
		over += __builtin_add_overflow(t4, carry, &t4);
		/* m times the prime makes the lowest limb nothing, and m is carried out of it */
		carry = m;
		t0 = step(&carry, m, prime[1], t1);
		carry = __builtin_add_overflow(t2, carry, &t1);
		t2 = step(&carry, m, prime[3], t3);
		over += __builtin_add_overflow(t4, carry, &t3);
		t4 = over;
	}
	r[0] = t0;
	r[1] = t1;
	r[2] = t2;
	r[3] = t3;
	reduce(r, t4);
}

static bool is_zero(const num a)
{
	return !(a[0] | a[1] | a[2] | a[3]);
}

static unsigned bits(const num a, int at, unsigned mask)
{
	return a[at / 64] >> at % 64 & mask;
}

/* a^(p - 2) */
static void invert(num r, const num a)
{
	num e, x;

	memcpy(e, prime, sizeof(num));
	e[0] -= 2;
	memcpy(x, a, sizeof(num));
	for (int i = 254; i >= 0; i--) {
		mul(x, x, x);
		if (bits(e, i, 1))
			mul(x, x, a);
	}
	memcpy(r, x, sizeof(num));
}

/* --- points --------------------------------------------------------------------------------------------------------------- */

static void point_double(struct point *r, const struct point *p)
{
	num delta, gamma, beta, alpha, t, u;

	mul(delta, p->z, p->z);
	mul(gamma, p->y, p->y);
	mul(beta, p->x, gamma);
	sub(t, p->x, delta);
	add(u, p->x, delta);
	mul(t, t, u);
	add(alpha, t, t);
	add(alpha, alpha, t);
	add(t, p->y, p->z);
	mul(t, t, t);
	sub(t, t, gamma);
	sub(r->z, t, delta);
	add(beta, beta, beta);
	add(beta, beta, beta);
	mul(t, alpha, alpha);
	sub(t, t, beta);
	sub(r->x, t, beta);
	sub(t, beta, r->x);
	mul(t, alpha, t);
	mul(gamma, gamma, gamma);
	add(gamma, gamma, gamma);
	add(gamma, gamma, gamma);
	add(gamma, gamma, gamma);
	sub(r->y, t, gamma);
}

static void point_add(struct point *r, const struct point *p, const struct point *q)
{
	num pz, qz, u, s, h, d, hh, t;

	if (is_zero(p->z) || is_zero(q->z)) {
		*r = is_zero(p->z) ? *q : *p;
		return;
	}
	mul(pz, p->z, p->z);
	mul(qz, q->z, q->z);
	mul(u, p->x, qz);
	mul(h, q->x, pz);
	sub(h, h, u);
	mul(s, p->y, q->z);
	mul(s, s, qz);
	mul(d, q->y, p->z);
	mul(d, d, pz);
	sub(d, d, s);
	if (is_zero(h) && is_zero(d)) {
		point_double(r, p);
		return;
	}
	/* of a point and its negative h is nothing, and so z will be */
	mul(t, p->z, q->z);
	mul(r->z, t, h);
	mul(hh, h, h);
	mul(u, u, hh);
	mul(hh, hh, h);
	mul(t, d, d);
	sub(t, t, hh);
	sub(t, t, u);
	sub(r->x, t, u);
	sub(t, u, r->x);
	mul(t, t, d);
	mul(s, s, hh);
	sub(r->y, t, s);
}

/* r = m p + n q: two bits of both at a time */
static void sum(struct point *r, const num m, const struct point *p, const num n, const struct point *q)
{
	struct point made[16];             /* i p + k q at 4 i + k */

	memset(made, 0, sizeof(made));
	for (int i = 1; i < 16; i++)
		point_add(&made[i], &made[i < 4 ? i - 1 : i - 4], i < 4 ? q : p);
	memset(r, 0, sizeof(*r));
	for (int at = 254; at >= 0; at -= 2) {
		point_double(r, r);
		point_double(r, r);
		point_add(r, r, &made[4 * bits(m, at, 3) + bits(n, at, 3)]);
	}
}

/* --- in the library's place ----------------------------------------------------------------------------------------------- */

static int load(num r, const mbedtls_mpi *x)
{
	uint8_t raw[32];
	int e = mbedtls_mpi_write_binary_le(x, raw, sizeof(raw));

	memset(r, 0, sizeof(num));
	for (int i = 0; !e && i < 32; i++)
		r[i / 8] |= (uint64_t)raw[i] << 8 * (i % 8);
	return e;
}

static int store(mbedtls_mpi *to, const num x)
{
	uint8_t raw[32];
	num out;

	mul(out, x, (num){ 1 });
	for (int i = 0; i < 32; i++)
		raw[i] = (uint8_t)(out[i / 8] >> 8 * (i % 8));
	return mbedtls_mpi_read_binary_le(to, raw, sizeof(raw));
}

static int load_point(const mbedtls_ecp_group *grp, struct point *r, const mbedtls_ecp_point *p)
{
	int e = mbedtls_ecp_check_pubkey(grp, p);

	e = e ? e : load(r->x, &p->MBEDTLS_PRIVATE(X));
	e = e ? e : load(r->y, &p->MBEDTLS_PRIVATE(Y));
	mul(r->x, r->x, square_of_form);
	mul(r->y, r->y, square_of_form);
	mul(r->z, (num){ 1 }, square_of_form);
	return e;
}

static int store_point(mbedtls_ecp_point *to, const struct point *p)
{
	num inverse, t;
	int e;

	if (is_zero(p->z))
		return mbedtls_ecp_set_zero(to);
	invert(inverse, p->z);
	mul(t, inverse, inverse);
	mul(inverse, inverse, t);
	mul(t, t, p->x);
	e = store(&to->MBEDTLS_PRIVATE(X), t);
	mul(t, inverse, p->y);
	e = e ? e : store(&to->MBEDTLS_PRIVATE(Y), t);
	return e ? e : mbedtls_mpi_lset(&to->MBEDTLS_PRIVATE(Z), 1);
}

static bool fits(const mbedtls_mpi *x)
{
	return mbedtls_mpi_cmp_int(x, 0) >= 0 && mbedtls_mpi_bitlen(x) <= 256;
}

int tls_ecp_muladd_restartable(mbedtls_ecp_group *grp, mbedtls_ecp_point *r, const mbedtls_mpi *m, const mbedtls_ecp_point *p,
	const mbedtls_mpi *n, const mbedtls_ecp_point *q, mbedtls_ecp_restart_ctx *rs)
{
	struct point made, a, b;
	num by_a, by_b;
	int e;

	if (grp->id != MBEDTLS_ECP_DP_SECP256R1 || !fits(m) || !fits(n))
		return mbedtls_ecp_muladd_restartable(grp, r, m, p, n, q, rs);
	e = load_point(grp, &a, p);
	e = e ? e : load_point(grp, &b, q);
	e = e ? e : load(by_a, m);
	e = e ? e : load(by_b, n);
	if (e)
		return e;
	sum(&made, by_a, &a, by_b, &b);
	return store_point(r, &made);
}
#else
int tls_ecp_muladd_restartable(mbedtls_ecp_group *grp, mbedtls_ecp_point *r, const mbedtls_mpi *m, const mbedtls_ecp_point *p,
	const mbedtls_mpi *n, const mbedtls_ecp_point *q, mbedtls_ecp_restart_ctx *rs)
{
	return mbedtls_ecp_muladd_restartable(grp, r, m, p, n, q, rs);
}
#endif
