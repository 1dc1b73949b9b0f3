/* headers: the fields and the rest are the input, byte for byte, and every reader sees the same border */
#include <stdlib.h>

#include "core/base/mem.h"
#include "core/msg/crlf.h"
#include "core/msg/header.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void split(struct str in)
{
	struct str rest = in;
	struct header h;
	size_t sum = 0, body = header_body_split(in);
	int got;

	while ((got = header_next(&rest, &h)) > 0) {
		if (h.raw.p != in.p + sum || !h.name.n || h.name.n + 1 + h.value.n > h.raw.n)
			abort();
		sum += h.raw.n;
	}
	if (sum + rest.n != in.n || body < sum || body > sum + 2 || (got < 0 && body != sum))
		abort();
}

/* cleaned text has no stray CR or LF, and cleaning it again changes nothing */
static void clean(struct str in)
{
	struct crlf_clean c;
	struct buf once, twice;

	buf_init(&once, 2 * in.n + 2);
	buf_init(&twice, 2 * in.n + 2);
	crlf_clean_init(&c);
	crlf_clean_add(&c, &once, str_head(in, in.n / 2));
	crlf_clean_add(&c, &once, str_from(in, in.n / 2));
	crlf_clean_end(&c, &once, true);
	crlf_clean_add(&c, &twice, buf_view(&once));
	crlf_clean_end(&c, &twice, true);
	if (once.overflow || !str_eq(buf_view(&once), buf_view(&twice)))
		abort();
	for (size_t i = 0; i < once.n; i++)
		if ((once.p[i] == '\n' && (i == 0 || once.p[i - 1] != '\r')) || (once.p[i] == '\r' && (i + 1 == once.n || once.p[i + 1] != '\n')))
			abort();
	split(buf_view(&once));
	buf_fini(&once);
	buf_fini(&twice);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	char *copy = mem_alloc(n);

	memcpy(copy, data, n);
	split(str_make(copy, n));
	clean(str_make(copy, n));
	mem_free(copy);
	return 0;
}
