/* tls_cpu - what this processor can do beyond what the binary is compiled for. Asked once: in a virtual machine the answer costs a
 * trip to its host. */
#include <stdatomic.h>

#include "core/net/tls_private.h"

enum { KNOWN = 1, ADX = 2, SHA = 4, IFMA = 8, AES = 16 };

#ifdef __x86_64__
#include <cpuid.h>

enum { VECTORS_KEPT = 0xe6 };          /* XCR0: the system keeps SSE, AVX and AVX-512 registers for each thread */

static bool vectors_are_kept(unsigned features)
{
	unsigned low, high;

	if (!(features & bit_OSXSAVE))
		return false;
	__asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
	return (low & VECTORS_KEPT) == VECTORS_KEPT;
}

static int ask(void)
{
	unsigned a, b, c, d, sse;
	int can = KNOWN;

	if (!__get_cpuid(1, &a, &b, &c, &d))
		return can;
	sse = c;
	if (c & bit_AES && c & bit_PCLMUL && c & bit_SSSE3 && c & bit_SSE4_1)
		can |= AES;
	if (!__get_cpuid_count(7, 0, &a, &b, &c, &d))
		return can;
	if (b & bit_BMI2 && b & bit_ADX)
		can |= ADX;
	if (b & bit_AVX512F && b & bit_AVX512IFMA && b & bit_BMI2 && vectors_are_kept(sse))
		can |= IFMA;
	if (b & bit_SHA && sse & bit_SSSE3 && sse & bit_SSE4_1)
		can |= SHA;
	return can;
}
#else
static int ask(void)
{
	return KNOWN;
}
#endif

/* threads that ask at the same time get the same answer */
static bool can(int what)
{
	static atomic_int answer;
	int a = atomic_load_explicit(&answer, memory_order_relaxed);

	if (!a) {
		a = ask();
		atomic_store_explicit(&answer, a, memory_order_relaxed);
	}
	return a & what;
}

bool tls_cpu_has_aes(void)
{
	return can(AES);
}

bool tls_cpu_has_adx(void)
{
	return can(ADX);
}

bool tls_cpu_has_sha(void)
{
	return can(SHA);
}

bool tls_cpu_has_ifma(void)
{
	return can(IFMA);
}
