/* tls_ifma - powers modulo an odd number of 1024, 1536 or 2048 bits (the halves of RSA keys) on processors that multiply eight
 * numbers of 52 bits at once: two and a half times as fast as one limb after the other.
 *
 * Montgomery multiplication with R = 2^(52 limbs), which is more than four times the modulus: factors below twice the modulus give
 * a product below twice the modulus, and nothing is subtracted until the end. The lowest limb is kept apart, in a register of its
 * own, because the next digit waits for it. No branch and no address depends on the base or the exponent. */
#include <string.h>

#include <mbedtls/platform_util.h>

#include "core/net/tls_power.h"

#ifdef __x86_64__
#include <immintrin.h>

#define ON_IFMA __attribute__((target("avx512f,avx512ifma,bmi2")))
#define INLINE_IFMA static inline __attribute__((always_inline, target("avx512f,avx512ifma,bmi2")))
__extension__ typedef unsigned __int128 wide;

enum { BITS = 52, LANES = 8, VECTORS = 5, MOST = VECTORS * LANES, ENTRIES = 1 << TLS_POWER_WINDOW };
#define DIGIT (((uint64_t)1 << BITS) - 1)

typedef __m512i eight;
/* unrolled, so that the vectors stay in registers */
#define EACH_VECTOR _Pragma("GCC unroll 5") for (size_t v = 0; v < vectors; v++)

typedef uint64_t number[MOST] __attribute__((aligned(64)));
struct field {
	number m;
	uint64_t inverse;              /* of -m modulo 2^52 */
	size_t limbs;
};

/* every lane of t below 2^52, the carries in the lane above. One step leaves at most one to be carried on; those are found for all
 * lanes together: a carry runs on through lanes that are full, as in the sum of two numbers of one bit a lane */
INLINE_IFMA void carry_on(eight *t, const size_t vectors)
{
	eight digit = _mm512_set1_epi64((long long)DIGIT), above[VECTORS];
	uint64_t over = 0, full = 0, more;

	EACH_VECTOR {
		above[v] = _mm512_srli_epi64(t[v], BITS);
		t[v] = _mm512_and_si512(t[v], digit);
	}
	EACH_VECTOR {
		t[v] = _mm512_add_epi64(t[v], _mm512_alignr_epi64(above[v], v ? above[v - 1] : _mm512_setzero_si512(), LANES - 1));
		over |= (uint64_t)_mm512_cmpgt_epu64_mask(t[v], digit) << v * LANES;
		full |= (uint64_t)_mm512_cmpeq_epu64_mask(t[v], digit) << v * LANES;
	}
	more = (over * 2 + full) ^ full;
	EACH_VECTOR {
		t[v] = _mm512_mask_add_epi64(t[v], (__mmask8)(more >> v * LANES), t[v], _mm512_set1_epi64(1));
		t[v] = _mm512_and_si512(t[v], digit);
	}
}

/* x = a * b / 2^(52 limbs) modulo f->m, or that and f->m */
INLINE_IFMA void multiply(const struct field *f, uint64_t *x, const uint64_t *a, const uint64_t *b, const size_t vectors)
{
	eight va[VECTORS], vm[VECTORS], t[VECTORS], r[VECTORS], zero = _mm512_setzero_si512();
	uint64_t low = 0, a0 = a[0], m0 = f->m[0], m1 = f->m[1], inverse = f->inverse;

	/* two sums, of a's part and of m's: the first needs not wait for the second */
	EACH_VECTOR {
		va[v] = _mm512_load_si512(a + v * LANES);
		vm[v] = _mm512_load_si512(f->m + v * LANES);
		t[v] = r[v] = zero;
	}
	for (size_t i = 0; i < f->limbs; i++) {
		eight vb = _mm512_set1_epi64((long long)b[i]), vu, both;
		wide p = (wide)a0 * b[i];
		uint64_t w = (uint64_t)p + low, above = (uint64_t)(p >> 64) + (w < low), u = w * inverse & DIGIT, next;

		EACH_VECTOR
			t[v] = _mm512_madd52lo_epu64(t[v], va[v], vb);
		/* what becomes the lowest limb: all but what u gives it comes early */
		both = _mm512_add_epi64(t[0], r[0]);
		next = (uint64_t)_mm_cvtsi128_si64(_mm512_castsi512_si128(_mm512_alignr_epi64(both, both, 1)));
		vu = _mm512_set1_epi64((long long)u);
		p = (wide)m0 * u;
		w += (uint64_t)p;
		above += (uint64_t)(p >> 64) + (w < (uint64_t)p);
		low = (above << (64 - BITS) | w >> BITS) + next + (m1 * u & DIGIT);
		EACH_VECTOR
			r[v] = _mm512_madd52lo_epu64(r[v], vm[v], vu);
		EACH_VECTOR {
			t[v] = _mm512_alignr_epi64(v + 1 < vectors ? t[v + 1] : zero, t[v], 1);
			r[v] = _mm512_alignr_epi64(v + 1 < vectors ? r[v + 1] : zero, r[v], 1);
		}
		EACH_VECTOR {
			t[v] = _mm512_madd52hi_epu64(t[v], va[v], vb);
			r[v] = _mm512_madd52hi_epu64(r[v], vm[v], vu);
		}
	}
	EACH_VECTOR
		t[v] = _mm512_add_epi64(t[v], r[v]);
	t[0] = _mm512_mask_set1_epi64(t[0], 1, (long long)low);
	carry_on(t, vectors);
	EACH_VECTOR
		_mm512_store_si512(x + v * LANES, t[v]);
}

/* x = table[which], read from all of them */
INLINE_IFMA void look_up(uint64_t *x, const number *table, uint64_t which, const size_t vectors)
{
	eight sum[VECTORS];

	EACH_VECTOR
		sum[v] = _mm512_setzero_si512();
	for (uint64_t k = 0; k < ENTRIES; k++) {
		eight mask = _mm512_set1_epi64((long long)tls_mask(k, which));

		EACH_VECTOR
			sum[v] = _mm512_or_si512(sum[v], _mm512_and_si512(mask, _mm512_load_si512(table[k] + v * LANES)));
	}
	EACH_VECTOR
		_mm512_store_si512(x + v * LANES, sum[v]);
}

/* limbs of 64 bits as limbs of 52, and back; what is beyond the last limb is 0 */
static void split(number to, const uint64_t *from, size_t n)
{
	for (size_t i = 0; i < MOST; i++)
		to[i] = i * BITS < n * 64 ? tls_bits_of(from, n, i * BITS, BITS) : 0;
}

/* to has n + 1 limbs */
static void join(uint64_t *to, const number from, size_t n)
{
	memset(to, 0, (n + 1) * sizeof(*to));
	for (size_t i = 0; i < MOST && i * BITS < (n + 1) * 64; i++) {
		size_t at = i * BITS / 64, shift = i * BITS % 64;

		to[at] |= from[i] << shift;
		if (shift > 64 - BITS && at < n)
			to[at + 1] |= from[i] >> (64 - shift);
	}
}

static void power_of_two(number to, size_t bit)
{
	memset(to, 0, sizeof(number));
	to[bit / BITS] = (uint64_t)1 << bit % BITS;
}

/* x = t, which is below twice m, modulo m; t has a limb more */
static void reduce(uint64_t *x, const uint64_t *t, const uint64_t *m, size_t n)
{
	uint64_t borrow = 0, keep;

	for (size_t i = 0; i < n; i++) {
		wide d = (wide)t[i] - m[i] - borrow;

		x[i] = (uint64_t)d;
		borrow = (uint64_t)(d >> 64) & 1;
	}
	keep = tls_hidden(0 - (t[n] ^ borrow));
	for (size_t i = 0; i < n; i++)
		x[i] = (t[i] & keep) | (x[i] & ~keep);
}

struct work {
	struct field f;
	number table[ENTRIES], x, factor;
	uint64_t out[MOST];
};

/* rr is 2^(128 n), a has the factor 2^(64 n), and so has the result; here all have 2^(52 limbs) */
INLINE_IFMA void power(struct work *w, const uint64_t *a, const uint64_t *rr, size_t n, const uint64_t *e, size_t limbs, const size_t vectors)
{
	size_t more = w->f.limbs * BITS - n * 64, width = TLS_POWER_WINDOW, at = (limbs * 64 + width - 1) / width * width;

	split(w->x, rr, n);
	power_of_two(w->factor, 2 * more);
	multiply(&w->f, w->table[0], w->x, w->factor, vectors);
	power_of_two(w->factor, 3 * more);
	multiply(&w->f, w->factor, w->x, w->factor, vectors);
	split(w->x, a, n);
	multiply(&w->f, w->table[1], w->x, w->factor, vectors);
	for (size_t k = 2; k < ENTRIES; k++)
		multiply(&w->f, w->table[k], w->table[k - 1], w->table[1], vectors);
	memcpy(w->x, w->table[0], sizeof(w->x));
	while (at > 0) {
		at -= width;
		for (size_t i = 0; i < width; i++)
			multiply(&w->f, w->x, w->x, w->x, vectors);
		look_up(w->factor, w->table, tls_bits_of(e, limbs, at, (unsigned)width), vectors);
		multiply(&w->f, w->x, w->x, w->factor, vectors);
	}
	power_of_two(w->factor, n * 64);
	multiply(&w->f, w->x, w->x, w->factor, vectors);
}

#define POWER(name, vectors) \
	ON_IFMA static void name(struct work *w, const uint64_t *a, const uint64_t *rr, size_t n, const uint64_t *e, size_t limbs) \
	{ \
		power(w, a, rr, n, e, limbs, vectors); \
	}
POWER(power_1024, 3)
POWER(power_1536, 4)
POWER(power_2048, 5)

bool tls_power_ifma(uint64_t *x, const uint64_t *a, const uint64_t *m, size_t n, uint64_t inverse, const uint64_t *e, size_t limbs,
	const uint64_t *rr)
{
	struct work w __attribute__((aligned(64)));

	if ((n != 16 && n != 24 && n != 32) || !tls_cpu_has_ifma())
		return false;
	memset(&w, 0, sizeof(w));
	split(w.f.m, m, n);
	w.f.inverse = inverse & DIGIT;
	w.f.limbs = (n * 64 + 2 + BITS - 1) / BITS;
	(n == 16 ? power_1024 : n == 24 ? power_1536 : power_2048)(&w, a, rr, n, e, limbs);
	join(w.out, w.x, n);
	reduce(x, w.out, m, n);
	mbedtls_platform_zeroize(&w, sizeof(w));
	return true;
}
#elif defined(__SIZEOF_INT128__)
bool tls_power_ifma(uint64_t *x, const uint64_t *a, const uint64_t *m, size_t n, uint64_t inverse, const uint64_t *e, size_t limbs,
	const uint64_t *rr)
{
	return false;
}
#endif
