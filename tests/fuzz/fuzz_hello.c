/* fuzz_hello.c - what a server answers to a ClientHello: judged once, whatever follows. The input as a name gives a ClientHello whose
 * lengths agree; as a list of certificates it is read without a session. */
#include <stdlib.h>

#include "core/net/tls.h"
#include "core/probe/hello.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int judge(struct str in, struct hello_answer *out)
{
	struct buf list;
	int r;

	buf_init(&list, 1 << 20);
	r = hello_answer(in, out, &list);
	if (list.n > in.n)
		abort();
	buf_fini(&list);
	return r;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint8_t random[32];
	static struct tls_context *context;
	struct tls_options o = { .ca_file = "", .ca_path = "", .cert_file = "", .key_file = "", .chain_files = "", .protocols = "" };
	struct str in = str_make((const char *)data, size);
	uint16_t v[HELLO_SUITES];
	struct hello h = { .version = size & 1 ? HELLO_TLS_1_3 : HELLO_TLS_1_1, .suites = v, .name = in };
	struct hello_answer whole, early;
	struct tls_look *look = malloc(sizeof(*look));
	int r = judge(in, &whole);
	struct buf out;

	for (size_t n = 0; n < size && n < 200; n++) {
		int before = judge(str_head(in, n), &early);

		if (before > 0 && (r <= 0 || early.version != whole.version || early.suite != whole.suite))
			abort();
	}
	h.n = hello_suites(h.version, HELLO_ANY, v);
	buf_init(&out, 2000);
	hello_put(&out, &h, random);
	if (out.overflow || (size_t)((uint8_t)out.p[3] << 8 | (uint8_t)out.p[4]) != out.n - 5)
		abort();
	buf_clear(&out);
	if (!context)
		context = tls_context_new(&o, &out);
	if (context && look && tls_look(context, in, "mx.test", look) && !look->n)
		abort();
	free(look);
	buf_fini(&out);
	return 0;
}
