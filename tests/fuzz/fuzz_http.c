/* fuzz_http.c - requests: what is accepted has a path, and the same verdict whatever follows it. */
#include <stdlib.h>

#include "core/net/http.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str in = str_make((const char *)data, size);
	struct http_request r, again;
	int status;

	if (http_parse(in, &r, &status) != HTTP_OK)
		return 0;
	if (status || !r.path.n || r.length > size || http_parse(str_head(in, r.length), &again, &status) != HTTP_OK)
		abort();
	return 0;
}
