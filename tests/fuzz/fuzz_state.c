/* recipient states and the fixed parts of the log: what parses formats back to the same bytes */
#include <stdlib.h>

#include "core/base/mem.h"
#include "core/store/record.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void states(const char *p, size_t n)
{
	struct rcpt_state *v;
	struct arena a;
	struct buf b;
	size_t rows = n ? (unsigned char)p[0] : 0;

	arena_init(&a, 1 << 20);
	v = n ? states_parse(&a, str_make(p + 1, n - 1), rows) : NULL;
	if (v) {
		buf_init(&b, 1 << 20);
		states_format(&b, v, rows);
		/* a text may hold NUL; the enhanced code may not, and is shorter then */
		if (b.n > n - 1)
			abort();
		buf_fini(&b);
	}
	arena_fini(&a);
}

static void fixed(const unsigned char *p, size_t n)
{
	struct segment_header h;
	struct record r;
	struct entry e;
	unsigned char again[SEGMENT_START];
	uint32_t at, length;
	uint64_t id;

	if (n >= SEGMENT_START && segment_header_parse(p, n, &h) == SEGMENT_OK)
		segment_header_format(again, &h);
	h = (struct segment_header){ .mark = n >= 4 ? record_get32(p) : 0 };
	if (n >= RECORD_HEADER && record_parse(p, &h, &r)) {
		record_format(again, &h, &r);
		if (memcmp(again, p, RECORD_HEADER) != 0 || r.head_length > r.length)
			abort();
	}
	if (n >= SEGMENT_TRAILER)
		(void)segment_trailer_parse(p, &h, &at, &length);
	if (n >= RECORD_ENTRY) {
		entry_parse(p, &e);
		entry_format(again, &e);
		if (memcmp(again, p, 16) != 0)
			abort();
	}
	if (qid_parse(str_make((const char *)p, n), &id)) {
		char text[QID_MAX];

		qid_format(text, id);
		if (strlen(text) != n || memcmp(text, p, n) != 0)
			abort();
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	char *copy = mem_alloc(n);

	if (n)
		memcpy(copy, data, n);
	states(copy, n);
	fixed((unsigned char *)copy, n);
	mem_free(copy);
	return 0;
}
