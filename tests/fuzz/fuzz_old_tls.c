/* fuzz_old_tls.c - what a server answers to an old ClientHello: judged once, whatever follows, and never before 11 bytes but for
 * a refusal. The input as a name gives a ClientHello whose lengths agree. */
#include <stdlib.h>

#include "core/probe/old_tls.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint8_t random[32];
	struct str in = str_make((const char *)data, size);
	int whole = old_tls_answer(in);
	struct buf out;

	if (whole > 0 && (size < 11 || (whole != OLD_TLS_1_0 && whole != OLD_TLS_1_1)))
		abort();
	for (size_t n = 0; n <= size && n < 20; n++) {
		int early = old_tls_answer(str_head(in, n));

		if (early && early != whole)
			abort();
	}
	buf_init(&out, 1000);
	old_tls_hello(&out, OLD_TLS_1_1, random, in);
	if (out.overflow || (size_t)((uint8_t)out.p[3] << 8 | (uint8_t)out.p[4]) != out.n - 5)
		abort();
	buf_fini(&out);
	return 0;
}
