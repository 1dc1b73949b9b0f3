/* tls_power - what the ways to a power modulo an odd number share (tls_exp_mod.c, tls_ifma.c). */
#ifndef CORE_NET_TLS_POWER_H
#define CORE_NET_TLS_POWER_H

#include "core/net/tls_private.h"

enum { TLS_POWER_WINDOW = 5 };         /* bits of an exponent that are taken at a time */

/* tls_hidden - a value that the compiler knows nothing of, so that it makes no branch of a mask */
static inline uint64_t tls_hidden(uint64_t x)
{
	__asm__("" : "+r"(x));
	return x;
}

/* tls_mask - all ones where a and b are equal, else 0 */
static inline uint64_t tls_mask(uint64_t a, uint64_t b)
{
	uint64_t other = a ^ b;

	return tls_hidden(((other | (0 - other)) >> 63) - 1);
}

/* tls_bits_of - the width bits of e from bit `at` on */
static inline uint64_t tls_bits_of(const uint64_t *e, size_t limbs, size_t at, unsigned width)
{
	size_t i = at / 64, shift = at % 64;
	uint64_t x = e[i] >> shift;

	if (shift + width > 64 && i + 1 < limbs)
		x |= e[i + 1] << (64 - shift);
	return x & (((uint64_t)1 << width) - 1);
}

/* tls_power_ifma - x = a^e modulo m as tls_exp_mod has it, inverse: of -m modulo 2^64; false: not on this processor or this length */
bool tls_power_ifma(uint64_t *x, const uint64_t *a, const uint64_t *m, size_t n, uint64_t inverse, const uint64_t *e, size_t limbs,
	const uint64_t *rr);

#endif
