/* tls_exp_mod - powers modulo an odd number, which is what an RSA signature costs, in place of the library's, which is the same
 * method with a multiplication that takes two to five times as long. libs.mk gives the library's callers these names instead of its own.
 *
 * Montgomery multiplication by rows of 64-bit limbs: with mulx and two carries at once where the processor has that (x86 since
 * 2015), else in C; tls_ifma.c has a way for newer ones. The exponent is taken in windows of a fixed width; what is looked up for a window is collected from the whole
 * table. So neither a branch nor an address depends on the base or on a secret exponent. What the library does around it stays as
 * it is: base and exponent are blinded, and the signature is verified before it leaves (a fault in one half of it would give the
 * key away). */
#include <string.h>

#include <mbedtls/bignum.h>

#include "core/net/tls_power.h"

size_t mbedtls_mpi_core_exp_mod_working_limbs(size_t n, size_t limbs);
void mbedtls_mpi_core_exp_mod(mbedtls_mpi_uint *x, const mbedtls_mpi_uint *a, const mbedtls_mpi_uint *m, size_t n,
	const mbedtls_mpi_uint *e, size_t limbs, const mbedtls_mpi_uint *rr, mbedtls_mpi_uint *t);
void mbedtls_mpi_core_exp_mod_unsafe(mbedtls_mpi_uint *x, const mbedtls_mpi_uint *a, const mbedtls_mpi_uint *m, size_t n,
	const mbedtls_mpi_uint *e, size_t limbs, const mbedtls_mpi_uint *rr, mbedtls_mpi_uint *t);

#if defined(__SIZEOF_INT128__) && defined(MBEDTLS_HAVE_INT64)
__extension__ typedef unsigned __int128 wide;

enum { LIMB = 64 };

/* --- t[0..n] += b[0..n] * u; the limb that is carried out ------------------------------------------------------------------ */

static inline uint64_t row_on(uint64_t *t, const uint64_t *b, size_t n, uint64_t u, uint64_t carry)
{
	for (size_t i = 0; i < n; i++) {
		wide x = (wide)b[i] * u + t[i] + carry;

		t[i] = (uint64_t)x;
		carry = (uint64_t)(x >> LIMB);
	}
	return carry;
}

static inline uint64_t row_c(uint64_t *t, const uint64_t *b, size_t n, uint64_t u)
{
	return row_on(t, b, n, u, 0);
}

#ifdef __x86_64__
#define STEP(at, from, to) \
	"mulxq " at "(%[b]), %[low], " to "\n\tadcxq " from ", %[low]\n\tadoxq " at "(%[t]), %[low]\n\tmovq %[low], " at "(%[t])\n\t"

/* eight limbs at a time, and n is eight at least; those that are left over follow one by one */
static inline uint64_t row_adx(uint64_t *t, const uint64_t *b, size_t n, uint64_t u)
{
	size_t groups = n / 8;
	register uint64_t low __asm__("r8"), high __asm__("r9"), carry __asm__("rax");

	__asm__("xorl %k[carry], %k[carry]\n"
		"1:\n\t"
		STEP("0", "%[carry]", "%[high]")
		STEP("8", "%[high]", "%[carry]")
		STEP("16", "%[carry]", "%[high]")
		STEP("24", "%[high]", "%[carry]")
		STEP("32", "%[carry]", "%[high]")
		STEP("40", "%[high]", "%[carry]")
		STEP("48", "%[carry]", "%[high]")
		STEP("56", "%[high]", "%[carry]")
		"leaq -1(%[groups]), %[groups]\n\t"
		"leaq 64(%[b]), %[b]\n\t"
		"leaq 64(%[t]), %[t]\n\t"
		"jrcxz 2f\n\t"
		"jmp 1b\n"
		"2:\n\t"
		"movl $0, %k[low]\n\t"
		"adcxq %[low], %[carry]\n\t"
		"adoxq %[low], %[carry]"
		: [t] "+r"(t), [b] "+r"(b), [groups] "+c"(groups), [low] "=&r"(low), [high] "=&r"(high), [carry] "=&r"(carry)
		: "d"(u)
		: "cc", "memory");
	return row_on(t, b, n % 8, u, carry);
}
#endif

/* --- x = a * b / 2^(64 n) modulo m; t: 2 n limbs --------------------------------------------------------------------------- */

struct modulus;
typedef void multiply_fn(const struct modulus *m, uint64_t *x, const uint64_t *a, const uint64_t *b, uint64_t *t);
struct modulus {
	const uint64_t *m;
	size_t n;
	uint64_t inverse;              /* of -m modulo 2^64 */
	multiply_fn *multiply;
};

/* x = t, or t - m where t (with its carry) is not below m */
static void reduce_once(const struct modulus *m, uint64_t *x, const uint64_t *t, uint64_t carry)
{
	uint64_t borrow = 0, keep;

	for (size_t i = 0; i < m->n; i++) {
		wide d = (wide)t[i] - m->m[i] - borrow;

		x[i] = (uint64_t)d;
		borrow = (uint64_t)(d >> LIMB) & 1;
	}
	keep = tls_hidden(0 - (carry ^ borrow));
	for (size_t i = 0; i < m->n; i++)
		x[i] = (t[i] & keep) | (x[i] & ~keep);
}

#define MULTIPLY(name, row) \
	static void name(const struct modulus *m, uint64_t *x, const uint64_t *a, const uint64_t *b, uint64_t *t) \
	{ \
		uint64_t carry = 0; \
		size_t n = m->n; \
		memset(t, 0, n * sizeof(*t)); \
		for (size_t i = 0; i < n; i++) { \
			wide top = (wide)row(t + i, b, n, a[i]) + carry; \
			top += row(t + i, m->m, n, t[i] * m->inverse); \
			t[i + n] = (uint64_t)top; \
			carry = (uint64_t)(top >> LIMB); \
		} \
		reduce_once(m, x, t + n, carry); \
	}
MULTIPLY(multiply_c, row_c)
#ifdef __x86_64__
MULTIPLY(multiply_adx, row_adx)

static multiply_fn *choose(size_t n)
{
	return n >= 8 && tls_cpu_has_adx() ? multiply_adx : multiply_c;
}
#else
static multiply_fn *choose(size_t n)
{
	return multiply_c;
}
#endif

static void set_modulus(struct modulus *to, const uint64_t *m, size_t n)
{
	uint64_t inverse = m[0];       /* right in its three lowest bits, and twice as many each time */

	for (int i = 0; i < 5; i++)
		inverse *= 2 - m[0] * inverse;
	*to = (struct modulus){ m, n, 0 - inverse, choose(n) };
}

/* --- powers ---------------------------------------------------------------------------------------------------------------- */

static void square_times(const struct modulus *m, uint64_t *x, unsigned times, uint64_t *t)
{
	while (times-- > 0)
		m->multiply(m, x, x, x, t);
}

/* the exponent is no secret, and not 0 */
static void power_public(const struct modulus *m, uint64_t *x, const uint64_t *a, const uint64_t *e, size_t bits, uint64_t *t)
{
	uint64_t *base = t;

	t += m->n;
	memcpy(base, a, m->n * sizeof(*a));
	memcpy(x, a, m->n * sizeof(*a));
	for (size_t i = bits - 1; i-- > 0;) {
		m->multiply(m, x, x, x, t);
		if (e[i / LIMB] >> i % LIMB & 1)
			m->multiply(m, x, x, base, t);
	}
}

/* out = table[which], read from all of them */
static void look_up(uint64_t *out, const uint64_t *table, size_t n, size_t entries, uint64_t which)
{
	memset(out, 0, n * sizeof(*out));
	for (uint64_t k = 0; k < entries; k++) {
		uint64_t mask = tls_mask(k, which);

		for (size_t i = 0; i < n; i++)
			out[i] |= table[k * n + i] & mask;
	}
}

static void power_secret(const struct modulus *m, uint64_t *x, const uint64_t *a, const uint64_t *e, size_t limbs, const uint64_t *rr,
	unsigned width, uint64_t *t)
{
	size_t entries = (size_t)1 << width, n = m->n, at = (limbs * LIMB + width - 1) / width * width;
	uint64_t *table = t, *factor = table + entries * n;

	t = factor + n;
	memset(factor, 0, n * sizeof(*factor));
	factor[0] = 1;
	m->multiply(m, table, factor, rr, t);
	memcpy(table + n, a, n * sizeof(*a));
	for (size_t k = 2; k < entries; k++)
		m->multiply(m, table + k * n, table + (k - 1) * n, table + n, t);
	memcpy(x, table, n * sizeof(*x));
	while (at > 0) {
		at -= width;
		square_times(m, x, width, t);
		look_up(factor, table, n, entries, tls_bits_of(e, limbs, at, width));
		m->multiply(m, x, x, factor, t);
	}
}

static size_t bit_length(const uint64_t *e, size_t limbs)
{
	while (limbs > 0 && !e[limbs - 1])
		limbs--;
	return limbs ? limbs * LIMB - (size_t)__builtin_clzll(e[limbs - 1]) : 0;
}

/* x = a^e modulo m, as tls_exp_mod has it; false: not with the room in t. An exponent of one limb is the public one: a secret
 * one is about as long as its modulus */
static bool power(uint64_t *x, const uint64_t *a, const uint64_t *m, size_t n, const uint64_t *e, size_t limbs, bool is_public,
	const uint64_t *rr, uint64_t *t)
{
	size_t room = mbedtls_mpi_core_exp_mod_working_limbs(n, limbs), bits = is_public || limbs == 1 ? bit_length(e, limbs) : 0;
	unsigned width = TLS_POWER_WINDOW;
	struct modulus mod;

	set_modulus(&mod, m, n);
	while (width > 1 && (((size_t)1 << width) + 3) * n > room)
		width--;
	if ((((size_t)1 << width) + 3) * n > room)
		return false;
	if (bits)
		power_public(&mod, x, a, e, bits, t);
	else if (!tls_power_ifma(x, a, m, n, mod.inverse, e, limbs, rr))
		power_secret(&mod, x, a, e, limbs, rr, width, t);
	return true;
}
#else
static bool power(mbedtls_mpi_uint *x, const mbedtls_mpi_uint *a, const mbedtls_mpi_uint *m, size_t n, const mbedtls_mpi_uint *e,
	size_t limbs, bool is_public, const mbedtls_mpi_uint *rr, mbedtls_mpi_uint *t)
{
	return false;
}
#endif

/* --- in the library's place ------------------------------------------------------------------------------------------------ */

void tls_exp_mod(mbedtls_mpi_uint *x, const mbedtls_mpi_uint *a, const mbedtls_mpi_uint *m, size_t n, const mbedtls_mpi_uint *e,
	size_t limbs, const mbedtls_mpi_uint *rr, mbedtls_mpi_uint *t)
{
	if (!power(x, a, m, n, e, limbs, false, rr, t))
		mbedtls_mpi_core_exp_mod(x, a, m, n, e, limbs, rr, t);
}

void tls_exp_mod_unsafe(mbedtls_mpi_uint *x, const mbedtls_mpi_uint *a, const mbedtls_mpi_uint *m, size_t n, const mbedtls_mpi_uint *e,
	size_t limbs, const mbedtls_mpi_uint *rr, mbedtls_mpi_uint *t)
{
	if (!power(x, a, m, n, e, limbs, true, rr, t))
		mbedtls_mpi_core_exp_mod_unsafe(x, a, m, n, e, limbs, rr, t);
}
