/* fuzz_proxy.c - PROXY headers; a header that is whole is judged the same whatever follows it. */
#include <stdlib.h>

#include "core/net/proxy.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct proxy_header h, again;
	struct str in = str_make((const char *)data, size);
	const char *why;
	enum proxy_result r = proxy_parse(in, &h, &why);

	if ((r == PROXY_BAD) != (*why != 0) || (r == PROXY_OK && (h.length == 0 || h.length > size)))
		abort();
	if (r == PROXY_OK && proxy_parse(str_head(in, h.length), &again, &why) != PROXY_OK)
		abort();
	if (r == PROXY_OK && proxy_parse(str_head(in, h.length - 1), &again, &why) != PROXY_NEED_MORE)
		abort();
	return 0;
}
