/* crc - see crc.h. The polynomial is 0x1EDC6F41, reflected 0x82F63B78 (RFC 3720 appendix B.4).
 *
 * Two ways, chosen once: the SSE 4.2 instruction, or a table of eight slices. Both give the same sums, so a queue may
 * move between machines. */
#include "core/base/crc.h"

#include <pthread.h>
#include <stdbool.h>
#include <string.h>

static uint32_t slice[8][256];
static uint32_t (*update)(uint32_t crc, const unsigned char *p, size_t n);
static pthread_once_t once = PTHREAD_ONCE_INIT, table_once = PTHREAD_ONCE_INIT;

static void make_table(void)
{
	for (uint32_t i = 0; i < 256; i++) {
		uint32_t c = i;

		for (int k = 0; k < 8; k++)
			c = c & 1 ? c >> 1 ^ 0x82f63b78u : c >> 1;
		slice[0][i] = c;
	}
	for (uint32_t i = 0; i < 256; i++)
		for (int k = 1; k < 8; k++)
			slice[k][i] = slice[k - 1][i] >> 8 ^ slice[0][slice[k - 1][i] & 0xff];
}

static uint32_t little32(const unsigned char *p)
{
	return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static uint32_t update_table(uint32_t c, const unsigned char *p, size_t n)
{
	for (; n >= 8; p += 8, n -= 8) {
		uint32_t lo = c ^ little32(p), hi = little32(p + 4);

		c = slice[7][lo & 0xff] ^ slice[6][lo >> 8 & 0xff] ^ slice[5][lo >> 16 & 0xff] ^ slice[4][lo >> 24] ^
			slice[3][hi & 0xff] ^ slice[2][hi >> 8 & 0xff] ^ slice[1][hi >> 16 & 0xff] ^ slice[0][hi >> 24];
	}
	for (; n; p++, n--)
		c = c >> 8 ^ slice[0][(c ^ *p) & 0xff];
	return c;
}

#if defined(__x86_64__)
#include <cpuid.h>

__attribute__((target("sse4.2")))
static uint32_t update_fast(uint32_t c, const unsigned char *p, size_t n)
{
	uint64_t wide = c;

	for (; n >= 32; p += 32, n -= 32) {
		uint64_t v[4];

		memcpy(v, p, sizeof(v));
		for (int i = 0; i < 4; i++)
			wide = __builtin_ia32_crc32di(wide, v[i]);
	}
	for (; n >= 8; p += 8, n -= 8) {
		uint64_t v;

		memcpy(&v, p, sizeof(v));
		wide = __builtin_ia32_crc32di(wide, v);
	}
	c = (uint32_t)wide;
	for (; n; p++, n--)
		c = __builtin_ia32_crc32qi(c, *p);
	return c;
}

static bool has_fast(void)
{
	unsigned a, b, c = 0, d;

	return __get_cpuid(1, &a, &b, &c, &d) && (c & bit_SSE4_2);
}
#else
static uint32_t update_fast(uint32_t c, const unsigned char *p, size_t n)
{
	return update_table(c, p, n);
}

static bool has_fast(void)
{
	return false;
}
#endif

static void choose(void)
{
	if (has_fast()) {
		update = update_fast;
		return;
	}
	pthread_once(&table_once, make_table);
	update = update_table;
}

uint32_t crc32c(uint32_t crc, const void *p, size_t n)
{
	pthread_once(&once, choose);
	return ~update(~crc, p, n);
}

uint32_t crc32c_portable(uint32_t crc, const void *p, size_t n)
{
	pthread_once(&table_once, make_table);
	return ~update_table(~crc, p, n);
}
