/* fuzz_idn.c - whatever is typed becomes ASCII that fits, or is refused. */
#include <stdlib.h>

#include "core/net/idn.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char out[256];

	if (idn_to_ascii(str_make((const char *)data, size), out) && (!str_is_ascii(str_of(out)) || strlen(out) > 255))
		abort();
	return 0;
}
