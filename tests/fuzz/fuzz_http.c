/* fuzz_http.c - requests: what is accepted has a path, and the same verdict whatever follows it. Answers: a verdict that is final stays so,
 * and what is taken of them lies within its bound. */
#include <stdlib.h>

#include "core/net/http.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void try_answer(struct str in)
{
	struct http_answer open, ended;
	const char *why = "";
	enum http_result first, last;
	struct buf body;
	size_t taken;

	buf_init(&body, 1024);
	first = http_parse_answer(in, false, &open, &body, &why);
	taken = body.n;
	if (body.overflow || body.n > in.n || (first == HTTP_BAD && !*why) || (first == HTTP_OK && (open.status < 101 || open.status > 999)))
		abort();
	if (open.type.n && (open.type.p < in.p || open.type.p + open.type.n > in.p + in.n))
		abort();
	last = http_parse_answer(in, true, &ended, &body, &why);
	if (last == HTTP_NEED_MORE || (first != HTTP_NEED_MORE && (last != first || ended.status != open.status || body.n != taken)))
		abort();
	buf_fini(&body);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str in = str_make((const char *)data, size);
	struct http_request r, again;
	int status;

	try_answer(in);
	if (http_parse(in, &r, &status) != HTTP_OK)
		return 0;
	if (status || !r.path.n || r.length > size || http_parse(str_head(in, r.length), &again, &status) != HTTP_OK)
		abort();
	return 0;
}
