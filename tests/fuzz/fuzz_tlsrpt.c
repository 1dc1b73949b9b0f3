/* the file of counted TLS sessions: what is read is written back to the letter, and its reports have an end */
#include <stdlib.h>

#include "core/base/limits.h"
#include "core/policy/tlsrpt.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct str text = str_make((const char *)data, n);
	struct tlsrpt_about about = { STR("o"), STR("c"), STR("i") };
	struct tlsrpt r;
	struct buf out;

	if (n > 100000)
		return 0;
	buf_init(&out, LIMIT_TLSRPT_FILE);
	if (tlsrpt_read(&r, text)) {
		tlsrpt_write(&r, &out);
		if (!str_eq(buf_view(&out), text))
			abort();
		buf_clear(&out);
		if (r.n) {
			struct tlsrpt_tally *t = LIST_ITEM(r.tallies.next, struct tlsrpt_tally, link);

			tlsrpt_report(&r, t->day, str_of(t->domain), &about, &out);
			if (!str_ends(buf_view(&out), STR("]}\n")))
				abort();
		}
	}
	tlsrpt_fini(&r);
	buf_fini(&out);
	return 0;
}
